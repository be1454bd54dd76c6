"""Small counts are not only left out: they cannot be worked out either."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.serving.disclosure import MOST_CELLS, Cell, TooFine, publishable

LEAST = 5
SIZES = st.sampled_from([0, 0, 1, 3, 4, 5, 6, 9, 12, 20, 50])


@st.composite
def tables(draw: st.DrawFn) -> dict[Cell, int]:
    """A table of one to three dimensions with two to four values each."""
    domains = [range(draw(st.integers(2, 4))) for _ in range(draw(st.integers(1, 3)))]
    return {cell: draw(SIZES) for cell in product(*domains)}


def along(counts: Mapping[Cell, int], axes: tuple[int, ...]) -> dict[Cell, int]:
    found: dict[Cell, int] = {}
    for cell, count in counts.items():
        part = tuple(cell[axis] for axis in axes)
        found[part] = found.get(part, 0) + count
    return found


@given(tables())
@settings(max_examples=50, deadline=None, derandomize=True)
def test_no_small_count_follows_from_all_that_could_be_asked(counts: dict[Cell, int]) -> None:
    nothing_small_follows(counts)


def test_what_follows_from_several_lines_together_is_withheld() -> None:
    """In every line of (2, 3) two cells are small; and yet, of the first two rows less the
    first two columns it is all that is left.
    """
    counts: dict[Cell, int] = {(row, column): 50 for row in range(1, 7) for column in range(1, 7)}
    blocks = (((1, 2), (1, 2)), ((3, 4), (3, 4)))
    for rows, columns in blocks:
        counts |= dict.fromkeys(product(rows, columns), 3)
    counts[2, 3] = 2
    shown = publishable(counts, 2, LEAST)
    assert len(shown) < sum(count >= LEAST for count in counts.values())
    nothing_small_follows(counts)


def nothing_small_follows(counts: dict[Cell, int]) -> None:
    """Somebody asks for every table there is, of whatever items, and solves the equations. Values
    that nobody has are nobody's secret: they are no part of the table.
    """
    dimensions = len(next(iter(counts)))
    some = {cell: n for cell, n in counts.items() if n}
    seen = [{cell[axis] for cell in some} for axis in range(dimensions)]
    cells = [cell for cell in counts if all(v in s for v, s in zip(cell, seen, strict=True))]
    place = {cell: i for i, cell in enumerate(cells)}
    axes_of = [a for size in range(dimensions) for a in combinations(range(dimensions), size + 1)]

    def sum_of(axes: tuple[int, ...], part: Cell) -> np.ndarray:
        row = np.zeros(len(cells))
        row[[place[c] for c in cells if tuple(c[a] for a in axes) == part]] = 1
        return row

    told = []
    for axes in axes_of:
        shown = publishable(along(some, axes), len(axes), LEAST)
        assert all(n >= LEAST for n in shown.values())
        told += [sum_of(axes, part) for part in shown]
    if not told:
        return
    _, sizes, movements = np.linalg.svd(np.array(told))
    free = movements[int((sizes > 1e-9).sum()) :]
    for axes in axes_of:
        for part, count in along({cell: counts[cell] for cell in cells}, axes).items():
            moved = np.abs(free @ sum_of(axes, part)).max() if len(free) else 0.0
            assert count >= LEAST or moved > 1e-9, (axes, part)


def test_what_was_withheld_once_is_withheld_as_a_margin() -> None:
    counts: dict[Cell, int] = {
        ("a", 1): 50,
        ("a", 2): 47,
        ("b", 1): 2,
        ("b", 2): 1,
        ("c", 1): 30,
        ("c", 2): 40,
    }
    by_first = publishable(along(counts, (0,)), 1, LEAST)
    both = publishable(counts, 2, LEAST)
    assert by_first == {("a",): 97}
    assert {cell[0] for cell in both} <= {"a"}


def test_a_table_without_small_counts_is_told_whole() -> None:
    counts: dict[Cell, int] = {(a, b): 10 + a for a in range(5) for b in range(7)}
    assert publishable(counts, 2, LEAST) == counts


def test_too_many_cells_are_refused() -> None:
    counts: dict[Cell, int] = {(a, b): 9 for a in range(400) for b in (a, a + 1)}
    assert len(counts) < MOST_CELLS
    with pytest.raises(TooFine):
        publishable(counts, 2, LEAST)
