"""What became of the rows of a fit table from one version to another."""

from __future__ import annotations

import pyarrow as pa

from core.engine import Data, EngineLimits, connect, view


def differing(limits: EngineLimits, before: Data, now: Data) -> pa.Table:
    """The rows of ``before`` that ``now`` has not (``_was`` true), and those it has and ``before``
    had not. Where in the source a row stood (``_row``) makes no difference.

    Rows of one record are told apart by 64 bits of a hash.
    """
    engine = connect(limits).con
    try:
        for name, table in (("was", before), ("came", now)):
            view(engine, name, table)
        columns = [f'"{name}"' for name in engine.table("came").columns if name != "_row"]
        told = ", ".join(columns)
        for name in ("was", "came"):
            engine.execute(
                f"CREATE TABLE {name}_hashed AS SELECT _record, hash({told}) AS content FROM {name}"  # noqa: S608 - names of items are letters, digits and underscores
            )
        engine.execute(
            """CREATE TABLE moved AS SELECT DISTINCT _record FROM (
                SELECT _record, content, 1 AS times FROM was_hashed
                UNION ALL SELECT _record, content, -1 FROM came_hashed
            ) GROUP BY _record, content HAVING sum(times) <> 0"""
        )
        for name in ("was", "came"):
            engine.execute(
                f"CREATE TABLE {name}_moved AS SELECT {told} FROM {name} SEMI JOIN moved USING (_record)"  # noqa: S608
            )
        return engine.sql(
            """SELECT *, true AS _was FROM (FROM was_moved EXCEPT ALL FROM came_moved)
            UNION ALL SELECT *, false FROM (FROM came_moved EXCEPT ALL FROM was_moved)"""
        ).to_arrow_table()
    finally:
        engine.close()
