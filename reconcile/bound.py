"""Rules that a run gives something to: the day it judges by, how many rows there were before, the
values of another dataset.

Each becomes an expectation of Great Expectations whose bounds are *parameters* of the suite. The
suite is thereby the contract's alone; what a run gave is kept beside its verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

import pyarrow as pa

from core.messages import message

Stage = Literal["landing", "row", "reference", "duplicate", "table"]
Dimension = Literal["completeness", "validity", "uniqueness", "consistency", "timeliness"]

EXISTS = "expect_column_values_to_exist_in_dataset"
RECENT_ROWS = "expect_column_values_to_be_recent"
RECENT_TABLE = "expect_table_to_be_recent"
CHANGE = "expect_table_row_count_to_change_within"

_PARAMETER = "$PARAMETER"


class Unusable(ValueError):
    """Why a rule cannot run, in words that hold nothing of a row."""


@dataclass(frozen=True)
class Given:
    """What a run gives to the rules that ask for it.

    ``as_of``: the day rows are judged by. ``before``: rows of the previous landing, None before
    the first. ``references``: the values of a dataset's item, None where there are none yet.
    """

    as_of: date | None = None
    before: int | None = None
    references: Callable[[str, str], pa.ChunkedArray | None] = field(default=lambda *_: None)

    def bind(self, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """``arguments`` with parameters filled in; None if one of them is not to be had."""
        asked = {
            name: value[_PARAMETER]
            for name, value in arguments.items()
            if isinstance(value, dict) and _PARAMETER in value
        }
        filled = {name: self._value(parameter) for name, parameter in asked.items()}
        return None if None in filled.values() else {**arguments, **filled}

    def _value(self, parameter: str) -> datetime | int | None:
        kind, _, amount = parameter.partition("_minus_")
        if kind == "day":
            if self.as_of is None:
                return None
            return datetime.combine(self.as_of, time()) - timedelta(days=int(amount))
        if not self.before:
            # From nothing, no share can be told.
            return None
        if kind == "rows":
            return math.ceil(self.before * (1 - float(amount) / 100))
        share = float(parameter.removeprefix("rows_plus_"))
        return math.floor(self.before * (1 + share / 100))


@dataclass(frozen=True)
class Bound:
    """The expectation that a rule becomes."""

    expectation: str
    arguments: Mapping[str, Any]
    stage: Stage
    dimension: Dimension | None
    reference: tuple[str, str] | None = None


def _exists(arguments: Mapping[str, Any]) -> Bound:
    _only(arguments, {"column", "dataset", "item"}, {"mostly"})
    asked = {key: arguments[key] for key in ("column", "mostly") if key in arguments}
    reference = (str(arguments["dataset"]), str(arguments["item"]))
    return Bound("expect_column_values_to_be_null", asked, "reference", "consistency", reference)


def _recent_rows(arguments: Mapping[str, Any]) -> Bound:
    _only(arguments, {"column", "days"}, {"mostly"})
    asked = {key: value for key, value in arguments.items() if key != "days"}
    asked["min_value"] = _day(arguments)
    return Bound("expect_column_values_to_be_between", asked, "row", "timeliness")


def _recent_table(arguments: Mapping[str, Any]) -> Bound:
    _only(arguments, {"column", "days"})
    asked = {"column": arguments["column"], "min_value": _day(arguments)}
    return Bound("expect_column_max_to_be_between", asked, "table", "timeliness")


def _change(arguments: Mapping[str, Any]) -> Bound:
    _only(arguments, {"percent"})
    percent = arguments["percent"]
    if not _is_number(percent) or not 0 <= percent <= 1000:
        raise Unusable(message("rule_percent"))
    share = f"{percent:g}"
    asked = {
        "min_value": {_PARAMETER: f"rows_minus_{share}"},
        "max_value": {_PARAMETER: f"rows_plus_{share}"},
    }
    return Bound("expect_table_row_count_to_be_between", asked, "landing", None)


BOUND: Mapping[str, Callable[[Mapping[str, Any]], Bound]] = {
    EXISTS: _exists,
    RECENT_ROWS: _recent_rows,
    RECENT_TABLE: _recent_table,
    CHANGE: _change,
}


def _only(
    arguments: Mapping[str, Any], needed: set[str], allowed: set[str] | frozenset[str] = frozenset()
) -> None:
    if missing := sorted(needed - arguments.keys()):
        raise Unusable(message("rule_argument_missing", name=missing[0]))
    if extra := sorted(arguments.keys() - needed - allowed):
        raise Unusable(message("rule_argument_unknown", name=extra[0]))


def _day(arguments: Mapping[str, Any]) -> dict[str, str]:
    days = arguments["days"]
    if not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= 36525:
        raise Unusable(message("rule_days"))
    return {_PARAMETER: f"day_minus_{days}"}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def plain(value: Any) -> Any:
    """Dates of YAML as the ISO text that items hold."""
    match value:
        case date():
            return value.isoformat()
        case list():
            return [plain(part) for part in value]
        case dict():
            return {key: plain(part) for key, part in value.items()}
    return value
