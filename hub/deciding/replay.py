"""What if: a draft policy put to the requests of a past period, beside the policy in force.

The log tells who asked what for which purpose, and which items were given; of a refusal it names
no items. So both policies are asked, as of one day, what those clients may see: items that are
gained or lost, and requests that would turn out otherwise. Conditions count as kept: of a past
request it is not known which held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from core.errors import BadInput, HubError
from hub.audit.log import AuditLog
from hub.audit.search import Wanted
from hub.deciding.doors import ADMINISTRATORS, Asker, Leave
from hub.serving.board import Rules
from policies.decide import Ask, Policy
from policies.models import Action
from policies.sights import Sight, names, sights

MOST_ENTRIES = 1_000_000
MOST_CHANGES = 1_000
USUAL = timedelta(days=30)

_PAGE = 1000
_REPLAYED = frozenset({Action.LOOKUP, Action.VERIFY, Action.QUERY, Action.EXCHANGE, Action.CHECK})


@dataclass(frozen=True)
class Period:
    """Which entries are read: of ``since`` to ``until``, both included, the latest ``limit``."""

    since: datetime
    until: datetime
    limit: int = MOST_ENTRIES


class Key(NamedTuple):
    """Requests that are decided alike."""

    client: str
    action: Action
    purpose: str
    subject: str


@dataclass
class Past:
    """The requests of a period. ``granted``: those that were, by the items given. ``reached``:
    the earliest moment read; not ``complete``: there is more before it.
    """

    granted: dict[Key, Counter[tuple[str, ...]]]
    refused: Counter[Key]
    read: int = 0
    reached: datetime | None = None
    complete: bool = True

    @property
    def keys(self) -> list[Key]:
        """All that was asked, in order."""
        return sorted(self.granted.keys() | self.refused.keys())

    @property
    def requests(self) -> int:
        """How many requests there are."""
        given = sum(sum(counts.values()) for counts in self.granted.values())
        return given + sum(self.refused.values())


def period(now: datetime, since: datetime | None, until: datetime | None, limit: int) -> Period:
    """The period between two moments; the thirty days before ``until``, which is now.

    Raises:
        BadInput: it ends before it begins.
    """
    end = until or now
    found = Period(since or end - USUAL, end, limit)
    if found.until < found.since:
        raise BadInput(field="until", rule="it ends before it begins")
    return found


def what_if(
    asker: Asker, draft: Callable[[Rules], Policy], asked: Period, content: Any
) -> dict[str, Any]:
    """What would change under a draft for those who asked in a period; logged. ``content``: what
    the request says, of which the log keeps a keyed digest.

    Raises:
        SubjectUnknown, Forbidden: the caller is no administrator.
        InvalidFiles: the draft has mistakes.
    """
    leave = asker.enter("replay_policy", "hub", ADMINISTRATORS, content)
    drafted = _drafted(leave, draft)
    past = read(leave.hub.audit, asked)
    now = leave.hub.clock.now()
    changes = sorted(compared(past, leave.rules.policy, drafted, now), key=_weight)
    body = {
        "since": asked.since.isoformat(),
        "until": asked.until.isoformat(),
        "at": now.isoformat(),
        "policy": leave.rules.policy.policies.revision,
        "draft": drafted.policies.revision,
        "read": past.read,
        "complete": past.complete,
        "reached": None if past.reached is None else past.reached.isoformat(),
        "requests": past.requests,
        "distinct": len(past.keys),
        "to_denied": sum(change["to_denied"] for change in changes),
        "to_granted": sum(change["to_granted"] for change in changes),
        "changes": changes[:MOST_CHANGES],
        "left_out": max(len(changes) - MOST_CHANGES, 0),
    }
    return leave.give(body, {"read": past.read, "answered": len(changes)})


def _drafted(leave: Leave, draft: Callable[[Rules], Policy]) -> Policy:
    try:
        return draft(leave.rules)
    except HubError as error:
        leave.fail(error)


def read(audit: AuditLog, asked: Period) -> Past:
    """The requests of a period, page by page from the latest on; equal ones are only counted."""
    past = Past({}, Counter())
    below: int | None = None
    while True:
        wanted = Wanted(since=asked.since, until=asked.until, below=below, limit=_PAGE)
        page = audit.find(wanted)
        for recorded in page:
            if past.read == asked.limit:
                past.complete = False
                return past
            past.read += 1
            past.reached, below = recorded.time, recorded.index
            _count(past, recorded.entry)
        if len(page) < _PAGE:
            return past


def _count(past: Past, entry: Mapping[str, Any]) -> None:
    what, purpose = entry["what"], entry["why"]["purpose"]
    if what["action"] not in _REPLAYED or purpose is None:
        return
    key = Key(entry["who"]["client"], Action(what["action"]), purpose, what["subject"])
    if entry["decision"]["granted"]:
        past.granted.setdefault(key, Counter())[tuple(sorted(what["items"]))] += 1
    else:
        past.refused[key] += 1


def compared(past: Past, before: Policy, after: Policy, now: datetime) -> Iterator[dict[str, Any]]:
    """What differs for each client, action, purpose and subject that was asked about."""
    for key in past.keys:
        was, will = _seen(before, key, now), _seen(after, key, now)
        if was != will:
            yield _change(past, key, was, will)


_Seen = dict[str, tuple[Sight, ...]]


def _seen(policy: Policy, key: Key, now: datetime) -> _Seen:
    ask = Ask(key.client, key.action, key.subject, None, key.purpose, now)
    found = {name: sights(policy, ask, name) for name in names(policy, key.subject)}
    return {name: seen for name, seen in found.items() if seen}


def _change(past: Past, key: Key, was: _Seen, will: _Seen) -> dict[str, Any]:
    given, refused = past.granted.get(key, Counter()), past.refused[key]
    uses: Counter[str] = Counter()
    to_denied = to_granted = 0
    for items, count in given.items():
        uses.update(dict.fromkeys(items, count))
        now_open, then_open = _opens(was, items), _opens(will, items)
        to_denied += count if now_open and not then_open else 0
        to_granted += count if then_open and not now_open else 0
    if bool(was) != bool(will):
        to_granted += refused if will else 0
        to_denied += refused if was else 0
    both = [name for name in was if name in will and was[name] != will[name]]
    return {
        **key._asdict(),
        "requests": sum(given.values()) + refused,
        "refused": refused,
        "to_denied": to_denied,
        "to_granted": to_granted,
        "gained": [_item(name, will=will) for name in will if name not in was],
        "lost": [_item(n, was=was, uses=uses) for n in was if n not in will],
        "changed": [_item(name, was, will, uses) for name in both],
    }


def _opens(seen: _Seen, items: tuple[str, ...]) -> bool:
    return seen.keys() >= set(items) if items else bool(seen)


def _item(
    name: str, was: _Seen | None = None, will: _Seen | None = None, uses: Counter[str] | None = None
) -> dict[str, Any]:
    return {
        "item": name,
        "requests": 0 if uses is None else uses[name],
        "before": _cells(was, name),
        "after": _cells(will, name),
    }


def _cells(seen: _Seen | None, name: str) -> list[dict[str, Any]]:
    found = () if seen is None else seen[name]
    return [{"scope": s.scope, "mask": s.mask, "conditions": s.conditions or None} for s in found]


def _weight(change: Mapping[str, Any]) -> tuple[Any, ...]:
    turned = change["to_denied"] + change["to_granted"]
    return (-turned, -change["requests"], *(change[field] for field in Key._fields))
