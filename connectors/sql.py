"""SQL databases: PostgreSQL by COPY, SQLite by its own library. Both are only ever read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from connectors import postgres
from connectors.base import (
    BATCH_ROWS,
    Batch,
    SourceMissing,
    SourceUnreachable,
    SourceUnreadable,
)
from connectors.places import inside, reveal
from connectors.settings import Secret, SqlSource
from connectors.tables import Fault, Row, batches, find

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_SQLITE = "sqlite:"
# Seconds to wait for another program to let go of a file.
_PATIENCE = 1.0


class SqlConnector:
    """Reads a table or a query. PostgreSQL gives typed columns, SQLite gives texts."""

    def __init__(self, settings: SqlSource, folder: Path) -> None:
        self._settings = settings
        self._folder = folder

    def pull(self, columns: Sequence[str], since: str | None = None) -> Iterator[Batch]:
        """All rows, or those from ``since`` on, see :class:`connectors.base.Connector`."""
        settings = self._settings
        url = settings.url
        address = reveal(url, self._folder, settings.dataset) if isinstance(url, Secret) else url
        if address.startswith(_SQLITE):
            path = inside(self._folder, address.removeprefix(_SQLITE), settings.dataset)
            yield from _sqlite(settings, path, columns, since)
        else:
            yield from postgres.pull(settings, address, columns, since)


def database(settings: SqlSource, folder: Path) -> list[Path]:
    """The files that an SQLite database is made of now, the first of them its own; none where it is
    not SQLite, cannot be opened, or what is asked of it calls functions, such as the time.

    Raises:
        SourceError: there is no such file.
    """
    url = settings.url
    address = reveal(url, folder, settings.dataset) if isinstance(url, Secret) else url
    if not address.startswith(_SQLITE):
        return []
    path = inside(folder, address.removeprefix(_SQLITE), settings.dataset)
    called = False

    def authorize(action: int, *_: str | None) -> int:
        nonlocal called
        called = called or action == sqlite3.SQLITE_FUNCTION
        return sqlite3.SQLITE_OK

    try:
        with closing(_open(path)) as connection:
            connection.set_authorizer(authorize)
            connection.execute(f"EXPLAIN SELECT * FROM {_origin(settings)}")  # noqa: S608 (as below)
    except sqlite3.Error:
        return []
    beside = [path.with_name(path.name + end) for end in ("-wal", "-journal")]
    held = [file for file in beside if file.exists() and file.stat().st_size]
    return [] if called else [path, *held]


def _open(path: Path) -> sqlite3.Connection:
    address = f"file:{quote(str(path))}?mode=ro"
    return sqlite3.connect(address, _PATIENCE, uri=True, check_same_thread=False)


def _origin(settings: SqlSource) -> str:
    return _quoted(settings.table) if settings.table else f"(\n{settings.query}\n)"


def _sqlite(
    settings: SqlSource, path: Path, columns: Sequence[str], since: str | None
) -> Iterator[Batch]:
    with _readable(settings), closing(_open(path)) as connection:
        # Texts that are no UTF-8 are a matter of their row, not of the whole table.
        connection.text_factory = bytes
        origin = _origin(settings)
        described = connection.execute(f"SELECT * FROM {origin} LIMIT 0")  # noqa: S608 (quoted, or the settings' own query)
        present = [column[0] for column in described.description]
        cursor = [settings.cursor] if settings.cursor else []
        names = [present[place] for place in find([*columns, *cursor], present, settings.dataset)]
        kept = ", ".join(_quoted(name) for name in names[: len(columns)])
        statement = f"SELECT {kept} FROM {origin}"  # noqa: S608 (as above)
        if cursor and since is not None:
            found = connection.execute(f"{statement} WHERE {_quoted(names[-1])} >= ?", (since,))
        else:
            found = connection.execute(statement)
        yield from batches(_groups(found), columns)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _groups(found: sqlite3.Cursor) -> Iterator[list[Row]]:
    while rows := found.fetchmany(BATCH_ROWS):
        yield [_row(row) for row in rows]


def _row(row: Sequence[bytes | int | float | None]) -> Row:
    try:
        return tuple([v.decode("utf-8") if isinstance(v, bytes) else _text(v) for v in row])
    except UnicodeDecodeError:
        texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else _text(v) for v in row]
        return Fault("row_encoding", "|".join(text or "" for text in texts))


def _text(value: float | None) -> str | None:
    return None if value is None else str(value)


@contextmanager
def _readable(settings: SqlSource) -> Iterator[None]:
    source = settings.dataset
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _BUSY:
            raise SourceUnreachable(source=source, reason="because_busy") from None
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise SourceUnreadable(source=source, reason="because_damaged") from None
        if settings.table and "no such table" in str(error):
            table = settings.table
            raise SourceMissing(source=source, reason="because_no_table", table=table) from None
        raise SourceUnreadable(source=source, reason="because_sql", state=str(code)) from None
