"""Walking through a register: person after person, hardly any twice, fast or like a clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from hub.watching.rules.base import Frames, Hit, hit
from hub.watching.settings import Walking, Watching

_STEPS = """
SELECT e.account, e.day, t.client, t.person, e.index, epoch(e.at) AS at, e.persons
FROM entries e JOIN touched t USING (account, day)
WHERE len(e.persons) > 0 ORDER BY e.account, e.day, e.index
"""


@dataclass(frozen=True)
class Step:
    """One request: when, in seconds, and for whom."""

    index: int
    at: float
    persons: Sequence[str]


@dataclass(frozen=True)
class Walk:
    """Requests in a row: about how many ``persons``, and how many if each time counts."""

    steps: Sequence[Step]
    persons: int
    asked: int

    def is_new(self, said: Walking) -> bool:
        """Whether request after request was about somebody new."""
        enough = min(self.persons, len(self.steps)) >= said.persons
        return enough and self.persons >= (1 - said.repeats) * self.asked

    @property
    def pace(self) -> float:
        """The median deviation of the pauses, in median pauses: 0 like a clock, people have more
        than half. A few breaks before or within a walk do not hide it.
        """
        pauses = [b.at - a.at for a, b in pairwise(self.steps)]
        usual = median(pauses)
        return median(abs(pause - usual) for pause in pauses) / usual if usual > 0 else 0.0


def walking(frames: Frames, settings: Watching) -> Iterable[Hit]:
    """``walking``: the longest walk of each account and day, if it has a fresh entry."""
    groups: dict[tuple[str, Any], list[dict[str, Any]]] = {}
    for row in frames.rows(_STEPS, {}):
        groups.setdefault((row["account"], row["day"]), []).append(row)
    for rows in groups.values():
        steps = [Step(row["index"], row["at"], row["persons"]) for row in rows]
        found = longest(steps, settings.walking)
        if found is not None and found.steps[-1].index >= frames.fresh:
            yield _hit(rows[0], found)


def _hit(row: Mapping[str, Any], walk: Walk) -> Hit:
    indexes = [step.index for step in walk.steps]
    minutes = (walk.steps[-1].at - walk.steps[0].at) / 60
    told = {"persons": walk.persons, "requests": len(indexes), "minutes": minutes}
    shown = {**row, **told, "first": indexes[0], "last": indexes[-1], "indexes": indexes}
    return hit("walking", shown, "day", *told)


def longest(steps: Sequence[Step], said: Walking) -> Walk | None:
    """The walk to the most persons among the requests of one account on one day; of equal ones
    the latest. A slow one takes the whole day.
    """
    best: Walk | None = None
    first, asked, seen = 0, 0, Counter[str]()
    for last, step in enumerate(steps):
        seen.update(step.persons)
        asked += len(step.persons)
        while step.at - steps[first].at > said.minutes * 60:
            for person in steps[first].persons:
                seen[person] -= 1
                if not seen[person]:
                    del seen[person]
            asked -= len(steps[first].persons)
            first += 1
        walk = Walk(steps[first : last + 1], len(seen), asked)
        bigger = best is None or walk.persons >= best.persons
        if bigger and walk.is_new(said) and (walk.persons >= said.fast or walk.pace <= said.even):
            best = walk
    persons = [person for step in steps for person in step.persons]
    day = Walk(steps, len(set(persons)), len(persons))
    if best is None and day.is_new(said) and day.pace <= said.steady:
        return day
    return best
