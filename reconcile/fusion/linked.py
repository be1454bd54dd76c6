"""Which records are about which entities, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from catalog.subjects import Subject
from core.engine import keep, scan
from reconcile.fusion.codes import (
    Sources,
    TableLike,
    item_codes,
    number,
    ordinal,
)
from reconcile.fusion.repairs import Repairs, ignored, read_repairs
from reconcile.fusion.sets import united

SAID = ("entity", "item", "source", "value", "day", "record", "as_of")

Hold: TypeAlias = Callable[[ir.Table], ir.Table]


@dataclass(frozen=True)
class Feeds:
    """What is read of ``fit``: of each dataset, attribute → item (``items``); the attribute that
    tells who is ``listed``, and by which datasets. ``repairs`` tell how it is read.
    """

    subject: Subject
    fit: Mapping[str, TableLike]
    repairs: Repairs
    items: Mapping[str, Mapping[str, str]]
    listed: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, subject: Subject, fit: Mapping[str, TableLike], repairs: pa.Table | None) -> Feeds:
        """Datasets that feed nothing of the subject are left out."""
        mended = read_repairs(repairs)
        items = {
            dataset: {a: item for a, item in items.items() if not ignored(mended, dataset, a)}
            for dataset, items in sorted(subject.feeds.items())
            if dataset in fit
        }
        listing = subject.listing
        datasets = [] if listing is None else sorted(set(listing.datasets) & fit.keys())
        listed = tuple((listing.attribute, d) for d in datasets) if listing is not None else ()
        return cls(subject, fit, mended, {d: read for d, read in items.items() if read}, listed)

    @property
    def sources(self) -> Sources:
        """Attribute and dataset of all that may be claimed, sorted."""
        said = {(a, dataset) for dataset, items in self.items.items() for a in items}
        return tuple(sorted(said.union(self.listed)))


@dataclass(frozen=True)
class Records:
    """What the records of some ``entities`` (code ``entity``, and ``name``) say.

    ``rows``: dataset → ``entity, record, as_of, day`` and ``said_<item>`` for each of its items,
    at least one of which has a value. ``listed``: dataset → ``entity`` and the ``record`` by which
    it lists that, if it does.
    ``several``: ``dataset, entity`` where a dataset has several records, and whether a steward
    ``joined`` some; the datasets of which are ``crowded``. Of ``feeds``, only ``sources`` are read.
    """

    feeds: Feeds
    sources: Sources
    entities: ir.Table
    several: ir.Table
    crowded: frozenset[str]
    rows: Mapping[str, ir.Table]
    listed: Mapping[str, ir.Table]

    @property
    def codes(self) -> dict[str, int]:
        """Attribute → its code, which names the column of its values."""
        return item_codes(self.feeds.subject)

    def say(self, dataset: str, attributes: list[str]) -> list[ir.Table]:
        """What a dataset claims about some attributes, in long form."""
        codes = self.codes
        names = {
            f"said_{codes[a]}_{self.sources.index((a, dataset))}": f"said_{codes[a]}"
            for a in attributes
            if (a, dataset) in self.sources
        }
        if not names:
            return []
        rows = self.rows[dataset].rename(names)
        rows = rows.select("record", "as_of", "day", "entity", *names)
        if dataset not in self.crowded:
            return [_long(rows, list(names))]
        several = self.several.filter(self.several.dataset == dataset).select("entity", "joined")
        single = _long(rows.anti_join(several, "entity"), list(names))
        others = _long(rows.semi_join(several, "entity"), list(names))
        others = others.inner_join(several, "entity")
        parts = [single]
        many = [codes[name] for name in self.feeds.subject.many]
        if many:
            parts.append(united(others.filter(others.item.isin(many))).select(*single.columns))
            others = others.filter(others.item.notin(many))
        keys = [codes[name] for name in self.feeds.subject.keys]
        others = others.mutate(
            apart=ibis.ifelse(others.joined & others.item.isin(keys), others.value, "")
        )
        order = [ibis.desc("as_of", nulls_first=False), ibis.asc("record"), ibis.asc("value")]
        window = ibis.window(group_by=["entity", "item", "apart"], order_by=order)
        latest = others.mutate(place=ibis.row_number().over(window)).filter(ibis._.place == 0)
        return [*parts, latest.select(*single.columns)]

    def say_listed(self) -> list[ir.Table]:
        """For every entity, whether a dataset lists it; that it does not is a claim too."""
        return [
            self.listed[dataset].select(
                "entity",
                item=ibis.literal(self.codes[attribute], "int16"),
                source=ibis.literal(self.sources.index((attribute, dataset)), "int32"),
                value=ibis.ifelse(self.listed[dataset].record.notnull(), "1", "0"),
                day=ibis.literal(0, "int32"),
                record=ibis.coalesce(self.listed[dataset].record, ibis.literal("")),
                as_of=ibis.null("string"),
            )
            for attribute, dataset in self.feeds.listed
        ]

    def of(self, engine: BaseBackend, chosen: ir.Table) -> Records:
        """Those of some entities: ``was`` is their code here, ``entity`` there, with ``name``."""
        codes = chosen.select("was", "entity")

        def mine(table: ir.Table) -> ir.Table:
            found = table.rename(was="entity").inner_join(codes, "was")
            return keep(engine, found.select(*table.columns))

        return Records(
            self.feeds,
            self.sources,
            chosen.select("name", "entity"),
            mine(self.several),
            self.crowded,
            {dataset: mine(rows) for dataset, rows in self.rows.items()},
            {dataset: mine(rows) for dataset, rows in self.listed.items()},
        )


@dataclass(frozen=True)
class Linked:
    """Which records (``links``: ``dataset, record, entity``) are about which ``entities``;
    ``several`` and ``crowded`` as in :class:`Records`.
    """

    feeds: Feeds
    entities: ir.Table
    links: ir.Table
    several: ir.Table
    crowded: frozenset[str]

    @classmethod
    def of(cls, engine: BaseBackend, links: ir.Table, feeds: Feeds) -> Linked:
        """``links``: ``dataset, record, entity`` and more."""
        ruled = links.method == "steward" if "method" in links.columns else ibis.literal(False)
        named = links.select("dataset", "record", name="entity", ruled=ruled)
        entities = number(engine, named)
        datasets = sorted({dataset for _, dataset in feeds.sources})
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
        return cls(feeds, entities, ours, several, crowded)

    def records(self, engine: BaseBackend, hold: Hold) -> Records:
        """What the records say; ``hold`` says where it is kept."""
        items = self.feeds.items
        return Records(
            self.feeds,
            self.feeds.sources,
            self.entities,
            self.several,
            self.crowded,
            {dataset: hold(self._rows(engine, dataset, items[dataset])) for dataset in items},
            {dataset: hold(self._listed(dataset)) for _, dataset in self.feeds.listed},
        )

    def _rows(self, engine: BaseBackend, dataset: str, items: Mapping[str, str]) -> ir.Table:
        fit = scan(engine, self.feeds.fit[dataset])
        codes = item_codes(self.feeds.subject)
        said = {f"said_{codes[a]}": fit[item] for a, item in sorted(items.items())}
        rows = fit.filter(reduce(lambda a, b: a | b, [s.notnull() for s in said.values()]))
        rows = rows.select(
            record=fit["_record"],
            as_of=fit["_as_of"],
            day=ordinal(fit["_as_of"]),
            **said,
        )
        ours = self.links.filter(self.links.dataset == dataset)
        return rows.inner_join(ours.select("record", "entity"), "record")

    def _listed(self, dataset: str) -> ir.Table:
        ours = self.links.filter(self.links.dataset == dataset)
        held = ours.group_by("entity").agg(record=ours.record.min())
        rows = self.entities.select("entity").left_join(held, "entity")
        return rows.select("entity", "record")


def _long(rows: ir.Table, names: list[str]) -> ir.Table:
    long = rows.pivot_longer(
        names,
        names_to=["item", "source"],
        names_pattern=r"said_(\d+)_(\d+)",
        names_transform={"item": int, "source": int},
        values_to="value",
    )
    long = long.filter(long.value.notnull())
    return long.mutate(item=long.item.cast("int16"), source=long.source.cast("int32")).select(SAID)
