"""The lake: Delta tables on a folder or an object store.

Every write is one commit, whole or not at all, and gives a version. Readers name the version
they want; a version that nothing refers to is simply never read.

Where few rows of a large table change, only these are written, over the version they change
(:meth:`Lake.overlay`), and both are merged on reading. Delta's own deletion vectors would do the
same, but deltalake 1.6 can neither write nor read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias
from weakref import WeakKeyDictionary

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import DeltaError, TableNotFoundError

from core.errors import HubError
from core.types import Model

_MOST_LOADED = 200  # versions of which it is remembered what they consist of
# A column of names or numbers has no use for a dictionary, and the writer had better find out soon.
_WRITER = WriterProperties(compression="SNAPPY", dictionary_page_size_limit=64 * 1024)
_TABLE = {"delta.checkpointInterval": "10"}
# Delta would forget after a month how older versions came about, and with that the versions.
_KEEP_LOG = PostCommitHookProperties(cleanup_expired_logs=False)


class LakeWriteFailed(HubError):
    """The store refused a write, for example because it is full."""

    code = "lake_write_failed"
    status = 503


class LakeVersionMissing(HubError):
    """A version that something refers to is not in the store."""

    code = "lake_version_missing"


class TableVersion(Model):
    """One version of one table, and how many rows it has. ``over``: what it holds does not stand
    alone, but in place of some rows of another version; ``rows`` is of both together.
    """

    table: str
    version: int
    rows: int
    over: Under | None = None


class Under(Model):
    """The version below, which stands alone. Of its rows, those do not count whose ``key`` stands in
    ``left``, a table with that one column: ``gone`` of them.
    """

    held: TableVersion
    left: TableVersion
    key: str
    gone: int


@dataclass(frozen=True)
class Layers:
    """A table in two layers: the rows of ``held`` whose ``key`` is not one of ``left``, and all of
    ``fresh``. Reads as a dataset does.
    """

    held: ds.Dataset
    fresh: ds.Dataset
    left: pa.Array
    key: str

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return self.held.schema

    def to_table(
        self,
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,  # noqa: A002 - as datasets call it
    ) -> pa.Table:
        """The rows that fit the filter, in memory."""
        names = None if columns is None else list(columns)
        parts = (
            self.held.to_table(columns=names, filter=self._stays(filter)),
            self.fresh.to_table(columns=names, filter=filter),
        )
        return pa.concat_tables(parts, promote_options="default")

    def count_rows(self, filter: pc.Expression | None = None) -> int:  # noqa: A002
        """How many rows fit the filter."""
        return int(
            self.held.count_rows(filter=self._stays(filter)) + self.fresh.count_rows(filter=filter)
        )

    def _stays(self, wanted: pc.Expression | None) -> pc.Expression:
        stays = ~pc.field(self.key).isin(self.left)
        return stays if wanted is None else stays & wanted


Stored: TypeAlias = "ds.Dataset | Layers"
"""A version as it is read."""


class Lake:
    """Tables under one root, named by paths such as ``landing/police.residents``."""

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/")
        # A version never changes, and is asked for several times in a run.
        self._load = lru_cache(_MOST_LOADED)(self._version)

    def uri(self, table: str) -> str:
        """Where a table is kept."""
        return f"{self._root}/{table}"

    def write(
        self,
        table: str,
        data: pa.Table | pa.RecordBatchReader,
        mode: str = "overwrite",
        notes: dict[str, str] | None = None,
    ) -> TableVersion:
        """Writes ``data`` as the next version of ``table``.

        Args:
            mode: ``overwrite`` for a new snapshot or its first part, ``append`` for a ledger or
                a further part.
            notes: kept in the commit, such as the run that wrote it.

        Raises:
            LakeWriteFailed: nothing of ``data`` was kept.
        """
        if "://" not in self._root:
            self._make_folder(table)
        properties = CommitProperties(custom_metadata=notes) if notes else None
        try:
            written = self._latest(table)
            write_deltalake(
                written or self.uri(table),
                data,
                mode="append" if mode == "append" else "overwrite",
                schema_mode="merge" if mode == "append" else "overwrite",
                configuration=None if written else _TABLE,
                commit_properties=properties,
                post_commithook_properties=_KEEP_LOG,
                writer_properties=_WRITER,
            )
            written = written or DeltaTable(self.uri(table))
        except (DeltaError, OSError) as error:
            raise LakeWriteFailed(table=table, reason=_reason(error)) from error
        return TableVersion(table=table, version=written.version(), rows=_rows(written))

    def _latest(self, table: str) -> DeltaTable | None:
        try:
            return DeltaTable(self.uri(table))
        except TableNotFoundError:
            return None

    def extend(
        self,
        ref: TableVersion | None,
        table: str,
        data: pa.Table,
        notes: dict[str, str] | None = None,
    ) -> TableVersion:
        """Appends ``data`` to the version ``ref`` of a ledger (None: begins it). What was written
        after ``ref``, as by a run that came to nothing, is no part of the new version.

        Raises:
            LakeVersionMissing: the store does not hold ``ref``.
            LakeWriteFailed: nothing of ``data`` was kept.
        """
        if ref is None:
            return self.write(table, data, notes=notes)
        try:
            written = DeltaTable(self.uri(table))
            if written.version() != ref.version:
                written.restore(ref.version, post_commithook_properties=_KEEP_LOG)
        except TableNotFoundError as error:
            raise LakeVersionMissing(table=ref.table, version=ref.version) from error
        except (DeltaError, OSError) as error:
            raise LakeWriteFailed(table=table, reason=_reason(error)) from error
        return self.write(table, data, mode="append", notes=notes)

    def overlay(
        self,
        under: Under,
        table: str,
        data: pa.Table | pa.RecordBatchReader,
        notes: dict[str, str] | None = None,
    ) -> TableVersion:
        """Writes ``data`` as the next version of ``table``, over another.

        Raises:
            LakeWriteFailed: nothing of ``data`` was kept.
        """
        fresh = self.write(table, data, notes=notes)
        rows = under.held.rows - under.gone + fresh.rows
        return fresh.model_copy(update={"over": under, "rows": rows})

    def _make_folder(self, table: str) -> None:
        try:
            Path(self._root, table).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LakeWriteFailed(table=table, reason=_reason(error)) from error

    def dataset(self, ref: TableVersion) -> ds.Dataset:
        """A lazy view of one version that stands alone, for an engine to scan.

        Raises:
            LakeVersionMissing: the store does not hold it.
        """
        if ref.over is not None:
            raise TypeError(f"{ref.table} {ref.version} lies over another version")
        try:
            table = self._load(ref.table, ref.version)
            dataset = table.to_pyarrow_dataset()
        except (TableNotFoundError, DeltaError) as error:
            raise LakeVersionMissing(table=ref.table, version=ref.version) from error
        _files[dataset] = tuple(table.file_uris())
        return dataset

    def _version(self, table: str, version: int) -> DeltaTable:
        return DeltaTable(self.uri(table), version=version)

    def open(self, ref: TableVersion) -> Stored:
        """A lazy view of one version, alone or over another.

        Raises:
            LakeVersionMissing: the store does not hold it.
        """
        if ref.over is None:
            return self.dataset(ref)
        fresh = self.dataset(ref.model_copy(update={"over": None}))
        left = self.read(ref.over.left).column(ref.over.key).combine_chunks()
        return Layers(self.dataset(ref.over.held), fresh, left, ref.over.key)

    def read(self, ref: TableVersion, columns: Sequence[str] | None = None) -> pa.Table:
        """One version, in memory.

        Raises:
            LakeVersionMissing: the store does not hold it.
        """
        return self.open(ref).to_table(columns=list(columns) if columns else None)


_files: WeakKeyDictionary[ds.Dataset, tuple[str, ...]] = WeakKeyDictionary()


def files_of(dataset: ds.Dataset) -> tuple[str, ...]:
    """The addresses of the Parquet files behind a dataset that a lake gave, for an engine that
    reads the store itself; none for any other dataset.
    """
    return _files.get(dataset, ())


def _rows(table: DeltaTable) -> int:
    counts = pa.table(table.get_add_actions(flatten=True)).column("num_records").to_pylist()
    return int(sum(counts))


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
