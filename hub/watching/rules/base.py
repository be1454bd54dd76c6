"""What rules look at, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import duckdb
import pyarrow as pa

from core.sql import FEW, open_sql

DAYS = pa.schema(
    [
        pa.field("day", pa.date32(), nullable=False),
        pa.field("account", pa.string(), nullable=False),
        pa.field("client", pa.string(), nullable=False),
        pa.field("role", pa.string(), nullable=False),
        pa.field("requests", pa.int64(), nullable=False),
        pa.field("off", pa.int64(), nullable=False),
        pa.field("persons", pa.int64(), nullable=False),
        pa.field("matters", pa.int64(), nullable=False),
    ]
)
"""Days of accounts: requests, those of them in off hours, distinct persons and cases."""

SHAPES = pa.schema(
    [
        pa.field("account", pa.string(), nullable=False),
        pa.field("client", pa.string(), nullable=False),
        pa.field("role", pa.string(), nullable=False),
        pa.field("shape", pa.string(), nullable=False),
        pa.field("requests", pa.int64(), nullable=False),
    ]
)
"""Forms of case numbers that accounts used lately."""

SIGHTS = pa.schema(
    [
        pa.field("day", pa.date32(), nullable=False),
        pa.field("person", pa.string(), nullable=False),
        pa.field("account", pa.string(), nullable=False),
        pa.field("client", pa.string(), nullable=False),
        pa.field("matter", pa.string(), nullable=False),
        pa.field("requests", pa.int64(), nullable=False),
        pa.field("first", pa.int64(), nullable=False),
        pa.field("last", pa.int64(), nullable=False),
    ]
)
"""Which account asked for whom, in which case, on which day."""

KIN = pa.schema(
    [
        pa.field("client", pa.string(), nullable=False),
        pa.field("account", pa.string()),
        pa.field("digest", pa.string(), nullable=False),
        pa.field("relation", pa.string(), nullable=False),
    ]
)
"""Digest of a person who is close to whoever stands behind an account: ``own_record``, ``family``
or ``colleague``. ``account`` None: behind the client, whoever it is."""

Register = Callable[[Iterable[tuple[str, str]]], Iterable[tuple[str, str]]]
"""Those of some pairs of client and case number that are nothing to wonder at: the case is
registered, or the client's department keeps no register."""

MOST_INDEXES = 50
"""How many entries a finding names; the rest are counted."""


def empty(schema: pa.Schema) -> pa.Table:
    """A frame without rows."""
    return schema.empty_table()


@dataclass(frozen=True)
class Hit:
    """What a rule noticed, about an account, a person, or both.

    ``account``, ``subject_person``: keyed digests; ``person``: the account as the log names it.
    ``indexes``: entries that show it, at most :data:`MOST_INDEXES`; ``first`` and ``last`` of all.
    ``numbers``: what the explanation tells.
    """

    rule: str
    first: int
    last: int
    indexes: tuple[int, ...]
    numbers: Mapping[str, int | float | str]
    client: str | None = None
    person: str | None = None
    account: str | None = None
    subject_person: str | None = None


@dataclass(frozen=True)
class Frames:
    """One pass: ``entries`` from the beginning of the day of the first fresh one, whose index is
    ``fresh``; ``days`` with those of the entries; ``register`` None: there is none.
    """

    entries: pa.Table
    days: pa.Table = field(default_factory=lambda: empty(DAYS))
    shapes: pa.Table = field(default_factory=lambda: empty(SHAPES))
    sights: pa.Table = field(default_factory=lambda: empty(SIGHTS))
    kin: pa.Table = field(default_factory=lambda: empty(KIN))
    fresh: int = 0
    register: Register | None = None

    def rows(self, query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of a query over the frames and ``touched``: each account and day with fresh
        entries, its client, person, role, ``first``, ``last`` and ``indexes``.
        """
        with open_sql(FEW) as engine:
            for name in ("entries", "days", "shapes", "sights", "kin"):
                engine.register(name, getattr(self, name))
            engine.register("touched", self._touched)
            return rows_of(engine, query, parameters)

    @cached_property
    def _touched(self) -> pa.Table:
        with open_sql(FEW) as engine:
            engine.register("entries", self.entries)
            told = {"fresh": self.fresh, "most": MOST_INDEXES}
            return engine.sql(_TOUCHED, params=told).to_arrow_table()


def rows_of(
    engine: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The rows of a query, as dictionaries."""
    found: pa.Table = engine.sql(query, params=dict(parameters)).to_arrow_table()
    return list(found.to_pylist())


_TOUCHED = """
SELECT account, day, any_value(client) AS client, any_value(person) AS person,
       any_value(role) AS role, min(index) AS first, max(index) AS last, count(*) AS requests,
       list(index ORDER BY index)[:$most] AS indexes
FROM entries GROUP BY account, day HAVING max(index) >= $fresh
"""


def hit(rule: str, row: Mapping[str, Any], *names: str) -> Hit:
    """The hit of a row with the columns of a hit; ``names`` are the columns of its numbers."""
    told = {name: row[name] for name in names}
    return Hit(
        rule=rule,
        first=row["first"],
        last=row["last"],
        indexes=tuple(row["indexes"][:MOST_INDEXES]),
        numbers={k: round(v, 1) if isinstance(v, float) else v for k, v in told.items()},
        client=row.get("client"),
        person=row.get("person"),
        account=row.get("account"),
        subject_person=row.get("subject_person"),
    )
