"""Suites of Great Expectations: made from the checks of a contract, and run.

The only module that imports Great Expectations. Its engines are asked through its ``Validator``:
by way of a data source the same costs five times as much, because every batch is fingerprinted
twice.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from catalog.contracts import Contract
from core.canonical import digest
from core.messages import message
from reconcile.bound import Given, Unusable
from reconcile.cleaning import Numbers
from reconcile.rules import Check, broken

# Indexes of the rows that fail, without the values, which nobody needs and may be personal.
_RESULT = {
    "result_format": "COMPLETE",
    "exclude_unexpected_values": True,
    "partial_unexpected_count": 0,
    "return_unexpected_index_query": False,
}


@dataclass(frozen=True)
class Outcome:
    """What became of one expectation. ``failing``: the rows that fail it, None where it names
    none. ``judged``: how many rows it looked at, those left out for want of a value not counted.
    """

    holds: bool
    failing: Numbers | None
    judged: int


class Suite:
    """The checks of a contract as Great Expectations knows them, in the same order. What a run
    gives stands in it as parameters.

    Raises:
        QualityRuleBroken: the arguments of a rule are not those of its expectation.
    """

    def __init__(self, contract: Contract, found: Sequence[Check]) -> None:
        self.contract = contract
        self.checks = found
        self._stated = [self._expectation(check, check.arguments) for check in found]

    def document(self) -> dict[str, Any]:
        """The suite in the JSON of Great Expectations."""
        from great_expectations import ExpectationSuite

        suite = ExpectationSuite(name=self.contract.dataset, expectations=self._stated)
        document: dict[str, Any] = suite.to_json_dict()
        return document

    def bound(self, given: Given) -> list[Any | None]:
        """The expectations with parameters filled in; None for those that lack one."""
        filled = []
        for check, stated in zip(self.checks, self._stated, strict=True):
            arguments = given.bind(check.arguments)
            unchanged = arguments == dict(check.arguments)
            filled.append(
                stated if unchanged else arguments and self._expectation(check, arguments)
            )
        return filled

    def _expectation(self, check: Check, arguments: Any) -> Any:
        _context()
        from great_expectations.expectations.expectation_configuration import (
            ExpectationConfiguration,
        )

        meta: dict[str, Any] = {
            "item": check.item, "rule": check.rule, "severity": check.severity,
        }  # fmt: skip
        if check.reference is not None:
            meta["reference"] = list(check.reference)
        try:
            return ExpectationConfiguration(
                type=check.expectation, kwargs=dict(arguments), meta=meta
            ).to_domain_obj()
        except ValueError as error:
            why = one_line(error)
            raise broken(self.contract, check.item, check.expectation, why) from error


def digest_of(suite: dict[str, Any]) -> str:
    """The digest of a suite's document: equal for equal suites, whenever they were made."""
    said = [
        {"type": e["type"], "kwargs": e["kwargs"], "meta": e["meta"]} for e in suite["expectations"]
    ]
    return digest({"name": suite["name"], "expectations": said})


def library() -> str:
    """Name and version of what runs suites."""
    return f"great_expectations {version('great_expectations')}"


def one_line(error: object) -> str:
    """The words of an error, bounded."""
    return " ".join(str(error).split())[:300]


@cache
def _context() -> Any:
    """Great Expectations without analytics, files or progress bars. Importing it takes seconds,
    so that only those who run rules do.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = great_expectations.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def run(expectation: Any, frame: Any) -> Outcome:
    """Runs an expectation over a pandas frame; rows are named by its index.

    Raises:
        Unusable: it raised an exception. Only its kind is told; its words may hold values.
    """
    from great_expectations.execution_engine.pandas_execution_engine import (
        PandasExecutionEngine,
    )

    result = _validated(PandasExecutionEngine(batch_data_dict={"rows": frame}), expectation, {})
    rows = result.result.get("unexpected_index_list")
    return _outcome(result, None if rows is None else np.asarray(rows, np.int64))


def run_on_spark(expectation: Any, frame: Any) -> Outcome:
    """Runs an expectation over a Spark frame; rows are named by its column ``_row``.

    Raises:
        Unusable: as :func:`run`; also where Great Expectations does not know the expectation on
            Spark.
    """
    from great_expectations.execution_engine.sparkdf_execution_engine import (
        SparkDFExecutionEngine,
    )

    # Caching is left to who made the frame.
    engine = SparkDFExecutionEngine(batch_data_dict={"rows": frame}, persist=False)
    result = _validated(engine, expectation, {"unexpected_index_column_names": ["_row"]})
    rows = result.result.get("unexpected_index_list")
    if rows is None:
        return _outcome(result, None)
    # Without values, the rows come as one entry that lists them.
    numbers = [np.atleast_1d(np.asarray(row["_row"], np.int64)) for row in rows]
    return _outcome(result, np.sort(np.concatenate(numbers)) if numbers else np.zeros(0, np.int64))


def _validated(engine: Any, expectation: Any, more: dict[str, Any]) -> Any:
    from great_expectations.validator.validator import Validator

    validator = Validator(execution_engine=engine, data_context=_context())
    asked = {"result_format": {**_RESULT, **more}, "catch_exceptions": False}
    try:
        [result] = validator.graph_validate(
            configurations=[expectation.configuration], runtime_configuration=asked
        )
    except Exception as error:
        raise Unusable(message("rule_fails_with", kind=type(error).__name__)) from error
    return result


def _outcome(result: Any, failing: Numbers | None) -> Outcome:
    counted = result.result
    judged = int(counted.get("element_count") or 0) - int(counted.get("missing_count") or 0)
    return Outcome(bool(result.success), failing, judged)
