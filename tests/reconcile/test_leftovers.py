"""What a repair that has ended would still put right."""

from __future__ import annotations

from typing import Any

import pytest

from reconcile.conflicts.effects import Repair
from reconcile.conflicts.leftovers import left
from tests.reconcile.fusing import subject, table

RESIDENT = subject({"born": {"element": "date"}, "status": {}})
SWAP = {"kind": "swap_day_month"}
RECODE = {"kind": "recode", "mapping": {"1": "10", "2": "20"}}
TURN = {"kind": "recode", "mapping": {"1": "2", "2": "1"}}
IGNORE = {"kind": "ignore"}


@pytest.mark.parametrize(
    ("repair", "attribute", "said", "others", "count"),
    [
        (SWAP, "born", "1990-04-03", ["1990-03-04"], 1),
        (SWAP, "born", "1990-04-03", ["1990-03-04", "1990-04-03"], 0),
        # A day that could be swapped is a day like others.
        (SWAP, "born", "1990-03-04", ["1990-03-04"], 0),
        (SWAP, "born", "1990-03-04", ["1991-03-04"], 0),
        (SWAP, "born", "1990-03-04", [], 0),
        (RECODE, "status", "10", ["20"], 0),
        (RECODE, "status", "1", ["10"], 1),
        # An old code is one whatever others say, if anything.
        (RECODE, "status", "1", [], 1),
        (RECODE, "status", "1", ["1"], 1),
        # Codes in each other's place are both in use.
        (TURN, "status", "1", [], 0),
        (TURN, "status", "1", ["1"], 0),
        (TURN, "status", "1", ["2"], 1),
        (IGNORE, "status", "1", ["2"], 1),
        (IGNORE, "status", "1", ["2", "1"], 0),
        (IGNORE, "status", "1", [], 0),
        (IGNORE, "status", None, ["2"], 0),
        (IGNORE, "gone", None, [], 0),
    ],
)
def test_what_is_left_is_told_by_others_unless_it_is_out_of_use(
    repair: dict[str, Any], attribute: str, said: str | None, others: list[str], count: int
) -> None:
    values = {"own": said} | {f"other_{n}": value for n, value in enumerate(others)}
    claims = [("x", attribute, who, value, None) for who, value in values.items() if value]
    # Others of somebody else, and the own of something else, have no say.
    beside = [("y", attribute, "other_0", "3", None), ("x", "name", "own", "1", None)]
    assert left(RESIDENT, table([*claims, *beside]), Repair("own", attribute, repair)) == count


def test_each_claim_counts() -> None:
    rows = [(e, "status", who, v, None) for e in "xyz" for who, v in (("own", "1"), ("other", "2"))]
    assert left(RESIDENT, table(rows), Repair("own", "status", IGNORE)) == 3
