"""From scored pairs to clusters: the best pairs first, and nothing that is ambiguous."""

# ruff: noqa: S608 (SQL is built from made-up column names; texts are quoted)
from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

import duckdb
import pyarrow as pa

from reconcile.linkage.compared import Attributes
from reconcile.linkage.edges import DIFFERS, Edge, Side, objects
from reconcile.linkage.lonely import GIVEN, Lonely, parted
from reconcile.linkage.records import quoted_text

MATCH = 0.99  # so sure a match of two keyed entities must be
PRECISION = 0.99  # so many of the other matches are expected to be right,
FLOOR = 0.8
_NEGLIGIBLE = 0.05
_FAR = 12.0
_HEAVIEST = 1000.0  # of odds that are still a number
_SUPPORT = 0.3  # of the pairs between two clusters are likely, that less than sure ones join them
_SHARED_KEY = 0.5


Edges = Mapping[int, Sequence[Edge]]
Apart = Callable[[Side, Side], bool]
Sure = Sequence[tuple[Edge, float]]


class _Clusters:
    """Disjoint sets of sides that never hold a dataset or a kind of key twice. Two keyed entities
    only ever meet by an edge of their own, never by way of an unkeyed record.
    """

    def __init__(self) -> None:
        self._parent: dict[int, Side] = {}
        self._size: dict[int, int] = {}

    def root(self, side: Side) -> Side:
        """The side that stands for the cluster; its mask is the whole cluster's."""
        path = []
        while (above := self._parent.get(side.entity, side)).entity != side.entity:
            path.append(side.entity)
            side = above
        self._parent.update(dict.fromkeys(path, above))
        return above

    def size(self, root: int) -> int:
        """How many sides are in the cluster."""
        return self._size.get(root, 1)

    def apart(self, one: Side, other: Side) -> bool:
        """Whether the two are not in one cluster and cannot be."""
        return one.excludes(other) and self.root(one).entity != self.root(other).entity

    def merge(self, edge: Edge) -> bool:
        """Makes one cluster of two; False where they exclude each other."""
        left, right = self.root(edge.left), self.root(edge.right)
        if left.entity == right.entity:
            return True
        if left.mask & right.mask or (left.excludes(right) and not edge.keyed):
            return False
        high, low = max(left.entity, right.entity), min(left.entity, right.entity)
        self._parent[high] = self._parent[low] = Side(high, left.mask | right.mask)
        self._size[high] = self.size(high) + self.size(low)
        return True


