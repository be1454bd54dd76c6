"""A run over everything: all records are compared, and the model learns anew."""

# ruff: noqa: S608 (SQL is built from made-up column names)
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from catalog.subjects import Subject
from core.sql import Sql
from reconcile.linkage import edges, keys, model, nodes, pairs, records, related, state
from reconcile.linkage.compared import Attributes
from reconcile.linkage.found import Found, decide
from reconcile.linkage.ledger import Fold


@dataclass(frozen=True)
class Weighed:
    """What comparing gave: how attributes compare, the edges (``EDGES``), heaviest first, and the
    model of likeness (None where there was nothing to compare).
    """

    attributes: Attributes
    edges: pa.Table
    likeness: model.Json | None


def compare(connection: Sql, subject: Subject, fit: Mapping[str, str]) -> Weighed:
    """Makes the tables ``records, keyed, strangers`` of all records, and weighs what looks alike.
    All that is much work in linking is here, and runs on any engine.

    Args:
        fit: dataset → the name of its fit table.
    """
    related.make(connection, subject, fit)
    attributes = records.load(connection, subject, fit)
    keys.join(connection, attributes)
    attributes = keys.measure(connection, attributes)
    keys.split_strangers(connection, attributes)
    comparable = subject.linkage and nodes.build(connection, attributes, subject.once)
    if not (comparable and pairs.block(connection, attributes)):
        return Weighed(attributes, edges.EDGES.empty_table(), None)
    likeness = model.score(connection, attributes)
    return Weighed(attributes, edges.weighed(connection, attributes), likeness)


def find(
    connection: duckdb.DuckDBPyConnection,
    subject: Subject,
    fit: Mapping[str, str],
    salt: str,
) -> Found:
    """Makes what :func:`found.decide` makes, of all records, and the tables of before."""
    weighed = compare(connection, subject, fit)
    learned = conclude(connection, subject, weighed, salt)
    attributes = weighed.attributes
    connection.register("edges", weighed.edges)
    keep = {
        "records": state.records(attributes),
        "usual": state.usual(attributes),
        "edges": "FROM edges",
    }
    if weighed.likeness is not None:
        keep["nodes"] = f"SELECT {', '.join(state.node_columns(attributes, learned))} FROM nodes"
    [(size,)] = connection.execute("SELECT count(*) FROM records").fetchall()
    return Found(replace(learned, records=size), keep, whole=True)


def conclude(
    connection: duckdb.DuckDBPyConnection, subject: Subject, weighed: Weighed, salt: str
) -> state.Learned:
    """Decides, by what :func:`compare` made and weighed, and makes the tables of before."""
    _recall(connection)
    least = decide(connection, salt, weighed.attributes, weighed.edges)
    connection.execute("CREATE VIEW everywhere AS FROM found")
    connection.execute("CREATE VIEW doubts AS FROM doubts_found")
    return state.learned(subject, weighed.attributes, weighed.likeness, least)


def _recall(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the tables of before, as the ledger tells them."""
    fold = Fold()
    for name, query in (
        ("found_before", fold.found),
        ("ruled_before", fold.ruled),
        ("open_before", fold.doubts),
    ):
        connection.execute(f"CREATE TABLE {name} AS {query}")
    connection.execute("CREATE VIEW known AS SELECT dataset, record, entity FROM found_before")
    connection.execute("CREATE TABLE held (entity VARCHAR)")
    connection.execute(
        """CREATE TABLE open_keys (rid BIGINT, side BIGINT, method VARCHAR, score DOUBLE,
            explanation VARCHAR)"""
    )
