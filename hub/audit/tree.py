"""Reading the tree: roots of complete subtrees, and proofs, from what the log stores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy import Connection

from core.errors import BadInput, HubError
from core.messages import message
from hub.audit import merkle
from hub.audit.merkle import HASH_BYTES, TILE_LEVELS, Complete, Span

T = TypeVar("T")
_WIDTH = 1 << TILE_LEVELS

_TILES = """
SELECT 0, tile.number, found.first, found.last, found.hashes
FROM unnest(%(leaves)s::bigint[]) AS tile (number) CROSS JOIN LATERAL (
    SELECT min(index) AS first, max(index) AS last,
           string_agg(leaf_hash, '' ORDER BY index) AS hashes
    FROM audit_entry WHERE index >= tile.number << 8 AND index < (tile.number + 1) << 8
) AS found
UNION ALL
SELECT tile.level, tile.number, found.first, found.last, found.hashes
FROM unnest(%(levels)s::int[], %(numbers)s::bigint[]) AS tile (level, number)
CROSS JOIN LATERAL (
    SELECT min(position) AS first, max(position) AS last,
           string_agg(hash, '' ORDER BY position) AS hashes
    FROM audit_node WHERE level = tile.level
        AND position >= tile.number << 8 AND position < (tile.number + 1) << 8
) AS found
"""


class AuditDamaged(HubError):
    """The stored log contradicts itself or what was signed; a verification tells where."""

    code = "audit_damaged"


def _computed(connection: Connection, compute: Callable[[Complete], T]) -> T:
    """What ``compute`` makes of the roots of complete subtrees. It runs twice: first to tell which
    stored hashes it needs, so that they are fetched at once.

    Raises:
        AuditDamaged: they are not all there.
    """
    asked: list[tuple[int, int]] = []

    def noted(level: int, position: int) -> bytes:
        asked.append((level, position))
        return bytes(HASH_BYTES)

    compute(noted)
    stored = _fetched(connection, {_tile(level, position) for level, position in asked})

    def complete(level: int, position: int) -> bytes:
        _, start, count = _stored(level, position)
        tile = stored[_tile(level, position)]
        first = start % _WIDTH * HASH_BYTES
        found = tile[first : first + count * HASH_BYTES]
        if len(found) != count * HASH_BYTES:
            raise AuditDamaged
        hashes = [found[at : at + HASH_BYTES] for at in range(0, len(found), HASH_BYTES)]
        while len(hashes) > 1:
            hashes = [
                merkle.node_hash(*pair) for pair in zip(hashes[::2], hashes[1::2], strict=True)
            ]
        return hashes[0]

    return compute(complete)


def _stored(level: int, position: int) -> tuple[int, int, int]:
    """The stored hashes under a complete subtree: their level, the first one, how many."""
    kept = level - level % TILE_LEVELS
    return kept, position << (level - kept), 1 << (level - kept)


def _tile(level: int, position: int) -> tuple[int, int]:
    """Level and number of the tile, 256 stored hashes, in which those of a subtree stand."""
    kept, start, _ = _stored(level, position)
    return kept, start // _WIDTH


def _fetched(
    connection: Connection, tiles: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    """Level and number of a tile → its hashes, one behind the other from its first.

    Raises:
        AuditDamaged: some are missing in between.
    """
    wanted = sorted(tiles)
    above = [(level, number) for level, number in wanted if level]
    asked = {
        "leaves": [number for level, number in wanted if not level],
        "levels": [level for level, _ in above],
        "numbers": [number for _, number in above],
    }
    found: dict[tuple[int, int], bytes] = {}
    for level, number, first, last, hashes in connection.exec_driver_sql(_TILES, asked):
        found[level, number] = hashes or b""
        # What is not there at all is missed by whoever needs it.
        if hashes and (first, len(hashes)) != (number * _WIDTH, (last - first + 1) * HASH_BYTES):
            raise AuditDamaged
    return found


def root(connection: Connection, size: int) -> bytes:
    """The root that the first ``size`` entries have.

    Raises:
        AuditDamaged: hashes that it is made of are gone.
    """
    return _computed(connection, lambda complete: merkle.span_root(Span(0, size), complete))


def inclusion_proof(connection: Connection, index: int, size: int) -> list[bytes]:
    """The proof that entry ``index`` is among the first ``size``.

    Raises:
        BadInput: there is no such entry.
    """
    if not 0 <= index < size:
        raise BadInput(field="index", rule=message("rule_from_to", first=0, last=size - 1))
    return _computed(connection, lambda complete: merkle.inclusion_proof(index, size, complete))


def consistency_proof(connection: Connection, old: int, new: int) -> list[bytes]:
    """The proof that the log of ``new`` entries begins with the log of ``old`` entries.

    Raises:
        BadInput: unless 0 < old <= new.
    """
    if not 0 < old <= new:
        raise BadInput(field="old", rule=message("rule_from_to", first=1, last=new))
    return _computed(connection, lambda complete: merkle.consistency_proof(old, new, complete))
