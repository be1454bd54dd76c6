"""Attributes whose values come from a short list, such as marital status or yes and no: what sources
take for what is learned (:mod:`reconcile.fusion.learning.confusion`), and how common each value is,
by kind of things where that explains more: among spouses of somebody nearly all are married.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis.backends import BaseBackend

from catalog.standards import elements
from reconcile.fusion.codes import Sources
from reconcile.fusion.ground import Ground
from reconcile.fusion.kinds import OTHER, Telling, of_entities
from reconcile.fusion.learning.confusion import (
    GAIN,
    LEAST,
    Confusion,
    Saying,
    Source,
    confuse,
    confuse_by_kind,
    relearned,
    witnessed,
)
from reconcile.fusion.learning.trust import Lesson, Trust

MOST = 12  # values on a list
MOST_GISTS = 1000  # in the sample, of an attribute that is looked at
FEWEST = 20  # claims of each in the sample
COVERED = 0.98  # of the claims in the sample are of one of them
OUTSIDE = "-"  # the place of a value that is not on the list


@dataclass(frozen=True)
class Listed:
    """An attribute with its list of ``values``, sorted, and the gists that mean them."""

    attribute: str
    values: tuple[str, ...]
    meanings: Mapping[str, str]


def listed_attributes(engine: BaseBackend, ground: Ground, sources: Sources) -> list[Listed]:
    """The attributes of some ``sources`` whose values come from a short list, in the sample."""
    names = sorted({name for name, _ in sources})
    items = [
        item
        for item, name in enumerate(ground.attributes)
        if name in names
        and name not in ground.subject.keys
        and not ground.subject.attributes[name].group
    ]
    claims = ground.sample.filter(ground.sample.item.isin(items))
    counted = claims.group_by("item", "gist").agg(times=claims.count())
    counted = counted.mutate(gists=counted.times.count().over(ibis.window(group_by="item")))
    counted = counted.filter(counted.gists <= MOST_GISTS)
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for row in engine.to_pyarrow(counted).to_pylist():
        found[row["item"]][row["gist"]] = row["times"]
    listed = [_listed(ground, item, times) for item, times in sorted(found.items())]
    return [way for way in listed if way is not None]


def _listed(ground: Ground, item: int, times: Mapping[str, int]) -> Listed | None:
    element = elements()[ground.subject.attributes[ground.attributes[item]].element]
    meanings = {gist: element.gist(gist) for gist in times}
    totals: dict[str, int] = defaultdict(int)
    for gist, meaning in meanings.items():
        totals[meaning] += times[gist]
    values = sorted(value for value, total in totals.items() if total >= FEWEST)
    covered = sum(totals[value] for value in values)
    if not 1 < len(values) <= MOST or covered < COVERED * sum(times.values()):
        return None
    known = {gist: meaning for gist, meaning in meanings.items() if meaning in values}
    return Listed(ground.attributes[item], tuple(values), known)


def learn_values(
    engine: BaseBackend, ground: Ground, lesson: Lesson, sources: Sources, ways: Sequence[Telling]
) -> dict[str, tuple[float, list[Trust]]]:
    """Attribute → by how many nats of coarsened evidence what is claimed is explained better by
    values, and the trust in each source by the value it claims; of those of ``sources`` that are.

    Args:
        lesson: what was learned without knowing values.
        ways: to tell kinds of things, of which each may have shares of its own.
    """
    found = {}
    known = {(t.attribute, t.dataset): t for t in lesson.trust}
    for listed in listed_attributes(engine, ground, sources):
        name = listed.attribute
        trust = [known[source] for source in sources if source[0] == name]
        said = _Said(engine, ground, listed, trust, [w for w in ways if w.attribute != name])
        given = _sources(trust, lesson)
        learned = confuse(said.sayings(), said.values, given, lesson.worth[name])
        if learned is None:
            continue
        gain, best, by = *learned, None
        for way in said.ways:
            kinds = len(way.kinds) + 1
            more, apart = confuse_by_kind(learned[1], said.sayings(way), kinds, given)
            if more > max(gain - learned[0], GAIN):
                gain, best, by = learned[0] + more, apart, way
        if by is not None:
            best = relearned(best, said.sayings(by), given)
        elif not witnessed(said.sayings()):
            continue
        found[name] = gain, _told(listed, best, trust, by)
    return found


class _Said:
    """What is said in the sample about a listed attribute, also by one source alone: what only it
    knows may have values of its own, as a register of pensions has. ``values``: how many there are,
    with one for all that are not on the list, if there is any.
    """

    def __init__(
        self,
        engine: BaseBackend,
        ground: Ground,
        listed: Listed,
        trust: Sequence[Trust],
        ways: Sequence[Telling],
    ) -> None:
        self.ways = ways
        self._places = {value: place for place, value in enumerate(listed.values)}
        datasets = {t.dataset: place for place, t in enumerate(trust)}
        self._sources = [datasets.get(dataset, -1) for _, dataset in ground.sources]
        things = self._things(ground, listed)
        for place, way in enumerate(ways):
            kinds = of_entities(ground, ground.sample, way).rename({f"kind{place}": "kind"})
            things = things.left_join(kinds, "entity").drop("entity_right")
        names = ["said", "right", *(f"kind{place}" for place in range(len(ways)))]
        counted = things.group_by(names).agg(count=things.count())
        self._rows = engine.to_pyarrow(counted).to_pylist()
        other = len(listed.values)
        self.values = other + any(self._outside(row) for row in self._rows)

    def _things(self, ground: Ground, listed: Listed) -> ir.Table:
        """``entity, said, right``; ``said`` as text, source and place of the value."""
        item = ground.attributes.index(listed.attribute)
        told = pa.table(
            {
                "gist": pa.array(list(listed.meanings), pa.string()),
                "told": pa.array(
                    [str(self._places[v]) for v in listed.meanings.values()], pa.string()
                ),
            }
        )
        claims = ground.sample.filter(ground.sample.item == item)
        rows = claims.left_join(ibis.memtable(told), "gist")
        said = rows.source.cast("string") + ":" + rows.told.fill_null(OUTSIDE)
        things = rows.group_by("entity").agg(said=said.collect().sort().join(","))
        things = things.mutate(right=ibis.null("string"))
        if ground.rulings is not None:
            ruled = ground.rulings.filter(ground.rulings.item == item)
            ruled = ruled.select("entity", right="gist")
            things = things.drop("right").left_join(ruled, "entity").drop("entity_right")
        return things.select("entity", "said", "right")

    def _outside(self, row: Mapping[str, Any]) -> bool:
        right = row["right"]
        return OUTSIDE in row["said"] or (right is not None and right not in self._places)

    def sayings(self, way: Telling | None = None) -> list[Saying]:
        """What is said, by kind if there is a ``way`` to tell it: the last is that of no other."""
        kinds, column = {}, ""
        if way is not None:
            kinds = {kind: place for place, kind in enumerate(way.kinds)}
            column = f"kind{self.ways.index(way)}"
        counts: Counter[tuple[tuple[tuple[int, int], ...], int | None, int]] = Counter()
        for row in self._rows:
            right = None if row["right"] is None else self._place(row["right"])
            kind = kinds.get(row[column], len(kinds)) if column else 0
            counts[self._pairs(row["said"]), right, kind] += row["count"]
        return [Saying(told, n, right, kind) for (told, right, kind), n in counts.items()]

    def _pairs(self, said: str) -> tuple[tuple[int, int], ...]:
        pairs = [pair.partition(":") for pair in said.split(",")]
        other = len(self._places)
        return tuple(
            sorted(
                (self._sources[int(source)], other if place == OUTSIDE else int(place))
                for source, _, place in pairs
            )
        )

    def _place(self, gist: str) -> int:
        return self._places.get(gist, len(self._places))


def _sources(trust: Sequence[Trust], lesson: Lesson) -> list[Source]:
    places = {t.dataset: place for place, t in enumerate(trust)}
    return [
        Source(
            t.vote,
            places[t.copies_from or t.dataset],
            lesson.copied[t.attribute, t.dataset] if t.copies_from else 0.0,
        )
        for t in trust
    ]


def _told(
    listed: Listed, learned: Confusion, trust: Sequence[Trust], by: Telling | None
) -> list[Trust]:
    """Trust by the value that is claimed."""
    count = len(listed.values)
    of_kinds = np.maximum(learned.shares[:, :count], LEAST)
    of_kinds = of_kinds / of_kinds.sum(axis=1, keepdims=True)
    shares = learned.overall[:count] / learned.overall[:count].sum()
    found = []
    for place, value in enumerate(listed.values):
        kinds = None
        if by is not None:
            names = (*by.kinds, OTHER)
            told = [round(float(share), 6) for share in of_kinds[:, place]]
            kinds = json.dumps(dict(zip(names, told, strict=True)))
        for source, t in enumerate(trust):
            chances = learned.chances[source, :count, place]
            # Nothing that is claimed speaks against itself.
            chances = np.minimum(chances, chances[place])
            right, wrong = shares * chances, np.arange(count) != place
            odds = right[wrong].sum() / max(1 - shares[place], LEAST)
            found.append(
                replace(
                    t,
                    reliability=round(float(right[place] / right.sum()), 4),
                    vote=round(log(max(chances[place], LEAST) / max(odds, LEAST)), 6),
                    own=t.own if learned.copies else 1.0,
                    family=t.family if learned.copies else None,
                    copies_from=t.copies_from if learned.copies else None,
                    shift=0.0 if learned.own else t.shift,
                    slope=1.0 if learned.own else t.slope,
                    kind=value,
                    kind_of=t.attribute,
                    share=round(float(shares[place]), 6),
                    chances=json.dumps([round(float(chance), 6) for chance in chances]),
                    shares=kinds,
                    shares_of=None if by is None else by.attribute,
                )
            )
    return found
