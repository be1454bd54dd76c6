"""PostgreSQL: COPY to CSV inside a read-only transaction, then columns of the server's types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import LiteralString, cast

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import errors, sql
from sqlalchemy.exc import ArgumentError

from connectors import delimited
from connectors.base import (
    ROW,
    Batch,
    SourceError,
    SourceMissing,
    SourceRefused,
    SourceUnreachable,
    SourceUnreadable,
    Unreadable,
)
from connectors.delimited import BLOCK, Layout
from connectors.settings import SqlSource
from connectors.tables import find
from core.database import parse_url, plain_url

CONNECT_SECONDS = 10
_NULL = "\\N"
# By type number; what is not here comes as string.
_TYPES = {
    16: pa.bool_(),
    20: pa.int64(),
    21: pa.int16(),
    23: pa.int32(),
    700: pa.float32(),
    701: pa.float64(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", "UTC"),
}
_NUMERIC = 1700
_REFUSED = (
    errors.InvalidPassword,
    errors.InvalidAuthorizationSpecification,
    errors.InsufficientPrivilege,
)
_MISSING = (errors.UndefinedTable, errors.InvalidSchemaName, errors.InvalidCatalogName)


def pull(
    settings: SqlSource, address: str, columns: Sequence[str], since: str | None
) -> Iterator[Batch]:
    """All rows, or those whose cursor column is at least ``since``.

    Args:
        address: a PostgreSQL URL in any usual spelling.

    Raises:
        SourceError: as :class:`connectors.base.Connector` says.
    """
    source = settings.dataset
    with _readable(source), _connect(settings, address) as connection:
        connection.read_only = True
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL datestyle TO ISO; SET LOCAL timezone TO UTC")
            types, statement = _statement(cursor, settings, columns, since)
            layout = Layout(
                delimiter=",",
                encoding="utf-8",
                width=len(columns) + 1,
                columns=tuple(enumerate(columns)),
                null=_NULL,
            )
            with cursor.copy(statement) as copy:
                for batch in delimited.read(_joined(copy), layout):
                    yield _typed(batch, dict(zip(columns, types, strict=True)))


def _connect(settings: SqlSource, address: str) -> psycopg.Connection:
    try:
        url = plain_url(parse_url(address)) if address.startswith("postgres") else ""
    except (ArgumentError, ValueError):
        url = ""
    if not url:
        raise SourceUnreadable(source=settings.dataset, reason="because_address")
    return psycopg.connect(
        url,
        connect_timeout=CONNECT_SECONDS,
        client_encoding="utf-8",
        keepalives_idle=30,
        tcp_user_timeout=60_000,
    )


def _statement(
    cursor: psycopg.Cursor, settings: SqlSource, columns: Sequence[str], since: str | None
) -> tuple[list[pa.DataType], sql.Composed]:
    """The types of the asked columns, and the COPY that reads them."""
    origin = _origin(settings)
    # Prepared, because only then does the server refuse a query that is several statements.
    cursor.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(origin), prepare=True)
    described = cursor.description or []
    asked = [*columns, settings.cursor] if settings.cursor else list(columns)
    places = find(asked, [column.name for column in described], settings.dataset)
    kept = [described[place] for place in places[: len(columns)]]
    condition: sql.Composable = sql.SQL("true")
    if settings.cursor and since is not None:
        name = sql.Identifier(described[places[-1]].name)
        condition = sql.SQL("{} >= {}").format(name, sql.Literal(since))
    # The last column keeps a row whose only asked value is empty from being a blank line.
    statement = sql.SQL(
        "COPY (SELECT {}, 0 FROM {} WHERE {}) TO STDOUT (FORMAT csv, NULL {}, ENCODING 'UTF8')"
    ).format(
        sql.SQL(", ").join([sql.Identifier(column.name) for column in kept]),
        origin,
        condition,
        sql.Literal(_NULL),
    )
    return [_type(column) for column in kept], statement


def _origin(settings: SqlSource) -> sql.Composable:
    if settings.table:
        return sql.Identifier(*settings.table.split("."))
    query = sql.SQL(cast("LiteralString", settings.query))
    return sql.SQL("(\n{}\n) AS asked").format(query)


def _type(column: psycopg.Column) -> pa.DataType:
    if column.type_code == _NUMERIC and column.precision and column.precision <= 38:
        return pa.decimal128(column.precision, column.scale or 0)
    return _TYPES.get(column.type_code, pa.string())


def _joined(copy: psycopg.Copy) -> Iterator[bytes]:
    """The rows that the server sends one by one, in pieces of bounded size."""
    piece = bytearray()
    for row in copy:
        piece += row
        if len(piece) >= BLOCK:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def _typed(batch: Batch, types: Mapping[str, pa.DataType]) -> Batch:
    """The batch with typed columns. A row with a value that its type cannot hold here, such as
    the date ``infinity``, becomes unreadable.
    """
    table = batch.rows
    try:
        return Batch(_cast_all(table, types), batch.unreadable)
    except pa.ArrowInvalid:
        bad = {
            place
            for name, kind in types.items()
            for place in _misfits(table[name].combine_chunks(), kind)
        }
    unreadable = list(batch.unreadable)
    for place in bad:
        row = table.slice(place, 1).to_pylist()[0]
        raw = json.dumps({name: row[name] for name in types}, ensure_ascii=False)
        unreadable.append(Unreadable(row[ROW], "row_value", raw))
    rest = table.take([place for place in range(len(table)) if place not in bad])
    return Batch(_cast_all(rest, types), tuple(sorted(unreadable, key=lambda one: one.row)))


def _cast_all(table: pa.Table, types: Mapping[str, pa.DataType]) -> pa.Table:
    columns = [_cast(table[name], kind) for name, kind in types.items()]
    return pa.table([*columns, table[ROW]], names=[*types, ROW])


def _cast(values: pa.ChunkedArray | pa.Array, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    if pa.types.is_boolean(kind):
        return pc.equal(values, "t")
    return values if pa.types.is_string(kind) else values.cast(kind)


def _misfits(values: pa.Array, kind: pa.DataType, first: int = 0) -> list[int]:
    """Where values stand that cannot be cast, found by halving."""
    try:
        _cast(values, kind)
    except pa.ArrowInvalid:
        if len(values) == 1:
            return [first]
        half = len(values) // 2
        left = _misfits(values.slice(0, half), kind, first)
        return left + _misfits(values.slice(half), kind, first + half)
    return []


@contextmanager
def _readable(source: str) -> Iterator[None]:
    """Turns the driver's errors, which may quote values, into errors of a source."""
    try:
        yield
    except _REFUSED:
        raise SourceRefused(source=source, reason="because_permission") from None
    except _MISSING:
        raise SourceMissing(source=source, reason="because_no_table") from None
    except psycopg.OperationalError as error:
        raise _unreachable(error, source) from None
    except psycopg.Error as error:
        state = error.sqlstate or "?"
        raise SourceUnreadable(source=source, reason="because_sql", state=state) from None


def _unreachable(error: psycopg.OperationalError, source: str) -> SourceError:
    attempt = error.pgconn
    if attempt is not None and (attempt.needs_password or attempt.used_password):
        return SourceRefused(source=source, reason="because_login")
    if error.sqlstate:
        return SourceUnreachable(source=source, reason="because_sql", state=error.sqlstate)
    return SourceUnreachable(source=source, reason="because_connection")