def settle(
    connection: duckdb.DuckDBPyConnection,
    attributes: Attributes,
    edges: pa.Table,
    least: float | None = None,
) -> float:
    """Makes the table ``members`` (``rid, cluster, method, score, explanation``) of all records,
    and ``open_pairs`` (``rid, side, method, score, explanation``): possible matches left open,
    ``side`` being the far end; also those of strangers with the entity of their key.

    ``edges``: ``EDGES``, heaviest first. ``least``: the certainty at which matches are accepted,
    where it is known from a run over everything; the one that was used is returned.
    """
    lonely, tangled = parted(edges)
    alone = Lonely.of(lonely, [certain(weight) for weight in lonely["weight"].to_pylist()])
    found = list(objects(tangled))
    at = _by_side(found)
    clusters = _Clusters()
    sure = [(edge, _certainty(edge, at, _exclude)) for edge in found if edge.keyed]
    joined = _joined(clusters, sure, MATCH)
    rest = [(edge, _certainty(edge, at, clusters.apart)) for edge in found if not edge.keyed]
    if least is None:
        known = (certainty for _, certainty in rest)
        least = threshold(chain(known, alone.certainty[~alone.keyed].tolist()))
    joined = _joined(clusters, rest, least) | joined
    members = [
        (side.entity, clusters.root(side).entity, *why)
        for side, why in joined.items()
        if not side.keyed or clusters.root(side).entity != side.entity
    ]
    doubts = [
        (edge.left.entity, edge.right.entity, certainty, edge.explanation)
        for edge, certainty in sure + rest
        if certainty >= _NEGLIGIBLE
        and clusters.root(edge.left).entity != clusters.root(edge.right).entity
    ]
    together = alone.joined(MATCH, least)
    open_ones = ~together & (alone.certainty >= _NEGLIGIBLE)
    _give(connection, "joined", [_given(members), *alone.members(together)])
    _give(connection, "doubtful", [_given(doubts), alone.doubts(open_ones)])
    connection.execute(
        f"""CREATE OR REPLACE TABLE members AS
        SELECT keyed.rid, coalesce(cluster, entity) AS cluster,
            CASE WHEN cluster IS NULL THEN 'key' ELSE 'model' END AS method,
            coalesce(score, 1.0::DOUBLE) AS score,
            coalesce(joined.explanation, {_by_key(attributes)}) AS explanation
        FROM keyed LEFT JOIN joined ON side = keyed.entity
        UNION ALL SELECT -1 - side, cluster, 'model', score, explanation FROM joined WHERE side < 0
        UNION ALL SELECT rid, -1 - rid, 'alone', 1.0, '{{}}'
        FROM records ANTI JOIN keyed USING (rid) ANTI JOIN joined ON side = -1 - rid"""
    )
    connection.execute(
        f"""CREATE OR REPLACE TABLE open_pairs AS
        SELECT coalesce(first, -1 - doubtful.side) AS rid, cluster AS side, 'model' AS method,
            score, explanation
        FROM doubtful LEFT JOIN (
            SELECT entity, min(rid) AS first FROM keyed GROUP BY entity
        ) AS firsts ON entity = doubtful.side
        UNION ALL
        SELECT rid, entity, 'key', {_SHARED_KEY}::DOUBLE, {_strange(attributes)} FROM strangers"""
    )
    return least


def certain(weight: float, rivals: float = 0.0) -> float:
    """How likely a match of that weight is beside the odds of its rivals. Rounded, so that the
    last bits of a sum decide nothing.
    """
    odds = _odds(weight)
    return round(odds / (1 + odds + rivals), 6)


def _odds(weight: float) -> float:
    return math.exp2(min(weight, _HEAVIEST))


def threshold(certainties: Iterable[float]) -> float:
    """The least certainty at which matches are accepted: as low as leaves ``PRECISION`` of the
    accepted ones right, as they judge themselves, but not below ``FLOOR``. Those that are sure
    leave room for some that are not quite.
    """
    total, least = 0.0, MATCH
    for count, certainty in enumerate(sorted(certainties, reverse=True), start=1):
        total += certainty
        if certainty < FLOOR or total < PRECISION * count:
            break
        least = min(least, certainty)
    return least


def _joined(clusters: _Clusters, sure: Sure, least: float) -> dict[Side, tuple[float, str]]:
    """Merges what is certain enough, best first; which side joined by which certainty and why.

    What is less than sure only joins clusters of which a fair share of the pairs are likely: where
    they are many, the one pair that looks alike by chance is easily found. Most of them would be
    too much to ask: where records are poor, many pairs of the same have little in common.
    """
    joined: dict[Side, tuple[float, str]] = {}
    merged = [(edge, how) for edge, how in sure if how >= MATCH and clusters.merge(edge)]
    further = True
    while further:
        for edge, how in merged:
            for side in (edge.left, edge.right):
                if edge.keyed or not side.keyed:
                    joined.setdefault(side, (how, edge.explanation))
        merged = list(_agreed(clusters, sure, least))
        further = bool(merged)
    return joined


