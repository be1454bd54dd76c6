"""How fast the audit log appends, verifies, proves and is searched, beside the database's own ceiling in the same run.

Uses the database at ``HUB_DATABASE_URL``, in a schema of its own that is dropped afterwards, or
the hub's own PostgreSQL in a temporary folder.

    python -m bench.audit [--entries 50000] [--writers 64] [--search 200000]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, create_engine

from bench import audit_search
from core.clock import SystemClock
from core.database import Base, open_database
from core.keys import KeyRing
from hub.audit import models
from hub.audit.entries import Decision, Entry, KeyedDigests, What, Who, Why
from hub.audit.log import AuditLog
from hub.audit.merkle import Frontier, leaf_hash

_SCHEMA = "bench_audit"
_COMMITS = 3_000
_BULK = 4_000
_PROOFS = 100
ORIGIN = "bench.example/audit"


@contextmanager
def schema() -> Iterator[Engine]:
    """An engine whose tables are in a schema that lives as long as the benchmark."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_database(os.environ.get("HUB_DATABASE_URL"), Path(folder) / "postgres") as server,
    ):
        url = server.url.update_query_dict({"options": f"-c search_path={_SCHEMA}"})
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA {_SCHEMA}")
            Base.metadata.create_all(connection)
            models.set_up(connection)
        try:
            yield engine
        finally:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"DROP SCHEMA {_SCHEMA} CASCADE")
            engine.dispose()


def entry(keys: KeyRing) -> Entry:
    """An entry of usual size."""
    return Entry(
        who=Who("town_app", "town", "clerk-7"),
        why=Why("grid_visit", "C-2026-000123", ("A-2026-001",)),
        what=What(
            action="query",
            subject="resident",
            items={"name": "partial", "mobile": "partial", "address": "division"},
            scope="own_region",
            digests=(KeyedDigests(keys).of("resident_id", "synthetic"),),
            rows={"asked": 1, "answered": 1},
        ),
        decision=Decision(granted=True, reasons=("agreement_in_force",)),
        policy="0f" * 32,
        outcome="answered",
        release="resident/12",
        request="1e" * 32,
    )


def bare_commits(engine: Engine) -> float:
    """One-row durable commits per second on one connection, with nothing around them."""
    with engine.connect() as connection:
        link = connection.connection.driver_connection
        if link is None:
            raise RuntimeError("the pool gave no connection")
        link.autocommit = True
        link.execute("CREATE TABLE bare (body bytea)")
        body = bytes(600)
        start = perf_counter()
        for _ in range(_COMMITS):
            link.execute("INSERT INTO bare VALUES (%b)", (body,))
        seconds = perf_counter() - start
        link.autocommit = False
    return _COMMITS / seconds


