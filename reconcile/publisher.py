"""Publishing: the difference between two golden states of a subject, applied in one transaction.

The lake holds each run's golden values in full; PostgreSQL holds the records that are served.
A release closes the records that changed or went, opens the new ones, and keeps a signed
manifest of every version it was made from. Readers see the release before or after, never a
mixture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import orjson
import psycopg
from psycopg.copy import QueuedLibpqWriter
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, func, insert, select, text

from catalog.standards.several import SEPARATOR
from catalog.subjects import Subject
from core.canonical import encode
from core.engine import view
from core.keys import RECORDS, KeyRing, Sealer
from core.lake import Lake, TableVersion
from core.sql import EngineLimits, open_sql
from reconcile.models import Release
from reconcile.releases import is_sealed, key_kind, lock, record_context

# Confidence drifts a little with every run; a record is published anew only if it says
# something else.
_CONTENT = """
    SELECT entity, sum(hash(attribute, value, status, dataset, as_of)::HUGEINT) AS content
    FROM {table} GROUP BY entity
"""
_GOLDEN = """
    entity VARCHAR, attribute VARCHAR, value VARCHAR, status VARCHAR, dataset VARCHAR,
    as_of VARCHAR, confidence DOUBLE
"""
_COLUMNS = "entity, attribute, value, status, dataset, as_of, confidence"
_FETCH_ROWS = 20_000
_RECORD = {
    "subject": "text", "entity": "text", "opened": "int8", "region": "text", "plain": "jsonb",
    "sealed": "bytea",
}  # fmt: skip
_KEY = {
    "subject": "text", "attribute": "text", "digest": "bytea", "entity": "text", "opened": "int8",
}  # fmt: skip
_SIZE = text("SELECT reltuples FROM pg_class WHERE oid = 'golden_record'::regclass")
_STALE = 20
"""Statistics are fresh until a release changed one in so many records."""


@dataclass(frozen=True)
class Outcome:
    """How many records of a subject a release opened, changed and closed."""

    opened: int
    changed: int
    closed: int


@dataclass(frozen=True)
class Candidate:
    """A subject's golden values to publish: the run's and, if there are such, the published.
    ``anew``: the subject is described otherwise than then, so that also records with equal values
    are sealed, found and placed otherwise. ``changes``: the rows of both in which they may
    differ, told apart by the column ``was``, where a run knows them; nothing else is compared.
    """

    subject: Subject
    golden: TableVersion | None
    published: TableVersion | None
    anew: bool = False
    changes: TableVersion | None = None


class Publisher:
    """Publishes candidates inside the caller's transaction."""

    def __init__(self, lake: Lake, keys: KeyRing, limits: EngineLimits) -> None:
        self._lake = lake
        self._keys = keys
        self._limits = limits
        self._sealer: Sealer
        self._written = 0

    def begin(self, connection: Connection) -> int:
        """The number of the next release. Releases are published one at a time: a second
        publisher waits until the first one's transaction ends.
        """
        lock(connection)
        number = select(func.coalesce(func.max(Release.number), 0) + 1)
        return int(connection.execute(number).scalar_one())

    def conclude(
        self, connection: Connection, number: int, run: str, now: datetime, manifest: dict[str, Any]
    ) -> None:
        """Adds the release with its signed manifest; with the commit it is what is served."""
        manifest = {**manifest, "release": number, "run": run, "published_at": now.isoformat()}
        connection.execute(
            insert(Release).values(
                number=number,
                run=run,
                published_at=now,
                manifest=manifest,
                signature=self._keys.sign(encode(manifest)),
            )
        )
        # Without fresh statistics the first queries after a large release read whole indexes;
        # small ones add up until the database sees to it by itself.
        size = connection.execute(_SIZE).scalar_one()
        if _STALE * self._written >= size:
            connection.execute(text("ANALYZE golden_record, golden_key, release"))

    def publish(self, connection: Connection, number: int, candidate: Candidate) -> Outcome:
        """Applies the difference of one subject to the golden tables. The caller has begun."""
        # Asked for once the lock is held: a rotation takes it to bring in another key, and then
        # seals anew whatever was sealed before.
        self._sealer = self._keys.sealer(RECORDS)
        with open_sql(self._limits) as engine:
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            with driver.cursor() as cursor:
                outcome = self._apply(cursor, engine, number, candidate)
        self._written += outcome.opened + outcome.changed + outcome.closed
        return outcome

    def _apply(
        self,
        cursor: psycopg.Cursor[Any],
        engine: duckdb.DuckDBPyConnection,
        number: int,
        candidate: Candidate,
    ) -> Outcome:
        if candidate.published is None and candidate.golden is not None:
            view(engine, "opening", self._lake.open(candidate.golden))
            return Outcome(self._open(cursor, engine, number, candidate.subject), 0, 0)
        self._compare(engine, candidate)
        self._close(cursor, engine, number, candidate.subject)
        self._open(cursor, engine, number, candidate.subject)
        return _counted(engine)

    def _compare(self, engine: duckdb.DuckDBPyConnection, candidate: Candidate) -> None:
        """Tables ``difference``, of the entities that are not as they were, and ``opening``."""
        # Tables of its own: over Arrow streams the engine does not know how many rows it meets.
        changes = None if candidate.anew else candidate.changes
        sides = (
            ("fresh", changes or candidate.golden, "NOT was"),
            ("held", changes or candidate.published, "was"),
        )
        for table, version, side in sides:
            if version is None:
                engine.execute(f"CREATE TABLE {table} ({_GOLDEN})")
                continue
            view(engine, "incoming", self._lake.open(version))
            wanted = f"WHERE {side}" if changes else ""
            engine.execute(
                f"CREATE TABLE {table} AS SELECT {_COLUMNS} FROM incoming {wanted}"  # noqa: S608
            )
        # Records are compared by a sum of 64-bit hashes of their cells, order aside.
        engine.execute(
            f"""
            CREATE TABLE difference AS
            SELECT entity, h.content IS NOT NULL AS was, f.content IS NOT NULL AS is_now
            FROM ({_CONTENT.format(table="fresh")}) f
            FULL JOIN ({_CONTENT.format(table="held")}) h USING (entity)
            WHERE f.content IS DISTINCT FROM h.content OR $anew
            """,  # noqa: S608 - the tables' names are constants
            {"anew": candidate.anew},
        )
        engine.execute(
            "CREATE VIEW opening AS SELECT * FROM fresh SEMI JOIN difference USING (entity)"
        )

    def _close(
        self,
        cursor: psycopg.Cursor[Any],
        engine: duckdb.DuckDBPyConnection,
        number: int,
        subject: Subject,
    ) -> None:
        """Closes the records that are not as they were."""
        cursor.execute("CREATE TEMP TABLE leaving (entity text PRIMARY KEY) ON COMMIT DROP")
        with cursor.copy("COPY leaving FROM STDIN") as copy:
            for rows in _batches(engine, "SELECT entity FROM difference WHERE was", {}):
                copy.write("".join(f"{entity}\n" for (entity,) in rows))
        for table in ("golden_record", "golden_key"):
            cursor.execute(
                f"UPDATE {table} SET closed = %s FROM leaving "  # noqa: S608 - constants
                f"WHERE subject = %s AND {table}.entity = leaving.entity AND closed IS NULL",
                (number, subject.subject),
            )
        cursor.execute("DROP TABLE leaving")

    def _open(
        self,
        cursor: psycopg.Cursor[Any],
        engine: duckdb.DuckDBPyConnection,
        number: int,
        subject: Subject,
    ) -> int:
        """Opens the records whose values are in ``opening``, and tells how many there are."""
        opened, name = 0, subject.subject
        with _copying(cursor, "golden_record", _RECORD) as copy:
            for rows in _batches(engine, *_records(subject)):
                opened += len(rows)
                secrets = [
                    (secret.encode(), record_context(name, entity, region, _read(plain)))
                    for entity, region, plain, secret in rows
                ]
                sealed_rows = zip(rows, self._sealer.seal_all(secrets), strict=True)
                for (entity, region, plain, _), sealed in sealed_rows:
                    shown = Jsonb(plain, dumps=str.encode)
                    copy.write_row((name, entity, number, region, shown, sealed))
        kinds = {attribute: key_kind(name, attribute) for attribute in subject.lookups}
        query = """
            SELECT attribute, value, entity FROM opening
            WHERE list_contains($lookups, attribute) ORDER BY entity
        """
        with _copying(cursor, "golden_key", _KEY) as copy:
            for rows in _batches(engine, query, {"lookups": subject.lookups}):
                for attribute, text, entity in rows:
                    for value in text.split(SEPARATOR):
                        digest = self._keys.blind_index(kinds[attribute], value)
                        copy.write_row((name, attribute, digest, entity, number))
        return opened


