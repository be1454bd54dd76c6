"""What was asked in a period, as far as the log still holds what it would be judged by.

Of a request the log holds when it was made, for which purpose and in which case, and whether a
second person approved it; of its case, the register holds from when to when it was open. It does
not hold from which network zone a request came, nor what a second person would have said who was
not asked; and what leads to persons, the case among it, is erased in the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from sqlalchemy import Engine

from hub.audit.log import AuditLog
from hub.audit.search import Recorded, Wanted
from hub.conditions import register
from hub.conditions.register import Kept
from hub.serving.board import Rules
from hub.serving.circumstances import PRESUMED
from policies.conditions import Context, Need, needs, shortfall
from policies.decide import Ask, Policy
from policies.models import Action, CaseNumber, Reach
from policies.sights import Sight, names, sights

_REPLAYED = frozenset({Action.LOOKUP, Action.VERIFY, Action.QUERY, Action.EXCHANGE, Action.CHECK})
_PAGE = 1000
_OTHERWISE = frozenset({"policy_item_unknown", "policy_filter_closed"})
"""Refusals that do not hang on whether the items asked for are open: there is no such item, or it
was searched by what one may not search by, of which the log keeps no name.
"""
_SOMEBODY = frozenset({"-"})


@dataclass(frozen=True)
class Period:
    """Which entries are read: of ``since`` to ``until``, both included, the latest ``limit``."""

    since: datetime
    until: datetime
    limit: int


class Key(NamedTuple):
    """What requests are about that are open or closed in the same ways."""

    client: str
    action: Action
    purpose: str
    subject: str


class Way(NamedTuple):
    """What must hold of a request for one way to have an item: conditions (their text), that its
    case is about somebody of the subject, and the form that its case number is to have.
    """

    conditions: str
    own_cases: bool
    form: str | None

    @property
    def needs(self) -> Need:
        """What must be known to judge it, beside the moment and the case number."""
        found = needs([self.conditions])
        return found | Need.CASE if self.own_cases else found


class Judgement(NamedTuple):
    """Whether a way is open to a request; ``lacks``: what would have to be known to say."""

    holds: bool | None
    lacks: Need = Need.NOTHING


Seen = Mapping[str, Mapping[Sight, Way]]
"""Item → the ways in which it may be had."""


@dataclass(frozen=True)
class Views:
    """What two policies open of what requests are about."""

    before: Seen
    after: Seen

    @cached_property
    def ways(self) -> tuple[Way, ...]:
        """All that must be judged of a request, each once."""
        both = (*self.before.values(), *self.after.values())
        return tuple(dict.fromkeys(way for item in both for way in item.values()))


class Alike(NamedTuple):
    """Requests that turn out alike: the items asked for (none: whatever is open), whether they
    were granted and, if so, ``certain``: by the policy that is in force; ``otherwise``:
    refused whatever items are open; and each way as judged.
    """

    items: tuple[str, ...]
    granted: bool
    certain: bool
    otherwise: bool
    judged: tuple[tuple[Way, Judgement], ...]


@dataclass
class Past:
    """The requests of a period. ``reached``: the earliest moment read; not ``complete``: there is
    more before it.
    """

    requests: dict[Key, Counter[Alike]] = field(default_factory=dict)
    read: int = 0
    reached: datetime | None = None
    complete: bool = True


class _Request(NamedTuple):
    """What the log holds of a request. ``case``: None once it was erased."""

    key: Key
    time: datetime
    department: str
    case: str | None
    items: tuple[str, ...]
    granted: bool
    otherwise: bool
    approved: bool
    policy: str


@dataclass(frozen=True)
class _Asked:
    """A past request as conditions look at it; ``unknown``: what nobody knows of it any more."""

    now: datetime
    context: Context
    unknown: Need


class Replay:
    """Reads what was asked, and judges it under two policies as of ``now``."""

    def __init__(
        self, log: AuditLog, engine: Engine, rules: Rules, drafted: Policy, now: datetime
    ) -> None:
        self._log = log
        self._engine = engine
        self._checks = rules.workspace.checks
        self._policies = (rules.policy, drafted)
        self._now = now
        self._views: dict[Key, Views] = {}

    def views(self, key: Key) -> Views:
        """What the policies open of a key."""
        found = self._views.get(key)
        if found is None:
            before, after = (_seen(policy, key, self._now) for policy in self._policies)
            found = self._views[key] = Views(before, after)
        return found

    def read(self, asked: Period) -> Past:
        """The requests of a period, page by page from the latest on; those that turn out alike
        are only counted.
        """
        past, below = Past(), None
        while True:
            wanted = Wanted(since=asked.since, until=asked.until, below=below, limit=_PAGE)
            page = self._log.find(wanted)
            taken = page[: asked.limit - past.read]
            self._count(past, [r for r in map(_request, taken) if r is not None])
            if taken:
                past.read += len(taken)
                past.reached, below = taken[-1].time, taken[-1].index
            if len(taken) < len(page):
                past.complete = False
                return past
            if len(page) < _PAGE:
                return past

    def _count(self, past: Past, page: Sequence[_Request]) -> None:
        cases = self._cases(page)
        revision = self._policies[0].policies.revision
        for request in page:
            asked = self._asked(request, cases.get((request.department, request.case or "")))
            alike = Alike(
                items=request.items,
                granted=request.granted,
                certain=request.granted and request.policy == revision,
                otherwise=request.otherwise,
                judged=tuple(
                    (way, _judge(way, asked, request.case)) for way in self.views(request.key).ways
                ),
            )
            past.requests.setdefault(request.key, Counter())[alike] += 1

    def _cases(self, page: Iterable[_Request]) -> Mapping[tuple[str, str], Kept]:
        """The cases of those requests for which it matters."""
        wanted = {
            (request.department, request.case)
            for request in page
            if request.case is not None
            and any(Need.CASE in way.needs for way in self.views(request.key).ways)
        }
        if not wanted:
            return {}
        with self._engine.connect() as connection:
            return register.kept(connection, wanted)

    def _asked(self, request: _Request, case: Kept | None) -> _Asked:
        key = request.key
        is_open = case is not None and case.served(key.client, key.purpose, request.time)
        kind, _, name = key.subject.partition("/")
        check = self._checks.get(name) if kind == "check" else None
        subject = check.subject if check else key.subject
        named = case is not None and is_open and subject in case.subjects
        context = Context(
            second=PRESUMED if request.approved else None,
            case_open=is_open,
            entities=_SOMEBODY if named else frozenset(),
        )
        unknown = Need.ZONES
        unknown |= Need.NOTHING if request.approved else Need.SECOND
        unknown |= Need.CASE if request.case is None else Need.NOTHING
        return _Asked(request.time, context, unknown)


def _request(recorded: Recorded) -> _Request | None:
    """An entry as a request; None for what is no request for data, or but a part of its answer."""
    entry = recorded.entry
    who, what, why = entry["who"], entry["what"], entry["why"]
    if what["action"] not in _REPLAYED or why["purpose"] is None or entry["outcome"] == "part":
        return None
    granted = entry["decision"]["granted"]
    return _Request(
        key=Key(who["client"], Action(what["action"]), why["purpose"], what["subject"]),
        time=recorded.time,
        department=who["department"],
        case=why["case"],
        items=tuple(sorted(what["items"])),
        granted=granted,
        otherwise=not granted and not _OTHERWISE.isdisjoint(entry["decision"]["reasons"]),
        approved=granted and "approval" in what["rows"],
        policy=entry["policy"],
    )


def _seen(policy: Policy, key: Key, now: datetime) -> Seen:
    ask = Ask(key.client, key.action, key.subject, None, key.purpose, now)
    purpose = policy.policies.purposes.get(key.purpose)
    form = purpose.case.pattern if purpose is not None and purpose.case is not None else None
    found = {name: sights(policy, ask, name) for name in names(policy, key.subject)}
    return {
        name: {s: Way(s.conditions, s.scope == Reach.OWN_CASES, form) for s in some}
        for name, some in found.items()
        if some
    }


def _judge(way: Way, asked: _Asked, number: str | None) -> Judgement:
    short = shortfall(way.conditions, asked)
    if way.own_cases and not asked.context.entities:
        short |= Need.CASE
    if way.form is not None and (number is None or not CaseNumber(pattern=way.form).fits(number)):
        short |= Need.CASE
    if short & ~asked.unknown:
        return Judgement(False)
    return Judgement(None, Need(short)) if short else Judgement(True)
