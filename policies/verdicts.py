"""What is asked of a policy, and what it answers: values, all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from policies.conditions import UNKNOWN, Context, Quota
from policies.models import Action, Client
from policies.reasons import Reason
from policies.scope import Scope


@dataclass(frozen=True, slots=True)
class Owed:
    """One answer of a quota: the id of the line that names it, and what it is counted under."""

    rule: str
    quota: Quota
    counter: str


Quotas = tuple[Owed, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client asks for.

    ``subject``: a subject, or ``check/<name>``, ``dataset/<dataset>``, ``audit`` or ``hub``.
    ``items``: attributes of the subject; None asks for all that may be had. ``now``: in UTC.
    ``context``: what conditions are judged by, beside the moment.
    """

    client_id: str
    action: Action
    subject: str
    items: tuple[str, ...] | None
    purpose: str
    now: datetime
    context: Context = UNKNOWN


@dataclass(frozen=True, slots=True)
class Tier:
    """Records that share their masks: a scope, and attribute → name of the mask."""

    scope: Scope
    masks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to do one thing, until ``expires`` (None: until the policy changes).

    A record may be seen if it lies in the scope of at least one tier; what is seen of it is the
    best of the tiers it lies in. ``filters``: attribute → the records in which it may be
    filtered, sorted and counted by: those of any of the scopes (see ``may_filter`` and
    ``confine``). ``reasons``: ids of the lines that granted it. What is no subject has a tier
    without masks for every scope granted. ``quotas``: what must be spent before answering, one
    by one: the lines without which less would be granted.
    """

    client: Client
    subject: str
    action: Action
    purpose: str
    tiers: tuple[Tier, ...]
    filters: Mapping[str, tuple[Scope, ...]]
    expires: datetime | None
    policy_revision: str
    reasons: tuple[str, ...]
    quotas: Quotas = ()

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes of all tiers: a record in none of them may not be seen."""
        return tuple(tier.scope for tier in self.tiers)

    @property
    def masks(self) -> dict[str, str]:
        """Item → its masks over all tiers, joined by ``|``."""
        masks: dict[str, set[str]] = {}
        for tier in self.tiers:
            for item, mask in tier.masks.items():
                masks.setdefault(item, set()).add(mask)
        return {item: "|".join(sorted(found)) for item, found in masks.items()}


@dataclass(frozen=True, slots=True)
class Denied:
    """A refusal. ``hidden``: the caller may not even know whether there is such a subject."""

    reasons: tuple[Reason, ...]
    hidden: bool = False
