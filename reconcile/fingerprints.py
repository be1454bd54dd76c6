"""A digest of a table, the same however it is cut into batches."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Fingerprint:
    """Of the rows in their order, column by column."""

    def __init__(self) -> None:
        self._columns: dict[str, Any] = {}
        self.rows = 0

    def add(self, table: pa.Table) -> None:
        """Takes the next rows; all tables have the same columns, of integers or of text."""
        self.rows += table.num_rows
        for name in table.column_names:
            column = table.column(name).combine_chunks()
            if pa.types.is_integer(column.type):
                self._say(name, column.to_numpy().astype("<i8").tobytes())
                continue
            # Apart, or the digest would depend on where batches end.
            lengths = pc.fill_null(pc.binary_length(column), -1).to_numpy().astype("<i4")
            self._say(f"{name} lengths", lengths.tobytes())
            self._say(name, _text(column))

    def _say(self, name: str, content: bytes) -> None:
        self._columns.setdefault(name, hashlib.sha256()).update(content)

    def hexdigest(self) -> str:
        """SHA-256 of the names and contents of all columns."""
        whole = hashlib.sha256(str(self.rows).encode())
        for name, said in sorted(self._columns.items()):
            whole.update(f"\n{name} {said.hexdigest()}".encode())
        return whole.hexdigest()


def _text(column: pa.StringArray) -> bytes:
    if not len(column):
        return b""
    filled = pc.fill_null(column, "")
    offsets = np.frombuffer(filled.buffers()[1], np.int32)
    first, last = offsets[filled.offset], offsets[filled.offset + len(filled)]
    content = filled.buffers()[2]
    return b"" if content is None else content.slice(int(first), int(last - first)).to_pybytes()
