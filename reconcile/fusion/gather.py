"""From fit tables and links to claims: who says what about whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial, reduce

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends import BaseBackend

from catalog.standards import elements
from catalog.standards.base import Element
from catalog.subjects import Subject
from core.engine import keep, scan
from reconcile.fusion.codes import CLAIM, CODED, Coded, TableLike, as_table, nothing
from reconcile.fusion.details import has_details, raised, steps
from reconcile.fusion.likeness import AMOUNTS, TOLERANCE
from reconcile.fusion.linked import SAID, Feeds, Linked, Records
from reconcile.fusion.repairs import reread

__all__ = ["CLAIM", "TableLike", "as_table", "claims", "formed", "gather"]


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
    smallest record; of an attribute with several values all count together. Only where a steward
    joined records, each key that a dataset gives the entity is a claim: what was two is not to be
    forgotten. Values that were invalid are missing in the fit tables and claim nothing.
    ``gist`` is what values of one entity and attribute that mean the same have in common; of one
    that tells less of the same it is that of what tells more (:mod:`reconcile.fusion.details`).
    Where the subject has a listing, each of its datasets also claims whether it holds an entity.

    Args:
        fit: dataset → its fit table; datasets that feed nothing of ``subject`` are left out.
        links: ``dataset, record, entity`` and more.
        repairs: ``dataset, attribute, repair``: how some of what is said is read
            (:mod:`reconcile.fusion.repairs`).
    """
    feeds = Feeds.of(subject, fit, repairs)
    if not feeds.sources:
        return nothing()
    linked = Linked.of(engine, scan(engine, links), feeds)
    return formed(engine, linked.records(engine, partial(keep, engine)))


def formed(engine: BaseBackend, records: Records) -> Coded:
    """What records say, as claims."""
    subject, repairs = records.feeds.subject, records.feeds.repairs
    varied = _with_gists(subject)
    plain, spelled = records.say_listed(), []
    for dataset, items in records.feeds.items.items():
        plain += records.say(dataset, sorted(items.keys() - varied))
        spelled += records.say(dataset, sorted(items.keys() & varied))
    said = []
    if plain:
        rows = reread(engine, _all(plain), repairs, records.sources)
        rows = rows.mutate(gist=rows.value, spelling=ibis.null("string"))
        said.append(rows.select(*CODED))
    if spelled:
        rows = keep(engine, reread(engine, _all(spelled), repairs, records.sources))
        said.append(_add_gists(engine, subject, rows))
    return Coded(keep(engine, _all(said)), records.entities, records.sources)


def _all(tables: list[ir.Table]) -> ir.Table:
    return reduce(lambda left, right: left.union(right), tables)


def _with_gists(subject: Subject) -> list[str]:
    return sorted(
        name
        for name, attribute in subject.attributes.items()
        if attribute.element in AMOUNTS
        or type(elements()[attribute.element]).gist is not Element.gist
    )


def _add_gists(engine: BaseBackend, subject: Subject, spelled: ir.Table) -> ir.Table:
    """Gists are worked out in Python, once for each distinct value, and only where the sources of
    an entity spell it differently: elsewhere nothing depends on them, and the value stands for
    its gist.
    """
    item = ["entity", "item"]
    items = spelled.group_by(item).agg(lowest=spelled.value.min(), highest=spelled.value.max())
    differing = keep(engine, items.filter(items.lowest != items.highest).select(item))
    values = spelled.semi_join(differing, item)
    distinct = engine.to_pyarrow(values.select("item", "value").distinct())
    names = sorted(subject.attributes)
    known = pa.concat_tables(
        _with_gist(distinct, code, elements()[subject.attributes[name].element])
        for code, name in enumerate(names)
    )
    known = known.filter(pc.not_equal(known.column("gist"), known.column("value")))
    joined = values.left_join(ibis.memtable(known), ["item", "value"])
    told = joined.mutate(gist=ibis.coalesce(joined.gist, joined.value)).select(*SAID, "gist")
    detailed = [code for code, name in enumerate(names) if _detailed(subject, name)]
    if detailed:
        told = keep(engine, told)
        told = raised(engine, told, item, _details(engine, subject, told, detailed))
    alike = spelled.anti_join(differing, item)
    told = told.union(alike.mutate(gist=alike.value).select(*told.columns))
    amounts = [code for code, n in enumerate(names) if subject.attributes[n].element in AMOUNTS]
    if amounts:
        told = _gather_amounts(told, amounts)
    return told.mutate(spelling=told.value.nullif(told.gist)).select(*CODED)


def _with_gist(values: pa.Table, code: int, element: Element) -> pa.Table:
    mine = values.filter(pc.equal(values.column("item"), code))
    return mine.append_column("gist", element.gists(mine.column("value").combine_chunks()))


def _detailed(subject: Subject, name: str) -> bool:
    return has_details(elements()[subject.attributes[name].element])


def _details(
    engine: BaseBackend, subject: Subject, told: ir.Table, detailed: list[int]
) -> pa.Table:
    """``item, gist, more``: which gists of what differs still tell more of the same than another."""
    rows = told.filter(told.item.isin(detailed))
    item = ["entity", "item"]
    items = rows.group_by(item).agg(lowest=rows.gist.min(), highest=rows.gist.max())
    differing = items.filter(items.lowest != items.highest)
    found = engine.to_pyarrow(rows.semi_join(differing, item).select("item", "gist").distinct())
    gists: dict[int, set[str]] = defaultdict(set)
    for code, gist in zip(*(found.column(c).to_pylist() for c in ("item", "gist")), strict=True):
        gists[code].add(gist)
    names = sorted(subject.attributes)
    pairs = [
        {"item": code, "gist": less, "more": more}
        for code, mine in sorted(gists.items())
        for less, more in steps(elements()[subject.attributes[names[code]].element], mine)
    ]
    columns = [("item", pa.int16()), ("gist", pa.string()), ("more", pa.string())]
    return pa.Table.from_pylist(pairs, pa.schema(columns))


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
