"""A landed table in batches, by ascending ``_row``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from core.sql import EngineLimits, open_sql
from reconcile.cleaning import in_order

if TYPE_CHECKING:
    import pyarrow.dataset as ds  # brings pandas

BATCH_ROWS = 200_000
_READ_ROWS = 50_000


def batches(
    landed: pa.Table | ds.Dataset, rows: int = BATCH_ROWS, spill: Path | None = None
) -> Iterator[pa.Table]:
    """``landed`` in parts of at most about ``rows`` rows; at least one, which may be empty.
    ``spill``: as of :func:`in_row_order`.
    """
    if isinstance(landed, pa.Table):
        ordered = in_order(landed)
        for start in range(0, max(1, len(ordered)), rows):
            yield ordered.slice(start, rows)
        return
    schema = landed.schema
    held: list[pa.RecordBatch] = []
    count = given = 0
    for batch in in_row_order(landed, spill):
        held.append(batch)
        count += len(batch)
        if count >= rows:
            yield pa.Table.from_batches(held, schema)
            held, count, given = [], 0, given + 1
    if held or not given:
        yield pa.Table.from_batches(held, schema)


def in_row_order(
    landed: pa.Table | ds.Dataset, spill: Path | None = None
) -> Iterator[pa.RecordBatch]:
    """The same rows by ascending ``_row``, in small parts. ``spill``: folder for those that came
    in another order and do not fit in memory.
    """
    if isinstance(landed, pa.Table):
        yield from in_order(landed).to_batches(_READ_ROWS)
        return
    if _is_ordered(landed):
        yield from landed.to_batches(batch_size=_READ_ROWS, batch_readahead=2, fragment_readahead=1)
        return
    # Changes that were landed over rows from before come in any order.
    with open_sql(EngineLimits(spill=spill)) as engine:
        engine.register("landed", landed)
        yield from engine.sql("SELECT * FROM landed ORDER BY _row").to_arrow_reader(_READ_ROWS)


def _is_ordered(landed: ds.Dataset) -> bool:
    last = None
    for batch in landed.to_batches(columns=["_row"]):
        numbers = batch.column(0).to_numpy()
        if not len(numbers):
            continue
        if (last is not None and numbers[0] < last) or np.any(numbers[:-1] > numbers[1:]):
            return False
        last = numbers[-1]
    return True
