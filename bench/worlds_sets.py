"""Made-up worlds in which things have several true values, and each source lists some of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Table = dict[str, dict[str, frozenset[str]]]  # entity → dataset → members
Answer = dict[str, frozenset[str]]  # entity → members


@dataclass(frozen=True)
class Source:
    """How a made-up source behaves: how often it lists a true member, how many wrong ones it
    lists on average, how often it knows a thing, and whose list (by place) it copies how often.
    """

    lists: float
    wrong: float
    knows: float = 0.8
    copies: int | None = None
    rate: float = 0.9


@dataclass(frozen=True)
class World:
    """``pool``: wrong members there are for a thing; ``more``: true ones beside the first, on
    average; ``size``: how many things there are (0: as many as asked for).
    """

    sources: tuple[Source, ...]
    pool: int = 40
    more: float = 1.0
    size: int = 0


def _alike(count: int, lists: float, wrong: float) -> tuple[Source, ...]:
    return (Source(lists, wrong),) * count


_MIXED = (
    Source(0.95, 0.05), Source(0.9, 0.3), Source(0.5, 0.05), Source(0.5, 0.5), Source(0.6, 0.3),
    Source(0.4, 0.1),
)  # fmt: skip
_SHORT = (*_alike(3, 0.4, 0.02), Source(0.95, 0.6), Source(0.9, 0.6))
_COPIES = (
    Source(0.9, 0.1), Source(0.85, 0.15), Source(0.85, 0.1), Source(0.5, 0.5),
    *(Source(0.5, 0.5, copies=3),) * 2,
)  # fmt: skip
_BLOC = (*_alike(4, 0.85, 0.15), Source(0.6, 0.5), *(Source(0.6, 0.5, copies=4),) * 4)
_TAIL = tuple(Source(0.3 + 0.6 * (i % 7) / 6, 0.4 * (i % 5) / 4, 0.05) for i in range(50))

WORLDS: Mapping[str, World] = {
    "eight alike": World(_alike(8, 0.8, 0.2)),
    "four alike": World(_alike(4, 0.85, 0.15)),
    "two alike": World(_alike(2, 0.85, 0.15)),
    "differing": World(_MIXED),
    "differing, few rivals": World(_MIXED, pool=2),
    "differing, long sets": World(_MIXED, more=4.0),
    "short lists, long lists": World(_SHORT),
    "three": World((Source(0.95, 0.05), Source(0.6, 0.1), Source(0.6, 0.4))),
    "copies": World(_COPIES),
    "copies outvote": World(_BLOC),
    "long tail": World((Source(0.9, 0.1), Source(0.8, 0.2), *_TAIL)),
    "few things": World(_MIXED, size=40),
    "few things, alike": World(_alike(5, 0.8, 0.2), size=30),
    "few, three sources": World((Source(0.9, 0.1), Source(0.8, 0.2), Source(0.6, 0.2)), size=30),
}


def make(seed: int, size: int, world: World) -> tuple[Table, Answer]:
    """Lists, and the true members of whatever anybody lists. Nobody lists nothing. Names of
    members are shuffled, so that no tie is broken in favour of the truth.
    """
    chance = np.random.default_rng(seed)
    table: Table = {}
    truth: Answer = {}
    for thing in range(world.size or size):
        count = 1 + int(chance.poisson(world.more))
        names = [f"m{i:02}" for i in chance.permutation(count + world.pool)]
        lists: list[frozenset[str]] = []
        for source in world.sources:
            mine = _listed(chance, names[:count], names[count:], source)
            if source.copies is not None and chance.random() < source.rate:
                mine = lists[source.copies]
            lists.append(mine)
        knows = [chance.random() < source.knows for source in world.sources]
        if any(knows):
            entity = f"e{thing:06}"
            table[entity] = {f"d{s}.t": lists[s] for s in np.flatnonzero(knows).tolist()}
            truth[entity] = frozenset(names[:count])
    return table, truth


def _listed(
    chance: np.random.Generator, true: list[str], pool: list[str], source: Source
) -> frozenset[str]:
    found = [name for name in true if chance.random() < source.lists]
    wrong = min(int(chance.poisson(source.wrong)), len(pool))
    found += chance.choice(pool, wrong, replace=False).tolist()
    return frozenset(found or true[:1])
