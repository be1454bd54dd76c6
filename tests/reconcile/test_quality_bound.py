"""Rules that a run gives something to: other datasets, the day, the rows before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from catalog.contracts import Contract, Rule
from reconcile.bound import CHANGE, EXISTS, RECENT_ROWS, RECENT_TABLE, Given
from reconcile.counts import TABLE
from reconcile.quality import check_rules, gate, split
from reconcile.rules import depends, reading_order, references
from reconcile.suites import digest_of
from reconcile.verdict import QualityStop
from tests.reconcile.quality_tables import contract, item, kept, landed, reasons, rule

AS_OF = date(2026, 6, 30)


def asked(*rules: Rule, house: Rule | None = None) -> Contract:
    return contract(
        item("number", "identifier", key=True),
        item("house", "identifier", rules=(house,) if house else ()),
        item("seen", "date"),
        as_of="seen",
        rules=rules,
    )


def given(before: int | None = None, **datasets: list[str]) -> Given:
    def values(dataset: str, _: str) -> pa.ChunkedArray | None:
        found = datasets.get(dataset.replace(".", "_"))
        return None if found is None else pa.chunked_array([pa.array(found, pa.string())])

    return Given(AS_OF, before, values)


ROWS = [
    ["1", "h1", "2026-06-01"],
    ["2", "h2", "2026-01-01"],
    ["3", None, None],
    ["4", "h9", "2026-06-30"],
]
EXISTING = rule(EXISTS, dataset="housing.dwellings", item="number")


class TestReference:
    def test_a_value_must_exist_in_the_other_dataset(self) -> None:
        there = asked(house=EXISTING)
        gated = gate(there, landed(there, ROWS), given(housing_dwellings=["H1", "H2"]))
        assert reasons(gated) == {4: [f"house.{EXISTS}"]}
        assert gated.scores["house"]["consistency"] == 0.75
        assert gated.scores[TABLE]["consistency"] == 0.75
        assert "consistency" not in gated.scores["number"]

    def test_without_the_other_dataset_it_only_warns(self) -> None:
        there = asked(house=EXISTING)
        gated = gate(there, landed(there, ROWS), given())
        assert kept(gated) == [1, 2, 3, 4]
        assert gated.warnings == {"house.reference_absent": 4}
        [told] = [each for each in gated.rules if each.rule == EXISTS]
        assert (told.rows, told.why) == (0, "reference_absent")
        assert "consistency" not in gated.scores[TABLE]

    def test_severity_and_tolerance(self) -> None:
        warn = asked(house=EXISTING.model_copy(update={"severity": "warn"}))
        known = given(housing_dwellings=["H1"])
        assert gate(warn, landed(warn, ROWS), known).warnings == {f"house.{EXISTS}": 2}
        mostly = rule(EXISTS, dataset="housing.dwellings", item="number", mostly=0.5)
        tolerant = asked(house=mostly)
        assert kept(gate(tolerant, landed(tolerant, ROWS), known)) == [1, 2, 3, 4]
        stop = asked(house=EXISTING.model_copy(update={"severity": "stop"}))
        with pytest.raises(QualityStop):
            gate(stop, landed(stop, ROWS), known)

    def test_a_row_that_refers_to_nothing_does_not_displace_another(self) -> None:
        there = asked(house=EXISTING)
        rows = [["1", "h9", "2026-06-30"], ["1", "h1", "2026-01-01"]]
        assert kept(gate(there, landed(there, rows), given(housing_dwellings=["H1"]))) == [2]

    def test_what_others_refer_to_is_gated_first(self) -> None:
        there = asked(house=EXISTING)
        contracts = {"police.residents": there, "housing.dwellings": asked()}
        assert references(there) == (("housing.dwellings", "number"),)
        assert reading_order(contracts, contracts) == ["housing.dwellings", "police.residents"]
        circle = {**contracts, "housing.dwellings": asked(
            house=rule(EXISTS, dataset="police.residents", item="house"))}  # fmt: skip
        assert sorted(reading_order(circle, circle)) == sorted(circle)


class TestRecency:
    def test_each_row(self) -> None:
        there = asked(rule(RECENT_ROWS, column="seen", days=30))
        gated = gate(there, landed(there, ROWS), given())
        assert reasons(gated) == {2: [f"seen.{RECENT_ROWS}"]}
        assert gated.scores["seen"]["timeliness"] == gated.scores[TABLE]["timeliness"] == 0.75

    @pytest.mark.parametrize(("days", "holds"), [(0, True), (5, True)])
    def test_the_newest_row(self, days: int, holds: bool) -> None:
        there = asked(rule(RECENT_TABLE, days=days))
        assert (gate(there, landed(there, ROWS), given()).fit.num_rows == 4) is holds

    def test_a_table_that_is_too_old_stops(self) -> None:
        there = asked(rule(RECENT_TABLE, days=20))
        with pytest.raises(QualityStop, match=RECENT_TABLE):
            gate(there, landed(there, ROWS[1:3]), given())
        warn = asked(rule(RECENT_TABLE, "warn", days=20))
        gated = gate(warn, landed(warn, ROWS[:3]), given())
        assert gated.warnings == {RECENT_TABLE: 1}
        assert gated.scores[TABLE]["timeliness"] == pytest.approx(20 / 29)

    def test_without_a_rule_the_update_cycle_counts(self) -> None:
        there = asked()
        assert gate(there, landed(there, ROWS), given()).scores[TABLE]["timeliness"] == 1.0
        old = gate(there, landed(there, [["1", None, "2026-06-28"]]), given())
        assert old.scores[TABLE]["timeliness"] == 0.5
        never = there.model_copy(update={"cycle": "never"})
        assert "timeliness" not in gate(never, landed(never, ROWS), given()).scores[TABLE]


class TestChange:
    @pytest.mark.parametrize(("before", "holds"), [
        (None, True), (0, True), (4, True), (5, True), (6, False), (3, False),
    ])  # fmt: skip
    def test_the_number_of_rows(self, before: int | None, holds: bool) -> None:
        there = asked(rule(CHANGE, percent=20))
        table = landed(there, ROWS[:3], unreadable={4: "x"})
        if holds:
            assert gate(there, table, given(before)).fit.num_rows == 3
            return
        with pytest.raises(QualityStop, match=CHANGE):
            gate(there, table, given(before))

    def test_the_first_landing_says_that_it_was_not_asked(self) -> None:
        there = asked(rule(CHANGE, percent=20))
        gated = gate(there, landed(there, ROWS), given())
        assert [each.why for each in gated.rules if each.rule == CHANGE] == ["nothing_before"]
        assert gated.warnings == {}


def test_the_suite_is_the_contracts_whatever_a_run_gives() -> None:
    there = asked(
        rule(CHANGE, percent=20), rule(RECENT_ROWS, column="seen", days=30), house=EXISTING
    )
    one = gate(there, landed(there, ROWS), given(4, housing_dwellings=["H1"]))
    other = gate(there, landed(there, ROWS[:3]), Given(date(2026, 7, 1)))
    assert digest_of(one.suite) == digest_of(other.suite) == one.proof.suite
    assert one.proof.library.startswith("great_expectations ")
    changed = asked(rule(CHANGE, percent=21))
    assert gate(changed, landed(changed, ROWS), given()).proof.suite != one.proof.suite
    assert depends(there)
    assert not depends(asked())


REFUSED: list[tuple[str, Mapping[str, Any], str]] = [
    (EXISTS, {"column": "house", "dataset": "x.y"}, "'item' is missing"),
    (EXISTS, {"column": "ghost", "dataset": "x.y", "item": "z"}, "no item 'ghost'"),
    (RECENT_ROWS, {"column": "house", "days": 3}, "element date"),
    (RECENT_ROWS, {"column": "seen", "days": "3"}, "whole number"),
    (RECENT_TABLE, {"days": 3, "hours": 1}, "no argument 'hours'"),
    (CHANGE, {"percent": -1}, "'percent'"),
    (CHANGE, {}, "'percent' is missing"),
]


@pytest.mark.parametrize(("expectation", "arguments", "words"), REFUSED)
def test_a_rule_that_cannot_run_is_named(
    expectation: str, arguments: Mapping[str, Any], words: str
) -> None:
    rule = Rule(expectation=expectation, arguments=dict(arguments))
    [wrong] = map(str, check_rules(asked(rule)))
    assert words in wrong


def test_batches_change_nothing() -> None:
    """Rules, duplicates, tolerance and digests are of the table, however it is cut."""
    mostly = rule("expect_column_values_to_be_in_set", column="house", value_set=["H1"], mostly=0.5)
    there = asked(mostly, rule(RECENT_ROWS, column="seen", days=30))
    rows = [[str(n % 7), f"h{n % 3 % 2 + 1}", f"2026-06-{n % 28 + 1:02}"] for n in range(40)]
    table = landed(there, [*rows, ["x", "h1", "nonsense"]], unreadable={90: "a", 91: "b"})
    whole = gate(there, table, given())
    for size in (1, 3, 17):
        with split(there, table, given(), batch_rows=size) as found:
            assert found.fit().read_all() == whole.fit
            assert found.quarantined().read_all() == whole.quarantined
            assert found.proof() == whole.proof
            assert (found.scores, found.warnings, found.rules) == (
                whole.scores, whole.warnings, whole.rules,
            )  # fmt: skip
