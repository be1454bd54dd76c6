"""What if: a draft policy put to the requests of a past period, beside the policy in force.

Both policies are asked, as of one day, what those clients may see: items that are gained or lost,
and requests that would turn out otherwise. Conditions are judged as they were when it was asked
(:mod:`hub.deciding.past`); what cannot be judged any more is counted, with what is lacking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from core.errors import BadInput, HubError
from core.messages import message
from hub.deciding.doors import ADMINISTRATORS, Asker, Leave
from hub.deciding.past import Alike, Judgement, Key, Past, Period, Replay, Seen, Views, Way
from hub.serving.board import Rules
from policies.conditions import Need
from policies.decide import Policy

MOST_ENTRIES = 1_000_000
MOST_CHANGES = 1_000
USUAL = timedelta(days=30)

LACKING = {Need.ZONES: "zone", Need.CASE: "case", Need.SECOND: "second_person"}
"""What the log may not hold of a request → how it is told."""


@dataclass
class Turned:
    """How many requests turn; how many were refused whatever items are open; and how many may or
    may not turn, by what is lacking to say (a request may lack several).
    """

    to_denied: int = 0
    to_granted: int = 0
    otherwise: int = 0
    unjudged: int = 0
    lacking: Counter[str] = field(default_factory=Counter)

    def add(self, was: Judgement, will: Judgement, count: int) -> None:
        """Counts requests that are judged so under the policy in force and under the draft."""
        if was.holds is None or will.holds is None:
            self.unjudged += count
            lacks = was.lacks | will.lacks
            self.lacking.update({word: count for need, word in LACKING.items() if need in lacks})
        elif was.holds is not will.holds:
            self.to_granted += count if will.holds else 0
            self.to_denied += count if was.holds else 0


def period(now: datetime, since: datetime | None, until: datetime | None, limit: int) -> Period:
    """The period between two moments; the thirty days before ``until``, which is now.

    Raises:
        BadInput: it ends before it begins.
    """
    end = until or now
    found = Period(since or end - USUAL, end, limit)
    if found.until < found.since:
        raise BadInput(field="until", rule=message("rule_ends_before"))
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
    now = leave.hub.clock.now()
    replay = Replay(leave.hub.audit, leave.hub.engine, leave.rules, drafted, now)
    past = replay.read(asked)
    changes = sorted(compared(past, replay), key=_weight)
    lacking = Counter[str]()
    for change in changes:
        lacking.update(change["lacking"])
    body = {
        "since": asked.since.isoformat(),
        "until": asked.until.isoformat(),
        "at": now.isoformat(),
        "policy": leave.rules.policy.policies.revision,
        "draft": drafted.policies.revision,
        "read": past.read,
        "complete": past.complete,
        "reached": None if past.reached is None else past.reached.isoformat(),
        "requests": sum(sum(counts.values()) for counts in past.requests.values()),
        "distinct": len(past.requests),
        "to_denied": sum(change["to_denied"] for change in changes),
        "to_granted": sum(change["to_granted"] for change in changes),
        "refused_otherwise": sum(change["refused_otherwise"] for change in changes),
        "unjudged": sum(change["unjudged"] for change in changes),
        "lacking": dict(lacking),
        "changes": changes[:MOST_CHANGES],
        "left_out": max(len(changes) - MOST_CHANGES, 0),
    }
    return leave.give(body, {"read": past.read, "answered": len(changes)})


def _drafted(leave: Leave, draft: Callable[[Rules], Policy]) -> Policy:
    try:
        return draft(leave.rules)
    except HubError as error:
        leave.fail(error)


def compared(past: Past, replay: Replay) -> Iterator[dict[str, Any]]:
    """What differs for each client, action, purpose and subject that was asked about."""
    for key in sorted(past.requests):
        views = replay.views(key)
        if views.before != views.after:
            yield _change(key, past.requests[key], views)


def _change(key: Key, requests: Mapping[Alike, int], views: Views) -> dict[str, Any]:
    was, will = views.before, views.after
    uses, turned, refused = Counter[str](), Turned(), 0
    for alike, count in requests.items():
        refused += 0 if alike.granted else count
        uses.update(dict.fromkeys(alike.items, count) if alike.granted else {})
        if alike.otherwise:
            turned.otherwise += count
        else:
            turned.add(*_judged(alike, views), count)
    both = [name for name in was if name in will and was[name].keys() != will[name].keys()]
    return {
        **key._asdict(),
        "requests": sum(requests.values()),
        "refused": refused,
        "to_denied": turned.to_denied,
        "to_granted": turned.to_granted,
        "refused_otherwise": turned.otherwise,
        "unjudged": turned.unjudged,
        "lacking": dict(turned.lacking),
        "gained": [_item(name, will=will) for name in will if name not in was],
        "lost": [_item(n, was=was, uses=uses) for n in was if n not in will],
        "changed": [_item(name, was, will, uses) for name in both],
    }


def _judged(alike: Alike, views: Views) -> tuple[Judgement, Judgement]:
    """Whether requests are open under the policy in force, and under the draft."""
    named = alike.items or tuple(views.before.keys() | views.after.keys())
    if all(_ways(views.before, name) == _ways(views.after, name) for name in named):
        # Under which masks does not turn a request.
        return Judgement(True), Judgement(True)
    judged = dict(alike.judged)
    if alike.certain:
        # It was given, so what alone could give it held.
        for name in named:
            ways = _ways(views.before, name)
            judged.update(dict.fromkeys(ways if len(ways) == 1 else (), Judgement(True)))
    was = _opens(views.before, alike.items, judged)
    if alike.certain and was.holds is None:
        was = Judgement(True)
    return was, _opens(views.after, alike.items, judged)


def _ways(seen: Seen, item: str) -> set[Way]:
    return set(seen.get(item, {}).values())


def _opens(seen: Seen, items: Iterable[str], judged: Mapping[Way, Judgement]) -> Judgement:
    """Whether all of the items are open; of none, whether anything is."""
    found = [_any(judged[way] for way in seen.get(item, {}).values()) for item in items]
    if not found:
        return _any(judged[way] for ways in seen.values() for way in ways.values())
    if any(one.holds is False for one in found):
        return Judgement(False)
    return _known(found, Judgement(True))


def _any(judged: Iterable[Judgement]) -> Judgement:
    found = list(judged)
    if any(one.holds for one in found):
        return Judgement(True)
    return _known(found, Judgement(False))


def _known(found: Iterable[Judgement], else_: Judgement) -> Judgement:
    lacks = Need.NOTHING
    for one in found:
        lacks |= one.lacks
    return Judgement(None, lacks) if lacks else else_


def _item(
    name: str, was: Seen | None = None, will: Seen | None = None, uses: Counter[str] | None = None
) -> dict[str, Any]:
    return {
        "item": name,
        "requests": 0 if uses is None else uses[name],
        "before": _cells(was, name),
        "after": _cells(will, name),
    }


def _cells(seen: Seen | None, name: str) -> list[dict[str, Any]]:
    found = () if seen is None else seen[name]
    return [{"scope": s.scope, "mask": s.mask, "conditions": s.conditions or None} for s in found]


def _weight(change: Mapping[str, Any]) -> tuple[Any, ...]:
    turned = change["to_denied"] + change["to_granted"] + change["unjudged"]
    return (-turned, -change["requests"], *(change[field] for field in Key._fields))
