"""The Merkle tree of RFC 6962 and RFC 9162: roots, proofs and their strict verification.

Pure: nothing here reads or writes. A *span* is a half-open range of leaf indexes whose subtree
occurs in the tree, so its root is one hash; a *complete* subtree is the one with 2**level leaves
that starts at leaf ``position * 2**level``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

HASH_BYTES = 32
TILE_LEVELS = 8
"""Every 8th level of complete subtrees (256 children each) is kept by the log."""
_TILE = 1 << TILE_LEVELS

Complete = Callable[[int, int], bytes]
"""Gives the root of the complete subtree at (level, position)."""


class Node(NamedTuple):
    """The root of one complete subtree."""

    level: int
    position: int
    hash: bytes


class Span(NamedTuple):
    """The leaves from ``start`` up to, not including, ``stop``."""

    start: int
    stop: int


def leaf_hash(body: bytes) -> bytes:
    """The hash of a leaf that holds ``body``."""
    return sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over adjacent complete subtrees given from left to right, largest first; of none,
    the root of the empty tree.
    """
    if not hashes:
        return sha256(b"").digest()
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


@dataclass
class Frontier:
    """What must be kept of a tree to let it grow: the roots of the complete subtrees that ``size``
    leaves split into, largest first (one per set bit of ``size``).

    ``tiles`` collects the nodes on every ``TILE_LEVELS``-th level as they become complete.
    """

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)
    tiles: list[Node] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        """Adds one leaf hash."""
        self._add(leaf, 0)

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Adds leaf hashes, one behind the other: whole tiles of them level by level."""
        start = min(-self.size % _TILE, len(leaves))
        whole = start + (len(leaves) - start) // _TILE * _TILE
        for leaf in leaves[:start]:
            self.append(leaf)
        for first in range(start, whole, _TILE):
            nodes = leaves[first : first + _TILE]
            for _ in range(TILE_LEVELS):
                pairs = zip(nodes[::2], nodes[1::2], strict=True)
                nodes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
            self._add(nodes[0], TILE_LEVELS)
        for leaf in leaves[whole:]:
            self.append(leaf)

    def _add(self, node: bytes, level: int) -> None:
        """Adds the root of the next complete subtree."""
        added, position = 1 << level, self.size >> level
        if level:
            self.tiles.append(Node(level, position, node))
        while position & 1:
            node = node_hash(self.hashes.pop(), node)
            level += 1
            position >>= 1
            if level % TILE_LEVELS == 0:
                self.tiles.append(Node(level, position, node))
        self.hashes.append(node)
        self.size += added

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        return fold(self.hashes)


def root(leaves: Sequence[bytes]) -> bytes:
    """The root of the tree over ``leaves`` (leaf hashes)."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def over(leaves: Sequence[bytes]) -> Complete:
    """The complete subtrees of a tree whose leaf hashes are at hand."""
    return lambda level, position: root(leaves[position << level : (position + 1) << level])


def span_root(span: Span, complete: Complete) -> bytes:
    """The root of a subtree from the roots of the complete subtrees it splits into."""
    hashes = []
    start = span.start
    while start < span.stop:
        level = (span.stop - start).bit_length() - 1
        hashes.append(complete(level, start >> level))
        start += 1 << level
    return fold(hashes)


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The subtrees whose roots prove leaf ``index`` in a tree of ``size`` leaves, from the leaf
    upward (RFC 6962, 2.1.1).
    """
    start, stop = 0, size
    spans: list[Span] = []
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            spans.append(Span(middle, stop))
            stop = middle
        else:
            spans.append(Span(start, middle))
            start = middle
    return spans[::-1]


def consistency_spans(old: int, new: int) -> list[Span]:
    """The subtrees whose roots prove that a tree of ``new`` leaves begins with the one of ``old``
    leaves (RFC 6962, 2.1.2).
    """
    start, stop = 0, new
    spans: list[Span] = []
    while stop != old:
        middle = start + _split(stop - start)
        if old <= middle:
            spans.append(Span(middle, stop))
            stop = middle
        else:
            spans.append(Span(start, middle))
            start = middle
    if start > 0:
        spans.append(Span(start, stop))
    return spans[::-1]


def inclusion_proof(index: int, size: int, complete: Complete) -> list[bytes]:
    """The proof that leaf ``index`` is in the tree of ``size`` leaves.

    Raises:
        ValueError: there is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError("no such leaf in a tree of this size")
    return [span_root(span, complete) for span in inclusion_spans(index, size)]


def consistency_proof(old: int, new: int, complete: Complete) -> list[bytes]:
    """The proof that the tree of ``new`` leaves begins with the tree of ``old`` leaves.

    Raises:
        ValueError: unless 0 < old <= new.
    """
    if not 0 < old <= new:
        raise ValueError("a consistency proof leads from a tree that is not empty to a later one")
    return [span_root(span, complete) for span in consistency_spans(old, new)]


def _all_hashes(*hashes: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in hashes)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root_hash: bytes
) -> bool:
    """Whether ``proof`` shows the leaf hash ``leaf`` at ``index`` in the tree of ``size`` leaves
    with root ``root_hash`` (RFC 9162, 2.1.3.2). No malformed input raises.
    """
    if not 0 <= index < size or not _all_hashes(leaf, root_hash, *proof):
        return False
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            r = node_hash(r, p)
        fn >>= 1
        sn >>= 1
    return sn == 0 and r == root_hash


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Whether ``proof`` shows that the tree of ``new`` leaves begins with the one of ``old`` leaves
    (RFC 9162, 2.1.4.2). An empty old tree proves nothing and is refused. No malformed input raises.
    """
    if not 0 < old <= new or not _all_hashes(old_root, new_root, *proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not proof:
        return False
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr = node_hash(c, fr)
            sr = node_hash(c, sr)
            while not fn & 1 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            sr = node_hash(sr, c)
        fn >>= 1
        sn >>= 1
    return sn == 0 and fr == old_root and sr == new_root
