"""Attributes of which an entity has several values: their members, and whom to believe about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from catalog.standards import elements
from catalog.standards.base import Element
from catalog.standards.several import SEPARATOR, SetOf
from reconcile.fusion.ground import KEY, Ground
from reconcile.fusion.learning.listings import RULED, Listings, Pattern
from reconcile.fusion.learning.members import Chosen, learn
from reconcile.fusion.learning.trust import Trust

MEMBER = (*KEY, "member")


def set_items(ground: Ground) -> list[int]:
    """The codes of the attributes of which an entity may have several values."""
    return [ground.attributes.index(name) for name in ground.subject.many]


def united(said: ir.Table) -> ir.Table:
    """What several records of one dataset say of one entity and attribute, as one set."""
    parts = said.mutate(value=said.value.split(SEPARATOR)).unnest("value")
    return parts.group_by(*KEY, "source").agg(
        value=parts.value.collect(distinct=True).sort().join(SEPARATOR),
        day=parts.day.max(),
        record=parts.record.min(),
        as_of=parts.as_of.max(),
    )


def beside_sets(ground: Ground) -> Ground:
    """The ground with a sample of all other attributes alone."""
    sample = ground.sample
    return replace(ground, sample=sample.filter(sample.item.notin(set_items(ground))))


def learn_sets(engine: BaseBackend, ground: Ground, trust: Sequence[Trust]) -> list[Trust]:
    """``trust``, with what is learned of those sources that give sets."""
    told = dict(enumerate(trust))
    for item in set_items(ground):
        name = ground.attributes[item]
        sources = [source for source, t in told.items() if t.attribute == name]
        if sources:
            patterns = _patterns(engine, ground, item, sources[0])
            chosen = learn(Listings(patterns, len(sources)))
            told |= {s: _believed(told[s], s - sources[0], chosen, trust) for s in sources}
    return list(told.values())


def _patterns(engine: BaseBackend, ground: Ground, item: int, first: int) -> list[Pattern]:
    """``first``: the code of the first source of the attribute."""
    claims = ground.sample.filter(ground.sample.item == item)
    lists = members(engine, ground, claims).select(*MEMBER, "source")
    if ground.rulings is not None:
        ruled = ground.rulings.semi_join(claims, KEY)
        ruled = ruled.select(
            *KEY, "gist", spelling=ruled.value, source=ibis.literal(RULED, "int32")
        )
        lists = lists.union(members(engine, ground, ruled).select(*MEMBER, "source"))
    listers = lists.source.cast("string").collect().sort().join(",")
    each = lists.group_by(MEMBER).agg(listers=listers)
    sets = each.group_by(KEY).agg(sets=each.listers.collect().sort().join("|"))
    counted = engine.to_pyarrow(sets.group_by("sets").agg(count=sets.count()))
    return [
        Pattern(
            tuple(
                tuple(int(s) if int(s) == RULED else int(s) - first for s in who.split(","))
                for who in row["sets"].split("|")
            ),
            row["count"],
        )
        for row in counted.to_pylist()
    ]


def _believed(old: Trust, place: int, chosen: Chosen, trust: Sequence[Trust]) -> Trust:
    coins = chosen.coins
    root = int(coins.family[place])
    alone = int((coins.family == root).sum()) == 1
    first = next(s for s, t in enumerate(trust) if t.attribute == old.attribute)
    return replace(
        old,
        reliability=round(float(chosen.precision[place]), 4),
        sensitivity=round(float(coins.sensitivity[place]), 4),
        false_rate=round(float(coins.false_rate[place]), 6),
        vote=round(float(coins.vote[place]), 6),
        rivals=coins.rivals,
        own=round(float(coins.own[place]), 6),
        family=None if alone else trust[first + root].dataset,
        copies_from=None if root == place else trust[first + root].dataset,
        shift=round(chosen.shift, 6),
        slope=round(chosen.slope, 6),
    )


def members(engine: BaseBackend, ground: Ground, claims: ir.Table) -> ir.Table:
    """Each member of each claim: ``entity, item, source, member``, what members that mean the
    same have in common, and ``text``, the longest way this claim has of writing it.
    """
    text = ibis.coalesce(claims.spelling, claims.gist)
    rows = claims.select(*KEY, "source", text=text.split(SEPARATOR)).unnest("text")
    gists = ibis.memtable(_gists(engine, ground, rows))
    told = rows.left_join(gists, ["item", "text"])
    told = told.mutate(member=ibis.coalesce(told.gist, told.text))
    longest = ibis.struct({"size": told.text.length(), "text": told.text}).max()
    found = told.group_by(*MEMBER, "source").agg(longest=longest)
    return found.select(*MEMBER, "source", text=found.longest["text"])


def _gists(engine: BaseBackend, ground: Ground, rows: ir.Table) -> pa.Table:
    """``item, text, gist`` of what is not its own gist."""
    varied = {}
    for item in set_items(ground):
        element = elements()[ground.subject.attributes[ground.attributes[item]].element]
        assert isinstance(element, SetOf)
        if type(element.member).gist is not Element.gist:
            varied[item] = element.member.gist
    found = []
    if varied:
        texts = rows.filter(rows.item.isin(list(varied))).select("item", "text").distinct()
        found = engine.to_pyarrow(texts).to_pylist()
        for row in found:
            row["gist"] = varied[row["item"]](row["text"])
    schema = {"item": pa.int16(), "text": pa.string(), "gist": pa.string()}
    return pa.Table.from_pylist(found, pa.schema(schema))
