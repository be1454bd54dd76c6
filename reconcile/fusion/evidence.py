"""From claims to evidence: who agrees with whom in a sample of them, and what each claim weighs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from math import log
from typing import TypeAlias

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from catalog.standards import elements
from core.engine import keep
from reconcile.fusion.ageing import age_in_days, half_lives, undated
from reconcile.fusion.codes import Sources
from reconcile.fusion.details import has_details
from reconcile.fusion.ground import KEY, Ground
from reconcile.fusion.kinds import OTHER, ByKind, Telling, learn_kinds, of_entities, telling_kinds
from reconcile.fusion.learning.camps import NOBODY, OPEN, Pattern
from reconcile.fusion.learning.choice import LEAST_VOTE
from reconcile.fusion.learning.trust import Trust, study
from reconcile.fusion.likeness import AMOUNTS
from reconcile.fusion.sets import beside_sets, learn_sets
from reconcile.fusion.values import learn_values

UNIT = 1_000_000  # votes are summed as whole millionths of a nat, so that no order matters
MOST_RIVALS = 10.0  # a first guess at wrong values is not higher
LAST_PLACE = 0xFFFF  # of a dataset; earlier names have higher places
LONGEST = 0xFFFF  # longer texts count as equally complete
MOST_DIGITS = 0xFF  # more than so many do not tell more
DIGITS = "0123456789"
DAY_BITS = 22  # hold every day of the years 1 to 9999
LEAST_RIGHT = 1e-9  # a chance that has a logarithm
WORD = 62  # sources of an attribute that one whole number tells apart

Family: TypeAlias = tuple[str, str, str]


def believe(engine: BaseBackend, ground: Ground, today: date) -> list[Trust]:
    """The trust in each of the ``sources`` of ``ground``, in their order; then that in some of
    them by kind.
    """
    ground = replace(ground, sample=keep(engine, ground.sample))
    single = beside_sets(ground) if ground.subject.many else ground
    rivals, items = _rivals(engine, single), _items(engine, single)
    lesson = study(_patterns(engine, single, items), ground.sources, rivals)
    trust = learn_sets(engine, ground, lesson.trust)
    several = _several(ground)
    ways = telling_kinds(engine, ground) if several else []
    divided = [_divided(engine, ground, items, (way, several)) for way in ways]
    apart = learn_kinds(lesson, divided, several, rivals)
    for name, (gain, by_value) in learn_values(engine, ground, lesson, several, ways).items():
        if gain > apart.get(name, (0.0, []))[0]:
            apart[name] = gain, by_value
    trust += [t for _, (_, trusts) in sorted(apart.items()) for t in trusts]
    learned = {t.attribute: t.rivals for t in lesson.trust}
    halves = half_lives(engine, ground, learned)
    without = undated(engine, ground, halves, today)
    return [
        replace(
            t,
            half_life_days=halves[t.attribute],
            undated=without.get(t.attribute, 1.0),
        )
        for t in trust
    ]


def _several(ground: Ground) -> Sources:
    """The sources of attributes of one value that more than one dataset gives."""
    given = Counter(attribute for attribute, _ in ground.sources)
    many = ground.subject.many
    return tuple(s for s in ground.sources if given[s[0]] > 1 and s[0] not in many)


def _items(engine: BaseBackend, ground: Ground) -> ir.Table:
    """``entity, item, camps`` of the sample, camps as text: sources apart by ``,``, camps by ``|``;
    ``=`` before the one that a ruling says is right, ``!`` before all where there is a ruling.
    """
    claims = ground.sample
    camps = claims.group_by("entity", "item", "gist").agg(
        camp=claims.source.cast("string").collect().sort().join(",")
    )
    known = ibis.literal("")
    if ground.rulings is not None:
        rulings = ground.rulings.select(*KEY, right="gist")
        camps = camps.left_join(rulings, list(KEY)).drop("entity_right", "item_right")
        camps = camps.mutate(
            camp=ibis.ifelse(camps.right == camps.gist, ibis.literal("=") + camps.camp, camps.camp)
        )
        known = ibis.ifelse(camps.right.max().notnull(), "!", "")
    items = camps.group_by("entity", "item").agg(
        camps=known + camps.camp.collect().sort().join("|")
    )
    return keep(engine, items.filter(items.camps.re_search("[,|!]")))


def _patterns(engine: BaseBackend, ground: Ground, items: ir.Table) -> list[Pattern]:
    counted = engine.to_pyarrow(items.group_by("item", "camps").agg(count=items.count()))
    return [_pattern(ground, **row) for row in counted.to_pylist()]


def _divided(
    engine: BaseBackend, ground: Ground, items: ir.Table, which: tuple[Telling, Sources]
) -> ByKind:
    """The patterns of some sources apart by the kind of things."""
    way, sources = which
    names = sorted({name for name, _ in sources} - {way.attribute})
    others = items.filter(items.item.isin([ground.attributes.index(name) for name in names]))
    rows = others.left_join(of_entities(ground, ground.sample, way), "entity")
    rows = rows.mutate(kind=rows.kind.fill_null(OTHER))
    counted = engine.to_pyarrow(rows.group_by("kind", "item", "camps").agg(count=rows.count()))
    return ByKind(way, [(row.pop("kind"), _pattern(ground, **row)) for row in counted.to_pylist()])


def _pattern(ground: Ground, item: int, camps: str, count: int) -> Pattern:
    texts = camps.removeprefix("!").split("|")
    right = [place for place, text in enumerate(texts) if text.startswith("=")]
    names = tuple(
        tuple(ground.sources[int(source)][1] for source in text.removeprefix("=").split(","))
        for text in texts
    )
    known = (right or [NOBODY])[0] if camps.startswith("!") else OPEN
    return Pattern(ground.attributes[item], names, count, known)


def _rivals(engine: BaseBackend, ground: Ground) -> dict[str, float]:
    """Attribute → the effective number of values beside a typical one."""
    claims = ground.sample
    values = claims.group_by("item", "gist").agg(times=claims.count())
    spread = values.group_by("item").agg(
        total=values.times.sum(), squares=(values.times * values.times).sum()
    )
    found = {}
    for row in engine.to_pyarrow(spread).to_pylist():
        effective = int(row["total"]) ** 2 / int(row["squares"]) - 1
        found[ground.attributes[row["item"]]] = min(max(effective, 1.0), MOST_RIVALS)
    return found


def weigh(claims: ir.Table, ground: Ground, trust: Sequence[Trust], today: date) -> ir.Table:
    """Some claims of ``ground`` with what each adds to the score of its gist: ``own`` and, once for each
    ``family``, ``common``; whole numbers of :data:`UNIT`, held as floats that sum exactly.

    ``rank`` orders claims by how complete their spelling is, then by day, then by dataset.
    ``fresh`` and ``stale`` (1 or 0) tell the designated source. ``bit0``, ``bit1``, … have one
    bit set for each source (:func:`bits`).
    """
    rows = claims.inner_join(ibis.memtable(_weights(ground, trust)), "source")
    age = age_in_days(rows.day, today)
    recency = ibis.ifelse(rows.day > 0, (age * rows.decay).exp(), rows.undated)
    by_mistake = (1 - recency) * (1 - rows.current) / rows.rivals
    right = ibis.greatest(rows.current * recency + by_mistake, LEAST_RIGHT)
    vote = ibis.greatest((rows.rivals * right / (1 - right)).ln(), LEAST_VOTE)
    designated = rows.fresh_days.notnull()
    timely = is_timely(rows.day, rows.fresh_days, today)
    text = ibis.coalesce(rows.spelling, rows.gist)
    length = ibis.least(text.length(), LONGEST).cast("int64")
    # What has more numbers tells more, however long its words are.
    digits = text.length() - text.translate(DIGITS, "").length()
    detail = ibis.least(digits, MOST_DIGITS).cast("int64") * (LONGEST + 1)
    length += ibis.ifelse(rows.detailed, detail, 0)
    complete = ibis.ifelse(rows.amount, rows.spelling.isnull().cast("int64"), length)
    return rows.select(
        "entity",
        "item",
        "source",
        "gist",
        "spelling",
        "day",
        "place",
        "family",
        *bits(ground),
        own=(vote * rows.own_share * UNIT).floor().cast("float64"),
        common=(vote * (1 - rows.own_share) * UNIT).floor().cast("float64"),
        rank=(complete * (1 << DAY_BITS) + rows.day) * (LAST_PLACE + 1) + rows.place,
        fresh=(designated & timely).cast("int8"),
        stale=(designated & ~timely).cast("int8"),
    )


def completeness(rank: ir.Value) -> ir.Value:
    """How complete the spelling of a claim of that ``rank`` is."""
    return rank >> (DAY_BITS + LAST_PLACE.bit_length())


def families(trust: Sequence[Trust]) -> dict[Family, int]:
    """(attribute, kind, family) → its number among the families of the attribute and kind."""
    numbers: dict[Family, int] = {}
    for part in sorted({_family(t) for t in trust if t.family}):
        numbers[part] = sum(known[:2] == part[:2] for known in numbers)
    return numbers


def _family(trust: Trust) -> Family:
    return trust.attribute, trust.kind or "", trust.family or ""


def bits(ground: Ground) -> list[str]:
    """The columns whose bits tell the sources of an attribute apart."""
    most = max(map(len, _datasets(ground).values()), default=1)
    words = (most - 1) // WORD + 1
    return [f"bit{word}" for word in range(words)]


def told_apart(ground: Ground, item: int, words: Sequence[int]) -> list[str]:
    """The datasets whose bits are set in ``words``, sorted."""
    datasets = _datasets(ground).get(ground.attributes[item], [])
    return [d for i, d in enumerate(datasets) if words[i // WORD] >> i % WORD & 1]


def _datasets(ground: Ground) -> dict[str, list[str]]:
    """Per attribute the datasets that give it, sorted."""
    found: dict[str, set[str]] = {}
    for attribute, dataset in ground.sources:
        found.setdefault(attribute, set()).add(dataset)
    return {attribute: sorted(datasets) for attribute, datasets in found.items()}


def _weights(ground: Ground, trust: Sequence[Trust]) -> pa.Table:
    numbers, columns, datasets = families(trust), bits(ground), _datasets(ground)
    rows = []
    for source, t in enumerate(trust):
        attribute = ground.subject.attributes[t.attribute]
        limit = -1 if attribute.fresh_days is None else attribute.fresh_days
        word, bit = divmod(datasets[t.attribute].index(t.dataset), WORD)
        rows.append(
            {
                "source": source,
                "current": t.current,
                "rivals": t.rivals,
                "own_share": t.own,
                "family": numbers[_family(t)] if t.family else -1,
                "place": LAST_PLACE - ground.datasets.index(t.dataset),
                "decay": -log(2) / (t.half_life_days or attribute.half_life_days),
                "undated": t.undated,
                "fresh_days": limit if attribute.designated == t.dataset else None,
                "amount": attribute.element in AMOUNTS,
                "detailed": has_details(elements()[attribute.element]),
                **{name: 1 << bit if i == word else 0 for i, name in enumerate(columns)},
            }
        )
    schema = pa.schema(
        {
            "source": pa.int32(),
            "current": pa.float64(),
            "rivals": pa.float64(),
            "own_share": pa.float64(),
            "family": pa.int16(),
            "place": pa.int64(),
            "decay": pa.float64(),
            "undated": pa.float64(),
            "fresh_days": pa.int32(),
            "amount": pa.bool_(),
            "detailed": pa.bool_(),
            **{name: pa.int64() for name in columns},
        }
    )
    return pa.Table.from_pylist(rows, schema)


def is_timely(day: ir.Value, fresh_days: ir.Value, today: date) -> ir.Value:
    """Whether a claim of that day is fresh enough: an unknown day is not, unless -1 allows all."""
    return (fresh_days < 0) | ((day > 0) & (age_in_days(day, today) <= fresh_days))
