"""Many writers at once, and databases that fail in the middle."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, text

from core.clock import FixedClock
from core.errors import BadInput
from core.keys import KeyRing
from hub.audit.appender import AsyncAppender
from hub.audit.entries import Entry
from hub.audit.log import AuditLog
from hub.audit.personal import MonthKeys
from hub.audit.search import Wanted
from hub.audit.writing import Appended, AuditUnavailable
from tests.audit.making import ORIGIN, entry

PROCESSES, THREADS, TASKS = 2, 2, 8
ROUNDS, AT_ONCE = 20, 3
BLOCKED = """
SELECT pid FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid() AND datname = current_database()
"""
KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


def append_from_threads(url: str, start: Barrier) -> None:
    """What each further process does."""
    engine = create_engine(url)
    log = AuditLog(
        engine, KeyRing(bytes(range(32))), FixedClock(datetime(2026, 3, 2, tzinfo=UTC)), ORIGIN
    )

    def work() -> None:
        for _ in range(ROUNDS):
            done = log.append([entry()] * AT_ONCE)
            assert [one.index - done[0].index for one in done] == list(range(AT_ONCE))

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    start.wait(60)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()


def leaves(engine: Engine) -> dict[int, bytes]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT index AS index_, leaf_hash FROM audit_entry"))
        return {row.index_: row.leaf_hash for row in rows}


def test_processes_threads_and_tasks_append_at_once(log: AuditLog, engine: Engine) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(PROCESSES + 1)
    url = engine.url.render_as_string(hide_password=False)
    processes = [
        context.Process(target=append_from_threads, args=(url, start)) for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()

    async def tasks() -> list[Appended]:
        async with log.appender() as appender:

            async def write() -> list[Appended]:
                return [await appender.append(entry()) for _ in range(ROUNDS)]

            rounds = await asyncio.gather(*(write() for _ in range(TASKS)))
        return [one for done in rounds for one in done]

    start.wait(60)
    own = asyncio.run(tasks())
    for process in processes:
        process.join()
        assert process.exitcode == 0
    stored = leaves(engine)
    assert sorted(stored) == list(range(PROCESSES * THREADS * ROUNDS * AT_ONCE + TASKS * ROUNDS))
    assert all(stored[one.index] == one.leaf_hash for one in own)
    log.checkpoint()
    assert log.verify().ok


def append_until_killed(url: str, start: Barrier) -> None:
    """What a process does that is killed in the middle of it."""
    log = AuditLog(
        create_engine(url),
        KeyRing(bytes(range(32))),
        FixedClock(datetime(2026, 3, 2, tzinfo=UTC)),
        ORIGIN,
    )

    async def tasks() -> None:
        async with log.appender() as appender:

            async def write() -> None:
                while True:
                    await appender.append(entry(client="killed"))

            await asyncio.gather(*(write() for _ in range(TASKS)))

    start.wait(60)
    asyncio.run(tasks())


def test_a_writer_that_is_killed_leaves_no_gap(log: AuditLog, engine: Engine) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    url = engine.url.render_as_string(hide_password=False)
    process = context.Process(target=append_until_killed, args=(url, start))
    process.start()
    start.wait(60)
    own: list[Appended] = []
    while not log.find(Wanted(client="killed", limit=1)):
        own += log.append([entry()] * AT_ONCE)
    for number in range(ROUNDS):
        own += log.append([entry()] * AT_ONCE)
        if number == ROUNDS // 2:
            process.kill()
    process.join()
    stored = leaves(engine)
    assert sorted(stored) == list(range(log.head().size))
    assert len(stored) > len(own)
    assert all(stored[one.index] == one.leaf_hash for one in own)
    assert log.verify().ok


def test_concurrent_entries_share_commits(log: AuditLog, engine: Engine) -> None:
    async def tasks() -> list[Appended]:
        async with log.appender() as appender:
            return list(await asyncio.gather(*(appender.append(entry()) for _ in range(200))))

    done = asyncio.run(tasks())
    assert sorted(one.index for one in done) == list(range(200))
    with engine.connect() as connection:
        commits = connection.execute(
            text("SELECT count(DISTINCT xmin::text) FROM audit_entry")
        ).scalar_one()
    assert commits == 1


def test_leaving_writes_what_still_waits_and_then_refuses(log: AuditLog) -> None:
    async def tasks() -> tuple[Appended, AsyncAppender]:
        async with log.appender() as appender:
            waiting = asyncio.create_task(appender.append(entry()))
            await asyncio.sleep(0)
        with pytest.raises(AuditUnavailable):
            await appender.append(entry())
        return await waiting, appender

    done, _ = asyncio.run(tasks())
    assert done.index == 0
    assert log.head().size == 1


def test_a_caller_that_went_away_is_not_logged_and_disturbs_nobody(log: AuditLog) -> None:
    async def tasks() -> Appended:
        async with log.appender() as appender:
            gone = asyncio.create_task(appender.append(entry(case="C-gone")))
            stays = asyncio.create_task(appender.append(entry(case="C-stays")))
            await asyncio.sleep(0)
            gone.cancel()
            return await stays

    assert asyncio.run(tasks()).index == 0
    assert log.head().size == 1


@pytest.mark.parametrize(
    ("broken", "refusal"),
    [
        (entry(case=object()), TypeError),  # type: ignore[arg-type]
        (entry(purpose="grid\x00visit"), BadInput),
        (entry(client="town" * 100), BadInput),
    ],
    ids=["not_json", "nul_character", "endless_name"],
)
def test_an_entry_that_cannot_be_kept_harms_only_its_caller(
    broken: Entry, refusal: type[Exception], log: AuditLog
) -> None:
    async def tasks() -> list[Appended | BaseException]:
        async with log.appender() as appender:
            calls = (appender.append(one) for one in (entry(), broken, entry()))
            return list(await asyncio.gather(*calls, return_exceptions=True))

    first, second, third = asyncio.run(tasks())
    assert isinstance(first, Appended)
    assert isinstance(second, refusal)
    assert isinstance(third, Appended)


def test_no_database_at_all(clock: FixedClock, keys: KeyRing) -> None:
    async def tasks() -> list[Appended | BaseException]:
        async with AsyncAppender({"host": "/nonexistent"}, clock, MonthKeys(keys)) as appender:
            calls = (appender.append(entry()) for _ in range(3))
            return list(await asyncio.gather(*calls, return_exceptions=True))

    assert [type(one) for one in asyncio.run(tasks())] == [AuditUnavailable] * 3


async def blocked_writer(admin: psycopg.Connection) -> int:
    """The backend that waits for the head, once there is one."""
    async with asyncio.timeout(20):
        while True:
            row = admin.execute(BLOCKED).fetchone()
            if row is not None:
                return int(row[0])
            await asyncio.sleep(0)


def admin_of(engine: Engine) -> psycopg.Connection:
    _, link = engine.dialect.create_connect_args(engine.url)
    return psycopg.connect(**link, autocommit=True)


def test_connection_killed_before_the_entries_are_written(log: AuditLog, engine: Engine) -> None:
    async def tasks() -> tuple[list[Appended | BaseException], Appended]:
        async with log.appender() as appender:
            with admin_of(engine) as admin, admin_of(engine) as blocker:
                blocker.execute("BEGIN")
                blocker.execute("SELECT size FROM audit_head FOR UPDATE")
                calls = [asyncio.create_task(appender.append(entry())) for _ in range(64)]
                pid = await blocked_writer(admin)
                admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
                results = await asyncio.gather(*calls, return_exceptions=True)
                blocker.execute("ROLLBACK")
            return list(results), await appender.append(entry())

    results, after = asyncio.run(tasks())
    assert {type(one) for one in results} == {AuditUnavailable}
    assert after.index == 0
    assert list(leaves(engine)) == [0]
    assert log.verify().ok


def test_database_that_hangs(log: AuditLog, engine: Engine) -> None:
    async def tasks() -> tuple[list[Appended | BaseException], Appended]:
        async with log.appender(patience=0.2) as appender:
            with admin_of(engine) as blocker:
                blocker.execute("BEGIN")
                blocker.execute("SELECT size FROM audit_head FOR UPDATE")
                calls = (appender.append(entry()) for _ in range(8))
                results = await asyncio.gather(*calls, return_exceptions=True)
                blocker.execute("ROLLBACK")
        async with log.appender() as appender:
            return list(results), await appender.append(entry())

    results, after = asyncio.run(tasks())
    assert {type(one) for one in results} == {AuditUnavailable}
    assert after.index == 0
    assert log.verify().ok


def test_connection_killed_while_writers_write(log: AuditLog, engine: Engine) -> None:
    acknowledged: list[Appended] = []
    refused = 0

    async def tasks() -> None:
        async with log.appender() as appender:
            with admin_of(engine) as admin:

                async def write(kills: bool) -> None:
                    nonlocal refused
                    for number in range(40):
                        try:
                            acknowledged.append(await appender.append(entry()))
                        except AuditUnavailable:
                            refused += 1
                        if kills and number in {10, 20, 30}:
                            admin.execute(KILL)

                await asyncio.gather(*(write(kills=number == 0) for number in range(32)))

    asyncio.run(tasks())
    stored = leaves(engine)
    assert refused > 0
    assert len(acknowledged) + refused == 32 * 40
    assert all(stored.get(one.index) == one.leaf_hash for one in acknowledged)
    assert log.verify().ok


def test_connection_killed_under_a_synchronous_caller(log: AuditLog, engine: Engine) -> None:
    with engine.connect() as connection, admin_of(engine) as admin:
        connection.execute(text("SELECT 1"))
        admin.execute(KILL)
        with pytest.raises(AuditUnavailable):
            log.append([entry()], connection)
    assert log.append([entry()])[0].index == 0
