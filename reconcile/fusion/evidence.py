"""From claims to evidence: who agrees with whom in a sample of them, and what each claim weighs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from math import log

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from reconcile.fusion.ageing import age_in_days, half_lives, undated
from reconcile.fusion.camps import NOBODY, OPEN, Pattern
from reconcile.fusion.choice import LEAST_VOTE
from reconcile.fusion.codes import keep
from reconcile.fusion.ground import KEY, Ground
from reconcile.fusion.likeness import AMOUNTS
from reconcile.fusion.sets import beside_sets, learn_sets
from reconcile.fusion.trust import Trust, learn

UNIT = 1_000_000  # votes are summed as whole millionths of a nat, so that no order matters
MOST_RIVALS = 10.0  # a first guess at wrong values is not higher
LAST_PLACE = 0xFFFF  # of a dataset; earlier names have higher places
LONGEST = 0xFFFF  # longer texts count as equally complete
DAY_BITS = 22  # hold every day of the years 1 to 9999
LEAST_RIGHT = 1e-9  # a chance that has a logarithm
WORD = 62  # sources of an attribute that one whole number tells apart


def believe(engine: BaseBackend, ground: Ground, today: date) -> list[Trust]:
    """The trust in each of the ``sources`` of ``ground``, in their order."""
    ground = replace(ground, sample=keep(engine, ground.sample))
    single = beside_sets(ground) if ground.subject.many else ground
    trust = learn(_patterns(engine, single), ground.sources, _rivals(engine, single))
    trust = learn_sets(engine, ground, trust)
    halves = half_lives(engine, ground)
    without = undated(engine, ground, halves, today)
    return [
        replace(
            t,
            half_life_days=halves[t.attribute],
            undated=without.get(t.attribute, 1.0),
        )
        for t in trust
    ]


def _patterns(engine: BaseBackend, ground: Ground) -> list[Pattern]:
    """Camps as text: sources apart by ``,``, camps by ``|``; ``=`` before the one that a ruling
    says is right, ``!`` before all where there is a ruling.
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
    shared = items.filter(items.camps.re_search("[,|!]"))
    counted = engine.to_pyarrow(shared.group_by("item", "camps").agg(count=shared.count()))
    return [_pattern(ground, **row) for row in counted.to_pylist()]


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
    right = ibis.greatest(rows.current * recency, LEAST_RIGHT)
    vote = ibis.greatest((rows.rivals * right / (1 - right)).ln(), LEAST_VOTE)
    designated = rows.fresh_days.notnull()
    timely = is_timely(rows.day, rows.fresh_days, today)
    length = ibis.least(ibis.coalesce(rows.spelling, rows.gist).length(), LONGEST).cast("int64")
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


def families(trust: Sequence[Trust]) -> dict[tuple[str, str], int]:
    """(attribute, family) → its number among the families of the attribute."""
    numbers: dict[tuple[str, str], int] = {}
    for attribute, family in sorted({(t.attribute, t.family) for t in trust if t.family}):
        numbers[attribute, family] = sum(known == attribute for known, _ in numbers)
    return numbers


def bits(ground: Ground) -> list[str]:
    """The columns whose bits tell the sources of an attribute apart."""
    words = max((place for _, place in _places(ground)), default=0) // WORD + 1
    return [f"bit{word}" for word in range(words)]


def told_apart(ground: Ground, item: int, words: Sequence[int]) -> list[str]:
    """The datasets whose bits are set in ``words``, sorted."""
    name = ground.attributes[item]
    datasets = [dataset for attribute, dataset in ground.sources if attribute == name]
    return [d for i, d in enumerate(datasets) if words[i // WORD] >> i % WORD & 1]


def _places(ground: Ground) -> list[tuple[str, int]]:
    """Per source its attribute, and its place among the sources of that."""
    seen: dict[str, int] = {}
    places = []
    for attribute, _ in ground.sources:
        places.append((attribute, seen.get(attribute, 0)))
        seen[attribute] = places[-1][1] + 1
    return places


def _weights(ground: Ground, trust: Sequence[Trust]) -> pa.Table:
    numbers, columns, places = families(trust), bits(ground), _places(ground)
    rows = []
    for source, t in enumerate(trust):
        attribute = ground.subject.attributes[t.attribute]
        limit = -1 if attribute.fresh_days is None else attribute.fresh_days
        word, bit = divmod(places[source][1], WORD)
        rows.append(
            {
                "source": source,
                "current": t.current,
                "rivals": t.rivals,
                "own_share": t.own,
                "family": numbers[t.attribute, t.family] if t.family else -1,
                "place": LAST_PLACE - ground.datasets.index(t.dataset),
                "decay": -log(2) / (t.half_life_days or attribute.half_life_days),
                "undated": t.undated,
                "fresh_days": limit if attribute.designated == t.dataset else None,
                "amount": attribute.element in AMOUNTS,
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
            **{name: pa.int64() for name in columns},
        }
    )
    return pa.Table.from_pylist(rows, schema)


def is_timely(day: ir.Value, fresh_days: ir.Value, today: date) -> ir.Value:
    """Whether a claim of that day is fresh enough: an unknown day is not, unless -1 allows all."""
    return (fresh_days < 0) | ((day > 0) & (age_in_days(day, today) <= fresh_days))
