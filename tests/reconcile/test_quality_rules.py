"""Each rule a department may write, and each it may not."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from catalog.contracts import Contract, Rule
from reconcile.quality import check_rules
from reconcile.rules import _OF_ROWS, _OF_TABLES, QualityRuleBroken
from reconcile.verdict import QualityStop
from tests.reconcile.quality_tables import contract, item, reasons, rule, through

COLUMN, PAIR, MANY = "expect_column_", "expect_column_pair_values_", "expect_multicolumn_"

ROWS = [
    # text, number, money, day, later
    ["a", "1", "10.00", "2020-01-01", "2020-01-02"],
    ["bb", "2", "2", "2021-05-06", None],
    [None, None, "1", None, "2149-12-31"],
    ["ccc", "5", None, "1999-12-31", "1999-12-31"],
    ["[1]", "2", "1", "1850-01-01", "2019-01-01"],
]


KINDS = {"text": "text", "number": "integer", "money": "money", "day": "date", "later": "date"}


def table(*rules: Rule, **of_items: Rule) -> Contract:
    """A contract of the columns above; a rule may stand at the table or at an item."""
    items = [
        item(name, kind, rules=(of_items[name],) if name in of_items else ())
        for name, kind in KINDS.items()
    ]
    return contract(*items, rules=rules)


NAMED: list[tuple[Rule, list[int]]] = [
    (rule(COLUMN + "values_to_not_be_null", column="text"), [3]),
    (rule(COLUMN + "values_to_be_null", column="money"), [1, 2, 3, 5]),
    (rule(COLUMN + "values_to_be_in_set", column="text", value_set=["a", "bb"]), [4, 5]),
    (rule(COLUMN + "values_to_be_in_set", column="number", value_set=[1, 2]), [4]),
    (rule(COLUMN + "values_to_be_in_set", column="day", value_set=[date(2020, 1, 1)]), [2, 4, 5]),
    (rule(COLUMN + "values_to_not_be_in_set", column="money", value_set=[10]), [1]),
    (rule(COLUMN + "values_to_be_between", column="number", min_value=2, max_value=4), [1, 4]),
    (rule(COLUMN + "values_to_be_between", column="money", min_value=1, strict_min=True), [3, 5]),
    (rule(COLUMN + "values_to_be_between", column="day", min_value="2000-01-01"), [4, 5]),
    (rule(COLUMN + "values_to_be_between", column="day", max_value=date(2020, 1, 1)), [2]),
    (rule(COLUMN + "values_to_be_between", column="later", max_value="2100-01-01"), [3]),
    (rule(COLUMN + "values_to_match_regex", column="money", regex=r"\.00$"), []),
    (rule(COLUMN + "values_to_match_regex", column="number", regex="^[12]$"), [4]),
    (rule(COLUMN + "values_to_not_match_regex", column="text", regex="^[a-c]+$"), [1, 2, 4]),
    (rule(COLUMN + "values_to_match_regex_list", column="text", regex_list=["^a", "^b"]), [4, 5]),
    (rule(COLUMN + "values_to_not_match_regex_list", column="text", regex_list=["^a"]), [1]),
    (rule(COLUMN + "values_to_match_strftime_format", column="day", strftime_format="%Y-%m-%d"), []),
    (rule(COLUMN + "values_to_be_dateutil_parseable", column="later"), []),
    (rule(COLUMN + "values_to_be_json_parseable", column="text"), [1, 2, 4]),
    (rule(COLUMN + "value_lengths_to_be_between", column="text", min_value=2), [1]),
    (rule(COLUMN + "value_lengths_to_equal", column="number", value=1), []),
    (
        rule(PAIR + "a_to_be_greater_than_b", column_A="later", column_B="day",
             ignore_row_if="either_value_is_missing"),
        [4],
    ),
    (
        rule(PAIR + "a_to_be_greater_than_b", column_A="money", column_B="number",
             ignore_row_if="either_value_is_missing", or_equal=True),
        [5],
    ),
    (rule(PAIR + "to_be_equal", column_A="number", column_B="money"), [1, 3, 4, 5]),
    (
        rule(PAIR + "to_be_in_set", column_A="number", column_B="money",
             value_pairs_set=[[1, 10], [2, 2]], ignore_row_if="either_value_is_missing"),
        [5],
    ),
    (rule(MANY + "sum_to_equal", column_list=["number", "money"], sum_total=11,
          ignore_row_if="any_value_is_missing"), [2, 5]),
    (rule(MANY + "values_to_be_equal", column_list=["number", "money"],
          ignore_row_if="any_value_is_missing"), [1, 5]),
    (
        rule("expect_select_column_values_to_be_unique_within_record",
             column_list=["number", "money"], ignore_row_if="any_value_is_missing"),
        [2],
    ),
    (rule(COLUMN + "values_to_be_unique", column="number"), [2, 5]),
    (rule("expect_compound_columns_to_be_unique", column_list=["number", "text"]), []),
    (rule(COLUMN + "values_to_be_increasing", column="number"), [5]),
    (rule(COLUMN + "values_to_be_decreasing", column="day"), [2]),
    (rule(COLUMN + "value_z_scores_to_be_less_than", column="number", threshold=1.4,
          double_sided=True), [4]),
    (rule(COLUMN + "values_to_not_be_outliers", column="number"), [4]),
    (
        rule(COLUMN + "values_to_be_in_set", column="text", value_set=["a"], row_condition={
            "type": "and", "conditions": [
                {"type": "comparison", "column": {"name": "number"}, "operator": ">",
                 "parameter": 1},
                {"type": "nullity", "column": {"name": "money"}, "is_null": False},
            ]}),
        [2, 5],
    ),
]  # fmt: skip

WHOLE: list[tuple[Rule, Rule]] = [
    (
        rule(COLUMN + name, column="number", min_value=low, max_value=high),
        rule(COLUMN + name, column="number", min_value=100, max_value=200),
    )
    for name, low, high in (
        ("max_to_be_between", 5, 5),
        ("min_to_be_between", 1, 1),
        ("mean_to_be_between", 2, 3),
        ("median_to_be_between", 2, 2),
        ("stdev_to_be_between", 1, 2),
        ("sum_to_be_between", 10, 10),
        ("unique_value_count_to_be_between", 3, 3),
    )
]
WHOLE += [
    (rule(COLUMN + "max_to_be_between", column="day", min_value="2021-05-06"),
     rule(COLUMN + "max_to_be_between", column="day", min_value="2021-05-07")),
    (rule(COLUMN + "proportion_of_non_null_values_to_be_between", column="day", min_value=0.8),
     rule(COLUMN + "proportion_of_non_null_values_to_be_between", column="day", min_value=0.9)),
    (rule(COLUMN + "proportion_of_unique_values_to_be_between", column="day", min_value=1),
     rule(COLUMN + "proportion_of_unique_values_to_be_between", column="number", min_value=1)),
    (rule(COLUMN + "distinct_values_to_be_in_set", column="number", value_set=[1, 2, 5]),
     rule(COLUMN + "distinct_values_to_be_in_set", column="number", value_set=[1, 2])),
    (rule(COLUMN + "distinct_values_to_contain_set", column="text", value_set=["a"]),
     rule(COLUMN + "distinct_values_to_contain_set", column="text", value_set=["z"])),
    (rule(COLUMN + "distinct_values_to_equal_set", column="number", value_set=[1, 2, 5]),
     rule(COLUMN + "distinct_values_to_equal_set", column="number", value_set=[1])),
    (rule(COLUMN + "most_common_value_to_be_in_set", column="number", value_set=[2]),
     rule(COLUMN + "most_common_value_to_be_in_set", column="number", value_set=[1])),
    (rule(COLUMN + "quantile_values_to_be_between", column="number",
          quantile_ranges={"quantiles": [0.5], "value_ranges": [[2, 2]]}),
     rule(COLUMN + "quantile_values_to_be_between", column="number",
          quantile_ranges={"quantiles": [0.5], "value_ranges": [[3, 4]]})),
    (rule(COLUMN + "kl_divergence_to_be_less_than", column="text", threshold=0.1,
          partition_object={"values": ["a", "bb", "ccc", "[1]"], "weights": [0.25] * 4}),
     rule(COLUMN + "kl_divergence_to_be_less_than", column="text", threshold=0.1,
          partition_object={"values": ["a", "bb", "ccc", "[1]"], "weights": [1, 0, 0, 0]})),
    (rule("expect_table_row_count_to_be_between", min_value=5),
     rule("expect_table_row_count_to_be_between", max_value=4)),
    (rule("expect_table_row_count_to_equal", value=5),
     rule("expect_table_row_count_to_equal", value=4)),
]  # fmt: skip


def test_every_rule_on_offer_stands_here() -> None:
    tried = {each.expectation for each, _ in [*NAMED, *WHOLE]}
    assert tried == _OF_ROWS | _OF_TABLES


@pytest.mark.parametrize(("asked", "failing"), NAMED, ids=lambda v: getattr(v, "expectation", ""))
def test_a_rule_names_the_rows_that_break_it(asked: Rule, failing: list[int]) -> None:
    assert check_rules(table(asked)) == []
    named = asked.arguments.get("column")
    reason = ".".join(filter(None, (named, asked.expectation)))
    assert reasons(through(table(asked), *ROWS)) == {key: [reason] for key in failing}


@pytest.mark.parametrize(("holds", "breaks"), WHOLE, ids=lambda v: v.expectation)
def test_a_rule_about_the_whole_table(holds: Rule, breaks: Rule) -> None:
    assert check_rules(table(holds, breaks)) == []
    assert through(table(holds), *ROWS).quarantined.num_rows == 0
    with pytest.raises(QualityStop):
        through(table(breaks), *ROWS)


def test_a_rule_that_stands_at_an_item_needs_no_column() -> None:
    gated = through(table(number=rule(COLUMN + "values_to_be_between", max_value=4)), *ROWS)
    assert reasons(gated) == {4: ["number.expect_column_values_to_be_between"]}


def test_a_pair_may_stand_at_an_item() -> None:
    later = rule(
        PAIR + "a_to_be_greater_than_b",
        column_A="later",
        column_B="day",
        ignore_row_if="either_value_is_missing",
    )
    gated = through(table(later=later), *ROWS)
    assert reasons(gated) == {4: ["later." + later.expectation]}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("expect_nonsense", {"column": "text"}, "no such expectation"),
    ("unexpected_rows_expectation", {"unexpected_rows_query": "x"}, "no such expectation"),
    (COLUMN + "values_to_be_between", {"column": "number"}, "min_value and max_value"),
    (COLUMN + "values_to_be_between", {"column": "text", "min_value": 1}, "same type"),
    (COLUMN + "values_to_be_between", {"column": "day", "min_value": "May"}, "ISO day"),
    (COLUMN + "values_to_be_between", {"column": "day", "min_value": 2000}, "ISO day"),
    (COLUMN + "values_to_be_between", {"colum": "number", "min_value": 1}, "extra fields"),
    (COLUMN + "values_to_not_be_null", {"column": "other"}, "no item 'other'"),
    (COLUMN + "values_to_not_be_null", {"column": ["text"]}, "no item"),
    (COLUMN + "values_to_not_be_null", {}, "field required"),
    (COLUMN + "values_to_match_regex", {"column": "text", "regex": "(a"}, "regular expression"),
    (COLUMN + "values_to_be_in_set", {"column": "text", "value_set": [1]}, "holds text"),
    (COLUMN + "values_to_be_in_set", {"column": "number", "value_set": ["1"]}, "holds numbers"),
    (COLUMN + "mean_to_be_between", {"column": "text", "min_value": 1}, "fails with"),
    (PAIR + "to_be_equal", {"column_A": "text", "column_B": "other"}, "no item 'other'"),
    ("expect_table_row_count_to_equal", {"value": 1, "result_format": "BASIC"}, "not allowed"),
    (
        COLUMN + "values_to_not_be_null",
        {"column": "text", "row_condition": "@__import__('os')"},
        "row_condition",
    ),
    (
        COLUMN + "values_to_not_be_null",
        {"column": "text", "row_condition": {"type": "pass_through", "pass_through_filter": "1"}},
        "row_condition",
    ),
]


@pytest.mark.parametrize(("expectation", "arguments", "words"), REFUSED)
def test_a_rule_that_cannot_run_is_refused(
    expectation: str, arguments: dict[str, Any], words: str
) -> None:
    asked = table(Rule(expectation=expectation, arguments=arguments))
    [wrong] = map(str, check_rules(asked))
    assert expectation in wrong
    assert words in wrong
    assert "\n" not in wrong
    with pytest.raises(QualityRuleBroken):
        through(asked, *ROWS)


def test_a_rule_at_one_item_about_another_is_refused() -> None:
    asked = table(text=rule(COLUMN + "values_to_not_be_null", column="day"))
    [wrong] = map(str, check_rules(asked))
    assert "text" in wrong


def test_every_broken_rule_is_told_at_once() -> None:
    asked = table(
        rule("expect_nonsense"),
        rule("expect_table_row_count_to_equal", value=1),
        text=rule(COLUMN + "values_to_be_in_set", value_set=[1]),
    )
    assert len(check_rules(asked)) == 2
