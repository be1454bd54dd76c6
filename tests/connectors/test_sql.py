from __future__ import annotations

import socket
import sqlite3
import struct
import threading
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from connectors.base import (
    BATCH_ROWS,
    SourceMissing,
    SourceRefused,
    SourceSchemaChanged,
    SourceUnreachable,
    SourceUnreadable,
)
from connectors.registry import stamp
from connectors.settings import restore
from core.database import parse_url, plain_url
from tests.connectors.helpers import assert_numbered, batches_of, pull, tuples

URL = {"secret": "file:url"}


@pytest.fixture
def registry(database_url: str, tmp_path: Path) -> psycopg.Connection:
    (tmp_path / "url").write_text(database_url)
    return psycopg.connect(plain_url(parse_url(database_url)), autocommit=True)


def test_postgresql_columns_keep_their_types(registry: psycopg.Connection, tmp_path: Path) -> None:
    with registry:
        registry.execute(
            'CREATE TABLE kept ("姓 名""" text, n int, big bigint, f float8, ok bool, d date,'
            " t timestamp, tz timestamptz, m numeric(10, 2), free numeric, j jsonb)"
        )
        values = (
            'a,"\n\\N', 1, 2**60, 0.1, True, date(2020, 1, 2), datetime(2020, 1, 2, 3),  # noqa: DTZ001
            datetime(2020, 1, 2, 3, tzinfo=UTC), Decimal("12.30"), Decimal("1e30"), '{"a": 1}',
        )  # fmt: skip
        registry.execute(
            "INSERT INTO kept VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", values
        )
        registry.execute("INSERT INTO kept VALUES ('', NULL), ('\\N', NULL), (NULL, NULL)")
    columns = ['姓 名"', "n", "big", "f", "ok", "d", "t", "tz", "m", "free", "j"]
    (batch,) = batches_of(tmp_path, columns, kind="sql", url=URL, table="public.kept")
    assert [str(kind) for kind in batch.rows.schema.types] == [
        "string", "int32", "int64", "double", "bool", "date32[day]", "timestamp[us]",
        "timestamp[us, tz=UTC]", "decimal128(10, 2)", "string", "string", "int64",
    ]  # fmt: skip
    first, *others = tuples([batch])
    assert first == (*values[:9], "1" + "0" * 30, '{"a": 1}')
    assert [row[0] for row in others] == ["", "\\N", None]
    assert assert_numbered([batch]) == 4


def test_a_single_column_with_empty_values(registry: psycopg.Connection, tmp_path: Path) -> None:
    with registry:
        registry.execute("CREATE TABLE t (a text)")
        registry.execute("INSERT INTO t VALUES ('x'), (''), (NULL), (' '), (U&'\\FEFF')")
    rows, _ = pull(tmp_path, ["a"], kind="sql", url=URL, table="t")
    assert rows == [("x",), ("",), (None,), (" ",), ("\ufeff",)]


def test_postgresql_since_a_cursor(registry: psycopg.Connection, tmp_path: Path) -> None:
    with registry:
        registry.execute("CREATE TABLE t (a text, changed timestamptz)")
        registry.execute(
            "INSERT INTO t SELECT n, make_date(2024, 1, n) FROM generate_series(1, 9) n"
        )
    source: dict[str, Any] = {"kind": "sql", "url": URL, "cursor": "changed"}
    for origin in ({"table": "t"}, {"query": "SELECT * FROM t -- all of {it} 100%"}):
        rows, _ = pull(tmp_path, ["a"], since="2024-01-07", **source, **origin)
        # The very moment itself comes again: more rows may have joined it.
        assert rows == [("7",), ("8",), ("9",)]
        assert len(pull(tmp_path, ["a"], **source, **origin)[0]) == 9
        assert pull(tmp_path, ["a"], since="2025-01-01", **source, **origin) == ([], [])
    with pytest.raises(SourceUnreadable) as caught:
        pull(tmp_path, ["a"], since="';DROP TABLE t;--", table="t", **source)
    assert caught.value.fields["state"] == "22007"
    assert "DROP" not in str(caught.value)


