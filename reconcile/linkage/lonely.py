"""Edges that stand by themselves: neither end has another. In long lists nearly all do, and what
becomes of them is decided in columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

GIVEN = pa.schema(
    [
        ("side", pa.int64()),
        ("cluster", pa.int64()),
        ("score", pa.float64()),
        ("explanation", pa.string()),
    ]
)
"""Which side (:class:`reconcile.linkage.edges.Side`) joined which cluster, how surely and why; of
doubts, both sides."""


def parted(edges: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The edges that stand by themselves, and the others, both in the order they had."""
    left, right = (edges[side].to_numpy() for side in ("l", "r"))
    _, place, count = np.unique(
        np.concatenate([left, right]), return_inverse=True, return_counts=True
    )
    single = count[place] == 1
    alone = pa.array(single[: len(left)] & single[len(left) :])
    return edges.filter(alone), edges.filter(pa.array(~alone.to_numpy(zero_copy_only=False)))


@dataclass(frozen=True)
class Lonely:
    """Such edges by columns. ``keyed``: both ends are keyed entities; ``apart``: they exclude each
    other.
    """

    left: Numbers
    right: Numbers
    keyed: Flags
    apart: Flags
    certainty: npt.NDArray[np.float64]
    explanation: pa.ChunkedArray

    @classmethod
    def of(cls, edges: pa.Table, certainty: Sequence[float]) -> Lonely:
        """The edges of a table (``EDGES``), each as certain as told."""
        left, lm, right, rm = (edges[name].to_numpy() for name in ("l", "lm", "r", "rm"))
        return cls(
            left=left,
            right=right,
            keyed=(left >= 0) & (right >= 0),
            apart=(lm & rm) != 0,
            certainty=np.asarray(certainty, dtype=np.float64),
            explanation=edges["explanation"],
        )

    def joined(self, keyed: float, unkeyed: float) -> Flags:
        """Which are certain enough to join their ends."""
        least = np.where(self.keyed, keyed, unkeyed)
        joined: Flags = ~self.apart & (self.certainty >= least)
        return joined

    def members(self, chosen: Flags) -> Iterator[pa.Table]:
        """What joined which cluster (``GIVEN``) by the chosen edges. The larger number stands for
        a cluster; a keyed entity that stands for its own is not listed.
        """
        cluster = np.maximum(self.left, self.right)
        for side in (self.left, self.right):
            listed = chosen & ((side < 0) | (self.keyed & (side != cluster)))
            yield self._rows(side, cluster, listed)

    def doubts(self, chosen: Flags) -> pa.Table:
        """Both ends (``GIVEN``) of the chosen edges."""
        return self._rows(self.left, self.right, chosen)

    def _rows(self, one: Numbers, other: Numbers, chosen: Flags) -> pa.Table:
        kept = pa.array(chosen)
        rows = [one[chosen], other[chosen], self.certainty[chosen], self.explanation.filter(kept)]
        return pa.table(rows, GIVEN.names).cast(GIVEN)
