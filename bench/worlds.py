"""Made-up worlds of claims whose truth is known: sources of differing quality, copiers, long
tails, values that are hard to get right or change, and little data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Table = dict[str, dict[str, str]]  # entity → dataset → value
Answer = dict[str, str]  # entity → value
Ages = dict[str, dict[str, int]]  # entity → dataset → days since it looked
Indices = npt.NDArray[np.intp]
_MISTAKEN = 0.05  # of what is claimed of a thing's kind


@dataclass(frozen=True)
class Source:
    """How a made-up source behaves: how often it is right by itself, how often it knows a thing,
    which source (by place) it copies how often, and how many days ago on average it looked
    (0: it gives no dates). ``other``: how often it is right about things of the other kind, where
    things are of two kinds. ``missed``: how often it has not heard that a thing left the first of
    listed values.
    """

    right: float
    knows: float = 0.8
    copies: int | None = None
    rate: float = 0.9
    age: float = 0.0
    other: float | None = None
    missed: float = 0.0


@dataclass(frozen=True)
class World:
    """``wrong`` values beside the truth, of which ``popular`` of all errors fall on the first;
    ``hard``: the share of things about which everybody errs ``harder`` times as often; ``size``:
    how many things there are (0: as many as asked for); ``half_life``: after so many days half of
    the values have changed (0: none ever does). ``shares`` of listed values, the same for all
    things, if there is a list; ``others``: among things of the other kind.
    """

    sources: tuple[Source, ...]
    wrong: int = 10
    popular: float = 0.0
    hard: float = 0.0
    harder: float = 2.5
    size: int = 0
    half_life: float = 0.0
    shares: tuple[float, ...] = ()
    others: tuple[float, ...] = ()


def _many(*rights: float, knows: float = 0.8) -> tuple[Source, ...]:
    return tuple(Source(right, knows) for right in rights)


def _dated(*sources: tuple[float, float]) -> tuple[Source, ...]:
    return tuple(Source(right, age=age) for right, age in sources)


def _kinds(*sources: tuple[float, float]) -> tuple[Source, ...]:
    return tuple(Source(right, other=other) for right, other in sources)


def _late(*missed: float) -> tuple[Source, ...]:
    return tuple(Source(0.96, missed=share) for share in missed)


_OPPOSITES = _kinds((0.95, 0.55), (0.95, 0.55), (0.55, 0.95), (0.55, 0.95), (0.75, 0.75))
_FIVE_DATED = _dated((0.95, 200), (0.9, 400), (0.9, 900), (0.85, 300), (0.8, 600))
_THREE_DATED = _dated((0.97, 300), (0.97, 600), (0.97, 1200))
_MIXED = _many(0.95, 0.9, 0.6, 0.6, 0.55, 0.5)
_THREE_COPIES = (*_many(0.9, 0.85, 0.85, 0.6), *(Source(0.6, copies=3),) * 2)
_BLOC = (*_many(0.8, 0.8, 0.8, 0.8, 0.6), *(Source(0.6, copies=4),) * 4)
_GROUPS = (*(Source(0.6, copies=4),) * 2, *(Source(0.7, copies=3),) * 2)
_TAIL = (*_many(0.9, 0.8), *(Source(0.4 + 0.5 * (i % 7) / 6, 0.04) for i in range(60)))
_SKEWED = tuple(Source(r, k) for r, k in zip((0.9, 0.6, 0.8, 0.7, 0.95), (1, 0.9, 0.3, 0.2, 0.1)))  # noqa: B905

WORLDS: Mapping[str, World] = {
    "eight alike": World(_many(*[0.85] * 8)),
    "four alike": World(_many(*[0.9] * 4)),
    "differing quality": World(_MIXED),
    "differing, yes or no": World(_MIXED, wrong=1),
    "two good, five poor": World(_many(0.97, 0.95, *[0.6] * 5)),
    "three copies": World(_THREE_COPIES),
    "copies outvote": World(_BLOC),
    "copies, yes or no": World(_BLOC, wrong=1),
    "copying half": World((*_many(0.9, 0.8, 0.7), *(Source(0.8, copies=2, rate=0.5),) * 2)),
    "three, one copies": World((*_many(0.9, 0.75), Source(0.75, copies=1))),
    "three, one good": World(_many(0.97, 0.7, 0.7)),
    "two sources": World(_many(0.95, 0.7)),
    "long tail": World(_TAIL),
    "skewed coverage": World(_SKEWED),
    "one popular error": World(_MIXED, popular=0.6),
    "three values": World(_many(0.9, 0.8, 0.7, 0.7, 0.6), wrong=2),
    "two groups copy": World((*_many(0.9, 0.85, 0.8, 0.7, 0.6), *_GROUPS)),
    "changing fast": World(_FIVE_DATED, half_life=400),
    "changing": World(_FIVE_DATED, half_life=1000),
    "changing slowly": World(_FIVE_DATED, half_life=4000),
    "changing, three": World(_THREE_DATED, half_life=1000),
    "dated, never changing": World(_FIVE_DATED),
    "hard things": World(_MIXED, hard=0.2),
    "alike, hard things": World(_many(*[0.88] * 6), hard=0.2, popular=0.5),
    "one liar": World(_many(0.9, 0.85, 0.8, 0.8, 0.1)),
    "good about opposites": World(_OPPOSITES),
    "three, by kind": World(_kinds((0.95, 0.5), (0.6, 0.9), (0.8, 0.8))),
    "two, by kind": World(_kinds((0.97, 0.6), (0.6, 0.97))),
    "listed, late news": World(_late(0.1, 0.5, 0.5, 0.6, 0.3), shares=(0.6, 0.4)),
    "listed, late, four": World(_late(0.05, 0.4, 0.5, 0.6), shares=(0.3, 0.5, 0.12, 0.08)),
    "listed, late, three": World(_late(0.1, 0.5, 0.6), shares=(0.3, 0.5, 0.12, 0.08)),
    "listed, uneven": World(_MIXED, shares=(0.7, 0.15, 0.1, 0.05)),
    "listed, uneven copies": World(_THREE_COPIES, shares=(0.7, 0.15, 0.1, 0.05)),
    "listed, even": World(_MIXED, shares=(0.25,) * 4),
    "listed, two by kind": World(_late(0.1, 0.4), shares=(0.95, 0.05), others=(0.05, 0.95)),
    "few things": World(_MIXED, size=40),
    "few things, copies": World(_THREE_COPIES, size=40),
    "few things, bloc": World(_BLOC, size=40),
    "few things, yes or no": World(_MIXED, wrong=1, size=40),
    "few, three sources": World(_many(0.9, 0.8, 0.7), size=30),
}


@dataclass(frozen=True)
class Made:
    """What ``claims`` say; the ``truth`` of whatever anybody claims; how old dated claims are
    (``ages``); what sources claim the kind of things is, where there are kinds; and what each
    source is ``called``.
    """

    claims: Table
    truth: Answer
    ages: Ages
    kinds: Table
    called: list[str]


def make(seed: int, size: int, world: World) -> Made:
    """Names of values are shuffled, so that no tie is broken in favour of the truth; those of a
    list once for all things, others for each thing. So are those of sources, lest one is better for
    its name.
    """
    chance = np.random.default_rng(seed)
    size = world.size or size
    truth, told, ages, kind = (_listed if world.shares else _told)(chance, size, world)
    known = np.array([chance.random(size) < source.knows for source in world.sources])
    values = len(world.shares) or world.wrong + 2
    names = np.tile(np.arange(values), (size, 1))
    names = names[:, chance.permutation(values)] if world.shares else chance.permuted(names, axis=1)
    named = (
        np.where(chance.random(known.shape) < _MISTAKEN, 1 - kind, kind)
        if _two_kinds(world)
        else None
    )
    table: Table = {}
    days: Ages = {}
    kinds: Table = {}
    called = [f"d{place}.t" for place in chance.permutation(len(world.sources))]
    for s, i in zip(*np.nonzero(known), strict=True):
        table.setdefault(f"e{i:06}", {})[called[s]] = f"v{names[i, told[s, i]]}"
        if world.sources[s].age:
            days.setdefault(f"e{i:06}", {})[called[s]] = int(ages[s, i])
        if named is not None:
            kinds.setdefault(f"e{i:06}", {})[called[s]] = f"k{named[s, i]}"
    right = {e: f"v{names[int(e[1:]), truth[int(e[1:])]]}" for e in table}
    return Made(table, right, days, kinds, called)


def _two_kinds(world: World) -> bool:
    return bool(world.others) or any(source.other is not None for source in world.sources)


def _told(
    chance: np.random.Generator, size: int, world: World
) -> tuple[Indices, Indices, Indices, Indices]:
    """Per thing the place of the true value; per source and thing that of the claimed one, and how
    many days ago it looked; per thing its kind.
    """
    odds = np.where(chance.random(size) < world.hard, world.harder, 1.0)
    changed = np.full(size, np.inf)
    if world.half_life:
        changed = chance.exponential(world.half_life / np.log(2), size)
    kind = chance.integers(0, 2, size) if _two_kinds(world) else np.zeros(size, np.intp)
    told = np.zeros((len(world.sources), size), np.intp)
    ages = np.zeros((len(world.sources), size), np.intp)
    for i, source in enumerate(world.sources):
        other = source.right if source.other is None else source.other
        right = chance.random(size) >= (1 - np.where(kind == 1, other, source.right)) * odds
        wrong = chance.integers(1, world.wrong + 1, size)
        wrong = np.where(chance.random(size) < world.popular, 1, wrong)
        if source.age:
            ages[i] = chance.exponential(source.age, size)
        told[i] = np.where(right, np.where(ages[i] > changed, world.wrong + 1, 0), wrong)
        told[i] = _copied(chance, source, told, i)
    return np.zeros(size, np.intp), told, ages, kind


def _listed(
    chance: np.random.Generator, size: int, world: World
) -> tuple[Indices, Indices, Indices, Indices]:
    """As :func:`_told`, where values come from a list."""
    values = len(world.shares)
    kind = chance.integers(0, 2, size) if _two_kinds(world) else np.zeros(size, np.intp)
    truth = chance.choice(values, size, p=world.shares)
    if world.others:
        truth = np.where(kind == 1, chance.choice(values, size, p=world.others), truth)
    told = np.zeros((len(world.sources), size), np.intp)
    for i, source in enumerate(world.sources):
        heard = np.where(chance.random(size) < source.missed, 0, truth)
        wrong = (heard + chance.integers(1, values, size)) % values
        told[i] = np.where(chance.random(size) < source.right, heard, wrong)
        told[i] = _copied(chance, source, told, i)
    return truth, told, np.zeros_like(told), kind


def _copied(chance: np.random.Generator, source: Source, told: Indices, place: int) -> Indices:
    if source.copies is None:
        return np.asarray(told[place])
    copies = chance.random(told.shape[1]) < source.rate
    return np.where(copies, told[source.copies], told[place])
