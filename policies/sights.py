"""What a client may see of an item: every way in which it may be had, told beforehand.

Grants say what holds of one request; here is told under which conditions there would be one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from policies.conditions import NONE
from policies.decide import Ask, Policy, explain
from policies.enforcer import Option, in_order
from policies.models import Reach


@dataclass(frozen=True, slots=True, order=True)
class Sight:
    """One way in which an item may be had: in which records, under which mask and conditions
    (as their text).
    """

    scope: str
    mask: str
    conditions: str = NONE

    def reaches_all_of(self, other: Sight) -> bool:
        """Whether it may be had in all records, and under all conditions, in which the other
        may.
        """
        return self.scope in (Reach.ALL, other.scope) and self.conditions in (
            NONE,
            other.conditions,
        )


def sights(policy: Policy, ask: Ask, item: str) -> tuple[Sight, ...]:
    """The ways in which an item may be had, without those that another one makes needless: of
    two masks, a decision takes the one that shows more. Empty: it is closed. ``item`` of what is
    no subject is its own name.
    """
    found = {
        Sight(o.scope, o.mask, o.conditions) for o in reachable(policy, ask, item) if o.granted
    }
    usual = policy.policies.known.usual_mask(ask.subject, item)
    masks = in_order({sight.mask for sight in found}, usual)
    kept: list[Sight] = []
    for sight in sorted(found, key=lambda sight: (masks.index(sight.mask), sight)):
        if not any(other.reaches_all_of(sight) for other in kept):
            kept.append(sight)
    return tuple(sorted(kept))


def reachable(policy: Policy, ask: Ask, item: str) -> Iterable[Option]:
    """The options of an item without those that reach no record of this client."""
    client = policy.policies.clients.get(ask.client_id)
    nowhere = client is None or client.region is None
    for option in explain(policy, ask, item):
        if not (option.scope == Reach.OWN_REGION and nowhere):
            yield option


def names(policy: Policy, subject: str) -> tuple[str, ...]:
    """The items of a subject; what is no subject is its only item. Empty: unknown."""
    return tuple(name.rpartition("/")[2] for name in policy.policies.objects(subject))
