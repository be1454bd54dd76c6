"""The Ibis backend over Spark, with what the hub's plans need of it and Ibis's own lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.pyspark import Backend
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from ibis.formats.pyarrow import PyArrowDatasetProxy, PyArrowSchema

from core.spark.dialect import day_or_null, rounded
from core.spark.tables import SparkTables


class _Compiler(PySparkCompiler):  # type: ignore[misc]
    """Says in Spark's SQL what DuckDB understands by the same expressions."""

    __slots__ = ()

    def visit_Round(self, op: ops.Round, *, arg: Any, digits: Any) -> Any:  # noqa: N802
        return rounded(arg, op.digits.value if digits is not None else 0)

    def visit_BitOr(self, _: ops.BitOr, *, arg: Any, where: Any) -> Any:  # noqa: N802
        return self.agg.bit_or(arg, where=where)

    def visit_TryCast(self, op: ops.TryCast, *, arg: Any, to: Any) -> Any:  # noqa: N802
        cast = super().visit_TryCast(op, arg=arg, to=to)
        return day_or_null(cast) if to.is_date() else cast


class SparkEngine(Backend):  # type: ignore[misc]
    """Temporary tables that are carried out once, Arrow in and out, streams."""

    compiler = _Compiler()

    @classmethod
    def over(cls, session: Any) -> SparkEngine:
        """An engine whose tables live in ``session``."""
        engine = cls()
        cls.register_options()
        engine.do_connect(session)
        engine.con = SparkTables(session)
        return engine

    def create_table(self, name: str, /, obj: ir.Table | None = None, **options: Any) -> ir.Table:
        """A temporary table of a plan."""
        if obj is None or not options.pop("temp", False) or options:
            raise NotImplementedError("only temporary tables of a plan")
        self.con.done(self._frame(obj)).createOrReplaceTempView(name)
        return self.table(name)

    def to_pyarrow(self, expr: ir.Expr, /, **_: Any) -> Any:
        """The rows of a plan, in columns."""
        table = expr.as_table()
        schema = PyArrowSchema.from_ibis(table.schema())
        return expr.__pyarrow_result__(self._frame(table).toArrow().cast(schema))

    @contextmanager
    def streamed(self, plan: ir.Table) -> Iterator[pa.RecordBatchReader]:
        """A plan's rows, partition after partition: the driver holds one or two at a time."""
        frame = self.con.done(self._frame(plan))
        schema = PyArrowSchema.from_ibis(plan.schema())
        packed = frame.mapInArrow(_packing(), "batch binary")
        rows = packed.toLocalIterator(prefetchPartitions=True)
        yield pa.RecordBatchReader.from_batches(schema, _unpacked(rows, schema))

    def disconnect(self) -> None:
        """Drops the session's tables; the cluster is kept for the next engine."""
        for table in self._session.catalog.listTables():
            self._session.catalog.dropTempView(table.name)

    def _frame(self, plan: ir.Table) -> Any:
        self._run_pre_execute_hooks(plan)
        return self._session.sql(self.compile(plan))

    def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
        dataset = isinstance(op.data, PyArrowDatasetProxy)
        data = op.data.obj if dataset else op.data.to_pyarrow(op.schema)
        self.con.register(op.name, data)


def _packing() -> Any:
    """A function of its own, so that executors need not have this package."""

    def pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow

        for batch in batches:
            sink = pyarrow.BufferOutputStream()
            with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch)
            content = pyarrow.array([sink.getvalue().to_pybytes()], pyarrow.binary())
            yield pyarrow.record_batch([content], ["batch"])

    return pack


def _unpacked(rows: Iterator[Any], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for row in rows:
        with pa.ipc.open_stream(row.batch) as reader:
            yield from reader.read_all().cast(schema).to_batches()
