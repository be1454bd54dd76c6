"""The analytic engine: DuckDB in this process by default, a Spark cluster by setting.

Both are Ibis backends; beside that, ``con`` of either takes SQL as DuckDB writes it (:class:`core.sql.Sql`).
What is planned runs on both and gives the same (docs/scale.md, tests/test_engines.py).
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias
from weakref import WeakKeyDictionary

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.dataset as ds
from ibis.backends import BaseBackend
from ibis.backends.duckdb import Backend

from core.lake import Layers, Stored, files_of
from core.sql import DUCKDB, EngineLimits, Sql, open_sql

Data: TypeAlias = "pa.Table | Stored"


class _Local(Backend):  # type: ignore[misc]
    """Ibis over a connection that is closed with it."""

    def __init__(self, limits: EngineLimits) -> None:
        super().__init__()
        self._closing = ExitStack()
        self._can_reconnect = False
        self.con = self._closing.enter_context(open_sql(limits))
        self._post_connect()

    def disconnect(self) -> None:
        self._closing.close()


def connect(limits: EngineLimits) -> Backend:
    """As :func:`core.sql.open_sql`, for plans too; to be disconnected."""
    return _Local(limits)


def open_engine(limits: EngineLimits) -> BaseBackend:
    """A fresh engine of the kind the limits name: DuckDB, or tables of its own on a cluster.

    Raises:
        SparkMissing: the engine is Spark, and its libraries or Java are not here.
    """
    if limits.engine == DUCKDB:
        return connect(limits)
    from core.spark.session import session

    started = session(limits)
    from core.spark.engine import SparkEngine

    return SparkEngine.over(started)


def streamed(engine: BaseBackend, plan: ir.Table) -> AbstractContextManager[pa.RecordBatchReader]:
    """A plan's rows as a stream of batches, for writers that need not hold them all."""
    if engine.name == DUCKDB:
        return _streamed(engine, plan)
    stream: AbstractContextManager[pa.RecordBatchReader] = engine.streamed(plan)
    return stream


@contextmanager
def _streamed(engine: BaseBackend, plan: ir.Table) -> Iterator[pa.RecordBatchReader]:
    # By hand: Ibis 12 streams by a method that DuckDB 2 no longer has.
    engine._run_pre_execute_hooks(plan)
    with engine.con.sql(engine.compile(plan)).to_arrow_reader(_BATCH_ROWS) as rows:
        yield rows.cast(plan.schema().to_pyarrow())


def set_aside(engine: Backend, plan: ir.Table, file: Path) -> ir.Table:
    """``plan`` carried out into a Parquet file on disk, and read from there: for what is needed
    piece by piece. Rows in order let a reader of some pass over the others.
    """
    engine.to_parquet(plan, file, compression="lz4")
    # Literals are written in types of the engine's choice.
    return engine.read_parquet(file).cast(plan.schema())


def scan(engine: BaseBackend, data: ir.Table | Data) -> ir.Table:
    """``data`` for use in a plan on ``engine``, read where it lies."""
    if isinstance(data, ir.Table):
        return data
    if isinstance(data, Layers):
        left = ibis.memtable(pa.table({data.key: data.left}))
        held = scan(engine, data.held).anti_join(left, data.key)
        return held.union(scan(engine, data.fresh).select(*held.columns))
    files = _files_here(data)
    if engine.name == DUCKDB and files:
        return engine.read_parquet(files, hive_partitioning=False)
    return ibis.memtable(data)


def view(con: duckdb.DuckDBPyConnection, name: str, data: Data) -> None:
    """Makes ``data`` the view ``name``, read where it lies, in place of any of that name."""
    # What is registered would hide a view of the same name.
    con.unregister(name)
    if isinstance(data, Layers):
        parts = {"held": data.held, "fresh": data.fresh}
        for part, rows in parts.items():
            view(con, f"{name}_{part}", rows)
        con.register(f"{name}_left", pa.table({data.key: data.left}))
        con.execute(
            f"""CREATE OR REPLACE VIEW {name} AS
            FROM {name}_held ANTI JOIN {name}_left USING ({data.key})
            UNION ALL BY NAME FROM {name}_fresh"""
        )
    elif files := _files_here(data):
        con.read_parquet(files, hive_partitioning=False).create_view(name, replace=True)
    else:
        con.register(name, data)


def lay(con: Sql, name: str, data: Data) -> None:
    """Makes ``data`` a table ``name`` of either engine, read where it lies."""
    if isinstance(con, duckdb.DuckDBPyConnection):
        view(con, name, data)
    else:
        con.register(name, data)


def _files_here(data: Data) -> list[str]:
    """The Parquet files on disk that hold ``data``: DuckDB reads those by itself several times
    faster than through Arrow.
    """
    files = files_of(data) if isinstance(data, ds.Dataset) else ()
    return [] if any("://" in file for file in files) else list(files)


def keep(engine: BaseBackend, plan: ir.Table) -> ir.Table:
    """``plan`` carried out once on ``engine``. What nobody refers to any more is dropped when the
    next is kept.
    """
    # Garbage is collected in any thread, and in the middle of a statement: what is released then
    # is only noted, since a connection takes no second call.
    released = _released.setdefault(engine.con, deque())
    while released:
        # By hand: drop_table of Ibis 12 forgets the name under sqlglot 30.18 and later.
        engine.con.execute(f"DROP TABLE IF EXISTS {released.popleft()}")
    name = ibis.util.gen_name("kept")
    table = engine.create_table(name, plan, temp=True)
    weakref.finalize(table.op(), released.append, name).atexit = False
    return table


_released: WeakKeyDictionary[object, deque[str]] = WeakKeyDictionary()
_BATCH_ROWS = 100_000
