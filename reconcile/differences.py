"""Which fit rows of a dataset are others than before."""

# ruff: noqa: S608 - SQL is built from names of items: letters, digits and underscores
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

import pyarrow as pa

from core.engine import Data, EngineLimits, plain, view

_BATCH_ROWS = 100_000


def differing(limits: EngineLimits, before: Data, now: Data) -> pa.Table:
    """All that :func:`difference` tells, in memory, however much it is."""
    with difference(limits, before, now) as rows:
        assert rows is not None
        return rows.read_all()


@contextmanager
def difference(
    limits: EngineLimits, before: Data, now: Data, most: float = inf
) -> Iterator[pa.RecordBatchReader | None]:
    """The fit rows ``before`` that are gone or others now (``_was`` true), and those of ``now``
    that are new or others (false), with the columns of ``now``; None where they are more than
    ``most``. Where a row stands (``_row``) does not count.

    Args:
        before, now: of the same contract.
    """
    engine = plain(limits)
    try:
        view(engine, "before", before)
        view(engine, "now", now)
        columns = [c for c in now.schema.names if c != "_row"]
        differs = " OR ".join(f'b."{c}" IS DISTINCT FROM n."{c}"' for c in columns)
        engine.execute(
            "CREATE TEMP TABLE changed AS SELECT b._row AS was, n._row AS is_now "
            f"FROM before b FULL JOIN now n ON b._record = n._record WHERE {differs}"
        )
        [(count,)] = engine.execute("SELECT count(*) FROM changed").fetchall()
        if count > most:
            yield None
            return
        rows = engine.sql(
            """
            SELECT *, true AS _was FROM before WHERE _row IN (SELECT was FROM changed)
            UNION ALL BY NAME
            SELECT *, false AS _was FROM now WHERE _row IN (SELECT is_now FROM changed)
            """
        )
        yield rows.to_arrow_reader(_BATCH_ROWS)
    finally:
        engine.close()
