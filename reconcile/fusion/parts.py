"""A subject's claims, part by part: those of millions of entities do not fit in memory at once.

Trust is learned from a sample; once it is there, every entity is decided by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial, reduce
from math import ceil
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends import BaseBackend

from core.engine import keep, scan, set_aside
from core.sql import DUCKDB
from reconcile.fusion.codes import Coded, Sources, TableLike, nothing
from reconcile.fusion.evidence import believe
from reconcile.fusion.gather import formed
from reconcile.fusion.ground import SAMPLE, Ground
from reconcile.fusion.learning.trust import report
from reconcile.fusion.linked import Feeds, Linked, Records

CLAIMS = 6_000_000  # DuckDB decides so many in less than 2 GB


class Parts:
    """What :func:`reconcile.fusion.gather` gives, in parts, in the order of entities' names. Only
    DuckDB makes several; a cluster divides its work by itself.

    Args:
        links: ``dataset, record, entity`` and more.
        aside: a folder for what is read of the datasets, if it takes several parts.
        claims: of a part at most.
    """

    def __init__(
        self,
        engine: BaseBackend,
        feeds: Feeds,
        links: TableLike,
        aside: Path,
        claims: int = CLAIMS,
    ) -> None:
        self.engine = engine
        self._subject = feeds.subject
        self._whole = nothing()
        self._records: Records | None = None
        if not feeds.sources:
            return
        linked = Linked.of(engine, scan(engine, links), feeds)
        entities = int(engine.to_pyarrow(linked.entities.count()).as_py())
        parts = ceil(entities * len(feeds.sources) / claims) if engine.name == DUCKDB else 1
        if parts <= 1:
            self._whole = formed(engine, linked.records(engine, partial(keep, engine)))
            return
        self._size = ceil(entities / parts)
        self._firsts = self._first_names(linked.entities)
        records = linked.records(engine, partial(_put, engine, aside))
        self._records = replace(records, sources=_claimed(engine, records))

    def learn(self, as_of: date, rulings: pa.Table) -> pa.Table:
        """What is to be believed of all sources (:attr:`reconcile.fusion.Fused.sources`), for
        each part to be fused with.
        """
        coded = self._whole
        if self._records is not None:
            coded = self._of(self._sampled(self._records, rulings))
        ground = Ground.prepare(self.engine, self._subject, coded, rulings)
        return report(believe(self.engine, ground, as_of))

    def split(self, rulings: pa.Table) -> Iterator[tuple[Coded, pa.Table]]:
        """The claims of each part, and those of ``rulings`` that are about its entities."""
        if self._records is None:
            yield self._whole, rulings
            return
        entities, ruled = self._records.entities, rulings.column("entity")
        for place, first in enumerate(self._firsts):
            start, end = place * self._size, (place + 1) * self._size
            mine = entities.filter((entities.entity >= start) & (entities.entity < end))
            code = (mine.entity - start).cast("int32")
            # A ruling's entity need not be linked any more.
            about = pc.greater_equal(ruled, first if place else "")
            if place + 1 < len(self._firsts):
                about = pc.and_(about, pc.less(ruled, self._firsts[place + 1]))
            yield (
                self._of(mine.select("name", was="entity", entity=code)),
                rulings.filter(about),
            )

    def _first_names(self, entities: ir.Table) -> list[str]:
        """The name of the first entity of each part."""
        first = entities.filter(entities.entity % self._size == 0)
        found = self.engine.to_pyarrow(first.order_by("entity").select("name"))
        return [str(name) for name in found.column("name").to_pylist()]

    def _sampled(self, records: Records, rulings: pa.Table) -> ir.Table:
        """All the entities that :class:`Ground` may learn from."""
        said = [
            rows.select("entity") for rows in (*records.rows.values(), *records.listed.values())
        ]
        known = reduce(lambda one, other: one.union(other), said)
        known = records.entities.semi_join(known, "entity")
        first = known.order_by([known.name.hexdigest("md5"), known.name]).limit(SAMPLE)
        names = ibis.memtable(rulings.select(["entity"]).rename_columns(["name"]))
        rows = first.union(records.entities.semi_join(names, "name"), distinct=True)
        code = ibis.row_number().over(order_by=rows.name).cast("int32")
        return rows.select("name", was="entity", entity=code)

    def _of(self, chosen: ir.Table) -> Coded:
        """The claims about some entities."""
        assert self._records is not None
        records = self._records.of(self.engine, keep(self.engine, chosen))
        return replace(formed(self.engine, records), complete=False)


def _put(engine: BaseBackend, folder: Path, rows: ir.Table) -> ir.Table:
    """Rows set aside in the order of entities, so that those of a part lie together."""
    name = ibis.util.gen_name("rows")
    return set_aside(engine, rows.order_by("entity"), folder / f"{name}.parquet")


def _claimed(engine: BaseBackend, records: Records) -> Sources:
    """The sources that claim anything."""
    codes = records.codes
    found = []
    for attribute, dataset in records.sources:
        if (attribute, dataset) in records.feeds.listed:
            found.append((attribute, dataset))
            continue
        said = records.rows[dataset][f"said_{codes[attribute]}"]
        some = records.rows[dataset].filter(said.notnull()).limit(1)
        if engine.to_pyarrow(some.count()).as_py():
            found.append((attribute, dataset))
    return tuple(found)
