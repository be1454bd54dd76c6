"""Every rule notices its pattern, in the midst of usual work, and is silent about that work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.messages import LANGUAGES, say
from hub.watching.rules import RULES, Hit, notice
from hub.watching.rules.base import KIN
from hub.watching.rules.walking import Step, longest
from hub.watching.settings import Hours, Walking, Watching
from tests.watching.trails import Asked, Remembered, digest, moment, normal

DAY = date(2026, 4, 1)
SUNDAY = date(2026, 3, 29)


def asks(
    n: int, minutes: float = 10, start: float = 9, day: date = DAY, **more: object
) -> list[Asked]:
    """``n`` requests of account ``a01``, each about somebody else."""
    return [
        Asked("a01", moment(day, start + i * minutes / 60), (f"x{i}",), **more)  # type: ignore[arg-type]
        for i in range(n)
    ]


def unevenly(asked: list[Asked]) -> list[Asked]:
    """The same requests at the pace of people."""
    return [
        Asked(**{**vars(a), "at": a.at + timedelta(minutes=(i * 7919 % 23) / 2)})
        for i, a in enumerate(asked)
    ]


PATTERNS: dict[str, Callable[[], list[Asked]]] = {
    "volume_habit": lambda: unevenly(asks(70, minutes=7)),
    "volume_peers": lambda: [
        Asked("new", one.at, one.persons) for one in unevenly(asks(120, minutes=4))
    ],
    "off_hours": lambda: asks(6, start=22),
    "own_record": lambda: [Asked("a01", moment(DAY, 10), ("me",))],
    "family": lambda: [Asked("a01", moment(DAY, 10), ("wife",))],
    "colleague": lambda: [Asked("a01", moment(DAY, 10), ("at the next desk",))],
    "outside_scope": lambda: asks(9, outside=True),
    "sought_by_many": lambda: [
        Asked(f"a{n:02}", moment(DAY - timedelta(days=n % 3), 10), ("a star",)) for n in range(9)
    ],
    "walking": lambda: asks(45, minutes=1),
    "case_spread": lambda: [
        one
        for back in range(5)
        for one in [
            Asked("a01", moment(DAY - timedelta(days=back), 9 + i), (f"{back}/{i}",), "GD-2026-9")
            for i in range(9)
        ]
    ],
    "case_form": lambda: asks(6, case="x"),
    "case_unknown": lambda: asks(1, case="GD-0000-0"),
    "probing": lambda: [
        Asked("a01", moment(DAY, 10 + i / 9), ("w",), action="verify", items="mobile")
        for i in range(6)
    ],
}


def kin() -> pa.Table:
    close = {"me": "own_record", "wife": "family", "at the next desk": "colleague"}
    rows = [
        {"client": "a01", "account": digest("a01"), "digest": digest(name), "relation": relation}
        for name, relation in close.items()
    ]
    return pa.Table.from_pylist(rows, schema=KIN)


def registered(cases: object) -> list[tuple[str, str]]:
    return [pair for pair in cases if pair[1] != "GD-0000-0"]  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def month() -> list[Asked]:
    """A month of usual work up to the evening of :data:`DAY`."""
    return list(normal(accounts=20, days=31))


def noticed(asked: list[Asked], day: date = DAY, said: Watching | None = None) -> list[Hit]:
    seen = Remembered(asked).on(day, kin=kin(), register=registered)
    return list(notice(seen, said or Watching()))


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_notices_its_pattern_and_explains_it(rule: str, month: list[Asked]) -> None:
    seen = Remembered([*month, *PATTERNS[rule]()]).on(DAY, kin=kin(), register=registered)
    found = [hit for hit in notice(seen, Watching()) if hit.rule == rule]
    assert rule not in {hit.rule for hit in notice(seen, Watching(without=(rule,)))}
    culprits = (
        {None} if rule == "sought_by_many" else {"new"} if rule == "volume_peers" else {"a01"}
    )
    assert {hit.client for hit in found} == culprits
    for hit in found:
        assert 0 < len(hit.indexes) <= 50
        assert hit.first <= hit.last
        for language in LANGUAGES:
            assert say(f"watch_{rule}", language)
            assert say(f"watch_{rule}_why", language, **hit.numbers)


def test_usual_work_is_left_alone() -> None:
    """A fifth of the days of 50 accounts; ``python -m bench.watching`` takes them all."""
    work, alarms = Remembered(list(normal())), Counter[str]()
    for day in work.days[2::5]:
        alarms.update(hit.rule for hit in notice(work.on(day, kin=kin()), Watching()))
    print(work.trail.num_rows, "requests:", dict(alarms))
    assert sum(alarms.values()) <= 2


def test_what_is_not_fresh_is_not_noticed_again(month: list[Asked]) -> None:
    asked = [*month, *asks(45, minutes=1, day=DAY - timedelta(days=1))]
    assert "walking" not in {hit.rule for hit in noticed(asked)}


def test_a_role_that_works_at_night_may(month: list[Asked]) -> None:
    late = PATTERNS["off_hours"]()
    others = [
        Asked(f"a{n:02}", moment(DAY - timedelta(days=1), 22 + i / 60), (f"{n}",))
        for n in range(2, 20) if n % 5 for i in range(6)
    ]  # fmt: skip
    told = Watching(hours=Hours(roles=("grid_worker",)))
    assert "off_hours" not in {hit.rule for hit in noticed([*month, *late], said=told)}
    few = [
        Asked("a02", one.at, one.persons) for one in asks(6, start=22, day=DAY - timedelta(days=1))
    ]
    assert "off_hours" in {hit.rule for hit in noticed([*month, *late, *few])}
    usual = Watching(hours=Hours(usual=0.03))
    assert "off_hours" not in {hit.rule for hit in noticed([*month, *late, *others], said=usual)}


def test_a_sunday_is_no_working_day() -> None:
    found = noticed(asks(5, day=SUNDAY), SUNDAY)
    assert "off_hours" in {hit.rule for hit in found}


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 60)), max_size=120))
def test_the_longest_walk_is_a_walk(pairs: list[tuple[int, int]]) -> None:
    """Whatever is asked, a walk has enough persons, few repeats, and fits into its time."""
    said = Walking(persons=5, fast=8)
    at, steps = 0, []
    for index, (pause, person) in enumerate(pairs):
        at += pause
        steps.append(Step(index, at, [str(person)]))
    walk = longest(steps, said)
    if walk is None:
        return
    persons = [person for step in walk.steps for person in step.persons]
    assert len(set(persons)) == walk.persons >= said.persons
    assert len(set(persons)) >= (1 - said.repeats) * len(persons)
    minutes = (walk.steps[-1].at - walk.steps[0].at) / 60
    assert minutes <= said.minutes or walk.pace <= said.steady
