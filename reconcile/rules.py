"""What a contract asks of its rows, as checks: one expectation each, with what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Literal

from catalog.contracts import Contract, Item, Rule
from core.errors import HubError
from core.forms import asked
from core.messages import Message, absent, message
from reconcile.bound import BOUND, Dimension, Stage, Unusable, plain

MISSING = "missing"
FLAW = "flaw"
ROW_DUPLICATE = "row_duplicate"
KEY_DUPLICATE = "key_duplicate"
VALUE_DUPLICATE = "value_duplicate"

Face = Literal["text", "number", "date", "mark"]
Severity = Literal["reject", "warn", "stop"]

# Expectations that judge a row by itself, and those that need the whole table. Others are not
# offered: they ask for SQL, for Python types, or for columns, which the contract settles.
_OF_ROWS = frozenset(
    {
        "expect_column_pair_values_a_to_be_greater_than_b",
        "expect_column_pair_values_to_be_equal",
        "expect_column_pair_values_to_be_in_set",
        "expect_column_value_lengths_to_be_between",
        "expect_column_value_lengths_to_equal",
        "expect_column_values_to_be_between",
        "expect_column_values_to_be_dateutil_parseable",
        "expect_column_values_to_be_in_set",
        "expect_column_values_to_be_json_parseable",
        "expect_column_values_to_be_null",
        "expect_column_values_to_match_regex",
        "expect_column_values_to_match_regex_list",
        "expect_column_values_to_match_strftime_format",
        "expect_column_values_to_not_be_in_set",
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_not_match_regex",
        "expect_column_values_to_not_match_regex_list",
        "expect_multicolumn_sum_to_equal",
        "expect_multicolumn_values_to_be_equal",
        "expect_select_column_values_to_be_unique_within_record",
    }
)
_OF_TABLES = frozenset(
    {
        "expect_column_distinct_values_to_be_in_set",
        "expect_column_distinct_values_to_contain_set",
        "expect_column_distinct_values_to_equal_set",
        "expect_column_kl_divergence_to_be_less_than",
        "expect_column_max_to_be_between",
        "expect_column_mean_to_be_between",
        "expect_column_median_to_be_between",
        "expect_column_min_to_be_between",
        "expect_column_most_common_value_to_be_in_set",
        "expect_column_proportion_of_non_null_values_to_be_between",
        "expect_column_proportion_of_unique_values_to_be_between",
        "expect_column_quantile_values_to_be_between",
        "expect_column_stdev_to_be_between",
        "expect_column_sum_to_be_between",
        "expect_column_unique_value_count_to_be_between",
        "expect_column_value_z_scores_to_be_less_than",
        "expect_column_values_to_be_decreasing",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_unique",
        "expect_column_values_to_not_be_outliers",
        "expect_compound_columns_to_be_unique",
        "expect_table_row_count_to_be_between",
        "expect_table_row_count_to_equal",
    }
)
_UNIQUE = frozenset({"expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"})
# They would change how the suite runs, or run text of the contract as code.
_REFUSED = frozenset({"batch_id", "catch_exceptions", "condition_parser", "result_format"})
_NUMBERS = frozenset({"integer", "decimal", "money"})
# Those that compare dates with a bound or with each other's distance; for others dates are text.
_OF_DATES = frozenset(
    {
        "expect_column_max_to_be_between",
        "expect_column_min_to_be_between",
        "expect_column_values_to_be_between",
        "expect_column_values_to_be_decreasing",
        "expect_column_values_to_be_increasing",
    }
)
_BOUNDS = frozenset({"min_value", "max_value"})


class QualityRuleBroken(HubError):
    """A rule of a contract that cannot run: unknown, wrongly worded, or unfit for its item."""

    code = "quality_rule_broken"
    status = 400
    exit_code = 2


@dataclass(frozen=True)
class Check:
    """One expectation of a suite.

    ``rule``: the reason given to rows that break it (``flaw`` stands for the element's own
    reason). ``item``: the item it is about, None for the row or table. ``faces``: the columns
    it reads and in which form: canonical text, a number, a date, or a mark (1 or nothing).
    ``dimension``: the score it counts in. ``items``: all items it reads. ``reference``: dataset
    and item in which its values must exist; the gate looks, and marks the rows.
    """

    expectation: str
    arguments: Mapping[str, Any]
    rule: str
    item: str | None
    severity: Severity
    stage: Stage
    faces: tuple[tuple[str, Face], ...]
    dimension: Dimension | None
    items: tuple[str, ...]
    reference: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """``<item>.<rule>``, or the rule alone where it is about no item."""
        return f"{self.item}.{self.rule}" if self.item else self.rule


def mark_of(rule: str, item: str | None = None) -> str:
    """The column that marks the rows which break ``rule``. No item has such a name."""
    return f"{item}#{rule}" if item else f"_{rule}"


def examples(element: str) -> list[str | None]:
    """Three made-up values of an item, to try a rule on."""
    if element in _NUMBERS:
        return ["1", "2", None]
    return ["2000-01-01", "2001-01-01", None] if element == "date" else ["a", "b", None]


def checks(contract: Contract) -> list[Check]:
    """Every check of a contract, in order of its items; those about no item come last.

    Raises:
        QualityRuleBroken: a rule of the department is not offered or names no item.
    """
    found = [check for item in contract.items for check in _about(contract, item)]
    found.extend(check_of(contract, None, rule) for rule in contract.rules)
    found.append(_unmarked(ROW_DUPLICATE, None))
    if contract.key:
        found.append(_unmarked(KEY_DUPLICATE, None, contract.key))
    order = {item.name: position for position, item in enumerate(contract.items)}
    return sorted(found, key=lambda check: order.get(check.item or "", len(order)))


def depends(contract: Contract) -> bool:
    """Whether a table of the same rows may be judged otherwise on another day, or once another
    dataset changed.
    """
    return any(rule.expectation in BOUND for _, rule in own_rules(contract))


def references(contract: Contract) -> tuple[tuple[str, str], ...]:
    """The datasets and items in which values of a contract must exist.

    Raises:
        QualityRuleBroken: a rule is not what it should be.
    """
    found = (check_of(contract, item, rule).reference for item, rule in own_rules(contract))
    return tuple(dict.fromkeys(each for each in found if each is not None))


def reading_order(contracts: Mapping[str, Contract], datasets: Iterable[str]) -> list[str]:
    """``datasets`` so that those others refer to come first; in a circle, as they came."""
    wanted = list(datasets)
    order: list[str] = []
    open_: set[str] = set()

    def visit(dataset: str) -> None:
        if dataset in open_ or dataset in order or dataset not in wanted:
            return
        open_.add(dataset)
        for other, _ in references(contracts[dataset]):
            visit(other)
        order.append(dataset)

    for dataset in wanted:
        visit(dataset)
    return order


def unique_items(contract: Contract) -> tuple[str, ...]:
    """The items whose values must be unique and that are not the key, which is anyway."""
    return tuple(i.name for i in contract.items if i.unique and contract.key != (i.name,))


def own_rules(contract: Contract) -> Iterator[tuple[Item | None, Rule]]:
    """The department's rules, each with the item it stands at."""
    for item in contract.items:
        yield from ((item, rule) for rule in item.rules)
    yield from ((None, rule) for rule in contract.rules)


