"""Possible matches as edges: in columns, and as objects where they depend on each other."""

# ruff: noqa: S608 (SQL is built from made-up column names; texts are quoted)
from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from core.sql import Sql
from reconcile.linkage.compared import Attributes
from reconcile.linkage.records import quoted_text

DIFFERS = "differs"
EDGES = pa.schema(
    [
        ("l", pa.int64()),
        ("lm", pa.int64()),
        ("r", pa.int64()),
        ("rm", pa.int64()),
        ("weight", pa.float64()),
        ("explanation", pa.string()),
    ]
)
"""Edges as rows: the numbers of both sides, each with its mask."""


@dataclass(frozen=True, slots=True)
class Side:
    """An end of an edge: a keyed entity, or an unkeyed record under its negative number.

    ``mask``: the datasets in it of which an entity has at most one record, and the kinds of key it
    has that cannot slip, one bit each.
    """

    entity: int
    mask: int

    @property
    def keyed(self) -> bool:
        """Whether it is an entity that a key made."""
        return self.entity >= 0

    def excludes(self, other: Side) -> bool:
        """Whether the two cannot be the same, whatever they look like."""
        return (self.keyed and other.keyed) or bool(self.mask & other.mask)


@dataclass(frozen=True, slots=True)
class Edge:
    """A possible match of an unkeyed record (``left``), or of two keyed entities of which one may
    have a wrong key; ``weight`` in log2 of the odds, and how each attribute agrees, as JSON.
    """

    left: Side
    right: Side
    weight: float
    explanation: str

    @property
    def keyed(self) -> bool:
        """Whether both ends are keyed entities."""
        return self.left.keyed and self.right.keyed

    def other(self, side: Side) -> Side:
        """The far end, seen from ``side``."""
        return self.right if side.entity == self.left.entity else self.left


def objects(rows: pa.Table) -> Iterator[Edge]:
    """The edges of rows of ``EDGES``."""
    for left, left_mask, right, right_mask, weight, why in zip(
        *(column.to_pylist() for column in rows.columns), strict=True
    ):
        yield Edge(Side(left, left_mask), Side(right, right_mask), weight, why)


def weighed(connection: Sql, attributes: Attributes) -> pa.Table:
    """The scored pairs of nodes as edges (``EDGES``) between records and entities, heaviest first;
    of the faces of an entity the one that is most alike counts.
    """
    rows = connection.sql(
        f"""SELECT l.entity AS l, l.mask AS lm, r.entity AS r, r.mask AS rm,
            round(match_weight, 6) AS weight, {_explanation(attributes)} AS explanation
        FROM scored JOIN nodes AS l ON node_l = l.node JOIN nodes AS r ON node_r = r.node
        QUALIFY row_number() OVER (
            PARTITION BY l.entity, r.entity ORDER BY weight DESC, r.node) = 1
        ORDER BY weight DESC, l.entity DESC, r.entity DESC"""
    )
    return rows.to_arrow_table().cast(EDGES)


def _explanation(attributes: Attributes) -> str:
    parts = []
    for attribute in attributes.judged:
        labels = [grade.level.label for grade in attribute.grades][::-1]
        whens = " ".join(
            f"WHEN {n} THEN {quoted_text(json.dumps({attribute.name: label})[1:-1])}"
            for n, label in enumerate([DIFFERS, *labels])
        )
        parts.append(f"CASE gamma_{attribute.column} {whens} END")
    return f"'{{' || concat_ws(', ', {', '.join(parts)}) || '}}'"
