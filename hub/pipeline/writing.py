"""Tables of the lake, written by a thread of their own while the next ones are made."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue
from types import TracebackType
from typing import Self

import pyarrow as pa

from core.lake import Lake, TableVersion

_AHEAD = 64
"""Batches of a table that may wait to be written."""


class Writer:
    """Writes tables one after the other, and a table's parts in the order they are given.

    Args:
        notes: kept with every version.
    """

    def __init__(self, lake: Lake, notes: dict[str, str]) -> None:
        self._lake = lake
        self._notes = notes
        self._thread = ThreadPoolExecutor(1, "lake-writer")
        self._last: dict[str, Future[TableVersion]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown()

    def write(self, table: str, rows: pa.RecordBatchReader) -> None:
        """Takes all ``rows`` of a table, or of its next part; waits for the part before.

        Raises:
            LakeWriteFailed: that could not be written.
        """
        before = table in self._last and self._last[table].result()
        waiting: Queue[pa.RecordBatch | BaseException | None] = Queue(_AHEAD)
        mode = "append" if before else "overwrite"
        self._last[table] = self._thread.submit(self._work, table, rows.schema, waiting, mode)
        try:
            for batch in rows:
                waiting.put(batch)
            waiting.put(None)
        except BaseException as error:
            # The rows taken so far are not all of them.
            waiting.put(error)
            raise

    def version(self, table: str) -> TableVersion:
        """The version that holds all parts of a table, once it is written.

        Raises:
            LakeWriteFailed: it could not be.
        """
        return self._last[table].result()

    def _work(
        self,
        table: str,
        schema: pa.Schema,
        waiting: Queue[pa.RecordBatch | BaseException | None],
        mode: str,
    ) -> TableVersion:
        taken = _taken(waiting)
        try:
            rows = pa.RecordBatchReader.from_batches(schema, taken)
            return self._lake.write(table, rows, mode, self._notes)
        finally:
            # Whoever puts more into a full queue would wait for ever.
            for _ in taken:
                pass


def _taken(waiting: Queue[pa.RecordBatch | BaseException | None]) -> Iterator[pa.RecordBatch]:
    while (batch := waiting.get()) is not None:
        if isinstance(batch, BaseException):
            raise batch
        yield batch
