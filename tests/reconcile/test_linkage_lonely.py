"""Edges that stand by themselves are settled like any other."""

from __future__ import annotations

import random
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from reconcile.linkage.clusters import settle
from reconcile.linkage.compared import Attributes
from reconcile.linkage.edges import EDGES

_COUNT = 300
_FAR = 10_000  # numbers of records that hang at an end
_HARDLY = -40.0  # in log2 of the odds: it changes no certainty


def lonely(chance: random.Random) -> list[tuple[int, int, int, int, float, str]]:
    """Edges of all kinds, each of ends of its own. Record n has the number n, keyed or not."""
    found = []
    for n in range(_COUNT):
        left, right = 2 * n, 2 * n + 1
        keyed = chance.random() < 0.2
        one = left if keyed else -1 - left
        other = right if keyed or chance.random() < 0.5 else -1 - right
        masks = (chance.choice((0, 0, 1, 2)), chance.choice((0, 0, 4)) + chance.choice((0, 0, 1)))
        if masks[0] & masks[1] and not keyed:
            masks = (0, 0)
        weight = round(chance.uniform(-6, 14), 6)
        found.append((one, masks[0], other, masks[1], weight, f'{{"n": "{n}"}}'))
    return found


def settled(edges: list[Any], least: float | None) -> tuple[float, list[Any], list[Any]]:
    """The certainty that was used, the members and what is left open, of the first records."""
    table = pa.Table.from_pylist(
        [dict(zip(EDGES.names, edge, strict=True)) for edge in edges], EDGES
    ).sort_by([("weight", "descending"), ("l", "descending"), ("r", "descending")])
    sides = {side for edge in edges for side in (edge[0], edge[2])}
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE keyed (rid BIGINT, entity BIGINT, key INTEGER)")
        connection.execute("CREATE TABLE records (rid BIGINT)")
        connection.execute("CREATE TABLE strangers (rid BIGINT, entity BIGINT, key INTEGER)")
        rids = sorted((side if side >= 0 else -1 - side, side >= 0) for side in sides)
        connection.executemany("INSERT INTO records VALUES (?)", [[rid] for rid, _ in rids])
        connection.executemany(
            "INSERT INTO keyed VALUES (?, ?, 0)", [[rid, rid] for rid, keyed in rids if keyed]
        )
        used = settle(connection, Attributes({"number": "k0"}, ()), table, least)
        members, open_pairs = (
            connection.execute(f"FROM {name} WHERE rid < {_FAR} ORDER BY ALL").fetchall()
            for name in ("members", "open_pairs")
        )
        return used, members, open_pairs


@pytest.mark.parametrize("least", [None, 0.85])
def test_they_come_to_the_same_as_with_something_hardly_alike_beside_them(
    least: float | None,
) -> None:
    edges = lonely(random.Random(3))
    beside = [
        (-1 - _FAR - n, 0, edge[2 * (n % 2)], edge[2 * (n % 2) + 1], _HARDLY, "{}")
        for n, edge in enumerate(edges)
    ]
    used, members, open_pairs = settled(edges, least)
    assert (used, members, open_pairs) == settled(edges + beside, least)
    assert {method for _, _, method, _, _ in members} == {"key", "model", "alone"}
    assert open_pairs
    assert used == (least or used) < 0.99