def check_of(contract: Contract, item: Item | None, rule: Rule) -> Check:
    """A department's rule as a check.

    Raises:
        QualityRuleBroken: the rule is not offered or names no item.
    """
    try:
        return _translated(contract, item, rule)
    except Unusable as error:
        raise broken(
            contract, item.name if item else None, rule.expectation, asked(error)
        ) from error


def broken(contract: Contract, item: str | None, expectation: str, why: Message | str) -> HubError:
    """The error that names a rule which cannot run."""
    return QualityRuleBroken(
        dataset=contract.dataset, item=item or "-", expectation=expectation, rule=why
    )


def _about(contract: Contract, item: Item) -> Iterator[Check]:
    strict = item.key or item.required
    flaw = mark_of(FLAW, item.name)
    faces: tuple[tuple[str, Face], ...] = ((item.name, "mark"), (flaw, "mark"))
    if strict:
        yield Check(
            "expect_column_values_to_not_be_null",
            {"column": item.name}, MISSING, item.name, "reject", "row", faces,
            "completeness", (item.name,),
        )  # fmt: skip
    yield Check(
        "expect_column_values_to_be_null",
        {"column": flaw}, FLAW, item.name,
        "reject" if strict else "warn", "row", faces, "validity", (item.name,),
    )  # fmt: skip
    for rule in item.rules:
        yield check_of(contract, item, rule)
    if item.name in unique_items(contract):
        yield _unmarked(VALUE_DUPLICATE, item.name)


def _unmarked(rule: str, item: str | None, key: tuple[str, ...] = ()) -> Check:
    """That no row bears the mark of being a duplicate."""
    column = mark_of(rule, item)
    return Check(
        "expect_column_values_to_be_null",
        {"column": column}, rule, item, "reject", "duplicate", ((column, "mark"),),
        "uniqueness", (item,) if item else key,
    )  # fmt: skip


