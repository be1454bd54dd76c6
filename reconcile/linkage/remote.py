"""A run over everything whose records are compared on a cluster.

What is much work runs there: records, keys, blocking, the model, comparison. Who belongs together,
ids, rulings and the ledger are one pass over a few columns, and are decided in this process.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from catalog.subjects import Subject
from core.engine import open_engine, streamed
from core.sql import EngineLimits
from reconcile.linkage import records, whole
from reconcile.linkage.backends import prepare
from reconcile.linkage.found import Found

_BROUGHT = {"records": ("rid", "dataset", "record"), "keyed": (), "strangers": ()}


def find(
    connection: duckdb.DuckDBPyConnection,
    subject: Subject,
    fit: Mapping[str, pa.Table | ds.Dataset],
    salt: str,
    limits: EngineLimits,
) -> Found:
    """Makes what :func:`whole.find` makes, but nothing to keep: every run is over everything.

    Raises:
        SparkMissing: Spark's libraries or Java are not here.
    """
    engine = open_engine(limits)
    try:
        prepare(engine.con)
        weighed = whole.compare(engine.con, subject, records.lay_out(engine.con, subject, fit))
        for name, columns in _BROUGHT.items():
            table = engine.table(name)
            with streamed(engine, table.select(*columns) if columns else table) as rows:
                connection.register("brought", rows)
                connection.execute(f"CREATE TABLE {name} AS FROM brought")
                connection.unregister("brought")
    finally:
        engine.disconnect()
    return Found(whole.conclude(connection, subject, weighed, salt), keep=None, whole=True)
