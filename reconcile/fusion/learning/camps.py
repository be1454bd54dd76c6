"""Who sides with whom: the claims of a sample, counted by pattern and laid out as flat arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

VOICES = 2  # sources left apart, whatever the others copy
OPEN, NOBODY = -2, -1  # of a pattern: nobody knows which camp is right; none of them is
SUSPICION_PRIOR = 10.0  # how many items two sources must share before agreeing looks suspicious


@dataclass(frozen=True)
class Pattern:
    """``count`` items of ``attribute`` for which the sources split into the same ``camps``:
    the datasets of one camp claim the same value. Where the truth is known, ``right`` is the
    place of the camp that hits it, or :data:`NOBODY`.
    """

    attribute: str
    camps: tuple[tuple[str, ...], ...]
    count: int
    right: int = OPEN


class Camps:
    """Patterns as arrays. A *source* is one dataset for one attribute, an *item* one pattern, a
    *row* one source in one camp, a *meeting* two rows of one item, a *pair* two sources that meet.

    The order of what is given does not matter.
    """

    def __init__(
        self,
        patterns: Iterable[Pattern],
        sources: Iterable[tuple[str, str]],
        rivals: Mapping[str, float],
    ) -> None:
        self.sources = sorted(sources)
        self.names, self.attribute = _codes([attribute for attribute, _ in self.sources])
        self.attributes = len(self.names)
        self.rivals = np.array([rivals.get(name, 1.0) for name in self.names], dtype=np.float64)
        _, self.dataset = _codes([dataset for _, dataset in self.sources])
        self._lay_out(sorted(patterns, key=attrgetter("attribute", "camps", "right")))
        self._index_meetings()
        self._suspect()

    def _lay_out(self, patterns: list[Pattern]) -> None:
        index = {source: i for i, source in enumerate(self.sources)}
        camps = [(i, p.attribute, camp) for i, p in enumerate(patterns) for camp in p.camps]
        self.count = np.array([p.count for p in patterns], dtype=np.float64)
        self.camp_item = np.array([i for i, _, _ in camps], dtype=np.intp)
        self.item_camps = np.bincount(self.camp_item, minlength=len(patterns))
        sizes = np.array([len(camp) for _, _, camp in camps], dtype=np.intp)
        self.row_camp = np.repeat(np.arange(len(camps)), sizes)
        self.row_source = np.array([index[a, d] for _, a, c in camps for d in c], dtype=np.intp)
        self.row_item = self.camp_item[self.row_camp]
        self.row_count = self.count[self.row_item]
        right = np.array([p.right for p in patterns], dtype=np.intp)
        self.item_known = right != OPEN
        self.item_missed = right == NOBODY
        first = np.cumsum(self.item_camps) - self.item_camps
        place = np.arange(len(camps)) - first[self.camp_item]
        self.camp_possible = ~self.item_known[self.camp_item] | (place == right[self.camp_item])
        self.item_attribute = np.zeros(len(patterns), np.intp)
        self.item_attribute[self.row_item] = self.attribute[self.row_source]

    def _index_meetings(self) -> None:
        sizes = np.bincount(self.row_item, minlength=len(self.count))
        starts = np.cumsum(sizes) - sizes
        left, right = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
        for size in np.unique(sizes):
            first, second = np.triu_indices(size, 1)
            begin = starts[sizes == size][:, None]
            left.append((begin + first).ravel())
            right.append((begin + second).ravel())
        a, b = np.concatenate(left), np.concatenate(right)
        swap = self.row_source[a] > self.row_source[b]
        self.meeting_rows = (np.where(swap, b, a), np.where(swap, a, b))
        one, other = self.meeting_rows
        key = self.row_source[one] * len(self.sources) + self.row_source[other]
        pairs, self.meeting_pair = np.unique(key, return_inverse=True)
        self.pair_one, self.pair_other = np.divmod(pairs, max(len(self.sources), 1))
        self.meeting_camps = (self.row_camp[one], self.row_camp[other])
        self.meeting_same = self.meeting_camps[0] == self.meeting_camps[1]
        self.meeting_count = self.row_count[one]

    def _suspect(self) -> None:
        """Orders pairs by how often they agree where sources differ at all."""
        one, _ = self.meeting_rows
        split = self.meeting_count * (self.item_camps[self.row_item[one]] > 1)
        rate = self.by_pair(split * self.meeting_same) / (self.by_pair(split) + SUSPICION_PRIOR)
        self._closest = np.argsort(-rate, kind="stable")
        near = np.bincount(self.pair_one, rate, len(self.sources))
        self._central = near + np.bincount(self.pair_other, rate, len(self.sources))
        self._suspects = self._acyclic(self._closest)
        most = np.bincount(self.attribute[self.pair_one[self._suspects]], minlength=self.attributes)
        self._most = most
        self.suspicions = int(most.max(initial=0))

    def suspicion(self, share: float) -> npt.NDArray[np.bool_]:
        """Per pair, whether it would be a pair of copies, were such a ``share`` of the pairs that
        may be copies, of every attribute those that agree most, and whoever they connect copies.
        """
        left = np.rint(share * self._most).astype(int).tolist()
        kept = []
        for pair in self._suspects:
            attribute = self.attribute[self.pair_one[pair]]
            left[attribute] -= 1
            if left[attribute] >= 0:
                kept.append(pair)
        parent, _ = self.forest(np.array(kept, np.intp), np.zeros(len(self.sources)))
        return self.related(parent)

    def closest(self, pairs: npt.NDArray[np.bool_]) -> Indices:
        """The indices of ``pairs``, those first that agree most."""
        return np.asarray(self._closest[pairs[self._closest]])

    def related(self, parent: Indices) -> npt.NDArray[np.bool_]:
        """Per pair, whether the two belong to one tree."""
        root = roots(parent)
        return np.asarray(root[self.pair_one] == root[self.pair_other])

    def forest(self, pairs: Indices, reliability: Floats) -> tuple[Indices, Indices]:
        """The trees that ``pairs``, strongest first, span: per source its parent, and its rank,
        parents before children. The most reliable source of a tree is its root, of equals the one
        that others agree with most; a source without a pair is its own parent.
        """
        near: dict[int, list[int]] = {}
        for pair in self._acyclic(pairs):
            one, other = int(self.pair_one[pair]), int(self.pair_other[pair])
            near.setdefault(one, []).append(other)
            near.setdefault(other, []).append(one)
        parent = np.arange(len(self.sources))
        rank: dict[int, int] = {}
        for root in sorted(near, key=lambda s: (-reliability[s], -self._central[s], s)):
            stack = [] if root in rank else [root]
            while stack:
                here = stack.pop()
                rank[here] = len(rank)
                fresh = [there for there in near[here] if there not in rank]
                parent[fresh] = here
                stack.extend(reversed(fresh))
        places = [rank.get(source, 0) for source in range(len(self.sources))]
        return parent, np.array(places, np.intp)

    def models(self, rate: Floats, rank: Indices) -> Indices:
        """Per row, at which meeting the source may have copied: of those with sources of lower
        rank the one with the highest ``rate`` (per pair) above 0; -1 if none.
        """
        found = np.flatnonzero(rate[self.meeting_pair] > 0)
        one, other = (rows[found] for rows in self.meeting_rows)
        swap = rank[self.row_source[one]] > rank[self.row_source[other]]
        child, model = np.where(swap, one, other), np.where(swap, other, one)
        order = np.lexsort((rank[self.row_source[model]], -rate[self.meeting_pair[found]], child))
        children, first = np.unique(child[order], return_index=True)
        chosen = np.full(len(self.row_camp), -1, np.intp)
        chosen[children] = found[order[first]]
        return chosen

    def _acyclic(self, pairs: Indices) -> list[int]:
        """Of ``pairs``, in their order, those that do not close a ring, as long as they leave
        :data:`VOICES` of an attribute apart.
        """
        root = list(range(len(self.sources)))
        room = (np.bincount(self.attribute, minlength=self.attributes) - VOICES).tolist()

        def find(source: int) -> int:
            while root[source] != source:
                root[source] = source = root[root[source]]
            return source

        kept = []
        for pair in pairs.tolist():
            one, other = find(self.pair_one[pair]), find(self.pair_other[pair])
            attribute = self.attribute[one]
            if one != other and room[attribute] > 0:
                room[attribute] -= 1
                root[other] = one
                kept.append(pair)
        return kept

    def by_source(self, rows: npt.NDArray[np.generic]) -> Floats:
        """Sums of a row's figures for each source."""
        return np.bincount(self.row_source, rows, len(self.sources)).astype(np.float64)

    def shared(self, figures: Floats) -> Floats:
        """Per attribute a figure that is the same for all its sources; 1 where there are none."""
        found = np.ones(self.attributes)
        found[self.attribute] = figures
        return found

    def by_attribute(self, items: Floats) -> Floats:
        """Sums of an item's figures, as often as it occurs, for each attribute."""
        found = np.bincount(self.item_attribute, items * self.count, self.attributes)
        return found.astype(np.float64)

    def by_pair(self, meetings: npt.NDArray[np.generic]) -> Floats:
        """Sums of a meeting's figures for each pair."""
        return np.bincount(self.meeting_pair, meetings, len(self.pair_one)).astype(np.float64)


def roots(parent: Indices) -> Indices:
    """Per source the root of its tree."""
    while not np.array_equal(parent, parent[parent]):
        parent = parent[parent]
    return parent


def _codes(names: list[str]) -> tuple[list[str], Indices]:
    distinct = sorted(set(names))
    place = {name: i for i, name in enumerate(distinct)}
    return distinct, np.array([place[name] for name in names], dtype=np.intp)