def _translated(contract: Contract, item: Item | None, rule: Rule) -> Check:
    name = rule.expectation
    if refused := sorted(_REFUSED & rule.arguments.keys()):
        raise Unusable(message("rule_argument_refused", name=refused[0]))
    arguments = {key: plain(value) for key, value in rule.arguments.items()}
    if item and name.startswith("expect_column_") and "pair" not in name:
        arguments.setdefault("column", item.name)
    if item and arguments.get("column", item.name) != item.name:
        raise Unusable(message("rule_other_column"))
    if name in BOUND:
        return _bound(contract, item, rule, arguments)
    if name not in _OF_ROWS | _OF_TABLES:
        raise Unusable(message("rule_no_expectation"))
    faces = _faces(contract, name, arguments)
    if dict(faces).get(arguments.get("column", "")) == "date":
        arguments |= {k: _moment(arguments[k]) for k in _BOUNDS & arguments.keys()}
    _suits(dict(faces), arguments)
    about = item.name if item else arguments.get("column")
    stage: Stage = "row" if name in _OF_ROWS else "table"
    return Check(
        name, arguments, name, about, rule.severity, stage, faces,
        _dimension(name, faces), tuple(n for n, _ in faces),
    )  # fmt: skip


def _dimension(expectation: str, faces: tuple[tuple[str, Face], ...]) -> Dimension | None:
    """The score that a department's rule counts in; None: it is about the table as a whole."""
    if expectation in _UNIQUE:
        return "uniqueness"
    if expectation not in _OF_ROWS:
        return None
    if expectation == "expect_column_values_to_not_be_null":
        return "completeness"
    return "validity" if len(faces) == 1 else "consistency"


def _bound(contract: Contract, item: Item | None, rule: Rule, arguments: dict[str, Any]) -> Check:
    """A rule that a run gives something to: the day, the rows before, another dataset's values.

    What the run gives stands in the suite as a parameter, so that the suite is the contract's.
    """
    name = rule.expectation
    if name == "expect_table_to_be_recent" and contract.as_of is not None:
        arguments.setdefault("column", contract.as_of)
    found = BOUND[name](arguments)
    column = found.arguments.get("column")
    elements_ = {i.name: i.element for i in contract.items}
    if column is not None and column not in elements_:
        raise Unusable(absent("item", column))
    if found.stage in ("row", "table") and elements_.get(column or "") != "date":
        raise Unusable(message("rule_recency_date"))
    about = item.name if item else column if found.stage != "table" else None
    given: dict[str, Any] = dict(found.arguments)
    faces: tuple[tuple[str, Face], ...] = ()
    if found.reference is not None and column is not None:
        given["column"] = mark_of(f"{name}:{'.'.join(found.reference)}", column)
        faces = ((given["column"], "mark"),)
    elif column is not None:
        faces = ((column, "date"),)
    return Check(
        found.expectation, given, name, about, rule.severity, found.stage, faces,
        found.dimension, (column,) if column else (), found.reference,
    )  # fmt: skip


def _faces(
    contract: Contract, expectation: str, arguments: Mapping[str, Any]
) -> tuple[tuple[str, Face], ...]:
    """The columns that the arguments name, and the form the expectation needs them in."""
    kinds = {item.name: item.element for item in contract.items}
    read = [arguments[k] for k in ("column", "column_A", "column_B") if k in arguments]
    read.extend(arguments.get("column_list", ()))
    asked = list(_conditions(arguments.get("row_condition")))
    if unknown := [name for name in [*read, *asked] if str(name) not in kinds]:
        raise Unusable(absent("item", unknown[0]))
    faces = {name: _face("", kinds[name]) for name in asked}
    faces |= {name: _face(expectation, kinds[name]) for name in read}
    return tuple(sorted(faces.items()))


def _face(expectation: str, element: str) -> Face:
    if any(part in expectation for part in ("_match_", "_lengths_", "_parseable")):
        return "text"
    if element in _NUMBERS:
        return "number"
    if element == "date" and expectation in _OF_DATES:
        return "date"
    return "text"


def _conditions(condition: Any) -> Iterator[str]:
    """The columns that a ``row_condition`` reads."""
    match condition:
        case None:
            return
        case {"type": "and" | "or", "conditions": [*parts]}:
            for part in parts:
                yield from _conditions(part)
        case {"type": "comparison" | "nullity", "column": {"name": str(name)}}:
            yield name
        case _:
            # Text would be evaluated as code.
            raise Unusable(message("rule_row_condition"))


def _moment(bound: Any) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(bound), time())
    except (TypeError, ValueError) as error:
        raise Unusable(message("rule_date_bound")) from error


def _suits(faces: Mapping[str, Face], arguments: Mapping[str, Any]) -> None:
    """A set of numbers never meets text such as '01', and would reject every row."""
    members = arguments.get("value_set")
    face = faces.get(arguments.get("column", ""))
    if not isinstance(members, list) or face is None:
        return
    numbers = face == "number"
    if any(isinstance(member, str) == numbers for member in members):
        raise Unusable(message("rule_value_set_numbers" if numbers else "rule_value_set_text"))