def _counted(engine: duckdb.DuckDBPyConnection) -> Outcome:
    counts = engine.execute(
        "SELECT count(*) FILTER (NOT was), count(*) FILTER (was AND is_now), "
        "count(*) FILTER (NOT is_now) FROM difference"
    ).fetchone()
    assert counts is not None
    return Outcome(*counts)


def _records(subject: Subject) -> tuple[str, dict[str, Any]]:
    """SQL of the records in ``opening``, in the order of entities, and its parameters."""
    secret = {name: is_sealed(attribute) for name, attribute in subject.attributes.items()}
    plain, plain_names = _object("p", [name for name in secret if not secret[name]])
    sealed, sealed_names = _object("s", [name for name in secret if secret[name]])
    query = f"""
        SELECT entity, max(value) FILTER (attribute = $region) AS region,
               {plain} AS plain, {sealed} AS sealed
        FROM (SELECT entity, attribute, value, to_json(attribute) || ':' || json_array(
                  value, status, dataset, as_of, round(confidence, 3)) AS pair
              FROM opening)
        GROUP BY entity ORDER BY entity
    """  # noqa: S608 - only names of parameters
    return query, {"region": subject.region or "", **plain_names, **sealed_names}


@contextmanager
def _copying(
    cursor: psycopg.Cursor[Any], table: str, columns: Mapping[str, str]
) -> Iterator[psycopg.Copy]:
    """A COPY into a table, sent by a thread of its own while the next rows are made."""
    into = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)"
    with cursor.copy(into, writer=QueuedLibpqWriter(cursor)) as copy:
        copy.set_types(list(columns.values()))
        yield copy


def _read(plain: str) -> Mapping[str, Any]:
    return orjson.loads(plain) if plain != "{}" else {}


def _object(prefix: str, names: list[str]) -> tuple[str, dict[str, str]]:
    """SQL of a JSON object of some attributes in the order of their names, and its parameters."""
    parameters = {f"{prefix}{n}": name for n, name in enumerate(sorted(names))}
    pairs = [f"max(pair) FILTER (attribute = ${parameter})" for parameter in parameters]
    return f"'{{' || concat_ws(',', {', '.join([*pairs, 'NULL'])}) || '}}'", parameters


def _batches(
    engine: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]
) -> Iterator[list[tuple[Any, ...]]]:
    result = engine.execute(query, parameters)
    while chunk := result.fetchmany(_FETCH_ROWS):
        yield chunk