def _agreed(clusters: _Clusters, sure: Sure, least: float) -> Iterator[tuple[Edge, float]]:
    """Merges clusters that have been found alike by many pairs of their members; none twice,
    since then it has members that were not asked.
    """
    support: dict[tuple[int, int], float] = defaultdict(float)
    best: dict[tuple[int, int], tuple[Edge, float]] = {}
    for edge, certainty in sure:
        here, there = clusters.root(edge.left).entity, clusters.root(edge.right).entity
        if here != there and certainty >= _NEGLIGIBLE:
            between = (min(here, there), max(here, there))
            support[between] += certainty / (clusters.size(here) * clusters.size(there))
            if between not in best or best[between][1] < certainty:
                best[between] = edge, certainty
    touched: set[int] = set()
    for between in sorted(best, key=lambda pair: (-round(support[pair], 6), pair)):
        edge, certainty = best[between]
        if certainty < least or support[between] < _SUPPORT or not touched.isdisjoint(between):
            continue
        if clusters.merge(edge):
            touched.update(between)
            yield edge, certainty


def _exclude(one: Side, other: Side) -> bool:
    return bool(one.mask & other.mask)


def _by_key(attributes: Attributes) -> str:
    """SQL of the explanation of a record that joined by a key."""
    texts = [quoted_text(json.dumps({name: "exact"})) for name in attributes.keys]
    whens = " ".join(f"WHEN {n} THEN {text}" for n, text in enumerate(texts))
    return f"CASE key {whens} END" if whens else "NULL::VARCHAR"


def _strange(attributes: Attributes) -> str:
    """SQL of what agrees and what differs between a stranger and the entity of its key."""
    parts = []
    for number, name in enumerate(attributes.keys):
        text = quoted_text(json.dumps({name: "exact"})[1:-1])
        parts.append(f"CASE key WHEN {number} THEN {text} END")
    for attribute in attributes.compared:
        yes, no = (
            quoted_text(json.dumps({attribute.name: label})[1:-1]) for label in ("agrees", DIFFERS)
        )
        parts.append(
            f"CASE WHEN {attribute.column} THEN {yes} WHEN NOT {attribute.column} THEN {no} END"
        )
    return f"'{{' || concat_ws(', ', {', '.join(parts) or 'NULL'}) || '}}'"


def _by_side(found: Sequence[Edge]) -> Edges:
    at: dict[int, list[Edge]] = defaultdict(list)
    for edge in found:
        at[edge.left.entity].append(edge)
        at[edge.right.entity].append(edge)
    return at


def _certainty(edge: Edge, at: Edges, apart: Apart) -> float:
    """How likely the two are the same, given that each end may instead be the same as something
    else that excludes this match. 0 as soon as it is out of the question: who looks like hundreds
    of others has as many rivals, each of which is to be compared with all of them.
    """
    rivals, most = 0.0, _odds(edge.weight) / _NEGLIGIBLE
    for side in (edge.left, edge.right):
        for rival in _rivals(edge, side, at, apart):
            rivals += _odds(rival.weight)
            if rivals > most:
                return 0.0
    return certain(edge.weight, rivals)


def _rivals(edge: Edge, side: Side, at: Edges, apart: Apart) -> Iterable[Edge]:
    """The other matches of ``side`` that would exclude ``edge`` and are not out of the question
    because their far end has something better.
    """
    near = edge.other(side)
    if not near.keyed and not near.mask:
        return
    for rival in at[side.entity]:
        if rival.weight < edge.weight - _FAR:
            return
        far = rival.other(side)
        if rival is not edge and apart(far, near) and not _taken(far, side, rival, at):
            yield rival


def _taken(far: Side, side: Side, rival: Edge, at: Edges) -> bool:
    for better in at[far.entity]:
        if better.weight <= rival.weight:
            return False
        if better.other(far).excludes(side):
            return True
    return False


def _given(rows: Sequence[tuple[int, int, float, str]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(GIVEN)
    return pa.table([pa.array(column) for column in columns], GIVEN.names).cast(GIVEN)


def _give(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[pa.Table]) -> None:
    connection.register(f"given_{table}", pa.concat_tables(rows))
    connection.execute(f"CREATE OR REPLACE TABLE {table} AS FROM given_{table}")
    connection.unregister(f"given_{table}")
