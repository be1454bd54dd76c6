"""Claims in codes: numbers for entities, attributes and sources, so that little text is moved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.dataset as ds
from ibis.backends import BaseBackend

from catalog.subjects import Subject
from core.engine import keep

TableLike: TypeAlias = "ir.Table | pa.Table | ds.Dataset"

BEFORE_EPOCH = date(1970, 1, 1).toordinal()
CLAIM = {
    "entity": "string",
    "attribute": "string",
    "value": "string",
    "gist": "string",
    "dataset": "string",
    "record": "string",
    "as_of": "string",
}
CODED = {
    "entity": "int32",
    "item": "int16",
    "source": "int32",
    "gist": "string",
    "spelling": "string",
    "day": "int32",
    "record": "string",
    "as_of": "string",
}

Sources: TypeAlias = tuple[tuple[str, str], ...]


def as_table(data: TableLike) -> ir.Table:
    """``data`` for use in a plan."""
    return data if isinstance(data, ir.Table) else ibis.memtable(data)


@dataclass(frozen=True)
class Coded:
    """What sources claim, and what its codes mean.

    ``rows``: ``entity``, ``item`` (place of the attribute in the subject's sorted ones),
    ``source`` (place of attribute and dataset in ``sources``), ``gist``, ``spelling`` (the value
    where it is not the gist), ``day`` (ordinal of as-of, 0 if unknown), ``record``, ``as_of``.
    ``entities``: ``entity`` and its ``name``; codes begin at 0 and leave none out. Not all
    entities, nor all ``sources``, need claim anything. ``complete``: there are no other claims
    about the subject, by which further sources would be known.
    """

    rows: ir.Table
    entities: ir.Table
    sources: Sources
    complete: bool = True

    @classmethod
    def of_text(cls, engine: BaseBackend, subject: Subject, claims: ir.Table) -> Coded:
        """The claims of a table as :attr:`text` gives it. Those about attributes the subject lacks
        are left out.
        """
        pairs = engine.to_pyarrow(claims.select("attribute", "dataset").distinct()).to_pylist()
        known = [(pair["attribute"], pair["dataset"]) for pair in pairs]
        sources = tuple(sorted(pair for pair in known if pair[0] in subject.attributes))
        entities = number(engine, claims.select(name="entity"))
        rows = claims.rename(name="entity").inner_join(entities, "name")
        rows = rows.inner_join(ibis.memtable(_names(subject, sources)), ["attribute", "dataset"])
        coded = rows.mutate(spelling=rows.value.nullif(rows.gist), day=ordinal(rows.as_of))
        return cls(keep(engine, coded.select(*CODED)), entities, sources)

    def text(self, subject: Subject) -> ir.Table:
        """The claims with the columns of :data:`CLAIM`, all text."""
        rows = self.rows.inner_join(self.entities.select("name", "entity"), "entity")
        names = _names(subject, self.sources).drop_columns("item")
        rows = rows.inner_join(ibis.memtable(names), "source").drop("entity")
        rows = rows.mutate(entity=rows.name, value=ibis.coalesce(rows.spelling, rows.gist))
        return rows.select(*CLAIM)


def nothing() -> Coded:
    """No claims."""
    entities = pa.table({"name": pa.array([], pa.string()), "entity": pa.array([], pa.int32())})
    rows = pa.table([[]] * len(CODED), ibis.schema(CODED).to_pyarrow())
    return Coded(ibis.memtable(rows), ibis.memtable(entities), ())


def number(engine: BaseBackend, names: ir.Table) -> ir.Table:
    """Distinct names with their codes ``entity``, in an order that is always the same."""
    distinct = names.select("name").distinct()
    code = ibis.row_number().over(order_by=distinct.name).cast("int32")
    return keep(engine, distinct.select("name", entity=code))


def ordinal(as_of: ir.Value) -> ir.Value:
    """The ordinal of a day in ISO form; 0 for anything else."""
    day = as_of.try_cast("date").epoch_days() + BEFORE_EPOCH
    return day.fill_null(0).cast("int32")


def item_codes(subject: Subject) -> dict[str, int]:
    """Attribute → its code."""
    return {name: item for item, name in enumerate(sorted(subject.attributes))}


def _names(subject: Subject, sources: Iterable[tuple[str, str]]) -> pa.Table:
    pairs, items = list(sources), item_codes(subject)
    return pa.table(
        {
            "attribute": pa.array([a for a, _ in pairs], pa.string()),
            "dataset": pa.array([d for _, d in pairs], pa.string()),
            "item": pa.array([items[a] for a, _ in pairs], pa.int16()),
            "source": pa.array(range(len(pairs)), pa.int32()),
        }
    )
