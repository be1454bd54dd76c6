"""Judging what changed comes to what judging the whole does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.contracts import Contract
from core.sql import EngineLimits
from reconcile.bound import CHANGE, EXISTS, RECENT_ROWS, RECENT_TABLE, Given
from reconcile.judging import Unsettled
from reconcile.quality import Gated, gate, split
from reconcile.standing import Past, standing
from tests.reconcile.quality_tables import contract, item, landed, rule

VALUES = "expect_column_values_to_"
RULES = (
    rule(VALUES + "be_between", "warn", column="members", max_value=50),
    rule(VALUES + "be_in_set", column="kind", value_set=["A"], mostly=0.89),
    rule(VALUES + "be_in_set", "warn", column="kind", value_set=["A", "B"], mostly=0.97),
    rule("expect_column_pair_values_to_be_equal", "warn", column_A="kind", column_B="plate"),
    rule(RECENT_ROWS, "warn", column="seen", days=20),
    rule(RECENT_TABLE, "warn", days=3),
    rule(CHANGE, "warn", percent=2),
    rule(EXISTS, column="kind", dataset="city.kinds", item="kind", mostly=0.8),
    rule("expect_column_sum_to_be_between", "warn", column="members", max_value=1900),
)
KEYED = contract(
    item("number", "identifier", key=True),
    item("kind", "code", required=True),
    item("plate", "code", unique=True),
    item("members", "integer"),
    item("seen", "date"),
    as_of="seen",
    rules=RULES,
)
KEYLESS = KEYED.model_copy(
    update={"items": tuple(each.model_copy(update={"key": False}) for each in KEYED.items)}
)
GIVEN = Given(date(2026, 6, 30), 100, lambda *_: pa.chunked_array([["A", "B", "C"]]))
LIMITS = EngineLimits()

Row = tuple[str | None, ...] | str
"""The texts of a row, or the raw text of one that could not be read."""


def usual(number: int) -> Row:
    day = f"2026-06-{number % 28 + 1:02}"
    return (f"N{number}", "AB"[number % 11 == 0], f"P{number}", str(number % 40), day)


def table(asked: Contract, rows: Sequence[Row]) -> pa.Table:
    read = {place: row for place, row in enumerate(rows, 1) if not isinstance(row, str)}
    lost = {place: row for place, row in enumerate(rows, 1) if isinstance(row, str)}
    return landed(asked, list(read.values()), list(read), lost)


def again(asked: Contract, before: Gated, was: pa.Table, now: pa.Table) -> Gated | None:
    """``now`` after the gate, where only what may be judged otherwise was judged."""
    past = Past(was, before.fit, before.quarantined.column("_row"), before.counts)
    found = standing(asked, past, now, GIVEN, LIMITS)
    if found is None:
        return None
    assert len(found.again) < len(now)
    try:
        with split(asked, found.again, GIVEN, rest=found.rest) as parts:
            fit, aside = parts.fit().read_all(), parts.quarantined().read_all()
            held = sum(map(len, found.gone))
            assert parts.renewed is not None
            assert len(fit) - len(before.fit) == len(parts.renewed) - held
            return Gated(
                fit, aside, parts.suite, parts.scores, parts.warnings, parts.reasons, parts.rules,
                parts.proof(), parts.counts,
            )  # fmt: skip
    except Unsettled:
        return None


CELLS = st.sampled_from(
    [None, "", "—", "A", "B", "C", "N1", "N2", "n3 ", "N50", "P1", "P2", "P60", "7", "99", "x",
     "2026-06-30", "2026-01-01", "2026-02-30"]
)  # fmt: skip
PLACES = st.integers(0, 99)
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), PLACES, st.tuples(*[CELLS] * 5)),
        st.tuples(st.just("cell"), PLACES, st.integers(0, 4), CELLS),
        st.tuples(st.just("copy"), PLACES, PLACES),
        st.tuples(st.just("move"), PLACES, PLACES),
        st.tuples(st.just("drop"), PLACES),
        st.tuples(st.just("lose"), PLACES),
        st.tuples(st.just("trade"), PLACES, PLACES, st.integers(0, 4)),
    ),
    max_size=5,
)


Edit = tuple[Any, ...]


def edited(rows: Sequence[Row], edits: Sequence[Edit]) -> list[Row]:
    made = list(rows)
    for kind, place, *more in edits:
        at = place % len(made)
        match kind, more:
            case "put", [row]:
                made.insert(at, row)
            case "copy", [to]:
                made.insert(to % len(made), made[at])
            case "move", [to]:
                made.insert(to % len(made), made.pop(at))
            case "drop", []:
                made.pop(at)
            case "lose", []:
                made[at] = "lost"
            case "cell", [column, cell]:
                made[at] = with_cell(made[at], column, cell)
            case "trade", [to, column]:
                one, two = made[at], made[to % len(made)]
                if not isinstance(one, str) and not isinstance(two, str):
                    made[at] = with_cell(one, column, two[column])
                    made[to % len(made)] = with_cell(two, column, one[column])
    return made


def with_cell(row: Row, column: int, cell: str | None) -> Row:
    return row if isinstance(row, str) else (*row[:column], cell, *row[column + 1 :])


@settings(max_examples=12, deadline=None, derandomize=True)
@given(first=EDITS, second=EDITS, keyed=st.booleans())
def test_judging_what_changed_comes_to_the_same(
    first: list[Edit], second: list[Edit], keyed: bool
) -> None:
    asked = KEYED if keyed else KEYLESS
    rows = edited([usual(number) for number in range(100)], first)
    was, now = (table(asked, each) for each in (rows, edited(rows, second)))
    part = again(asked, gate(asked, was, GIVEN), was, now)
    if part is not None:
        assert part == gate(asked, now, GIVEN)


@pytest.mark.parametrize("keyed", [True, False])
def test_few_rows_are_judged_where_few_changed(keyed: bool) -> None:
    asked = KEYED if keyed else KEYLESS
    rows = [usual(number) for number in range(100)]
    # One repeats a key, another a plate, and a third cannot be read.
    was = [*rows, ("N3", "A", "P103", "1", None), ("N104", "A", "P5", "1", None), "lost"]
    now = [rows[40], *was[1:40], *was[41:], ("N107", "A", None, "1", None)]
    before = gate(asked, table(asked, was), GIVEN)
    past = Past(table(asked, was), before.fit, before.quarantined.column("_row"), before.counts)
    found = standing(asked, past, table(asked, now), GIVEN, LIMITS)
    assert found is not None
    told = sorted(filter(None, found.again.column("number").to_pylist()))
    shares_key = ["N3", "N3"] if keyed else []
    assert told == sorted(["N107", "N104", "N40", "N5", *shares_key])
    assert again(asked, before, table(asked, was), table(asked, now)) == gate(
        asked, table(asked, now), GIVEN
    )