def test_a_value_that_its_type_cannot_hold_is_set_aside(
    registry: psycopg.Connection, tmp_path: Path
) -> None:
    with registry:
        registry.execute("CREATE TABLE t (a int, d date)")
        registry.execute("INSERT INTO t SELECT n, '2024-01-01' FROM generate_series(1, 50) n")
        registry.execute("UPDATE t SET d = 'infinity' WHERE a IN (3, 40)")
    rows, bad = pull(tmp_path, ["d", "a"], kind="sql", url=URL, query="SELECT * FROM t ORDER BY a")
    assert len(rows) == 48
    assert [(one.row, one.reason) for one in bad] == [(3, "row_value"), (40, "row_value")]
    assert bad[0].raw == '{"d": "infinity", "a": "3"}'


def test_postgresql_is_only_read(registry: psycopg.Connection, tmp_path: Path) -> None:
    with registry:
        registry.execute("CREATE TABLE t (a int)")
        registry.execute(
            "CREATE FUNCTION spoil() RETURNS int LANGUAGE sql AS 'DELETE FROM t; SELECT 1'"
        )
    for query in (
        "SELECT 1 AS a) AS q; COMMIT; DROP TABLE t; SELECT * FROM (SELECT 1 AS a",
        "SELECT spoil() AS a",
        "DELETE FROM t RETURNING a",
    ):
        with pytest.raises(SourceUnreadable):
            pull(tmp_path, ["a"], kind="sql", url=URL, query=query)
    assert pull(tmp_path, ["a"], kind="sql", url=URL, table="t") == ([], [])


def test_postgresql_comes_in_bounded_batches(registry: psycopg.Connection, tmp_path: Path) -> None:
    count = BATCH_ROWS + 10
    with registry:
        registry.execute("CREATE TABLE t AS SELECT n FROM generate_series(1, %s) n", [count])
    batches = batches_of(tmp_path, ["n"], kind="sql", url=URL, table="t")
    assert len(batches) > 1
    assert max(len(batch.rows) for batch in batches) <= BATCH_ROWS
    assert assert_numbered(batches) == count


def test_what_postgresql_lacks_is_named(registry: psycopg.Connection, tmp_path: Path) -> None:
    with registry:
        registry.execute("CREATE TABLE t (a int)")
    with pytest.raises(SourceMissing):
        pull(tmp_path, ["a"], kind="sql", url=URL, table='x"; DROP TABLE t; --')
    with pytest.raises(SourceSchemaChanged) as caught:
        pull(tmp_path, ["a", "b"], kind="sql", url=URL, table="t", cursor="c")
    assert caught.value.fields["missing"] == "b, c"
    with pytest.raises(SourceUnreadable) as broken:
        pull(tmp_path, ["a"], kind="sql", url=URL, query="SELEC 1")
    assert broken.value.fields["state"] == "42601"


def test_a_table_that_the_user_may_not_read(registry: psycopg.Connection, tmp_path: Path) -> None:
    with registry:
        role = f"guest_{registry.info.dbname}"
        registry.execute("CREATE TABLE t (a int)")
        registry.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        url = parse_url((tmp_path / "url").read_text()).set(username=role)
        (tmp_path / "url").write_text(plain_url(url))
        try:
            with pytest.raises(SourceRefused):
                pull(tmp_path, ["a"], kind="sql", url=URL, table="t")
        finally:
            registry.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://hub:hunter2@127.0.0.1:1/none")
    with pytest.raises(SourceUnreachable) as caught:
        pull(tmp_path, ["a"], kind="sql", url=URL, table="t")
    assert caught.value.retryable
    assert "hunter2" not in str(caught.value)


def _refuse_the_password(listener: socket.socket) -> None:
    """Speaks just enough of the server's side of the protocol (version 3)."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"R" + struct.pack("!II", 8, 3))
        connection.recv(4096)
        fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword refused\0\0"
        connection.sendall(b"E" + struct.pack("!I", 4 + len(fields)) + fields)


def test_a_wrong_password(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        address = f"postgresql://hub:hunter2@127.0.0.1:{port}/x?sslmode=disable&gssencmode=disable"
        (tmp_path / "url").write_text(address)
        thread = threading.Thread(target=_refuse_the_password, args=[listener], daemon=True)
        thread.start()
        with pytest.raises(SourceRefused) as caught:
            pull(tmp_path, ["a"], kind="sql", url=URL, table="t")
        thread.join()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("address", ["nonsense", "mysql://h/x", "postgresql://h:port/x"])
def test_an_address_of_another_kind(tmp_path: Path, address: str) -> None:
    (tmp_path / "url").write_text(address)
    with pytest.raises(SourceUnreadable) as caught:
        pull(tmp_path, ["a"], kind="sql", url=URL, table="t")
    assert caught.value.fields["reason"] == "because_address"


LOCAL = {"kind": "sql", "url": "sqlite:in.db"}


def sqlite_file(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "in.db")) as connection, connection:
        connection.execute('CREATE TABLE "台 账""" (a TEXT, "b""c" INTEGER, r REAL)')
        connection.executemany(
            'INSERT INTO "台 账""" VALUES (?, ?, ?)',
            [("张三", 1, 0.5), ("", None, 2.0), (None, 12345678901234567, None)],
        )
        connection.execute('INSERT INTO "台 账""" VALUES (CAST(X\'D5C5\' AS TEXT), 4, 1)')


