"""Who lists which members of sets: a sample of claims about one attribute as flat arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reconcile.fusion.learning.camps import SUSPICION_PRIOR, VOICES, Floats, Indices

RULED = -1  # what stands for a ruling among those who list a member


@dataclass(frozen=True)
class Pattern:
    """``count`` entities of which each member is listed by the same sources (their places, and
    :data:`RULED` where a ruling has it).
    """

    members: tuple[tuple[int, ...], ...]
    count: int


@dataclass(frozen=True)
class Suspicion:
    """Per source the ``family`` it may copy within (its root). Per row, whether somebody of the
    family is there to copy (``may``), and whether it ``repeats`` what that one lists.
    """

    family: Indices
    may: npt.NDArray[np.bool_]
    repeats: npt.NDArray[np.bool_]


class Listings:
    """Patterns as arrays. An *item* is one pattern, a *row* one source with a claim about it, a
    *member* one that any of them lists, an *entry* one member and one row of its item.

    The order of what is given does not matter.
    """

    def __init__(self, patterns: Iterable[Pattern], sources: int) -> None:
        self.sources = sources
        ordered = sorted(patterns, key=lambda pattern: (pattern.members, pattern.count))
        self.count = np.array([pattern.count for pattern in ordered], dtype=np.float64)
        self._lay_out([pattern.members for pattern in ordered])
        self._compare()

    def _lay_out(self, items: Sequence[tuple[tuple[int, ...], ...]]) -> None:
        rows: list[tuple[int, int]] = []
        members: list[tuple[int, bool]] = []
        entries: list[tuple[int, int, bool]] = []
        known = []
        for item, listers in enumerate(items):
            claiming = sorted({source for who in listers for source in who} - {RULED})
            known.append(any(RULED in who for who in listers))
            for who in listers:
                place = len(rows)
                entries += [(len(members), place + i, s in who) for i, s in enumerate(claiming)]
                members.append((item, RULED in who))
            rows += [(item, source) for source in claiming]
        self.known = np.array(known, dtype=np.bool_)
        self.row_item, self.row_source = _columns(rows, 2)
        self.member_item, right = _columns(members, 2)
        self.right = right.astype(np.bool_)
        self.entry_member, self.entry_row, listed = _columns(entries, 3)
        self.listed = listed.astype(np.bool_)
        self.row_count = self.count[self.row_item]
        self.entry_source = self.row_source[self.entry_row]
        self.entry_count = self.row_count[self.entry_row]

    def _compare(self) -> None:
        """Which rows of an item list the same, and how often two sources do where lists differ."""
        order = np.argsort(self.entry_row, kind="stable")
        starts = np.searchsorted(self.entry_row[order], np.arange(len(self.row_item)))
        parts = np.split(self.listed[order], starts[1:]) if len(starts) else []
        lists: list[bytes] = [part.tobytes() for part in parts]
        meetings, firsts = [], np.searchsorted(self.row_item, np.arange(len(self.count) + 1))
        for first, last in zip(firsts[:-1].tolist(), firsts[1:].tolist(), strict=True):
            split = len(set(lists[first:last])) > 1
            meetings += [
                (a, b, lists[a] == lists[b], split)
                for a in range(first, last)
                for b in range(a + 1, last)
            ]
        self.one, self.other, same, split_ = _columns(meetings, 4)
        self.same = same.astype(np.bool_)
        key = self.row_source[self.one] * self.sources + self.row_source[self.other]
        pairs, self.meeting_pair = np.unique(key, return_inverse=True)
        self._pairs = np.divmod(pairs, max(self.sources, 1))
        apart = self.row_count[self.one] * split_
        agree = np.bincount(self.meeting_pair, apart * self.same, len(pairs))
        met = np.bincount(self.meeting_pair, apart, len(pairs))
        self._rate = agree / (met + SUSPICION_PRIOR)
        self._suspects = self._acyclic()

    def _acyclic(self) -> list[int]:
        """Pairs that agree most first, without those that would close a ring."""
        root = list(range(self.sources))
        kept: list[int] = []
        for pair in np.argsort(-self._rate, kind="stable").tolist():
            one, other = (_find(root, int(side[pair])) for side in self._pairs)
            if one != other and len(kept) < self.sources - VOICES:
                root[other] = one
                kept.append(pair)
        return kept

    @property
    def suspicions(self) -> int:
        """How many pairs of sources may be copies."""
        return len(self._suspects)

    def suspicion(self, pairs: int, standing: Floats) -> Suspicion:
        """Taking so many pairs, those that agree most, for copies. Of those who copy each other
        the one of the highest ``standing`` (per source) is the root.
        """
        root = list(range(self.sources))
        for pair in self._suspects[:pairs]:
            one, other = (_find(root, int(side[pair])) for side in self._pairs)
            root[other] = one
        family = np.array([_find(root, source) for source in range(self.sources)], np.intp)
        best = np.lexsort((np.arange(self.sources), -standing))
        rank = np.empty(self.sources, np.intp)
        rank[best] = np.arange(self.sources)
        heads = {int(family[source]): int(source) for source in best[::-1]}
        children, meetings = self._models(family, rank)
        may, repeats = np.zeros((2, len(self.row_item)), np.bool_)
        may[children], repeats[children] = True, self.same[meetings]
        return Suspicion(np.array([heads[int(f)] for f in family], np.intp), may, repeats)

    def _models(self, family: Indices, rank: Indices) -> tuple[Indices, Indices]:
        """Rows that may copy, and each one's meeting with its model: of the rows of the family
        with a better rank that of the source most alike.
        """
        one, other = self.row_source[self.one], self.row_source[self.other]
        found = np.flatnonzero(family[one] == family[other])
        swap = rank[one[found]] > rank[other[found]]
        child = np.where(swap, self.one[found], self.other[found])
        model = np.where(swap, self.other[found], self.one[found])
        alike = self._rate[self.meeting_pair[found]]
        order = np.lexsort((rank[self.row_source[model]], -alike, child))
        children, first = np.unique(child[order], return_index=True)
        return children, found[order[first]]

    def by_source(self, entries: Floats) -> Floats:
        """Sums of an entry's figures for each source, times how often its item occurs."""
        return np.asarray(np.bincount(self.entry_source, entries * self.entry_count, self.sources))

    def by_member(self, entries: Floats) -> Floats:
        """Sums of an entry's figures for each member."""
        return np.asarray(np.bincount(self.entry_member, entries, len(self.member_item)))

    def by_item(self, rows: Floats) -> Floats:
        """Sums of a row's figures for each item."""
        return np.asarray(np.bincount(self.row_item, rows, len(self.count)))


def _find(root: list[int], source: int) -> int:
    while root[source] != source:
        root[source] = source = root[root[source]]
    return source


def _columns(rows: Sequence[tuple[int, ...]], width: int) -> Indices:
    return np.array(rows, np.intp).reshape(len(rows), width).T
