"""Deciding what comes from a short list of values: by what every source takes for what.

A claim has a code of its own for each value that a source may claim. It adds, for every value on the
list, how likely its source makes it where that is the true one; with age it fades towards what the
source says anyway. So also the values that nobody claims have their share, though none of them is
chosen. Things of which anybody claims a value beside the list are decided as if there were none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import inf, log

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis.backends import BaseBackend

from catalog.standards import elements
from catalog.standards.base import Element
from core.engine import keep
from reconcile.fusion.ageing import age_in_days
from reconcile.fusion.evidence import UNIT, families
from reconcile.fusion.ground import KEY, Ground
from reconcile.fusion.kinds import OTHER, Telling, of_entities
from reconcile.fusion.learning.choice import HIGHEST, LOGIT
from reconcile.fusion.learning.confusion import LEAST
from reconcile.fusion.learning.trust import Trust

NEW = 0.01  # of a chance that is left, however much of it age explains

_MOVED = pa.schema(
    {
        "item": pa.int16(),
        "source": pa.int32(),
        "gist": pa.string(),
        "item_of_value": pa.int16(),
        "source_of_value": pa.int32(),
    }
)


@dataclass(frozen=True)
class _Row:
    """The trust in a source that claims one ``value`` of an attribute's list; ``source``: its code."""

    source: int
    trust: Trust
    values: tuple[str, ...]

    @property
    def place(self) -> int:
        return self.values.index(str(self.trust.kind))


def _rows(trust: Sequence[Trust]) -> list[_Row]:
    values: dict[str, set[str]] = {}
    for t in trust:
        if t.by_value:
            values.setdefault(t.attribute, set()).add(str(t.kind))
    return [
        _Row(source, t, tuple(sorted(values[t.attribute])))
        for source, t in enumerate(trust)
        if t.by_value
    ]


def by_value(engine: BaseBackend, ground: Ground, trust: Sequence[Trust]) -> Ground:
    """``ground`` with items of their own for what comes from a list, where sources are told apart
    by the value they claim: ``trust`` then belongs to its ``sources``, one by one.
    """
    rows = _rows(trust)
    if not rows:
        return ground
    first = {row.trust.attribute: row.values[0] for row in rows}
    lists = {name: len(ground.attributes) + place for place, name in enumerate(first)}
    move = _Move(engine, ground, rows, lists)
    return replace(
        ground,
        claims=move.claims(),
        rulings=None if ground.rulings is None else keep(engine, move.rulings(ground.rulings)),
        attributes=(*ground.attributes, *lists),
        kinds=(*ground.kinds, *first.values()),
        sources=tuple((t.attribute, t.dataset) for t in trust),
        lists=tuple(lists.values()),
    )


class _Move:
    """Claims from the codes of ``ground`` into those of their value. ``lists``: attribute → the item
    of its list.
    """

    def __init__(
        self, engine: BaseBackend, ground: Ground, rows: Sequence[_Row], lists: Mapping[str, int]
    ) -> None:
        self._engine, self._claims = engine, ground.claims
        codes = {source: code for code, source in reversed(list(enumerate(ground.sources)))}
        values = {row.trust.attribute: row.values for row in rows}
        gists = {name: self._gists(ground, name, values[name]) for name in lists}
        moved = [
            {
                "item": ground.attributes.index(row.trust.attribute),
                "source": codes[row.trust.attribute, row.trust.dataset],
                "gist": gist,
                "item_of_value": lists[row.trust.attribute],
                "source_of_value": row.source,
            }
            for row in rows
            for gist in gists[row.trust.attribute][str(row.trust.kind)]
        ]
        self._moved = ibis.memtable(pa.Table.from_pylist(moved, _MOVED))
        self._items = [ground.attributes.index(name) for name in lists]
        apart = self._claims.filter(self._claims.item.isin(self._items))
        read = apart.left_join(self._moved, ["item", "source", "gist"])
        self._rows = keep(engine, read.select(*apart.columns, "item_of_value", "source_of_value"))
        strays = self._rows.filter(self._rows.source_of_value.isnull()).select(*KEY).distinct()
        self._strays = keep(engine, strays)

    def _gists(self, ground: Ground, name: str, values: Sequence[str]) -> dict[str, list[str]]:
        """Value on the list → the gists that mean it."""
        element = elements()[ground.subject.attributes[name].element]
        if type(element).gist is Element.gist:
            return {value: [value] for value in values}
        claims = ground.claims.filter(ground.claims.item == ground.attributes.index(name))
        gists = self._engine.to_pyarrow(claims.select("gist").distinct()).column("gist")
        found: dict[str, list[str]] = {value: [] for value in values}
        for gist in sorted(gists.to_pylist()):
            if (meaning := element.gist(gist)) in found:
                found[meaning].append(gist)
        return found

    def claims(self) -> ir.Table:
        """The claims, in the codes of their value, but for things that have another one."""
        columns = self._claims.columns
        there, moved = self._rows, None
        if self._engine.to_pyarrow(self._strays.count()).as_py():
            there = self._rows.anti_join(self._strays, KEY)
            moved = self._rows.semi_join(self._strays, KEY).select(*columns)
        there = there.mutate(item=there.item_of_value, source=there.source_of_value)
        there = there.select(*columns)
        others = self._claims.filter(self._claims.item.notin(self._items))
        return others.union(there if moved is None else keep(self._engine, there.union(moved)))

    def rulings(self, rulings: ir.Table) -> ir.Table:
        """The rulings, in the codes of the claims about the same."""
        items = self._moved.select("item", "item_of_value").distinct()
        strays = self._strays.mutate(stray=ibis.literal(True))
        rows = rulings.left_join(items, "item").drop("item_right").left_join(strays, KEY)
        item = ibis.ifelse(rows.stray.fill_null(False), rows.item, rows.item_of_value)
        return rows.mutate(item=ibis.coalesce(item, rows.item)).select(*rulings.columns)


