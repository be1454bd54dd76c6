"""Small counts: which cells of a table of counts may be published, and which not.

A count below the threshold is withheld, and so is none at all: what is not listed may be either.
Whoever knows a margin could take the published cells from it; so further cells are withheld until
in every line (the cells of one margin) either none is, or at least two are that together reach
the threshold, and until no small count follows from all lines together.

Tables are nested: the margins of a table by three attributes are the tables by two of them. A
margin is withheld in a table exactly if it is withheld where it is asked for itself; so that what
was asked before, or is asked next, tells no more than one answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import combinations, product
from math import prod
from typing import Any

import numpy as np

from core.errors import HubError

Cell = tuple[Hashable, ...]
Counts = Mapping[Cell, int]
Numbers = np.ndarray[Any, Any]

MOST_CELLS = 100_000
"""Cells of a table, those that nobody is in among them."""

_ROUNDS = 2_000
_PRECISION = 1e-7


class TooFine(HubError):
    """So many cells that hardly one would hold enough people to be told of."""

    code = "statistics_too_fine"
    status = 400
    exit_code = 2


def publishable(counts: Counts, dimensions: int, threshold: int) -> dict[Cell, int]:
    """The cells of a table that may be published.

    Args:
        counts: cell (one value per dimension) → how many; cells nobody is in may be left out.

    Raises:
        TooFine: there are more than :data:`MOST_CELLS`.
    """
    tables: dict[tuple[int, ...], AbstractSet[Cell]] = {}
    everybody = sum(counts.values())
    tables[()] = {()} if everybody >= threshold else set()
    shown: AbstractSet[Cell] = tables[()]
    for size in range(1, dimensions + 1):
        for axes in combinations(range(dimensions), size):
            table = _Table(_along(counts, axes), axes, tables, threshold)
            shown = tables[axes] = table.shown()
    return {cell: counts[cell] for cell in shown if cell in counts}


def _along(counts: Counts, axes: tuple[int, ...]) -> dict[Cell, int]:
    """The counts by some of the dimensions."""
    found: dict[Cell, int] = defaultdict(int)
    for cell, count in counts.items():
        found[tuple(cell[axis] for axis in axes)] += count
    return found


class _Table:
    """One table above its margins, the tables with one dimension less."""

    def __init__(
        self,
        counts: Counts,
        axes: tuple[int, ...],
        tables: Mapping[tuple[int, ...], AbstractSet[Cell]],
        threshold: int,
    ) -> None:
        self._counts = counts
        self._threshold = threshold
        self._margins = [tables[axes[:i] + axes[i + 1 :]] for i in range(len(axes))]
        candidates = self._candidates([tables[axis,] for axis in axes] if len(axes) > 1 else None)
        # Cells below a withheld margin are withheld, yet count in the lines of the others.
        self._cells = sorted(candidates | counts.keys(), key=repr)
        self._hidden = {
            cell
            for cell in self._cells
            if counts.get(cell, 0) < threshold or cell not in candidates
        }
        self._lines: dict[tuple[int, Cell], list[Cell]] = defaultdict(list)
        for cell in self._cells:
            for line in self._lines_of(cell):
                self._lines[line].append(cell)

    def shown(self) -> set[Cell]:
        """The cells that may be published."""
        waiting = set(self._lines)
        while True:
            self._balance(waiting)
            known = self._determined()
            more = {found for cell in known if (found := self._cheapest(self._lines_of(cell)))}
            if not more:
                break
            waiting = self._hide(more)
        return set(self._cells) - self._hidden

    def _candidates(self, values: list[AbstractSet[Cell]] | None) -> set[Cell]:
        """Cells all of whose margins are published: those that nobody is in among them."""
        if values is None:
            # No list says which values there could be: only those that are seen stand here.
            return set(self._counts) if self._margins[0] else set()
        size = prod(len(found) for found in values)
        if max(size, len(self._counts)) > MOST_CELLS:
            raise TooFine(most=MOST_CELLS)
        crossed = product(*([value for (value,) in found] for found in values))
        return {cell for cell in crossed if len([*self._lines_of(cell)]) == len(cell)}

    def _lines_of(self, cell: Cell) -> Iterable[tuple[int, Cell]]:
        """The lines of a cell whose margins are published, each by dimension and margin."""
        for axis, margins in enumerate(self._margins):
            margin = cell[:axis] + cell[axis + 1 :]
            if margin in margins:
                yield axis, margin

    def _balance(self, waiting: set[tuple[int, Cell]]) -> None:
        """Withholds cells until every line with one withheld has two, of enough people."""
        while waiting:
            line = min(waiting, key=repr)
            waiting.discard(line)
            while (cell := self._lacking(line)) is not None:
                waiting |= self._hide({cell}) - {line}

    def _lacking(self, line: tuple[int, Cell]) -> Cell | None:
        """The next cell to withhold in a line; None if it is well."""
        withheld = [cell for cell in self._lines[line] if cell in self._hidden]
        people = sum(self._counts.get(cell, 0) for cell in withheld)
        if not withheld or (len(withheld) > 1 and people >= self._threshold):
            return None
        return self._cheapest([line])

    def _cheapest(self, lines: Iterable[tuple[int, Cell]]) -> Cell | None:
        """The smallest cell of some lines that is not withheld yet."""
        shown = (cell for line in lines for cell in self._lines[line] if cell not in self._hidden)
        return min(shown, key=lambda cell: (self._counts[cell], repr(cell)), default=None)

    def _hide(self, cells: AbstractSet[Cell]) -> set[tuple[int, Cell]]:
        """Withholds cells; the lines that this concerns."""
        self._hidden |= cells
        return {line for cell in cells for line in self._lines_of(cell)}

    def _determined(self) -> list[Cell]:
        """The small cells whose counts follow from what is published."""
        withheld = [cell for cell in self._cells if cell in self._hidden]
        lines = {line: i for i, line in enumerate(self._lines)}
        pairs = [
            (lines[line], i) for i, cell in enumerate(withheld) for line in self._lines_of(cell)
        ]
        if not pairs:
            return []
        rows, columns = (np.array(side) for side in zip(*pairs, strict=True))
        free = _freedom(rows, columns, len(lines), len(withheld))
        return [
            cell
            for i, cell in enumerate(withheld)
            if abs(free[i]) < _PRECISION and self._counts.get(cell, 0) < self._threshold
        ]


def _freedom(rows: Numbers, columns: Numbers, lines: int, cells: int) -> Numbers:
    """How far each of the unknown cells can move while the sums of all lines stay: a random
    movement, less all of it that the lines forbid (conjugate gradients). A cell that does not
    move in it is determined: with certainty but for a chance in a billion.
    """
    movement = np.random.default_rng(1).standard_normal(cells)

    def sums(of: Numbers) -> Numbers:
        return np.bincount(rows, of[columns], lines)

    def spread(of: Numbers) -> Numbers:
        return np.bincount(columns, of[rows], cells)

    residual = sums(movement)
    direction, size = residual.copy(), float(residual @ residual)
    for _ in range(_ROUNDS):
        if size < _PRECISION**4:
            return movement
        along = spread(direction)
        step = size / float(along @ along)
        movement -= step * along
        residual = sums(movement)
        direction, last = residual + float(residual @ residual) / size * direction, size
        size = float(residual @ residual)
        if size >= last and size < _PRECISION**2:
            return movement
    # Not settled: nothing counts as free.
    return np.zeros(cells)
