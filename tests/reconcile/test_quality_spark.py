"""The same suite on Spark fails the same rows."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from catalog.contracts import Rule
from core.spark.session import session
from core.sql import EngineLimits
from reconcile.bound import RECENT_ROWS, Given
from reconcile.cleaning import clean
from reconcile.judging import Frames
from reconcile.rules import checks
from reconcile.suites import Suite, run
from reconcile.suites_on_spark import failing_rows
from tests.reconcile.quality_tables import contract, item, landed, rule
from tests.reconcile.test_quality_rules import KINDS, NAMED, ROWS
from tests.spark import NEEDS_SPARK

pytestmark = NEEDS_SPARK

# What Great Expectations 1.24 has no Spark form of.
NOT_ON_SPARK = {
    "expect_column_values_to_be_dateutil_parseable",
}
RULES = [
    asked
    for asked, _ in NAMED
    if asked.expectation not in NOT_ON_SPARK and "row_condition" not in asked.arguments
]
GIVEN = Given(as_of=date(2020, 6, 1))


def test_spark_and_pandas_fail_the_same_rows(cluster: EngineLimits) -> None:
    recent = Rule(expectation=RECENT_ROWS, arguments={"column": "day", "days": 200})
    items = [item(name, kind, required=name == "text") for name, kind in KINDS.items()]
    asked = contract(
        *items, rules=(*RULES, recent, rule("expect_table_row_count_to_equal", value=1))
    )
    table = landed(asked, [*ROWS, ["x", "seven", "-", "2020-02-30", None]])
    rows = clean(asked, table)
    suite = Suite(asked, checks(asked))
    columns: dict[str, Any] = {"_row": rows.row}
    for name, column in rows.items.items():
        columns |= {name: column.value, f"{name}_flaw_": column.flaw}
    found = failing_rows(suite, GIVEN, session(cluster).createDataFrame(pa.table(columns)))
    frames = Frames(rows)
    numbers = rows.row.to_numpy()
    expected = suite.bound(GIVEN)
    judged = [place for place, check in enumerate(suite.checks) if check.stage == "row"]
    assert found.keys() == set(judged)
    for place in judged:
        check = suite.checks[place]
        here = run(expected[place], frames.of(check.faces, None))
        there = found[place]
        assert here.failing is not None
        assert there.failing is not None, check.name
        assert sorted(numbers[here.failing]) == list(there.failing), (check.name, check.arguments)
        assert (here.holds, here.judged) == (there.holds, there.judged), check.name
    assert any(len(each.failing) for each in found.values() if each.failing is not None)
    assert np.all([each.judged <= len(numbers) for each in found.values()])
