"""The rules about single rows, run by Great Expectations on Spark: the same suite over the same
cleaned values gives the same rows.

Duplicates, references and rules about the table stay where all keys are looked at together
(:mod:`reconcile.judging`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.forms import asked
from reconcile.bound import Given, Unusable
from reconcile.rules import FLAW, Face, broken, mark_of
from reconcile.suites import Outcome, Suite, run_on_spark

_TYPES: Mapping[Face, str] = {"number": "double", "date": "timestamp"}


def failing_rows(suite: Suite, given: Given, frame: Any) -> dict[int, Outcome]:
    """Place of each rule about single rows in ``suite`` → what became of it, rows by ``_row``.

    Args:
        frame: a Spark frame: ``_row`` unique, and per item its canonical text under its name and
            the rule its original breaks under ``<item>_flaw_``; both null where there is nothing.

    Raises:
        QualityRuleBroken: a rule cannot run, or not on Spark.
    """
    found: dict[int, Outcome] = {}
    expectations = suite.bound(given)
    for place, check in enumerate(suite.checks):
        if check.stage != "row" or expectations[place] is None:
            continue
        columns = [_column(name, face).alias(name) for name, face in check.faces]
        try:
            found[place] = run_on_spark(expectations[place], frame.select("_row", *columns))
        except Unusable as error:
            raise broken(suite.contract, check.item, check.expectation, asked(error)) from None
    return found


def _column(name: str, face: Face) -> Any:
    from pyspark.sql import functions as f

    if face != "mark":
        kind = _TYPES.get(face)
        return f.col(name) if kind is None else f.col(name).cast(kind)
    item, _, flaw = name.partition("#")
    there = f.col(f"{item}_flaw_").isNotNull()
    if flaw != FLAW:
        there = there | f.col(item).isNotNull()
    assert name in (item, mark_of(FLAW, item))
    return f.when(there, f.lit(1.0))
