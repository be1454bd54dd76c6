"""SQL statements on Spark. Its tables are views of results that were carried out once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
from sqlglot import exp

from core.lake import files_of
from core.spark.dialect import statements, to_spark, unmatched

if TYPE_CHECKING:
    from core.engine import Data


class SparkRows:
    """A query's rows, worked out when they are asked for."""

    def __init__(self, frame: Any) -> None:
        self.frame = frame

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows, as tuples. Columns may share a name."""
        names = [f"c{n}" for n in range(len(self.frame.columns))]
        table = self.frame.toDF(*names).toArrow()
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    def fetchone(self) -> tuple[Any, ...] | None:
        """The first row, if any."""
        rows = self.fetchall()
        return rows[0] if rows else None

    def to_arrow_table(self) -> pa.Table:
        """All rows, in columns."""
        table = self.frame.toArrow()
        return table.cast(pa.schema([(field.name, field.type) for field in table.schema]))


class SparkTables:
    """The tables of one session, and SQL over them (see :class:`core.sql.Sql`)."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def execute(self, query: str, parameters: Sequence[object] = ()) -> SparkRows:
        """Carries out one or more statements; the rows of the last one."""
        rows = SparkRows(self.session.createDataFrame([], "nothing int"))
        for statement in statements(query, parameters):
            if isinstance(statement, exp.Query):
                rows = SparkRows(self.session.sql(to_spark(statement)))
            elif isinstance(statement, exp.Create):
                self._create(statement)
            elif isinstance(statement, exp.Insert):
                self._insert(statement)
            elif isinstance(statement, exp.Delete):
                left = self.session.sql(unmatched(statement))
                self.done(left).createOrReplaceTempView(statement.this.name)
            elif isinstance(statement, exp.Drop):
                for table in statement.args["tables"]:
                    self.session.catalog.dropTempView(table.name)
            else:
                raise NotImplementedError(statement.key)
        return rows

    def sql(self, query: str) -> SparkRows:
        """A query's rows."""
        return self.execute(query)

    def register(self, name: str, data: Data) -> None:
        """Makes ``data`` a table; executors read a version of the lake from the store."""
        self.frame(data).createOrReplaceTempView(name)

    def unregister(self, name: str) -> None:
        """Forgets a registered table."""
        self.session.catalog.dropTempView(name)

    def frame(self, data: Data) -> Any:
        """``data`` as Spark sees it."""
        from pyspark.sql.pandas.types import from_arrow_schema

        files = files_of(data) if isinstance(data, ds.Dataset) else None
        if files:
            schema = from_arrow_schema(data.schema)
            return self.session.read.schema(schema).parquet(*files)
        table = data.to_table() if isinstance(data, ds.Dataset) else data
        return self.session.createDataFrame(table, schema=from_arrow_schema(table.schema))

    def done(self, frame: Any) -> Any:
        """``frame`` carried out once, kept by the executors, or in the store where the cluster
        has a folder for that (``spark.checkpoint.dir``): then losing an executor loses nothing.
        """
        if self.session.sparkContext.getCheckpointDir() is not None:
            return frame.checkpoint()
        return frame.localCheckpoint()

    def _create(self, statement: exp.Create) -> None:
        if statement.expression is not None:
            frame = self.session.sql(to_spark(statement.expression))
            kept = frame if statement.kind == "VIEW" else self.done(frame)
            kept.createOrReplaceTempView(statement.this.name)
            return
        columns = [
            f"`{column.name}` {column.kind.sql(dialect='spark')}"
            for column in statement.this.expressions
        ]
        empty = self.session.createDataFrame([], ", ".join(columns))
        empty.createOrReplaceTempView(statement.this.this.name)

    def _insert(self, statement: exp.Insert) -> None:
        """Adds the rows that are new to a view of the rows there were."""
        name = statement.this.name
        before = self.session.table(name)
        new = self.session.sql(to_spark(statement.expression))
        new = new if statement.args.get("by_name") else new.toDF(*before.columns)
        types = [new[field.name].cast(field.dataType).alias(field.name) for field in before.schema]
        before.unionAll(self.done(new.select(*types))).createOrReplaceTempView(name)
