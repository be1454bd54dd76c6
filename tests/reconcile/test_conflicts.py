"""Conflicts: since when, in which order, how values are related, groups, and what repairs do."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.standards import elements
from core.errors import BadInput
from reconcile import conflicts
from reconcile.conflicts import (
    Basis,
    Conflict,
    Group,
    Grouping,
    Reader,
    Relation,
    Repair,
    Said,
    Stake,
    points,
)
from reconcile.conflicts.effects import effect
from reconcile.conflicts.relations import relation
from tests.reconcile.fusing import TODAY, Claim, engine, fused, subject, table

SOURCES = ("a.people", "b.people", "c.people")
ABOUT = subject(
    {
        "born": {"element": "date"},
        "status": {"element": "code"},
        "base": {"element": "money"},
        "mobile": {"element": "mobile"},
        "name": {"element": "person_name"},
    },
    feeds={
        source: {name: name for name in ("born", "status", "base", "mobile", "name")}
        for source in SOURCES
    },
)


def said(attribute: str, values: Iterable[tuple[str, ...]], start: int = 0) -> list[Claim]:
    """One entity for each row of values, which are those of the sources in their order."""
    return [
        (f"e{number:05d}", attribute, source, value, "2025-12-01")
        for number, row in enumerate(values, start)
        for source, value in zip(SOURCES, row, strict=False)
    ]


def differing(claims: list[Claim]) -> list[Conflict]:
    """The conflicts of claims, decided by majority."""
    by_item: dict[tuple[str, str], list[Said]] = {}
    for entity, attribute, dataset, value, as_of in claims:
        by_item.setdefault((entity, attribute), []).append(Said(dataset, value, as_of, 1.0))
    found = []
    for (entity, attribute), rows in sorted(by_item.items()):
        ((value, times), *others) = sorted(
            Counter(said.value for said in rows).items(), key=lambda one: (-one[1], one[0])
        )
        if others:
            status = "in_dispute" if times == others[0][1] else "evidence"
            found.append(Conflict(entity, attribute, status, value, "{}", tuple(rows), None))
    return found


def group(claims: list[Claim]) -> Grouping:
    return conflicts.grouped(engine(), ABOUT, differing(claims), table(claims))


def only(grouping: Grouping, relation: Relation) -> Group:
    (found,) = [group for group in grouping.groups if group.relation is relation]
    return found


# How a value is related to what the others say.


@pytest.mark.parametrize(
    ("element", "value", "standard", "expected", "factor"),
    [
        ("date", "1990-04-03", "1990-03-04", Relation.SWAPPED, None),
        ("date", "1990-04-03", "1991-03-04", Relation.OTHER, None),
        ("identifier", "110105491231002", "11010519491231002X", Relation.OLD_NUMBER, None),
        ("money", "3.50", "35000.00", Relation.FACTOR, "÷10000"),
        ("money", "48000.00", "4000.00", Relation.FACTOR, "×12"),
        ("money", "3502.00", "3500.00", Relation.ROUNDED, None),
        ("money", "850.00", "1000.00", Relation.OTHER, "×0.85"),
        ("money", "0.00", "1000.00", Relation.OTHER, None),
        ("organisation_name", "宏源装饰公司", "清澜宏源装饰工程有限公司", Relation.SHORTENED, None),
        ("organisation_name", "清澜宏源装饰有限公司", "宏源装饰", Relation.LONGER, None),
        ("person_name", "张晓明", "张小明", Relation.SAME_SOUND, None),
        ("person_name", "林祥泽", "材祥泽", Relation.SLIP, None),
        ("person_name", "王建国", "国建王", Relation.REORDERED, None),
        ("mobile", "13800000012", "13800000021", Relation.SLIP, None),
        ("mobile", "13800000012", "15912345678", Relation.OTHER, None),
        ("code", "1", "2", Relation.OTHER, None),
    ],
)
def test_a_relation_is_told_by_the_two_values(
    element: str, value: str, standard: str, expected: Relation, factor: str | None
) -> None:
    assert relation(elements()[element], value, standard) == (expected, factor)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.text(max_size=12), st.text(max_size=12))
def test_any_two_texts_have_a_relation(one: str, other: str) -> None:
    assert relation(elements()["text"], one, other)[0] in Relation


# By what claims are measured.


def conflict(value: str, *claims: tuple[str, str, float], status: str = "designated") -> Conflict:
    rows = tuple(Said(dataset, v, "2025-12-01", weight) for dataset, v, weight in claims)
    return Conflict("e", "status", status, value, "{}", rows, None)


def test_claims_are_measured_by_the_served_value() -> None:
    found = conflict("x", ("a", "x", 1.0), ("b", "y", 1.0))
    assert [(s.dataset, standard) for s, standard in Reader(ABOUT).contested(found)] == [("b", "x")]


def test_a_designated_source_that_errs_alone_is_what_is_contested() -> None:
    found = conflict("x", ("a", "x", 1.0), ("b", "y", 0.8), ("c", "y", 0.8))
    assert [(s.dataset, standard) for s, standard in Reader(ABOUT).contested(found)] == [("a", "y")]


def test_a_ruled_value_is_the_standard_whatever_sources_say() -> None:
    found = conflict("z", ("a", "x", 1.0), ("b", "x", 1.0), status="ruled")
    assert {s.dataset for s, standard in Reader(ABOUT).contested(found)} == {"a", "b"}
    assert Reader(ABOUT).doubt(found) == 0.0
    assert Reader(ABOUT).doubt(found._replace(status="evidence")) == 1.0


# Groups.


def test_swapped_days_are_one_group_and_proposed_as_a_rule() -> None:
    days = [f"1990-{month:02d}-{day:02d}" for month in (1, 2) for day in range(3, 9)]
    rows = [(f"1990-{d[8:]}-{d[5:7]}", d, d) for d in days]
    found = only(group(said("born", rows)), Relation.SWAPPED)
    assert (found.dataset, found.count, found.of_contested) == ("a.people", len(days), 1.0)
    assert found.repair == {"kind": "swap_day_month"}
    assert found.fits == 1.0


def test_days_that_are_seldom_swapped_are_no_rule() -> None:
    days = [f"1990-{month:02d}-{day:02d}" for month in (1, 2) for day in range(3, 9)]
    rows = [(f"1990-{d[8:]}-{d[5:7]}", d, d) for d in days]
    right = [(f"1991-{d[5:]}",) * 3 for d in days]
    found = only(group(said("born", [*rows, *right])), Relation.SWAPPED)
    assert found.repair is None
    assert found.fits == 0.5


def test_an_old_code_list_is_one_repair_of_all_its_codes() -> None:
    rows = [("1", "10", "10")] * 6 + [("2", "20", "20")] * 7 + [("30", "30", "30")] * 5
    found = group(said("status", rows))
    assert {(g.said, g.others, g.count) for g in found.groups} == {("1", "10", 6), ("2", "20", 7)}
    assert {json.dumps(g.repair, sort_keys=True) for g in found.groups} == {
        '{"kind": "recode", "mapping": {"1": "10", "2": "20"}}'
    }


@pytest.mark.parametrize(("agreeing", "proposed"), [(0, True), (1, False), (30, False)])
def test_a_code_that_others_often_confirm_is_not_recoded(agreeing: int, proposed: bool) -> None:
    rows = [("1", "10", "10")] * 8 + [("1", "1", "1")] * agreeing
    recoded = [g for g in group(said("status", rows)).groups if g.relation is Relation.RECODE]
    assert bool(recoded) is proposed


def test_four_times_is_not_enough() -> None:
    found = group(said("status", [("1", "10", "10")] * 4))
    assert [g.repair for g in found.groups] == [None]


def test_a_value_that_stands_for_many_stands_for_none() -> None:
    rows = [("13800000000", f"139{n:08d}", f"139{n:08d}") for n in range(12)]
    found = only(group(said("mobile", rows)), Relation.CONSTANT)
    assert (found.said, found.others, found.count) == ("13800000000", None, 12)


def test_numbers_that_differ_by_one_factor_are_one_group() -> None:
    rows = [(f"{n * 85}.00", f"{n * 100}.00", f"{n * 100}.00") for n in range(30, 42)]
    found = only(group(said("base", rows)), Relation.FACTOR)
    assert (found.factor, found.count) == ("×0.85", 12)


def test_a_source_that_is_mostly_wrong_could_be_left_out() -> None:
    rng = random.Random(3)
    right = [f"139{rng.randrange(10**8):08d}" for _ in range(30)]
    rows = [(f"15{rng.randrange(10**9):09d}", value, value) for value in right]
    found = group(said("mobile", rows))
    assert {json.dumps(g.repair) for g in found.groups} == {'{"kind": "ignore"}'}


def test_older_values_are_told_from_others() -> None:
    claims = [
        (f"e{n}", "mobile", source, f"{159 if source == 'a.people' else 130}{n}1234567", day)
        for n in range(3)
        for source, day in zip(SOURCES, ("2023-01-01", "2025-12-01", "2025-12-01"), strict=True)
    ]
    assert only(group(claims), Relation.STALE).count == 3


VALUES = st.sampled_from(["1990-03-04", "1990-04-03", "1990-05-05", "1991-01-09", "1991-09-01"])


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=25), st.randoms())
def test_each_contested_claim_is_in_one_group_whatever_the_order(
    rows: list[tuple[str, str, str]], rng: random.Random
) -> None:
    claims = said("born", rows)
    on = engine()
    found = differing(claims)
    one = conflicts.grouped(on, ABOUT, found, table(claims))
    rng.shuffle(found)
    rng.shuffle(claims)
    assert conflicts.grouped(on, ABOUT, found, table(claims)) == one
    reader = Reader(ABOUT)
    contested = sum(1 for conflict in found for _ in reader.contested(conflict))
    assert sum(group.count for group in one.groups) == one.contested == contested
    assert set(one.members) == {(conflict.entity, conflict.attribute) for conflict in found}


def test_many_conflicts_are_grouped_quickly() -> None:
    rng = random.Random(7)
    number = 20_000
    values = [f"139{rng.randrange(10**8):08d}" for _ in range(number)]
    wrong = [f"15{rng.randrange(10**9):09d}" for _ in range(number)]
    found = [
        Conflict(
            f"e{n}", "mobile", "evidence", values[n], "{}",
            (Said("a.people", wrong[n], "2023-01-01", 0.5),
             Said("b.people", values[n], "2025-12-01", 1.0)), None,
        )
        for n in range(number)
    ]  # fmt: skip
    claims = table(said("mobile", zip(wrong, values, strict=True)))
    started = time.process_time()
    assert conflicts.grouped(engine(), ABOUT, found, claims).contested == number
    assert time.process_time() - started < 8


# What a repair would do.


def previewed(claims: list[Claim], repair: Repair) -> Any:
    on = engine()
    sources = fused(ABOUT, table(claims), on).sources
    return effect(on, ABOUT, Basis(table(claims), TODAY, sources), repair)


def test_a_recode_is_tried_on_exactly_the_values_it_reads_otherwise() -> None:
    rows = [("1", "10")] * 6 + [("30", "30")] * 5
    claims = said("status", rows)
    recode = Repair("a.people", "status", {"kind": "recode", "mapping": {"1": "10"}})
    found = previewed(claims, recode)
    assert (found.claims, found.entities, found.tried) == (6, 6, 6)
    assert (found.vanished, found.appeared) == (6, 0)
    again = fused(ABOUT, table(said("status", [("10", "10")] * 6 + [("30", "30")] * 5)))
    assert len(again.conflicts.to_pyarrow()) == 0


def test_a_repair_that_does_harm_is_seen_to() -> None:
    claims = said("born", [("1990-03-04", "1990-03-04", "1990-03-04")] * 5)
    found = previewed(claims, Repair("a.people", "born", {"kind": "swap_day_month"}))
    assert (found.appeared, found.vanished) == (5, 0)


def test_what_only_an_ignored_source_knew_is_lost() -> None:
    claims = said("mobile", [("13900000001",)])
    found = previewed(claims, Repair("a.people", "mobile", {"kind": "ignore"}))
    assert [(c.before, c.after) for c in found.examples] == [("13900000001", None)]


def test_a_repair_that_changes_nothing() -> None:
    claims = said("status", [("1", "10")] * 3)
    nothing = Repair("a.people", "status", {"kind": "recode", "mapping": {"7": "8"}})
    assert previewed(claims, nothing).tried == 0


@pytest.mark.parametrize(
    ("dataset", "attribute", "repair"),
    [
        ("a.people", "ghost", {"kind": "ignore"}),
        ("ghost", "status", {"kind": "ignore"}),
        ("a.people", "status", {}),
        ("a.people", "status", {"kind": "magic"}),
        ("a.people", "status", {"kind": "recode"}),
        ("a.people", "status", {"kind": "recode", "mapping": {"1": 2}}),
    ],
)
def test_a_repair_that_is_none_is_refused(
    dataset: str, attribute: str, repair: dict[str, Any]
) -> None:
    with pytest.raises(BadInput):
        Repair(dataset, attribute, repair).check(ABOUT)


# Since when, and in which order.


def since(rows: list[tuple[str, str]], before: pa.Table | None, day: date) -> dict[str, str]:
    names = ("entity", "attribute")
    now = pa.table({name: [row[n] for row in rows] for n, name in enumerate(names)})
    found = conflicts.carried(engine(), now, before, day).to_pyarrow()
    return dict(zip(found["entity"].to_pylist(), found["since"].to_pylist(), strict=True))


def test_a_conflict_keeps_the_day_it_was_first_found() -> None:
    assert since([("x", "name")], None, date(2026, 1, 1)) == {"x": "2026-01-01"}
    known = pa.table({"entity": ["x", "y"], "attribute": ["name", "sex"],
                      "since": ["2025-05-01", "2025-05-02"]})  # fmt: skip
    rows = [("x", "name"), ("y", "name"), ("z", "name")]
    assert since(rows, known, date(2026, 1, 1)) == {
        "x": "2025-05-01",
        "y": "2026-01-01",
        "z": "2026-01-01",
    }


def test_conflicts_of_an_older_lake_begin_today() -> None:
    known = pa.table({"entity": ["x"], "attribute": ["name"]})
    assert since([("x", "name")], known, date(2026, 1, 1)) == {"x": "2026-01-01"}


def test_points_add_up_and_never_pass_a_hundred() -> None:
    most = points(Stake(10_000, 4), 100_000, 1.0)
    assert most.total <= 100
    assert most.total == pytest.approx(100, abs=0.5)
    assert points(Stake(0, 1), 0, 0.0).total == 5.0


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.integers(0, 50), st.integers(1, 3), st.integers(0, 1000), st.floats(0, 1),
    st.integers(0, 5), st.integers(0, 1), st.integers(0, 90), st.floats(0, 1),
)  # fmt: skip
def test_more_of_anything_never_comes_later(  # noqa: PLR0917 - two of each of four
    decisions: int, level: int, days: int, doubt: float,
    more: int, higher: int, longer: int, doubtful: float,
) -> None:  # fmt: skip
    less = points(Stake(decisions, level), days, doubt)
    greater = points(
        Stake(decisions + more, level + higher), days + longer, min(doubt + doubtful, 1.0)
    )
    assert greater.total >= less.total


def test_reading_does_not_depend_on_how_the_table_was_written() -> None:
    rows = said("status", [("1", "2"), ("3", "4"), ("5", "6")])
    found = fused(ABOUT, table(rows)).conflicts.to_pyarrow()
    turned = found.take(list(reversed(range(len(found)))))
    assert conflicts.read(found) == conflicts.read(turned)
    assert Counter(c.since for c in conflicts.read(found)) == {None: 3}
