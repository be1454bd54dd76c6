"""The analytic engine is bounded in memory and closed to the network."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
from ibis.backends.duckdb import Backend

from core.engine import connect, keep, streamed
from core.sql import EngineLimits


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Backend]:
    made = connect(EngineLimits(threads=1, memory="256MB", spill=tmp_path / "spill"))
    yield made
    made.disconnect()


def setting(engine: Backend, name: str) -> str:
    row = engine.con.execute(f"SELECT current_setting('{name}')").fetchone()
    assert row is not None
    return str(row[0])


def tables(engine: Backend) -> list[str]:
    return [name for (name,) in engine.con.execute("SHOW TABLES").fetchall()]


def test_the_limits_hold(engine: Backend, tmp_path: Path) -> None:
    assert setting(engine, "threads") == "1"
    assert setting(engine, "memory_limit").endswith("MiB")
    assert setting(engine, "temp_directory") == str(tmp_path / "spill")
    assert setting(engine, "autoinstall_known_extensions").lower() == "false"


def test_what_does_not_fit_in_memory_is_refused_or_spilt() -> None:
    small = connect(EngineLimits(threads=1, memory="20MB"))
    with pytest.raises(duckdb.OutOfMemoryException):
        small.con.execute("SELECT list(range) FROM range(20_000_000)").fetchall()
    small.disconnect()


def test_what_does_not_fit_is_spilt(engine: Backend) -> None:
    engine.con.execute("SET memory_limit = '40MB'")
    engine.con.execute(
        "CREATE TABLE big AS SELECT range AS n, repeat('x', 40) AS x FROM range(2_000_000)"
    )
    row = engine.con.execute(
        "SELECT count(*) FROM (SELECT * FROM big ORDER BY x, n DESC)"
    ).fetchone()
    assert row == (2_000_000,)


def test_nothing_is_fetched(engine: Backend) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{service.server_address[1]}"
        engine.con.execute(f"SET custom_extension_repository = '{address}'")
        for query in ("SELECT * FROM read_parquet('s3://bucket/x.parquet')", "LOAD spatial"):
            with pytest.raises(duckdb.Error):
                engine.con.execute(query)
        service.shutdown()
    assert asked == []


def test_a_plan_comes_as_a_stream(engine: Backend) -> None:
    engine.con.execute("CREATE TABLE numbers AS SELECT range AS n FROM range(250_000)")
    table = engine.table("numbers")
    with streamed(engine, table.filter(table.n % 2 == 0)) as reader:
        batches = list(reader)
    assert len(batches) > 1
    assert sum(batch.column("n").to_pylist()[0] is not None for batch in batches) == len(batches)
    assert pa.Table.from_batches(batches).num_rows == 125_000
    assert tables(engine) == ["numbers"]


def test_a_stream_that_is_dropped_leaves_nothing(engine: Backend) -> None:
    engine.con.execute("CREATE TABLE numbers AS SELECT range AS n FROM range(10)")
    table = engine.table("numbers")

    def broken() -> None:
        with streamed(engine, table):
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        broken()
    assert tables(engine) == ["numbers"]


def kept_tables(engine: Backend) -> list[str]:
    query = "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'ibis_kept%'"
    return [name for (name,) in engine.con.execute(query).fetchall()]


def test_what_is_kept_is_dropped_when_nobody_needs_it(engine: Backend) -> None:
    numbers = ibis.memtable(pa.table({"n": [1, 2]}))
    first = keep(engine, numbers)
    second = keep(engine, first.mutate(m=first.n))
    assert len(kept_tables(engine)) == 2
    del first
    third = keep(engine, second.mutate(l=second.m))
    assert len(kept_tables(engine)) == 2
    assert engine.to_pyarrow(third).to_pydict() == {"n": [1, 2], "m": [1, 2], "l": [1, 2]}


def test_what_is_collected_in_the_middle_of_a_statement_is_dropped_later(engine: Backend) -> None:
    class Ring:
        def __init__(self, held: ir.Table) -> None:
            self.held, self.me = held, self

    def collect(n: int) -> int:
        gc.collect()
        return n

    engine.con.create_function("collect", collect, ["BIGINT"], "BIGINT", side_effects=True)
    gc.collect()
    gc.disable()
    try:
        Ring(keep(engine, ibis.memtable(pa.table({"n": [1]}))))
        row = engine.con.execute("SELECT collect(range) FROM range(1)").fetchone()
    finally:
        gc.enable()
    assert row == (0,)
    left = keep(engine, ibis.memtable(pa.table({"n": [2]})))
    assert kept_tables(engine) == [left.op().name]
