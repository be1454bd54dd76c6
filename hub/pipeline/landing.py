"""Landing: what a connector yields becomes a new version of a Delta table, whole or not at all.

Columns take the names of the contract's items and keep the source's types. Rows that could not
be read stand in the same version, with a reason and their raw text, so that every data row of
the source is there exactly once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from catalog.contracts import Contract
from catalog.standards.base import as_text
from connectors.base import ROW, Batch, Connector
from core.errors import HubError
from core.lake import Lake, LakeWriteFailed, TableVersion
from core.sql import EngineLimits, open_sql
from core.types import Model
from hub.pipeline.extent import Extent

UNREADABLE = "_unreadable"
_BATCH_ROWS = 100_000
RAW = "_raw"


class SourceEmpty(HubError):
    """A table that must not be empty has no rows."""

    code = "source_empty"
    status = 502


class SourceTypeChanged(HubError):
    """A column changed its type in the middle of a table."""

    code = "source_type_changed"
    status = 502


class Mark(Model):
    """How far a source was read that can tell its changes: the landed rows, the item that grows
    with every change, and its greatest value.
    """

    table: TableVersion
    item: str
    value: str


class Landed(Model):
    """One pull of one dataset. ``digest`` is of the content as it came (SHA-256). ``mark`` is
    where the next pull may go on from, if the source can tell its changes. ``extent``: whether
    all rows came, those that changed, or nothing that was not there before. ``stamp``: of the file
    that was read, by which the next pull knows it again. ``base``: the landing that was served
    before, if it was under the same contract.
    """

    dataset: str
    table: TableVersion
    digest: str
    unreadable: int = 0
    mark: Mark | None = None
    extent: Extent = Extent.WHOLE
    stamp: str | None = None
    base: TableVersion | None = None


def land(lake: Lake, contract: Contract, connector: Connector, run: str) -> Landed:
    """Pulls a whole dataset into the lake.

    Raises:
        SourceError: the source could not be read; nothing was kept.
        SourceEmpty: it has no rows although its contract promises some.
        LakeWriteFailed: the lake refused the rows; nothing was kept.
    """
    landed = _land(lake, contract, connector, run, None)
    if landed.table.rows == 0 and not contract.allow_empty:
        raise SourceEmpty(source=contract.dataset)
    return landed


def land_changes(
    lake: Lake,
    contract: Contract,
    connector: Connector,
    run: str,
    mark: Mark,
    limits: EngineLimits,
) -> Landed:
    """Pulls what changed since ``mark`` and lands it over the rows that were landed then: a row
    with the same key is replaced. Rows that the source deleted stay; a whole pull drops them.
    Where all that came was there already, the landing of then stands.

    Raises:
        As :func:`land`.
    """
    changes = _land(lake, contract, connector, run, mark.value)
    with open_sql(limits) as engine:
        engine.register("before", lake.read(mark.table))
        engine.register("changes", lake.read(changes.table))
        said = f"SELECT * EXCLUDE ({ROW}) FROM"
        told = engine.sql(f"{said} changes EXCEPT {said} before")
        if not told.limit(1).fetchall():
            return changes.model_copy(update={"table": mark.table, "extent": Extent.UNCHANGED})
        same = " AND ".join(f'b."{key}" = c."{key}"' for key in contract.key)
        merged = engine.sql(
            f"""
            SELECT * FROM before b WHERE NOT EXISTS (SELECT 1 FROM changes c WHERE {same})
            UNION ALL BY NAME
            SELECT * REPLACE ({ROW} + (SELECT coalesce(max({ROW}), 0) FROM before) AS {ROW})
            FROM changes
            """  # noqa: S608 - names of items are letters, digits and underscores
        ).to_arrow_reader(_BATCH_ROWS)
        table = lake.write(changes.table.table, merged, notes={"run": run})
    return changes.model_copy(update={"table": table, "extent": Extent.CHANGES})


def marked(landed: Landed, lake: Lake, item: str) -> Landed:
    """The landing with its mark: the greatest value of ``item``, as text."""
    greatest = pc.max(lake.read(landed.table, [item]).column(item))
    if not greatest.is_valid:
        return landed
    value = as_text(pa.array([greatest.as_py()], greatest.type))[0].as_py()
    mark = Mark(table=landed.table, item=item, value=value)
    return landed.model_copy(update={"mark": mark})


def _land(
    lake: Lake, contract: Contract, connector: Connector, run: str, since: str | None
) -> Landed:
    stream = _Stream(contract, connector, since)
    reader = stream.open()
    try:
        table = lake.write(f"landing/{contract.dataset}", reader, notes={"run": run})
    except LakeWriteFailed:
        if stream.failure is not None:
            raise stream.failure from None
        raise
    return Landed(
        dataset=contract.dataset,
        table=table,
        unreadable=stream.unreadable,
        digest=stream.digest.hexdigest(),
    )


class _Stream:
    """Batches of a connector as one Arrow stream; remembers what a consumer would swallow."""

    def __init__(self, contract: Contract, connector: Connector, since: str | None) -> None:
        self._contract = contract
        self._batches = connector.pull(list(contract.columns), since)
        self.unreadable = 0
        self.digest = hashlib.sha256()
        self.failure: Exception | None = None

    def open(self) -> pa.RecordBatchReader:
        """The stream; the first batch is read at once, since it gives the schema."""
        first = next(self._batches, None)
        if first is None:
            first = Batch(self._nothing())
        schema = self._schema(first.rows)
        return pa.RecordBatchReader.from_batches(schema, self._convert(first, schema))

    def _nothing(self) -> pa.Table:
        columns = [*self._contract.columns, ROW]
        types = [pa.string()] * len(self._contract.columns) + [pa.int64()]
        return pa.schema(zip(columns, types, strict=True)).empty_table()

    def _schema(self, rows: pa.Table) -> pa.Schema:
        fields = [
            pa.field(item, _storable(rows.schema.field(column).type))
            for column, item in self._contract.columns.items()
        ]
        extra = [pa.field(ROW, pa.int64()), pa.field(UNREADABLE, pa.string())]
        return pa.schema([*fields, *extra, pa.field(RAW, pa.string())])

    def _convert(self, first: Batch, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        batch: Batch | None = first
        try:
            while batch is not None:
                yield from self._readable(batch, schema)
                yield from self._unreadable(batch, schema)
                batch = next(self._batches, None)
        except Exception as error:
            # The writer would report it as its own failure, without the fields.
            self.failure = error
            raise

    def _readable(self, batch: Batch, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        columns = []
        for column, item in self._contract.columns.items():
            try:
                columns.append(batch.rows.column(column).cast(schema.field(item).type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise SourceTypeChanged(source=self._contract.dataset, column=column) from error
        nothing = pa.nulls(batch.rows.num_rows, pa.string())
        row = batch.rows.column(ROW).cast(pa.int64())
        table = pa.Table.from_arrays([*columns, row, nothing, nothing], schema=schema)
        yield from self._counted(table)

    def _unreadable(self, batch: Batch, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        if not batch.unreadable:
            return
        self.unreadable += len(batch.unreadable)
        columns = [pa.nulls(len(batch.unreadable), field.type) for field in schema][:-3]
        columns.append(pa.array([u.row for u in batch.unreadable], pa.int64()))
        columns.append(pa.array([u.reason for u in batch.unreadable], pa.string()))
        columns.append(pa.array([u.raw for u in batch.unreadable], pa.string()))
        yield from self._counted(pa.Table.from_arrays(columns, schema=schema))

    def _counted(self, table: pa.Table) -> Iterator[pa.RecordBatch]:
        for batch in table.to_batches():
            self.digest.update(batch.serialize())
            yield batch


def _storable(kind: pa.DataType) -> pa.DataType:
    """The type itself where Delta has it, else text."""
    tests = (
        pa.types.is_signed_integer, pa.types.is_floating, pa.types.is_boolean,
        pa.types.is_date32, pa.types.is_decimal,
    )  # fmt: skip
    if any(test(kind) for test in tests):
        return kind
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.string()
