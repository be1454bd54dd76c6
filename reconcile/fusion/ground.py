"""Claims in a compact form, and the rulings that bind some of them."""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from catalog.standards import elements
from catalog.subjects import Subject
from core.engine import keep
from reconcile.fusion.codes import Coded, Sources, item_codes
from reconcile.fusion.likeness import bears_out

SAMPLE = 20_000  # entities that trust is learned from
KEY = ("entity", "item")

RULING = pa.schema(
    {"entity": pa.string(), "attribute": pa.string(), "value": pa.string(), "number": pa.int64()}
)
_CLAIM = {
    "entity": pa.int32(),
    "item": pa.int16(),
    "source": pa.int32(),
    "gist": pa.string(),
    "spelling": pa.string(),
    "day": pa.int32(),
}


@dataclass(frozen=True)
class Ground:
    """Claims in compact form, and what their codes mean.

    ``claims``: ``entity`` (code), ``item`` (code of the attribute), ``source`` (code of attribute
    and dataset), ``gist``, ``spelling`` (the value where it is not the gist), ``day`` (ordinal of
    as-of, 0 if unknown). ``entities``: ``entity`` and its ``name``. ``sample``: the claims about
    some entities, as good as random but always the same, and all that a ruling binds.
    ``rulings``: ``entity, item, value, gist, number``; None if there are none. ``kinds``: per item,
    of what kind of things it is alone (:mod:`reconcile.fusion.kinds`); None: of all. ``lists``: the
    items that are decided by value (:mod:`reconcile.fusion.by_value`).
    """

    subject: Subject
    claims: ir.Table
    entities: ir.Table
    sample: ir.Table
    attributes: tuple[str, ...]
    datasets: tuple[str, ...]
    sources: Sources
    kinds: tuple[str | None, ...]
    rulings: ir.Table | None = None
    lists: tuple[int, ...] = ()

    @classmethod
    def prepare(
        cls, engine: BaseBackend, subject: Subject, coded: Coded, rulings: pa.Table | None = None
    ) -> Ground:
        """Rulings about attributes the subject lacks are left out."""
        claims, sources = _claimed(engine, coded)
        entities = coded.entities
        binding = None
        ruled = _in_force(subject, rulings)
        if ruled.num_rows:
            entities = _with_ruled(engine, entities, ruled)
            binding = _binding(engine, subject, entities, ruled)
            claims = _bind(engine, subject, claims, binding)
        return cls(
            subject=subject,
            claims=claims,
            entities=entities,
            sample=_sample(claims, entities, binding),
            attributes=tuple(sorted(subject.attributes)),
            datasets=tuple(sorted({dataset for _, dataset in sources})),
            sources=sources,
            kinds=(None,) * len(subject.attributes),
            rulings=binding,
        )


def _claimed(engine: BaseBackend, coded: Coded) -> tuple[ir.Table, Sources]:
    """The claims, with codes of those sources alone that claim anything anywhere."""
    claims = coded.rows.select(*_CLAIM)
    if not coded.complete:
        return claims, coded.sources
    found = engine.to_pyarrow(claims.select("source").distinct())
    places = sorted(found.column("source").to_pylist())
    if len(places) == len(coded.sources):
        return claims, coded.sources
    codes = {
        "source": pa.array(places, pa.int32()),
        "code": pa.array(range(len(places)), pa.int32()),
    }
    rows = claims.inner_join(ibis.memtable(pa.table(codes)), "source").drop("source")
    return rows.rename(source="code").select(*_CLAIM), tuple(coded.sources[p] for p in places)


def _sample(claims: ir.Table, entities: ir.Table, rulings: ir.Table | None) -> ir.Table:
    known = claims.select("entity")
    if rulings is not None:
        known = known.union(rulings.select("entity"))
    names = entities.semi_join(known, "entity")
    first = names.order_by([names.name.hexdigest("md5"), names.name]).limit(SAMPLE)
    first = first.select("entity")
    some = claims.semi_join(first, "entity")
    if rulings is None:
        return some
    return some.union(claims.semi_join(rulings, KEY).anti_join(first, "entity"))


def _in_force(subject: Subject, rulings: pa.Table | None) -> pa.Table:
    """One ruling for each entity and attribute, the latest, with the gist of its value."""
    latest: dict[tuple[str, str], tuple[int, str]] = {}
    for row in [] if rulings is None else rulings.select(RULING.names).to_pylist():
        key = row["entity"], row["attribute"]
        if row["attribute"] in subject.attributes:
            latest[key] = max(latest.get(key, (-1, "")), (row["number"], row["value"]))
    rows = [
        {
            "entity": entity,
            "attribute": name,
            "value": value,
            "number": number,
            "gist": elements()[subject.attributes[name].element].gist(value),
        }
        for (entity, name), (number, value) in sorted(latest.items())
    ]
    return pa.Table.from_pylist(rows, RULING.append(pa.field("gist", pa.string())))


def _with_ruled(engine: BaseBackend, entities: ir.Table, ruled: pa.Table) -> ir.Table:
    """The entities, and those that only rulings know."""
    names = ibis.memtable(ruled).select(name="entity").distinct()
    others = engine.to_pyarrow(names.anti_join(entities, "name"))
    if not others.num_rows:
        return entities
    start = int(engine.to_pyarrow(entities.count()).as_py())
    more = pa.table(
        {
            "name": pa.array(sorted(others.column("name").to_pylist()), pa.string()),
            "entity": pa.array(range(start, start + others.num_rows), pa.int32()),
        }
    )
    return keep(engine, entities.select("name", "entity").union(ibis.memtable(more)))


def _binding(
    engine: BaseBackend, subject: Subject, entities: ir.Table, ruled: pa.Table
) -> ir.Table:
    codes = item_codes(subject)
    items = [codes[name] for name in ruled.column("attribute").to_pylist()]
    table = ibis.memtable(ruled.append_column("item", pa.array(items, pa.int16())))
    table = table.rename(name="entity").inner_join(entities, "name")
    return keep(engine, table.select(*KEY, "value", "gist", "number"))


def _bind(engine: BaseBackend, subject: Subject, claims: ir.Table, rulings: ir.Table) -> ir.Table:
    """Gives claims that mean what a ruling says its gist. Rulings are few: this is done here."""
    names = sorted(subject.attributes)
    touched = engine.to_pyarrow(claims.semi_join(rulings, KEY)).to_pylist()
    ruled = {(row["entity"], row["item"]): row for row in engine.to_pyarrow(rulings).to_pylist()}
    for claim in touched:
        ruling = ruled[claim["entity"], claim["item"]]
        element = elements()[subject.attributes[names[claim["item"]]].element]
        value = claim["gist"] if claim["spelling"] is None else claim["spelling"]
        if value == ruling["value"] or bears_out(element, value, ruling["value"]):
            claim["gist"] = ruling["gist"]
        elif claim["gist"] == ruling["gist"]:
            claim["gist"] = value
        claim["spelling"] = None if value == claim["gist"] else value
    bound = ibis.memtable(pa.Table.from_pylist(touched, pa.schema(_CLAIM)))
    return keep(engine, claims.anti_join(rulings, KEY).union(bound))
