"""The engine's likeness is that of characters, not of bytes."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.standards.base import Agreement, Comparison
from reconcile.linkage.compared import Compared
from reconcile.linkage.derived import derive


def agrees(level: Agreement, left: str, right: str, comparison: Comparison | None = None) -> bool:
    """Whether the engine finds that two values agree at a level."""
    attribute = Compared("value", "c0", comparison or Comparison(levels=(level,)))
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE two (side INTEGER, c0 VARCHAR)")
        connection.executemany("INSERT INTO two VALUES (?, ?)", [[0, left], [1, right]])
        derive(connection, "two", "seen", (attribute,))
        condition = attribute.condition(level, "l.{}", "r.{}")
        found = connection.execute(
            f"SELECT {condition} FROM seen AS l, seen AS r WHERE l.side = 0 AND r.side = 1"
        ).fetchall()
    return bool(found[0][0])


def edits(left: str, right: str) -> int:
    """Changes, insertions, deletions and swaps of neighbours from one text to the other."""
    table = {(i, 0): i for i in range(len(left) + 1)} | {(0, j): j for j in range(len(right) + 1)}
    for i, a in enumerate(left, 1):
        for j, b in enumerate(right, 1):
            best = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a != b))
            if i > 1 and j > 1 and (a, b) == (right[j - 2], left[i - 2]):
                best = min(best, table[i - 2, j - 2] + 1)
            table[i, j] = best
    return table[len(left), len(right)]


names = st.text("王伟玮明小李a1", min_size=1, max_size=4)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(names, names)
def test_one_edit_is_one_character(left: str, right: str) -> None:
    assert agrees(Agreement("close", "edits", bound=1), left, right) == (edits(left, right) <= 1)


@pytest.mark.parametrize(
    ("test", "bound", "left", "right", "expected"),
    [
        ("jaro_winkler", 0.9, "桂城街道物业公司", "桂城街道物业公词", True),
        ("jaro_winkler", 0.9, "桂城街道物业公司", "狮山小学", False),
        ("within", 3, "2024-02-28", "2024-03-02", True),
        ("within", 3, "2024-02-28", "2024-03-03", False),
        ("within", 0.5, "10.0", "10.4", True),
        ("within", 0.5, "10.0", "-10.0", False),
    ],
)
def test_other_likenesses(test: str, bound: float, left: str, right: str, expected: bool) -> None:
    level = Agreement("close", test, bound=bound)  # type: ignore[arg-type]
    assert agrees(level, left, right) == expected


def test_features_are_computed_once_per_value() -> None:
    seen: list[str] = []

    def first(text: str) -> str | None:
        seen.append(text)
        return text[0] if text != "-" else None

    level = Agreement("same_start", "equal", "first")
    comparison = Comparison(levels=(level,), features={"first": first})
    assert agrees(level, "abc", "axy", comparison)
    assert agrees(level, "abc", "abc", comparison)
    assert not agrees(level, "abc", "-", comparison)
    assert sorted(seen) == ["-", "abc", "abc", "abc", "axy"]
