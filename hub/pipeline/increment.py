"""The part of a subject that changed, and how it joins the part that did not.

An entity is touched when one of its records is new, changed or gone, when a record joined or
left it, or when a ruling about it was made or ended. All else stands as it was published: of the
last whole run everything is kept where it lies, and over it one layer with the rows of the entities
that were touched since.
"""

# ruff: noqa: S608 - SQL is built from names of ours
from __future__ import annotations

import duckdb
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from core.engine import view
from core.lake import Lake, TableVersion, Under
from hub.pipeline.states import SubjectState
from hub.pipeline.tasks import Task

MOST_TOUCHED = 0.1
"""With a larger share of entities touched since the last whole run, the subject is made whole."""

_BATCH_ROWS = 100_000


class Increment:
    """What changed of a subject since ``before``, on an engine of its own.

    Args:
        links: of now.
        touched: the ids of the touched entities.

    ``left``: those, and all that were touched since the last whole run.
    """

    def __init__(
        self,
        lake: Lake,
        engine: Backend,
        before: SubjectState,
        links: TableVersion,
        touched: pa.Array | pa.ChunkedArray,
    ) -> None:
        self.before = before
        self._lake = lake
        self._engine = engine
        self._plain: duckdb.DuckDBPyConnection = engine.con
        given = pa.table({"entity": touched.cast(pa.string())})
        self._plain.register("given", given)
        self._plain.execute("CREATE TEMP TABLE touched AS SELECT DISTINCT entity FROM given")
        over = before.golden.over
        earlier = [] if over is None else [lake.read(over.left)]
        self.left = pa.concat_tables([given, *earlier]).group_by("entity").aggregate([])
        self._view("links_now", links)

    @property
    def is_small(self) -> bool:
        """Whether few enough entities are touched for them to be made by themselves."""
        return len(self.left) <= self.before.entities * MOST_TOUCHED

    def inputs(self, task: Task) -> tuple[dict[str, pa.Table], pa.Table]:
        """The fit rows of touched entities, of every dataset, and their links."""
        query = "SELECT * FROM links_now SEMI JOIN touched USING (entity)"
        links = self._plain.sql(query).to_arrow_table()
        found = {}
        for dataset, version in task.fit.items():
            records = links.filter(pc.field("dataset") == dataset).select(["record"])
            self._plain.register("wanted", records)
            self._view("rows", version)
            query = "SELECT rows.* FROM rows SEMI JOIN wanted ON rows._record = wanted.record"
            found[dataset] = self._plain.sql(query).to_arrow_table()
        return found, links

    def keep(self, name: str, plan: ir.Table) -> ir.Table:
        """``plan``, made once: the rows that take the place of those of touched entities."""
        return self._engine.create_table(f"fresh_{name}", plan, temp=True)

    def overlaid(self, name: str, table: str, left: TableVersion, run: str) -> TableVersion:
        """Writes the rows kept over the table as it was, in place of those of entities ``left``."""
        version: TableVersion = getattr(self.before, name)
        rows = f"SELECT * FROM fresh_{name}"
        if version.over is not None:
            self._view("earlier", version.model_copy(update={"over": None}))
            rows = (
                f"SELECT * FROM earlier ANTI JOIN touched USING (entity) UNION ALL BY NAME {rows}"
            )
        held = version if version.over is None else version.over.held
        self._view("base", held)
        self._plain.register("left_since", self.left)
        query = "SELECT count(*) FROM base SEMI JOIN left_since USING (entity)"
        [(gone,)] = self._plain.execute(query).fetchall()
        under = Under(held=held, left=left, key="entity", gone=gone)
        return self._lake.overlay(under, table, self._stream(rows), {"run": run})

    def compared(self) -> pa.RecordBatchReader:
        """The golden rows of touched entities: those before (``was``) and those now."""
        self._view("held", self.before.golden)
        return self._stream(
            """
            SELECT *, true AS was FROM held SEMI JOIN touched USING (entity)
            UNION ALL BY NAME SELECT *, false AS was FROM fresh_golden
            """
        )

    def _view(self, name: str, version: TableVersion) -> None:
        view(self._plain, name, self._lake.open(version))

    def _stream(self, query: str) -> pa.RecordBatchReader:
        return self._plain.sql(query).to_arrow_reader(_BATCH_ROWS)
