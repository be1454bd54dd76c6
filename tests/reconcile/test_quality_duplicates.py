"""Rows that repeat another row, its key, or a value that must be unique."""

from __future__ import annotations

from tests.reconcile.quality_tables import (
    PEOPLE,
    contract,
    item,
    kept,
    reasons,
    rule,
    through,
)


class TestDuplicates:
    def test_the_first_of_equal_rows_is_kept(self) -> None:
        row = ["A1", "Li", None, "2026-01-01"]
        assert reasons(through(PEOPLE, row, row, row)) == {key: ["row_duplicate"] for key in [2, 3]}

    def test_copies_of_a_row_without_its_key_are_found(self) -> None:
        row = [None, "Li", None, None]
        assert reasons(through(PEOPLE, row, row)) == {
            1: ["number.missing"],
            2: ["number.missing", "row_duplicate"],
        }

    def test_rows_that_differ_only_before_cleaning_share_a_key(self) -> None:
        gated = through(PEOPLE, ["A1", "Li", None, None], ["a1", "Li", None, None])
        assert list(reasons(gated).values()) == [["key_duplicate"]]

    def test_the_latest_of_a_key_is_kept(self) -> None:
        gated = through(
            PEOPLE, ["A1", "Li", None, "2025-01-01"], ["A1", "Wu", None, "2026-01-01"],
            ["A1", "Xu", None, None], ["A2", "Li", None, None],
        )  # fmt: skip
        assert kept(gated) == [2, 4]
        assert reasons(gated) == {key: ["key_duplicate"] for key in [1, 3]}

    def test_an_unfit_row_does_not_displace_a_fit_one(self) -> None:
        gated = through(
            PEOPLE, ["A1", "Li", None, "2025-01-01"], ["A1", None, None, "2026-01-01"]
        )  # fmt: skip
        assert kept(gated) == [1]
        assert reasons(gated) == {2: ["name.missing", "key_duplicate"]}

    def test_nor_does_one_that_breaks_a_rule_of_the_department(self) -> None:
        tall = rule("expect_column_values_to_be_in_set", value_set=["Li"])
        asked = contract(
            item("number", "identifier", key=True),
            item("name", "text", rules=(tall,)),
            item("seen", "date"),
            as_of="seen",
        )
        gated = through(asked, ["A1", "Li", "2025-01-01"], ["A1", "Wu", "2026-01-01"])
        assert kept(gated) == [1]

    def test_copies_of_an_outranked_row_are_copies(self) -> None:
        old = ["A1", "Li", None, "2025-01-01"]
        gated = through(PEOPLE, old, old, ["A1", "Li", None, "2026-01-01"])
        assert reasons(gated) == {1: ["key_duplicate"], 2: ["row_duplicate"]}

    def test_unique_values_go_to_the_preferred_row(self) -> None:
        asked = contract(
            item("number", "identifier", key=True),
            item("plate", "code", unique=True),
            item("seen", "date"),
            as_of="seen",
        )
        gated = through(
            asked, ["1", "P", "2025-01-01"], ["2", "P", "2026-01-01"], ["3", None, None],
            ["4", None, None], ["2", "P", "2027-01-01"], ["5", "Q", None], ["6", "Q", None],
        )  # fmt: skip
        assert kept(gated) == [3, 4, 5, 6]
        assert reasons(gated) == {
            1: ["plate.value_duplicate"],
            2: ["plate.value_duplicate", "key_duplicate"],
            7: ["plate.value_duplicate"],
        }

    def test_a_row_that_loses_its_key_does_not_hold_a_unique_value(self) -> None:
        asked = contract(
            item("number", "identifier", key=True),
            item("plate", "code", unique=True),
            item("seen", "date"),
            as_of="seen",
        )
        gated = through(
            asked, ["1", "P", "2026-01-01"], ["1", "Q", "2027-01-01"], ["2", "P", "2025-01-01"]
        )  # fmt: skip
        assert kept(gated) == [2, 3]

    def test_the_contents_kept_do_not_depend_on_the_order(self) -> None:
        rows = [["A1", name, None, "2026-01-01"] for name in ("Li", "Wu", "Xu", "Li")]
        one, other = through(PEOPLE, *rows), through(PEOPLE, *rows[::-1])
        assert one.fit.num_rows == 1
        assert one.fit.column("name") == other.fit.column("name")
