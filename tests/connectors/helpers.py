"""What the tests of this room share: pulling a source whole, and counting it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connectors.base import ROW, Batch, Unreadable
from connectors.registry import connect
from connectors.settings import restore


def batches_of(
    folder: Path, columns: Sequence[str], since: str | None = None, **settings: Any
) -> list[Batch]:
    """All batches of a source with the given settings."""
    model = restore({"dataset": "police.residents", **settings})
    return list(connect(model, folder).pull(columns, since))


def pull(
    folder: Path, columns: Sequence[str], since: str | None = None, **settings: Any
) -> tuple[list[tuple[Any, ...]], list[Unreadable]]:
    """The rows of a source as tuples, and its unreadable rows."""
    batches = batches_of(folder, columns, since, **settings)
    for batch in batches:
        assert batch.rows.column_names == [*columns, ROW]
    assert_numbered(batches)
    return tuples(batches), [row for batch in batches for row in batch.unreadable]


def tuples(batches: Sequence[Batch]) -> list[tuple[Any, ...]]:
    """The rows without their numbers."""
    return [
        tuple(row[name] for name in batch.rows.column_names if name != ROW)
        for batch in batches
        for row in batch.rows.to_pylist()
    ]


def assert_numbered(batches: Sequence[Batch]) -> int:
    """Checks that rows and unreadable rows number every row exactly once; gives their count."""
    numbers: list[int] = []
    for batch in batches:
        of_batch = [*batch.rows[ROW].to_pylist(), *(bad.row for bad in batch.unreadable)]
        assert batch.rows[ROW].to_pylist() == sorted(batch.rows[ROW].to_pylist())
        numbers.extend(sorted(of_batch))
    assert numbers == list(range(1, len(numbers) + 1))
    return len(numbers)
