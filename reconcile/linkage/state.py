"""What a run keeps for the next one, so that it need only look at what has changed.

Tables by name: ``records`` (values that are compared, and what was found),
``nodes`` (what the model compares, with the columns to find pairs by), ``edges`` (scored pairs),
``doubts``, ``ruled``, ``open``, ``usual`` (``attribute, value``: the values that some have), and
``model``: one JSON text with all that was learned. Of records
and nodes, the large ones, a run over changes only keeps what differs from the last run over
everything: ``<name>_left``, the rows of then that no longer count, and ``<name>_new``.
"""

# ruff: noqa: S608 (SQL is built from made-up column names; names and texts are quoted)
from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import duckdb
import pyarrow as pa

from catalog.subjects import Subject
from core.canonical import digest
from core.engine import view
from reconcile.linkage.compared import Attributes, Compared
from reconcile.linkage.ledger import Table
from reconcile.linkage.records import quoted_text

FORMAT = 5
"""Raised when a state kept by an older version is of no use any more."""

DIFFERING = {"records": "rid", "nodes": "entity"}
"""The tables of which only differences are kept, and by what rows are told apart there."""


@dataclass(frozen=True)
class Learned:
    """What holds until the next whole run: how attributes compare, and the model of likeness
    (None where there was nothing to compare). ``least``: the certainty at which matches are
    accepted. ``records``: how many there were; ``drift``: how many have changed since; ``step``:
    of the ledger that belongs to it.
    """

    definition: str
    attributes: dict[str, dict[str, Any]]
    model: dict[str, Any] | None
    least: float
    records: int = 0
    drift: int = 0
    step: int = 0

    def of(self, attributes: Attributes) -> Attributes:
        """``attributes`` with what was learned of each."""
        return replace(
            attributes,
            compared=tuple(replace(a, **self.attributes[a.name]) for a in attributes.compared),
            numbers=tuple(replace(a, **self.attributes[a.name]) for a in attributes.numbers),
        )

    @property
    def frequencies(self) -> tuple[str, ...]:
        """The columns of which agreeing on a rare value weighs more."""
        levels = [
            level
            for comparison in (self.model or {}).get("comparisons", [])
            for level in comparison["comparison_levels"]
        ]
        found = (level.get("tf_adjustment_column") for level in levels)
        return tuple(sorted({column for column in found if column}))


def learned(
    subject: Subject, attributes: Attributes, model: dict[str, Any] | None, least: float
) -> Learned:
    """What a whole run learned."""
    told = {a.name: _plain(a) for a in (*attributes.compared, *attributes.numbers)}
    return Learned(definition(subject), told, model, least)


def _plain(attribute: Compared) -> dict[str, Any]:
    values = {f.name: getattr(attribute, f.name) for f in fields(attribute)}
    fixed = ("name", "column", "comparison", "swaps", "leading")
    return {name: value for name, value in values.items() if name not in fixed}


def definition(subject: Subject) -> str:
    """The digest of what a state depends on besides data."""
    return digest([FORMAT, subject.model_dump(mode="json")])


def recall(
    connection: duckdb.DuckDBPyConnection, kept: Mapping[str, Table] | None
) -> Learned | None:
    """Makes the kept tables known as ``kept_<name>``; None where there are none."""
    if kept is None or "model" not in kept:
        return None
    for name, table in kept.items():
        view(connection, f"{'base' if name in DIFFERING else 'kept'}_{name}", table)
    for name, key in DIFFERING.items():
        if name not in kept:
            continue
        if f"{name}_new" not in kept:
            connection.execute(f"CREATE VIEW kept_{name}_new AS FROM base_{name} WHERE false")
            connection.execute(f"CREATE VIEW kept_{name}_left AS SELECT {key} FROM kept_{name}_new")
        connection.execute(
            f"""CREATE VIEW kept_{name} AS FROM base_{name} ANTI JOIN kept_{name}_left USING ({key})
            UNION ALL BY NAME FROM kept_{name}_new"""
        )
    rows = connection.execute("SELECT content FROM kept_model").fetchall()
    return Learned(**json.loads(rows[0][0])) if len(rows) == 1 else None


def node_columns(attributes: Attributes, learned: Learned) -> list[str]:
    """The columns of nodes that are kept: what is compared, found and counted by."""
    derived = [column for a in attributes.compared for column in (a.column, *a.blocking, *a.both)]
    plain = ("node", "entity", "keyed", "mask", "origin", *attributes.judged_columns)
    names = [*plain, *derived, *learned.frequencies]
    return list(dict.fromkeys(names))


def record_columns(attributes: Attributes) -> list[str]:
    """The columns of records that are kept as they were loaded."""
    values = (*attributes.keys.values(), *attributes.columns)
    return ["rid", "dataset", "record", *values, *(a.column for a in attributes.related)]


def records(attributes: Attributes) -> str:
    """SQL of the kept rows of ``records``, of which ``keyed`` and ``found`` tell the rest."""
    loaded = ", ".join(f"records.{c}" for c in record_columns(attributes))
    return f"""SELECT {loaded}, keyed.entity AS keyed_entity, keyed.key, found.entity,
            method, score, explanation
        FROM records JOIN found USING (rid) LEFT JOIN keyed USING (rid)"""


def usual(attributes: Attributes) -> str:
    """SQL of the kept rows of ``usual``."""
    parts = [
        f"SELECT {quoted_text(a.column)} AS attribute, value FROM {a.usual}"
        for a in attributes.compared
        if a.comparison.frequency
    ]
    return " UNION ALL ".join(parts or ["SELECT '' AS attribute, '' AS value WHERE false"])


def lay_usual(connection: duckdb.DuckDBPyConnection, attributes: Attributes) -> None:
    """Makes the tables of ``usual`` values as they were kept."""
    for attribute in attributes.compared:
        connection.execute(
            f"""CREATE VIEW {attribute.usual} AS SELECT value FROM kept_usual
            WHERE attribute = {quoted_text(attribute.column)}"""
        )


def keep(
    connection: duckdb.DuckDBPyConnection, queries: Mapping[str, str], learned: Learned
) -> dict[str, pa.Table]:
    """The tables to keep, by SQL of each."""
    tables = {name: connection.sql(query).to_arrow_table() for name, query in queries.items()}
    text = json.dumps({f.name: getattr(learned, f.name) for f in fields(learned)})
    return tables | {"model": pa.table({"content": [text]})}
