"""Which fit rows of a dataset are others than before, and which of them stood in quarantine."""

# ruff: noqa: S608 - SQL is built from names of items: letters, digits and underscores
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

import pyarrow as pa

from core.engine import Data, view
from core.sql import EngineLimits, open_sql

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
    that are new or others (false), with the columns of ``now`` but the one that says where a
    row stands (``_row``), which does not count; None where more than ``most`` records differ.

    Args:
        before, now: of the same contract.
    """
    with open_sql(limits) as engine:
        view(engine, "before", before)
        view(engine, "now", now)
        columns = [c for c in now.schema.names if c != "_row"]
        differs = " OR ".join(f'b."{c}" IS DISTINCT FROM n."{c}"' for c in columns)
        engine.execute(
            "CREATE TEMP TABLE changed AS SELECT DISTINCT coalesce(b._record, n._record) AS _record "
            f"FROM before b FULL JOIN now n ON b._record = n._record WHERE {differs}"
        )
        [(count,)] = engine.execute("SELECT count(*) FROM changed").fetchall()
        if count > most:
            yield None
            return
        told = ", ".join(f'"{c}"' for c in columns)
        was, came = (
            f"SELECT {told} FROM {side} SEMI JOIN changed USING (_record)"
            for side in ("before", "now")
        )
        rows = engine.sql(
            f"""SELECT *, true AS _was FROM ({was} EXCEPT ALL {came})
            UNION ALL SELECT *, false FROM ({came} EXCEPT ALL {was})"""
        )
        yield rows.to_arrow_reader(_BATCH_ROWS)


def mended(limits: EngineLimits, before: Data, held: Data, now: Data) -> int | None:
    """How many rows of a table without a key are fit now where, at the same place in the source, one
    stood in quarantine (``held``) before. Such a row is called another once it is mended, so that
    only its place (``_row``) tells. None where places tell nothing: one of the rows that say what
    they said before moved, or most of those that were fit ``before`` say so no more.
    """
    with open_sql(limits) as engine:
        for name, data in (("before", before), ("held", held), ("now", now)):
            view(engine, name, data)
        [(fit, found, stayed)] = engine.execute(
            """
            SELECT (SELECT count(*) FROM before), count(*), count(*) FILTER (was._row = now._row)
            FROM (SELECT _record, _row FROM before UNION ALL SELECT _record, _row FROM held) was
            JOIN now ON now._record = was._record
            """
        ).fetchall()
        if stayed < found or 2 * stayed <= fit:
            return None
        [(count,)] = engine.execute(
            "SELECT count(*) FROM held JOIN now ON held._row = now._row"
        ).fetchall()
    return int(count)
