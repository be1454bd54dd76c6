"""What differs between two golden states, and how a value of one of them came to count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from core.engine import view
from core.lake import Lake, TableVersion
from core.sql import EngineLimits, open_sql

_SAID = ("value", "status", "dataset", "as_of")
_NOTHING = pa.schema([(name, pa.string()) for name in ("entity", "attribute", *_SAID)])


@dataclass(frozen=True)
class Difference:
    """From one golden state to another: entities that are new, say something else, or are gone;
    of those that say something else, ``values`` counts per attribute how often the value is
    another, ``origins`` how often only its status, source or day is.
    """

    opened: int
    changed: int
    closed: int
    values: dict[str, int]
    origins: dict[str, int]


@dataclass(frozen=True)
class Cell:
    """A golden value with the claims it was decided from (each ``dataset, record, value, as_of``).
    ``reason`` is a message code with its fields; ``supporting`` and ``opposing`` are the sources
    for and against it.
    """

    attribute: str
    value: str | None
    status: str
    dataset: str | None
    as_of: str | None
    confidence: float | None
    reason: dict[str, Any]
    supporting: tuple[str, ...]
    opposing: tuple[str, ...]
    claims: tuple[dict[str, Any], ...] = ()


def difference(
    lake: Lake, limits: EngineLimits, before: TableVersion | None, after: TableVersion | None
) -> Difference:
    """What changed from one golden table to another; None is one without rows."""
    if before == after:
        return Difference(0, 0, 0, {}, {})
    with open_sql(limits) as engine:
        for name, version in (("b", before), ("a", after)):
            table = _NOTHING.empty_table() if version is None else lake.open(version)
            view(engine, name, table)
        other = " OR ".join(f"a.{n} IS DISTINCT FROM b.{n}" for n in _SAID)
        engine.execute(
            f"""
            CREATE TABLE cells AS
            SELECT entity, attribute, a.value IS DISTINCT FROM b.value AS value
            FROM a FULL JOIN b USING (entity, attribute) WHERE {other}
            """  # noqa: S608 - names of ours
        )
        engine.execute(
            """
            CREATE TABLE entities AS
            SELECT entity, bool_or(side = 'b') AS was, bool_or(side = 'a') AS is_now
            FROM (SELECT DISTINCT entity, 'b' AS side FROM b
                  UNION ALL SELECT DISTINCT entity, 'a' FROM a)
            SEMI JOIN cells USING (entity) GROUP BY entity
            """
        )
        counts = engine.execute(
            "SELECT count(*) FILTER (NOT was), count(*) FILTER (was AND is_now), "
            "count(*) FILTER (NOT is_now) FROM entities"
        ).fetchone()
        assert counts is not None
        rows = engine.execute(
            """
            SELECT attribute, count(*) FILTER (value), count(*) FILTER (NOT value) FROM cells
            SEMI JOIN (FROM entities WHERE was AND is_now) USING (entity)
            GROUP BY attribute ORDER BY attribute
            """
        ).fetchall()
    values = {attribute: value for attribute, value, _ in rows if value}
    origins = {attribute: origin for attribute, _, origin in rows if origin}
    opened, changed, closed = counts
    return Difference(opened, changed, closed, values, origins)


def cells(
    lake: Lake, golden: TableVersion, entity: str, claims: TableVersion | None = None
) -> list[Cell]:
    """What a golden table says of an entity, by attribute, with the claims if they are given."""
    about = pc.field("entity") == entity
    rows = lake.open(golden).to_table(filter=about).sort_by("attribute").to_pylist()
    said: dict[str, list[dict[str, Any]]] = {}
    if claims is not None:
        found = lake.open(claims).to_table(filter=about).sort_by("dataset").to_pylist()
        for claim in found:
            kept = {name: claim[name] for name in ("dataset", "record", "value", "as_of")}
            said.setdefault(claim["attribute"], []).append(kept)
    return [
        Cell(
            attribute=row["attribute"],
            value=row["value"],
            status=row["status"],
            dataset=row["dataset"],
            as_of=row["as_of"],
            confidence=row["confidence"],
            reason=orjson.loads(row["reason"]),
            supporting=tuple(orjson.loads(row["supporting"])),
            opposing=tuple(orjson.loads(row["opposing"])),
            claims=tuple(said.get(row["attribute"], ())),
        )
        for row in rows
    ]


def differing(
    before: Sequence[Cell], after: Sequence[Cell]
) -> list[tuple[str, Cell | None, Cell | None]]:
    """The attributes in which two states of an entity differ: each as it was and as it is."""
    was = {cell.attribute: cell for cell in before}
    now = {cell.attribute: cell for cell in after}
    names = sorted(was.keys() | now.keys())
    found = [(name, was.get(name), now.get(name)) for name in names]
    return [(name, one, other) for name, one, other in found if _said(one) != _said(other)]


def _said(cell: Cell | None) -> tuple[str | None, ...] | None:
    return None if cell is None else tuple(getattr(cell, name) for name in _SAID)
