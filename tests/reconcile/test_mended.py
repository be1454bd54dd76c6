"""Rows of a table without a key that stood in quarantine and are fit now: told by their place."""

from __future__ import annotations

import pyarrow as pa
import pytest

from core.sql import EngineLimits
from reconcile.differences import mended

BEFORE, HELD = {1: "A", 2: "B", 4: "D"}, {3: "c", 5: None}
"""Place in the source → what the row is called; rows that could not be read are called nothing."""


def rows(named: dict[int, str | None]) -> pa.Table:
    return pa.table(
        {
            "_row": pa.array(list(named), pa.int64()),
            "_record": pa.array(list(named.values()), pa.string()),
        }
    )


@pytest.mark.parametrize(
    ("now", "count"),
    [
        ({1: "A", 2: "B", 4: "D"}, 0),
        ({1: "A", 2: "B", 3: "C", 4: "D"}, 1),
        ({1: "A", 2: "B", 3: "C", 4: "D", 5: "E", 6: "F"}, 2),
        # One that was fit says something else now, which is no release.
        ({1: "A", 2: "X", 4: "D"}, 0),
        # The rules are others, and the row is what it was.
        ({1: "A", 2: "B", 3: "c", 4: "D"}, 1),
        # A row came in front, or one went: who was mended and who is new, nobody can tell.
        ({1: "X", 2: "A", 3: "B", 4: "C", 5: "D"}, None),
        ({1: "B", 2: "C", 3: "D"}, None),
        ({1: "A", 2: "D", 3: "B"}, None),
        # Most say something else: as under other columns, or in a file of another day.
        ({1: "A", 2: "X", 3: "C", 4: "Y"}, None),
        ({}, None),
    ],
)
def test_what_was_mended_is_told_by_its_place(
    now: dict[int, str | None], count: int | None
) -> None:
    assert mended(EngineLimits(), rows({**BEFORE}), rows(HELD), rows(now)) == count


def test_where_nothing_was_fit_before_rows_that_stayed_what_they_were_tell_places() -> None:
    held = rows({1: "a", 2: "b", 3: "c"})
    assert mended(EngineLimits(), rows({}), held, rows({1: "a", 3: "C"})) == 2
    assert mended(EngineLimits(), rows({}), held, rows({2: "a", 3: "C"})) is None
    assert mended(EngineLimits(), rows({}), held, rows({1: "A", 2: "B"})) is None
