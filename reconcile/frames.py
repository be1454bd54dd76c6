"""What expectations look at: columns of cleaned rows, and marks of ours, as pandas frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from reconcile.cleaning import Flags, Numbers, Rows, present
from reconcile.rules import FLAW, Face, mark_of


class Frames:
    """Columns of cleaned rows in the forms that expectations ask for."""

    def __init__(self, rows: Rows) -> None:
        self._items: Mapping[str, pa.Array] = {n: c.value for n, c in rows.items.items()}
        self.size = len(rows)
        self.marks: dict[str, Flags] = {}
        for name, column in rows.items.items():
            self.marks[name] = column.given
            self.marks[mark_of(FLAW, name)] = present(column.flaw)

    @classmethod
    def whole(cls, size: int, items: Mapping[str, pa.Array]) -> Frames:
        """Of all rows of a table, of which only some items are held."""
        made = cls(Rows(pa.nulls(0, pa.int64()), pa.nulls(0), pa.nulls(0), {}))
        made.size, made._items = size, items
        return made

    def of(self, faces: Sequence[tuple[str, Face]], rows: Numbers | None) -> Any:
        """A pandas frame of the named columns and rows (None: all), indexed by position."""
        import pandas as pd

        picked = np.arange(self.size) if rows is None else rows
        if not faces:
            return pd.DataFrame(index=picked)
        columns = pa.table({name: self._column(name, face) for name, face in faces})
        if rows is not None:
            columns = columns.take(pa.array(rows))
        frame: pd.DataFrame = columns.to_pandas()
        return frame.set_axis(picked, axis=0)

    def values(self, item: str) -> pa.StringArray:
        """The canonical text of an item."""
        return self._items[item]

    def _column(self, name: str, face: Face) -> pa.Array:
        if face == "mark":
            return pa.array(np.where(self.marks[name], 1.0, np.nan))
        value = self._items[name]
        if face == "number":
            return value.cast(pa.float64())
        if face == "date":
            # Great Expectations compares dates with bounds in nanoseconds only, which reach from
            # 1677 to 2262, further than the element does.
            return value.cast(pa.date32()).cast(pa.timestamp("ns"))
        return value
