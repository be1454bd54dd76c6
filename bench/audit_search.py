"""How fast auditors find entries among many: synthetic ones, made by the database itself."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

from sqlalchemy import Engine

from hub.audit.log import AuditLog
from hub.audit.partitions import GROW
from hub.audit.search import Wanted

_SEED = 7
_ROUNDS = 25
_PAGES = 3
_START = datetime(2024, 1, 1, tzinfo=UTC)
_SECONDS = 2
"""Between one entry and the next."""
_CLIENTS, _DEPARTMENTS, _PURPOSES, _ACTIONS, _SUBJECTS = 10_000, 40, 200, 12, 8
_AT_ONCE = 500_000

# Skewed, as habits are: a few clients ask for nearly everything.
_ENTRIES = f"""
INSERT INTO audit_entry (index, leaf_hash, body, personal, time, client, department, action,
                         subject, purpose, granted, outcome)
SELECT i, sha256(int8send(i)), decode(repeat(md5(i::text), 40), 'hex'),
       decode(repeat(md5((-i)::text), 18), 'hex'),
       %(start)s::timestamptz + i * interval '{_SECONDS} seconds',
       'client-' || floor({_CLIENTS} * random() ^ 3)::int,
       'department-' || floor({_DEPARTMENTS} * random() ^ 2)::int,
       'action-' || floor({_ACTIONS} * random() ^ 4)::int,
       'subject-' || floor({_SUBJECTS} * random() ^ 3)::int,
       'purpose-' || floor({_PURPOSES} * random() ^ 3)::int,
       h > 0.03, CASE WHEN h <= 0.03 THEN 'refused' WHEN h < 0.04 THEN 'failed' ELSE 'answered' END
FROM (SELECT i, random() AS h FROM generate_series(%(first)s::bigint, %(last)s::bigint) i) one
"""  # noqa: S608 - numbers of this module
_PERSONS = """
INSERT INTO audit_person (digest, index)
SELECT substr(sha256(int8send(p)), 1, 16), i FROM (
    SELECT i, floor(%(people)s * random())::bigint AS p
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) i
    UNION ALL
    SELECT i, -1 - floor(20000 * random() ^ 3)::bigint
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) i
) one
"""
_PERSON = "SELECT encode(sha256(int8send(%(p)s::bigint)), 'hex')"


def load(engine: Engine, log: AuditLog, entries: int) -> float:
    """Fills an empty log and gives how many entries were written a second."""
    start = perf_counter()
    for first in range(0, entries, _AT_ONCE):
        span = {"first": first, "last": min(first + _AT_ONCE, entries) - 1}
        with engine.begin() as connection:
            connection.exec_driver_sql(GROW, {"size": span["last"]})
            connection.exec_driver_sql(_ENTRIES, {**span, "start": _START})
            connection.exec_driver_sql(_PERSONS, {**span, "people": max(entries // 5, 1)})
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("VACUUM ANALYZE audit_entry")
        connection.exec_driver_sql("VACUUM ANALYZE audit_person")
    log.find(Wanted())
    return entries / (perf_counter() - start)


def wishes(engine: Engine, entries: int) -> Iterator[tuple[str, list[Wanted]]]:
    """Kinds of searches, each with values by chance, frequent and rare ones."""
    chance = random.Random(_SEED)

    def day() -> datetime:
        return _START + timedelta(seconds=chance.randrange(entries) * _SECONDS)

    def digest(p: int) -> str:
        with engine.connect() as connection:
            return str(connection.exec_driver_sql(_PERSON, {"p": p}).scalar_one())

    def some(**names: int) -> list[Wanted]:
        return [
            Wanted.model_validate({n: f"{n}-{chance.randrange(upto)}" for n, upto in names.items()})
            for _ in range(_ROUNDS)
        ]

    people = [Wanted(person=digest(chance.randrange(max(entries // 5, 1)))) for _ in range(_ROUNDS)]
    yield "a person asked about", people
    accounts = [digest(-1 - chance.randrange(20_000)) for _ in range(_ROUNDS)]
    yield "the person who asked", [Wanted(person=account) for account in accounts]
    yield "a client", some(client=_CLIENTS)
    yield "a department", some(department=_DEPARTMENTS)
    yield "a purpose", some(purpose=_PURPOSES)
    yield "an action", some(action=_ACTIONS)
    yield "a subject", some(subject=_SUBJECTS)
    yield "a client and a purpose", some(client=_CLIENTS, purpose=_PURPOSES)
    yield "a department and an action", some(department=_DEPARTMENTS, action=_ACTIONS)
    yield "refused", [Wanted(granted=False, until=day()) for _ in range(_ROUNDS)]
    yield "failed", [Wanted(outcome="failed", until=day()) for _ in range(_ROUNDS)]
    yield (
        "a day",
        [Wanted(since=(at := day()), until=at + timedelta(days=1)) for _ in range(_ROUNDS)],
    )
    days = [day() for _ in range(_ROUNDS)]
    yield (
        "a client on a day",
        [
            Wanted(
                client=f"client-{chance.randrange(_CLIENTS)}",
                since=at,
                until=at + timedelta(days=1),
            )
            for at in days
        ],
    )


def measure(engine: Engine, log: AuditLog, entries: int) -> Iterator[tuple[str, float, float]]:
    """Kind of search, and the median and 95th percentile of a page of 100 (seconds)."""
    for kind, wanted in wishes(engine, entries):
        taken: list[float] = []
        for one in wanted:
            below: dict[str, Any] = {}
            for _ in range(_PAGES):
                start = perf_counter()
                found = log.find(one.model_copy(update=below))
                taken.append(perf_counter() - start)
                if len(found) < one.limit:
                    break
                below = {"below": found[-1].index}
        taken.sort()
        yield kind, taken[len(taken) // 2], taken[int(len(taken) * 0.95)]
