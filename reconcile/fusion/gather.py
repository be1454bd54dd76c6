"""From fit tables and links to claims: who says what about whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends import BaseBackend

from catalog.standards import elements
from catalog.standards.base import Element
from catalog.subjects import Subject
from core.engine import scan
from reconcile.fusion.codes import (
    CLAIM,
    CODED,
    Coded,
    Sources,
    TableLike,
    as_table,
    item_codes,
    keep,
    nothing,
    number,
    ordinal,
)
from reconcile.fusion.likeness import AMOUNTS, TOLERANCE
from reconcile.fusion.repairs import ignored, read_repairs, reread
from reconcile.fusion.sets import united

__all__ = ["CLAIM", "TableLike", "as_table", "claims", "gather", "keep"]

_SAID = ("entity", "item", "source", "value", "day", "record", "as_of")


def claims(
    engine: BaseBackend,
    subject: Subject,
    fit: Mapping[str, TableLike],
    links: TableLike,
    repairs: pa.Table | None = None,
) -> ir.Table:
    """What :func:`gather` gives, as text: ``entity, attribute, value, gist, dataset, record,
    as_of``.
    """
    return gather(engine, subject, fit, links, repairs).text(subject)


def gather(
    engine: BaseBackend,
    subject: Subject,
    fit: Mapping[str, TableLike],
    links: TableLike,
    repairs: pa.Table | None = None,
) -> Coded:
    """One claim for each entity, attribute and dataset.

    Of several records a dataset holds of an entity, the latest that has a value counts, then the
    smallest record; of an attribute with several values all count together. Only where a steward joined records, each key that a dataset gives the entity
    is a claim: what was two is not to be forgotten. Values that were invalid are missing in the
    fit tables and claim nothing.
    ``gist`` is what values of one entity and attribute that mean the same have in common.
    Where the subject has a listing, each of its datasets also claims whether it holds an entity.

    Args:
        fit: dataset → its fit table; datasets that feed nothing of ``subject`` are left out.
        links: ``dataset, record, entity`` and more.
        repairs: ``dataset, attribute, repair``: how some of what is said is read
            (:mod:`reconcile.fusion.repairs`).
    """
    mended = read_repairs(repairs)
    feeds = {
        dataset: {a: item for a, item in items.items() if not ignored(mended, dataset, a)}
        for dataset, items in sorted(subject.feeds.items())
        if dataset in fit
    }
    listing = subject.listing
    listed = [] if listing is None else sorted(set(listing.datasets) & fit.keys())
    pairs = {(attribute, dataset) for dataset, items in feeds.items() for attribute in items}
    if listing is not None:
        pairs |= {(listing.attribute, dataset) for dataset in listed}
    if not pairs:
        return nothing()
    linked = _Linked.of(engine, scan(engine, links), subject, tuple(sorted(pairs)))
    varied = _with_gists(subject)
    plain, spelled = [], []
    for dataset, items in feeds.items():
        if items:
            rows = linked.rows(engine, scan(engine, fit[dataset]), dataset, items)
            plain += linked.say(rows, dataset, sorted(items.keys() - varied))
            spelled += linked.say(rows, dataset, sorted(items.keys() & varied))
    if listing is not None:
        plain += [linked.listed(listing.attribute, dataset) for dataset in listed]
    said = []
    if plain:
        rows = reread(engine, _all(plain), mended, linked.sources)
        rows = rows.mutate(gist=rows.value, spelling=ibis.null("string"))
        said.append(rows.select(*CODED))
    if spelled:
        rows = keep(engine, reread(engine, _all(spelled), mended, linked.sources))
        said.append(_add_gists(engine, subject, rows))
    return Coded(keep(engine, _all(said)), linked.entities, linked.sources)


def _all(tables: list[ir.Table]) -> ir.Table:
    return reduce(lambda left, right: left.union(right), tables)


@dataclass(frozen=True)
class _Linked:
    """Which records are about which ``entities``: ``links``: ``dataset, record, entity`` (code);
    ``several``: ``dataset, entity`` where a dataset has several records, and whether a steward
    ``joined`` some; the datasets of which are ``crowded``. ``keys``: the codes of the key items;
    ``many``: of those with several values.
    """

    items: Mapping[str, int]
    keys: tuple[int, ...]
    many: tuple[int, ...]
    sources: Sources
    entities: ir.Table
    links: ir.Table
    several: ir.Table
    crowded: frozenset[str]

    @classmethod
    def of(
        cls, engine: BaseBackend, links: ir.Table, subject: Subject, sources: Sources
    ) -> _Linked:
        ruled = links.method == "steward" if "method" in links.columns else ibis.literal(False)
        named = links.select("dataset", "record", name="entity", ruled=ruled)
        entities = number(engine, named)
        datasets = sorted({dataset for _, dataset in sources})
        coded = named.inner_join(entities, "name")
        ours = coded.filter(coded.dataset.isin(datasets)).select("dataset", "record", "entity")
        ours = keep(engine, ours)
        times = ours.group_by("dataset", "entity").agg(times=ours.count())
        times = times.filter(times.times > 1)
        joined = coded.filter(coded.ruled).select("entity").distinct()
        several = times.left_join(joined.mutate(joined=ibis.literal(True)), "entity")
        several = several.select("dataset", "entity", joined=several.joined.fill_null(False))
        several = keep(engine, several)
        found = engine.to_pyarrow(several.select("dataset").distinct())
        crowded = frozenset(found.column("dataset").to_pylist())
        items = item_codes(subject)
        keys = tuple(items[name] for name in subject.keys)
        many = tuple(items[name] for name in subject.many)
        return cls(items, keys, many, sources, entities, ours, several, crowded)

    def rows(
        self, engine: BaseBackend, fit: ir.Table, dataset: str, items: Mapping[str, str]
    ) -> ir.Table:
        """The rows of one dataset, each with its entity."""
        rows = fit.select(
            record=fit["_record"],
            as_of=fit["_as_of"],
            day=ordinal(fit["_as_of"]),
            **{self._column(dataset, a): fit[item] for a, item in sorted(items.items())},
        )
        ours = self.links.filter(self.links.dataset == dataset)
        return keep(engine, rows.inner_join(ours.select("record", "entity"), "record"))

    def say(self, rows: ir.Table, dataset: str, attributes: list[str]) -> list[ir.Table]:
        """What they claim about some attributes, in long form."""
        if not attributes:
            return []
        names = [self._column(dataset, attribute) for attribute in attributes]
        rows = rows.select("record", "as_of", "day", "entity", *names)
        if dataset not in self.crowded:
            return [_long(rows, names)]
        several = self.several.filter(self.several.dataset == dataset).select("entity", "joined")
        single = _long(rows.anti_join(several, "entity"), names)
        others = _long(rows.semi_join(several, "entity"), names).inner_join(several, "entity")
        sets = united(others.filter(others.item.isin(self.many)))
        others = others.filter(others.item.notin(self.many))
        apart = others.joined & others.item.isin(list(self.keys))
        others = others.mutate(apart=ibis.ifelse(apart, others.value, ""))
        order = [ibis.desc("as_of", nulls_first=False), ibis.asc("record"), ibis.asc("value")]
        window = ibis.window(group_by=["entity", "item", "apart"], order_by=order)
        latest = others.mutate(place=ibis.row_number().over(window)).filter(ibis._.place == 0)
        return [single.union(latest.select(*single.columns)).union(sets.select(*single.columns))]

    def listed(self, attribute: str, dataset: str) -> ir.Table:
        """For every entity, whether a dataset holds it; one that it does not hold is a claim too."""
        ours = self.links.filter(self.links.dataset == dataset)
        held = ours.group_by("entity").agg(record=ours.record.min())
        rows = self.entities.select("entity").left_join(held, "entity")
        return rows.select(
            rows.entity,
            item=ibis.literal(self.items[attribute], "int16"),
            source=ibis.literal(self.sources.index((attribute, dataset)), "int32"),
            value=ibis.ifelse(rows.record.notnull(), "1", "0"),
            day=ibis.literal(0, "int32"),
            record=ibis.coalesce(rows.record, ibis.literal("")),
            as_of=ibis.null("string"),
        )

    def _column(self, dataset: str, attribute: str) -> str:
        return f"said_{self.items[attribute]}_{self.sources.index((attribute, dataset))}"


def _long(rows: ir.Table, names: list[str]) -> ir.Table:
    long = rows.pivot_longer(
        names,
        names_to=["item", "source"],
        names_pattern=r"said_(\d+)_(\d+)",
        names_transform={"item": int, "source": int},
        values_to="value",
    )
    long = long.filter(long.value.notnull())
    return long.mutate(item=long.item.cast("int16"), source=long.source.cast("int32")).select(_SAID)


def _with_gists(subject: Subject) -> list[str]:
    return sorted(
        name
        for name, attribute in subject.attributes.items()
        if attribute.element in AMOUNTS
        or type(elements()[attribute.element]).gist is not Element.gist
    )


def _add_gists(engine: BaseBackend, subject: Subject, spelled: ir.Table) -> ir.Table:
    """Gists are worked out in Python, once for each distinct value, and only where the sources of
    an entity spell it differently: elsewhere nothing depends on them.
    """
    items = spelled.group_by("entity", "item").agg(
        lowest=spelled.value.min(), highest=spelled.value.max()
    )
    differing = items.filter(items.lowest != items.highest)
    values = spelled.semi_join(differing, ["entity", "item"])
    distinct = engine.to_pyarrow(values.select("item", "value").distinct())
    names = sorted(subject.attributes)
    codes = distinct.column("item").to_pylist()
    texts = distinct.column("value").to_pylist()
    gists = [
        elements()[subject.attributes[names[code]].element].gist(text)
        for code, text in zip(codes, texts, strict=True)
    ]
    known = distinct.append_column("gist", pa.array(gists, pa.string()))
    known = known.filter(pc.not_equal(known.column("gist"), known.column("value")))
    joined = spelled.left_join(ibis.memtable(known), ["item", "value"])
    told = joined.mutate(gist=ibis.coalesce(joined.gist, joined.value))
    told = told.select(*_SAID, "gist")
    amounts = [code for code, n in enumerate(names) if subject.attributes[n].element in AMOUNTS]
    if amounts:
        told = _gather_amounts(told, amounts)
    return told.mutate(spelling=told.value.nullif(told.gist)).select(*CODED)


def _gather_amounts(claims: ir.Table, amounts: list[int]) -> ir.Table:
    """Amounts that differ only by rounding get one gist: of those in a row, each as close to the
    next as :data:`TOLERANCE`, the one most sources claim, of these the smallest.
    """
    numbers = claims.filter(claims.item.isin(amounts))
    item = ["entity", "item"]
    values = numbers.group_by(*item, "value").agg(times=numbers.count())
    values = values.mutate(number=values.value.cast("float64"))
    in_order = ibis.window(group_by=item, order_by=[values.number, values.value])
    before = values.number.lag().over(in_order)
    larger = ibis.greatest(values.number.abs(), before.abs())
    values = values.mutate(
        leap=((values.number - before).abs() > TOLERANCE * larger).fill_null(False).cast("int64")
    )
    in_order = ibis.window(
        group_by=item, order_by=[values.number, values.value], preceding=None, following=0
    )
    values = values.mutate(cluster=values.leap.sum().over(in_order))
    most = ibis.window(
        group_by=[*item, "cluster"],
        order_by=[values.times.desc(), values.number, values.value],
    )
    gists = values.select(*item, "value", near=values.value.first().over(most))
    told = numbers.inner_join(gists, [*item, "value"])
    told = told.mutate(gist=told.near).select(*claims.columns)
    return claims.filter(claims.item.notin(amounts)).union(told)