def bare_groups(engine: Engine, writers: int) -> float:
    """Rows per second where ``writers`` rows of an entry's size share each durable commit."""
    with engine.connect() as connection:
        link = connection.connection.driver_connection
        if link is None:
            raise RuntimeError("the pool gave no connection")
        link.autocommit = True
        bodies = [bytes(1000)] * writers
        start = perf_counter()
        for _ in range(_COMMITS // 10):
            link.execute("INSERT INTO bare SELECT unnest(%b::bytea[])", (bodies,))
        seconds = perf_counter() - start
        link.autocommit = False
    return _COMMITS // 10 * writers / seconds


def hashing(entries: int) -> float:
    """Leaves per second that are hashed into the tree, with nothing around it."""
    body, tree = bytes(650), Frontier()
    start = perf_counter()
    for _ in range(entries):
        tree.append(leaf_hash(body))
    return entries / (perf_counter() - start)


def proofs(log: AuditLog, size: int) -> dict[str, float]:
    """The 95th percentile of proofs (seconds)."""
    chance, taken = random.Random(7), dict[str, list[float]]()
    for _ in range(_PROOFS):
        index = chance.randrange(1, size)
        for kind, prove in (
            ("inclusion", log.inclusion_proof), ("consistency", log.consistency_proof),
        ):  # fmt: skip
            start = perf_counter()
            prove(index, size)
            taken.setdefault(kind, []).append(perf_counter() - start)
    return {kind: sorted(times)[int(len(times) * 0.95)] for kind, times in taken.items()}


async def concurrent_appends(log: AuditLog, one: Entry, writers: int, entries: int) -> float:
    """Entries per second from ``writers`` tasks, each waiting for every single entry."""

    async def write() -> None:
        for _ in range(entries // writers):
            await appender.append(one)

    async with log.appender() as appender:
        await appender.append(one)  # connects
        start = perf_counter()
        await asyncio.gather(*(write() for _ in range(writers)))
        return entries // writers * writers / (perf_counter() - start)


def single_appends(log: AuditLog, one: Entry) -> float:
    """Entries per second, one transaction each, from one thread."""
    count = _COMMITS // 3
    start = perf_counter()
    for _ in range(count):
        log.append([one])
    return count / (perf_counter() - start)


def measure_log(engine: Engine, table: Table, writers: int, entries: int) -> None:
    """Appending, verifying and proving."""
    keys = KeyRing(bytes(32))
    one, log = entry(keys), AuditLog(engine, keys, SystemClock(), ORIGIN)
    bare = bare_commits(engine)
    table.add_row("bare one-row durable commits, one connection", f"{bare:,.0f}/s")
    ceiling = bare_groups(engine, writers)
    table.add_row(f"bare inserts, {writers} rows a commit", f"{ceiling:,.0f}/s")
    table.add_row("append, one by one", f"{single_appends(log, one):,.0f}/s")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rate = runner.run(concurrent_appends(log, one, writers, entries))
    table.add_row(f"append, {writers} concurrent writers", f"{rate:,.0f}/s")
    table.add_row("  against one-row commits", f"x {rate / bare:.1f}")
    start = perf_counter()
    for _ in range(entries // _BULK):
        log.append([one] * _BULK)
    bulk = entries // _BULK * _BULK / (perf_counter() - start)
    table.add_row(f"append, {_BULK} in one transaction", f"{bulk:,.0f}/s")
    log.checkpoint()
    table.add_row("hashing alone", f"{1e6 / hashing(entries):.1f} s per million")
    start = perf_counter()
    verdict = log.verify()
    seconds = perf_counter() - start
    if not verdict.ok:
        raise SystemExit("the log that was just written does not verify")
    per_million = f"{seconds / verdict.size * 1e6:.1f} s per million"
    table.add_row(f"verify {verdict.size:,} entries, personal parts too", per_million)
    for kind, p95 in proofs(log, verdict.size).items():
        table.add_row(f"{kind} proof, 95th percentile", f"{p95 * 1e3:.1f} ms")


def measure_search(engine: Engine, table: Table, entries: int) -> None:
    """Searching a log of ``entries`` synthetic entries."""
    log = AuditLog(engine, KeyRing(bytes(32)), SystemClock(), ORIGIN)
    rate = audit_search.load(engine, log, entries)
    table.add_row(f"{entries:,} synthetic entries made by the database", f"{rate:,.0f}/s")
    for kind, median, p95 in audit_search.measure(engine, log, entries):
        shown = f"{median * 1e3:.1f} ms, 95th percentile {p95 * 1e3:.1f} ms"
        table.add_row(f"  search by {kind}", shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=50_000)
    parser.add_argument("--writers", type=int, default=64)
    parser.add_argument("--search", type=int, default=200_000)
    chosen = parser.parse_args()
    table = Table("what", "measured", title="audit log")
    if chosen.entries:
        with schema() as engine:
            measure_log(engine, table, chosen.writers, chosen.entries)
    if chosen.search:
        with schema() as engine:
            measure_search(engine, table, chosen.search)
    Console().print(table)


if __name__ == "__main__":
    main()
