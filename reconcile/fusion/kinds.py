"""Kinds of things that sources are differently good about: a register of pensions knows the old.

What kind a thing is of, the claims about another of its attributes tell, one of few values, or of
few decades or districts: that which most sources claim. Whether an attribute is learned by kind, and by whose kinds, is decided by
what explains the claims better by more than it supposes, coarsened like all evidence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from core.engine import keep
from reconcile.fusion.codes import Sources
from reconcile.fusion.ground import KEY, Ground
from reconcile.fusion.learning.camps import Pattern
from reconcile.fusion.learning.choice import EVIDENCE
from reconcile.fusion.learning.trust import Lesson, Trust, glance, study

MOST = 12  # kinds
FEWEST = 300  # things of a kind in the sample
COVERED = 0.8  # of the things in the sample have one of these kinds
GAIN = 3.0  # nats of coarsened evidence, for an attribute to be learned by kind
OTHER = ""  # the kind of what is of no other
_FIRST = {"date": 3, "region_code": 6}  # element → the characters that tell: decade, district
_MARK = "@"  # stands in no attribute's name


@dataclass(frozen=True)
class Telling:
    """An attribute whose values, ``kinds``, tell kinds apart."""

    attribute: str
    kinds: tuple[str, ...]


def telling_kinds(engine: BaseBackend, ground: Ground) -> list[Telling]:
    """The attributes that tell kinds in the sample."""
    fit = ground.sample.filter(ground.sample.item.notin(_unfit(ground)))
    leading = _leading(ground, fit)
    total = ground.sample.entity.nunique()
    sizes = leading.group_by("item", "kind").agg(size=leading.count())
    large = sizes.filter(sizes["size"] >= FEWEST)
    things = int(engine.to_pyarrow(total).as_py())
    found: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for row in engine.to_pyarrow(large).to_pylist():
        found[row["item"]].append((row["kind"], row["size"]))
    return [
        Telling(ground.attributes[item], tuple(sorted(kind for kind, _ in kinds)))
        for item, kinds in sorted(found.items())
        if 1 < len(kinds) <= MOST and sum(size for _, size in kinds) >= COVERED * things
    ]


def _unfit(ground: Ground) -> list[int]:
    """Keys and sets tell no kinds."""
    subject = ground.subject
    apart = {*subject.many, *subject.keys}
    return [item for item, name in enumerate(ground.attributes) if name in apart]


def _leading(ground: Ground, claims: ir.Table) -> ir.Table:
    """``entity, item, kind``: what most sources claim, of equals the last in order."""
    kind = claims.gist
    for item, name in enumerate(ground.attributes):
        first = _FIRST.get(ground.subject.attributes[name].element)
        if first is not None:
            kind = ibis.ifelse(claims.item == item, claims.gist.substr(0, first), kind)
    said = claims.mutate(kind=kind)
    camps = said.group_by(*KEY, "kind").agg(size=said.count())
    best = camps.group_by(KEY).agg(best=ibis.struct({"n": camps["size"], "v": camps.kind}).max())
    return best.select(*KEY, kind=best.best["v"])


def of_entities(ground: Ground, claims: ir.Table, by: Telling) -> ir.Table:
    """``entity, kind`` of all that ``claims`` tell the kind of."""
    item = ground.attributes.index(by.attribute)
    found = _leading(ground, claims.filter(claims.item == item))
    return found.filter(found.kind.isin(by.kinds)).select("entity", "kind")


@dataclass(frozen=True)
class ByKind:
    """The patterns of the sample apart by kind: (kind, pattern)."""

    by: Telling
    patterns: Sequence[tuple[str, Pattern]]


def learn_kinds(
    whole: Lesson, divided: Sequence[ByKind], sources: Sources, rivals: Mapping[str, float]
) -> dict[str, tuple[float, list[Trust]]]:
    """Attribute → by how many nats of coarsened evidence what is claimed is explained better by
    kind, and the trust in sources by kind; of those of which the claims speak for that.

    Args:
        whole: what was learned of all kinds together.
        divided: the same patterns, once for each attribute that tells kinds.
        rivals: as for :func:`reconcile.fusion.learning.trust.study`.
    """
    best: dict[str, tuple[float, list[Trust]]] = {}
    for way in divided:
        kinds, own = (*way.by.kinds, OTHER), way.by.attribute
        about = [(name, dataset) for name, dataset in sources if name != own]
        parts = (
            [replace(p, attribute=_part(p.attribute, kind)) for kind, p in way.patterns],
            [(_part(name, kind), dataset) for name, dataset in about for kind in kinds],
            {_part(name, kind): r for name, r in rivals.items() for kind in kinds},
        )
        names, plain = {name for name, _ in about}, glance(*parts)
        if not any(_gain(whole, whole.plain, plain, (n, kinds)) > GAIN / 2 for n in names):
            continue
        found = study(*parts)
        told: dict[str, list[Trust]] = defaultdict(list)
        for trust in found.trust:
            name, _, kind = trust.attribute.partition(_MARK)
            told[name].append(replace(trust, attribute=name, kind=kind, kind_of=own))
        for name, trusts in told.items():
            gain = _gain(whole, whole.worth, found.worth, (name, kinds))
            if gain > best.get(name, (GAIN, []))[0]:
                best[name] = gain, trusts
    return {
        name: (gain, [t for t in trusts if t.kind != OTHER])
        for name, (gain, trusts) in best.items()
    }


def _gain(
    whole: Lesson,
    together: Mapping[str, float],
    apart: Mapping[str, float],
    of: tuple[str, Sequence[str]],
) -> float:
    """By how many nats of coarsened evidence an attribute is explained better apart by kinds."""
    name, kinds = of
    worth = sum(apart[_part(name, kind)] for kind in kinds)
    return (worth - together[name]) / (1 + whole.things[name] / EVIDENCE)


def _part(attribute: str, kind: str) -> str:
    return f"{attribute}{_MARK}{kind}"


def by_kind(engine: BaseBackend, ground: Ground, trust: Sequence[Trust]) -> Ground:
    """``ground`` with items and sources of their own for what is believed by kind: ``trust`` then
    belongs to its ``sources``, one by one.
    """
    further = {code: t for code, t in enumerate(trust) if t.kind is not None and not t.by_value}
    if not further:
        return ground
    ways: dict[str, Telling] = {}
    for t in further.values():
        kinds = {str(x.kind) for x in further.values() if x.attribute == t.attribute}
        ways[t.attribute] = Telling(str(t.kind_of), tuple(sorted(kinds)))
    attributes, told = list(ground.attributes), list(ground.kinds)
    for name, way in ways.items():
        attributes += [name] * len(way.kinds)
        told += way.kinds
    known = {(n, k): code for code, (n, k) in enumerate(zip(attributes, told, strict=True))}
    codes = {source: code for code, source in enumerate(ground.sources)}
    rows = [
        {
            "item": known[t.attribute, None],
            "source": codes[t.attribute, t.dataset],
            "kind": t.kind,
            "item_of_kind": known[t.attribute, t.kind],
            "source_of_kind": code,
        }
        for code, t in further.items()
    ]
    split = _Split(ground, ways, pa.Table.from_pylist(rows, _ROWS))
    return replace(
        ground,
        claims=split.claims(engine),
        rulings=None if ground.rulings is None else keep(engine, split.rulings(ground.rulings)),
        attributes=tuple(attributes),
        kinds=tuple(told),
        sources=tuple((t.attribute, t.dataset) for t in trust),
    )


_ROWS = pa.schema(
    {
        "item": pa.int16(),
        "source": pa.int32(),
        "kind": pa.string(),
        "item_of_kind": pa.int16(),
        "source_of_kind": pa.int32(),
    }
)


class _Split:
    def __init__(self, ground: Ground, ways: Mapping[str, Telling], rows: pa.Table) -> None:
        self._claims = ground.claims
        self._items = sorted(set(rows.column("item").to_pylist()))
        self._rows = ibis.memtable(rows)
        kinds = None
        for name, way in ways.items():
            item = ibis.literal(ground.attributes.index(name), "int16")
            found = of_entities(ground, ground.claims, way).mutate(item=item)
            kinds = found if kinds is None else kinds.union(found)
        assert kinds is not None
        self._kinds = kinds

    def claims(self, engine: BaseBackend) -> ir.Table:
        """The claims, in the codes of their kind; those that have none are left as they are."""
        apart = self._claims.filter(self._claims.item.isin(self._items))
        return self._claims.filter(self._claims.item.notin(self._items)).union(
            keep(engine, self._moved(apart))
        )

    def _moved(self, claims: ir.Table) -> ir.Table:
        rows = claims.left_join(self._kinds, KEY).drop("entity_right", "item_right")
        rows = rows.left_join(self._rows, ["item", "source", "kind"])
        return rows.mutate(
            item=ibis.coalesce(rows.item_of_kind, rows.item),
            source=ibis.coalesce(rows.source_of_kind, rows.source),
        ).select(*claims.columns)

    def rulings(self, rulings: ir.Table) -> ir.Table:
        """The rulings, in the codes of their kind."""
        items = self._rows.select("item", "kind", "item_of_kind").distinct()
        rows = rulings.left_join(self._kinds, KEY).drop("entity_right", "item_right")
        rows = rows.left_join(items, ["item", "kind"])
        item = ibis.coalesce(rows.item_of_kind, rows.item)
        return rows.mutate(item=item).select(*rulings.columns)