def test_sqlite_as_texts(tmp_path: Path) -> None:
    sqlite_file(tmp_path)
    rows, bad = pull(tmp_path, ["a", 'b"c', "r"], table='台 账"', **LOCAL)
    assert rows == [("张三", "1", "0.5"), ("", None, "2.0"), (None, "12345678901234567", None)]
    assert [(one.row, one.reason) for one in bad] == [(4, "row_encoding")]


def test_sqlite_since_a_cursor(tmp_path: Path) -> None:
    sqlite_file(tmp_path)
    for origin in ({"table": '台 账"'}, {"query": 'SELECT * FROM "台 账""" WHERE a IS NULL -- x'}):
        rows, _ = pull(tmp_path, ["r"], since="9", cursor='b"c', **origin, **LOCAL)
        assert rows == [(None,)]


def test_what_sqlite_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing):
        pull(tmp_path, ["a"], table="t", **LOCAL)
    sqlite_file(tmp_path)
    with pytest.raises(SourceMissing):
        pull(tmp_path, ["a"], table="t", **LOCAL)
    with pytest.raises(SourceSchemaChanged):
        pull(tmp_path, ["missing"], table='台 账"', **LOCAL)
    with pytest.raises(SourceUnreadable):
        pull(tmp_path, ["a"], query="SELECT 1); DROP TABLE x; --", **LOCAL)
    (tmp_path / "in.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(SourceUnreadable):
        pull(tmp_path, ["a"], table="t", **LOCAL)


TABLE, QUOTED = '台 账"', '"台 账"""'


def known(folder: Path, **more: str) -> str | None:
    return stamp(restore({"dataset": "police.residents", **LOCAL, **more}), folder)


def test_an_sqlite_database_is_known_by_its_bytes(tmp_path: Path) -> None:
    sqlite_file(tmp_path)
    first = known(tmp_path, table=TABLE)
    assert first is not None
    assert known(tmp_path, table=TABLE) == first
    assert known(tmp_path, query=f"SELECT * FROM {QUOTED}") != first
    with closing(sqlite3.connect(tmp_path / "in.db")) as other:
        other.execute("PRAGMA journal_mode = WAL")
        logged = known(tmp_path, table=TABLE)
        with other:
            other.execute(f"DELETE FROM {QUOTED}")
        # The rows went, but so far only beside the database itself.
        assert known(tmp_path, table=TABLE) not in (None, first, logged)


@pytest.mark.parametrize(
    "asked",
    [
        {"query": f"SELECT * FROM {QUOTED} WHERE date('now') > '2026'"},
        {"query": f"SELECT a, CURRENT_TIME AS b FROM {QUOTED}"},
        {"table": "today"},
        {"table": "none"},
        {"table": TABLE, "url": "sqlite:none.db"},
        {"table": TABLE, "url": "sqlite:text.db"},
    ],
)
def test_what_may_say_something_else_later_is_not_known(
    tmp_path: Path, asked: dict[str, str]
) -> None:
    sqlite_file(tmp_path)
    (tmp_path / "text.db").write_text("no database" * 100)
    with closing(sqlite3.connect(tmp_path / "in.db")) as connection, connection:
        connection.execute(f"CREATE VIEW today AS SELECT *, random() AS x FROM {QUOTED}")
    assert known(tmp_path, **asked) is None


def test_a_locked_sqlite_file_may_be_tried_again(tmp_path: Path) -> None:
    sqlite_file(tmp_path)
    with closing(sqlite3.connect(tmp_path / "in.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceUnreachable):
            pull(tmp_path, ["a"], table='台 账"', **LOCAL)
