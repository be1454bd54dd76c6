"""An empty log, and one of 300 entries with two checkpoints."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, create_engine, text

from core.clock import FixedClock
from core.database import Base, parse_url
from core.keys import KeyRing
from hub.audit import models
from hub.audit.evidence import Evidence
from hub.audit.log import AuditLog
from hub.audit.witness import Witness, Witnesses
from tests.audit.making import ORIGIN, entry
from verifier.hub_witness import Secret


@pytest.fixture(scope="session")
def database(server_url: str) -> Iterator[Engine]:
    """One database for all tests here: making one each costs more than the tests do."""
    name = f"audit_{uuid.uuid4().hex}"
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine = create_engine(parse_url(server_url).set(database=name), pool_pre_ping=True)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        models.set_up(connection)
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def engine(database: Engine) -> Engine:
    """The database with an empty log, whatever the test before did to it."""
    with database.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text(
                "TRUNCATE audit_head, audit_entry, audit_person, audit_key, audit_node,"
                " audit_checkpoint, audit_cosignature"
            )
        )
        connection.execute(text("ALTER TABLE audit_head ALTER frontier SET NOT NULL"))
        connection.exec_driver_sql(models.EMPTY_HEAD)
    return database


@pytest.fixture(scope="session")
def keys() -> KeyRing:
    return KeyRing(bytes(range(32)))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 3, 2, 9, 30, tzinfo=UTC))


@pytest.fixture
def log(engine: Engine, keys: KeyRing, clock: FixedClock) -> AuditLog:
    return AuditLog(engine, keys, clock, ORIGIN)


@pytest.fixture
def grown(log: AuditLog, clock: FixedClock) -> AuditLog:
    for number in range(3):
        clock.moment = clock.moment.replace(minute=31 + number)
        log.append([entry(case=f"C-{number}-{each}") for each in range(100)])
        if number != 1:
            log.checkpoint()
    return log


@pytest.fixture(scope="session")
def secrets() -> list[Secret]:
    """Keys of three witnesses."""
    return [Secret(f"witness.example/{n}", bytes([n]) * 32) for n in range(3)]


@pytest.fixture
def evidence(grown: AuditLog, engine: Engine, clock: FixedClock, secrets: list[Secret]) -> Evidence:
    """What a log with two registered witnesses of three can show; both are needed."""
    registered = [
        Witness(name=each.name, department=f"d{n}", public_key=each.key.text)
        for n, each in enumerate(secrets[:2])
    ]
    witnesses = Witnesses(quorum=2, within=24, witnesses=tuple(registered))
    keys = KeyRing(bytes(range(32)))
    return Evidence(grown, engine, keys.public_key, clock, witnesses)
