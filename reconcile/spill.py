"""Tables set aside on disk, batch by batch, while the rest of a table is looked at."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa


class Spill:
    """Batches of one schema. The file has no name, so that it goes with the process."""

    def __init__(self, folder: Path | None) -> None:
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._reader: pa.ipc.RecordBatchFileReader | None = None
        self.lengths: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reader = None
        self._file.close()

    def __len__(self) -> int:
        return len(self.lengths)

    def add(self, table: pa.Table) -> None:
        """Sets a batch aside."""
        if self._writer is None:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_file(self._file, table.schema, options=options)
        [batch] = table.combine_chunks().to_batches() or [_nothing(table.schema)]
        self._writer.write_batch(batch)
        self.lengths.append(table.num_rows)

    def read(self, place: int) -> pa.RecordBatch:
        """The batch that was set aside as number ``place``; none can be added any more."""
        if self._reader is None:
            assert self._writer is not None
            self._writer.close()
            self._reader = pa.ipc.open_file(self._file)
        return self._reader.get_batch(place)


def _nothing(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)