class Values:
    """How likely claims make every value, for the items that come from a list.

    Args:
        ground: in the codes of kinds and values; ``plain``: as it was before.
    """

    def __init__(self, ground: Ground, plain: Ground, trust: Sequence[Trust], today: date) -> None:
        self._rows, self._today = _rows(trust), today
        self.most = max((len(row.values) for row in self._rows), default=0)
        self._ground, self._plain = ground, plain
        self._copies = bool(families([row.trust for row in self._rows]))

    def score(self, claims: ir.Table, camps: ir.Table) -> ir.Table:
        """``camps`` with the log-odds that its gist is right as their ``score``.

        Args:
            claims: as :func:`reconcile.fusion.evidence.weigh` gives them.
            camps: of the same, one row for each gist.
        """
        places = range(self.most)
        rows = self._added(claims)
        sums = rows.group_by(KEY).agg(**{f"n{t}": rows[f"n{t}"].sum() for t in places})
        sums = self._with_shares(sums)
        sums = sums.select(*KEY, **{f"s{t}": sums[f"n{t}"] / UNIT + sums[f"p{t}"] for t in places})
        best = ibis.greatest(*(sums[f"s{t}"] for t in places))
        sums = sums.select(*KEY, **{f"s{t}": sums[f"s{t}"] - best for t in places})
        told = rows.group_by(*KEY, "gist").agg(told=rows.told.max())
        found = camps.drop("score").inner_join(told, [*KEY, "gist"]).inner_join(sums, KEY)
        own = ibis.cases(*((found.told == t, found[f"s{t}"]) for t in places), else_=-inf)
        total = sum((found[f"s{t}"].exp() for t in places), ibis.literal(0.0))
        rest = ibis.greatest(total - own.exp(), LEAST)
        score = (own - rest.ln()).clip(-LOGIT, LOGIT).round(6)
        return found.mutate(score=score).select(*camps.columns)

    def _added(self, claims: ir.Table) -> ir.Table:
        """Per claim which value it is (``told``), and what it adds for every value (``n0``, ``n1``,
        …): whole millionths of a nat, so that no order matters.
        """
        places = range(self.most)
        rows = claims.inner_join(ibis.memtable(self._likely()), "source")
        age = age_in_days(rows.day, self._today)
        recency = ibis.ifelse(rows.day > 0, (age * rows.decay).exp(), rows.undated)
        part = ibis.literal(1.0)
        if self._copies:
            first = ibis.row_number().over(
                group_by=[rows.entity, rows.item, rows.gist, rows.family],
                order_by=rows.place.desc(),
            )
            part = ibis.ifelse((rows.family < 0) | (first == 0), 1.0, rows.own_share)
        # What was learned holds of claims of average age: older ones fade, newer ones are sharper.
        older = ibis.least(recency / rows.undated, 1.0)
        newer = ibis.greatest(recency - rows.undated, 0.0) / (1 - rows.undated + LEAST)
        likely = {
            t: older * rows[f"c{t}"] + (1 - older) * rows.anyway + newer * rows[f"d{t}"]
            for t in places
        }
        added = {f"n{t}": (likely[t].ln() * part * UNIT).round().cast("float64") for t in places}
        return rows.select(*KEY, "gist", "told", **added)

    def _likely(self) -> pa.Table:
        """Per source: which value it claims (``told``), how likely it does so for each true value
        (``c0``, ``c1``, …), by how much more if it has just looked (``d0``, ``d1``, …), and
        ``anyway``.
        """
        shares = {(r.trust.attribute, r.trust.kind): r.trust.share or 0.0 for r in self._rows}
        found = []
        for row in self._rows:
            t = row.trust
            chances = np.maximum(json.loads(str(t.chances)), LEAST)
            weights = np.array([shares[t.attribute, value] for value in row.values])
            anyway = max(float(weights @ chances) / max(float(weights.sum()), LEAST), LEAST)
            fresh = (chances - (1 - t.undated) * anyway) / t.undated
            fresh = np.clip(fresh, chances * NEW, np.maximum(chances, HIGHEST))
            padding = self.most - len(chances)
            often = [*chances.tolist(), *[LEAST] * padding]
            more = [*(fresh - chances).tolist(), *[0.0] * padding]
            attribute = self._ground.subject.attributes[t.attribute]
            found.append(
                {
                    "source": row.source,
                    "told": row.place,
                    "anyway": anyway,
                    "decay": -log(2) / (t.half_life_days or attribute.half_life_days),
                    "undated": t.undated,
                    "own_share": t.own,
                    **{f"c{place}": chance for place, chance in enumerate(often)},
                    **{f"d{place}": chance for place, chance in enumerate(more)},
                }
            )
        numbers = ["anyway", "decay", "undated", "own_share"]
        numbers += [f"{name}{t}" for name in "cd" for t in range(self.most)]
        schema = {"source": pa.int32(), "told": pa.int16()}
        return pa.Table.from_pylist(
            found, pa.schema({**schema, **dict.fromkeys(numbers, pa.float64())})
        )

    def _with_shares(self, sums: ir.Table) -> ir.Table:
        """With the log of the share of each value (``p0``, ``p1``, …) among things of their kind."""
        kinds = None
        for item in self._ground.lists:
            t = self._first(item)
            if t.shares is None:
                continue
            told = tuple(kind for kind in json.loads(t.shares) if kind != OTHER)
            way = Telling(str(t.shares_of), told)
            of = of_entities(self._plain, self._plain.claims, way)
            of = of.mutate(item=ibis.literal(item, "int16"))
            kinds = of if kinds is None else kinds.union(of)
        rows = sums.mutate(kind=ibis.literal(OTHER))
        if kinds is not None:
            rows = sums.left_join(kinds, KEY).drop("entity_right", "item_right")
            rows = rows.mutate(kind=rows.kind.fill_null(OTHER))
        return rows.inner_join(ibis.memtable(self._shares()), ["item", "kind"])

    def _first(self, item: int) -> Trust:
        name = self._ground.attributes[item]
        return next(row.trust for row in self._rows if row.trust.attribute == name)

    def _shares(self) -> pa.Table:
        found: dict[tuple[int, str], dict[str, float]] = {}
        for item in self._ground.lists:
            name = self._ground.attributes[item]
            for row in self._rows:
                t = row.trust
                if t.attribute != name:
                    continue
                of_kinds = {OTHER: t.share or 0.0} if t.shares is None else json.loads(t.shares)
                for kind, share in of_kinds.items():
                    logs = found.setdefault((item, kind), {})
                    logs[f"p{row.place}"] = log(max(share, LEAST))
        names = [f"p{place}" for place in range(self.most)]
        rows = [
            {"item": item, "kind": kind, **dict.fromkeys(names, log(LEAST)), **logs}
            for (item, kind), logs in found.items()
        ]
        schema = {"item": pa.int16(), "kind": pa.string(), **dict.fromkeys(names, pa.float64())}
        return pa.Table.from_pylist(rows, pa.schema(schema))
