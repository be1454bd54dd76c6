"""Who opens DuckDB has tables of its own, and keeps to the limits together with all others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from core.sql import EngineLimits, open_sql

LIMITS = EngineLimits(threads=1, memory="60MB")
ROOM = "CREATE TABLE room AS SELECT range AS n, hash(range) AS h FROM range(2_500_000)"


def databases(connection: duckdb.DuckDBPyConnection) -> int:
    query = "SELECT count(*) FROM duckdb_databases() WHERE NOT internal AND path IS NULL"
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def spilt(folder: Path) -> int:
    """How many bytes stand in the folder of what does not fit in memory."""
    return sum(file.stat().st_size for file in folder.glob("spill/*"))


def test_each_has_tables_of_its_own() -> None:
    with open_sql(LIMITS) as one, open_sql(LIMITS) as other:
        for number, connection in enumerate((one, other)):
            connection.execute(f"CREATE TABLE numbers AS SELECT {number} AS n")
            connection.execute("CREATE VIEW seen AS FROM numbers")
            connection.register("given", pa.table({"n": [number]}))
        for number, connection in enumerate((one, other)):
            for table in ("numbers", "seen", "given"):
                assert connection.execute(f"FROM {table}").fetchall() == [(number,)]


def test_a_variable_is_no_table() -> None:
    numbers = pa.table({"n": [1]})
    with open_sql(LIMITS) as connection, pytest.raises(duckdb.CatalogException):
        connection.execute("FROM numbers")
    assert numbers.num_rows == 1


def test_without_a_folder_to_spill_into_nothing_is_spilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        open_sql(EngineLimits(threads=1, memory="59MB")) as connection,
        pytest.raises(duckdb.OutOfMemoryException),
    ):
        connection.execute(ROOM.replace("2_500_000", "9_000_000"))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_what_is_closed(tmp_path: Path) -> None:
    limits = LIMITS.model_copy(update={"spill": tmp_path / "spill"})

    def broken() -> None:
        with open_sql(limits) as connection:
            connection.execute(ROOM.replace("2_500_000", "9_000_000"))
            assert spilt(tmp_path) > 1_000_000
            connection.execute("FROM nowhere")

    with open_sql(limits) as before:
        there = databases(before)
        with pytest.raises(duckdb.CatalogException):
            broken()
        assert databases(before) == there
        assert spilt(tmp_path) < 1_000_000


def test_they_keep_to_the_limits_together(tmp_path: Path) -> None:
    limits = LIMITS.model_copy(update={"spill": tmp_path / "spill"})
    with open_sql(limits) as one:
        one.execute(ROOM)
        assert spilt(tmp_path) == 0
        with open_sql(limits) as other:
            other.execute(ROOM)
            assert spilt(tmp_path) > 1_000_000
    with open_sql(limits) as later:
        later.execute(ROOM)
        assert spilt(tmp_path) < 1_000_000


def test_many_may_open_it_at_once() -> None:
    def count(number: int) -> int:
        with open_sql(LIMITS) as connection:
            connection.execute(f"CREATE TABLE numbers AS FROM range({number})")
            row = connection.execute("SELECT count(*) FROM numbers").fetchone()
            assert row is not None
            return int(row[0])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(count, range(200))) == list(range(200))


def test_nobody_starts_duckdb_otherwise() -> None:
    root = Path(__file__).parents[2]
    rooms = ("core", "catalog", "connectors", "policies", "reconcile", "hub")
    found = [
        file.relative_to(root).as_posix()
        for room in rooms
        for file in (root / room).rglob("*.py")
        if "duckdb.connect(" in file.read_text("utf-8")
    ]
    assert found == ["core/sql.py"]
