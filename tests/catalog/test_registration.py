"""Registered documents: kept by revision, never changed in place, one writer at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, text

from catalog import registration
from catalog.models import Registered, WorkspaceRevision
from catalog.registration import Changes, Documents
from core.database import Base

NOW = datetime(2026, 7, 1, tzinfo=UTC)
WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
"""
TABLES = [WorkspaceRevision.__table__, Registered.__table__]
A, B, C = ("contract", "a.a"), ("contract", "b.b"), ("region", "a.a")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = create_engine(database_url)
    Base.metadata.create_all(made, tables=TABLES)  # type: ignore[arg-type]
    yield made
    made.dispose()


def register(engine: Engine, documents: Documents, folder: str = "/data", day: int = 0) -> Changes:
    with engine.begin() as connection:
        return registration.register(connection, documents, folder, NOW + timedelta(day))


def latest(engine: Engine) -> registration.Revision | None:
    with engine.connect() as connection:
        return registration.latest(connection)


def at(engine: Engine, number: int) -> dict[tuple[str, str], dict[str, Any]]:
    with engine.connect() as connection:
        return dict(registration.at(connection, number).documents)


def test_nothing_is_registered_at_first(engine: Engine) -> None:
    assert latest(engine) is None


def test_the_first_revision(engine: Engine) -> None:
    changes = register(engine, {B: {"x": 2}, A: {"x": 1}})
    assert changes == Changes(added=(A, B), changed=(), retired=())
    assert changes
    found = latest(engine)
    assert found is not None
    assert (found.applied_at, found.data_folder) == (NOW, "/data")
    assert found.documents == {A: {"x": 1}, B: {"x": 2}}


def test_the_same_again_is_no_new_revision(engine: Engine) -> None:
    register(engine, {A: {"x": 1, "y": 2}})
    before = latest(engine)
    assert not register(engine, {A: {"y": 2, "x": 1}}, day=1)
    assert latest(engine) == before


def test_nothing_at_all_is_a_state_too(engine: Engine) -> None:
    assert not register(engine, {})
    assert latest(engine) is not None


def test_another_data_folder_is_a_new_revision_of_the_same_documents(engine: Engine) -> None:
    register(engine, {A: {"x": 1}}, "/here")
    assert not register(engine, {A: {"x": 1}}, "/there")
    found = latest(engine)
    assert found is not None
    assert (found.number, found.data_folder, found.documents) == (2, "/there", {A: {"x": 1}})
    assert at(engine, 1) == at(engine, 2)


def test_changed_and_retired_and_added(engine: Engine) -> None:
    register(engine, {A: {"x": 1}, B: {"x": 1}})
    changes = register(engine, {A: {"x": 2}, C: {"x": 1}})
    assert changes == Changes(added=(C,), changed=(A,), retired=(B,))
    assert at(engine, 1) == {A: {"x": 1}, B: {"x": 1}}
    assert at(engine, 2) == {A: {"x": 2}, C: {"x": 1}}


def test_what_was_retired_may_come_back(engine: Engine) -> None:
    for documents in ({A: {"x": 1}}, {}, {A: {"x": 1}}):
        register(engine, documents)
    assert [at(engine, n) for n in (1, 2, 3)] == [{A: {"x": 1}}, {}, {A: {"x": 1}}]


def test_comparing_registers_nothing(engine: Engine) -> None:
    register(engine, {A: {"x": 1}})
    with engine.connect() as connection:
        changes = registration.compare(connection, {A: {"x": 2}, B: {}})
    assert changes == Changes(added=(B,), changed=(A,), retired=())
    assert at(engine, 1) == {A: {"x": 1}}
    found = latest(engine)
    assert found is not None
    assert found.number == 1


def test_the_order_of_a_document_s_keys_is_kept(engine: Engine) -> None:
    register(engine, {A: {"z": 1, "a": {"y": 1, "b": 2}}})
    assert list(at(engine, 1)[A]) == ["z", "a"]
    assert list(at(engine, 1)[A]["a"]) == ["y", "b"]


def test_a_transaction_that_fails_registers_nothing(engine: Engine) -> None:
    register(engine, {A: {"x": 1}})

    def broken() -> None:
        with engine.begin() as connection:
            registration.register(connection, {B: {"x": 1}}, "/data", NOW)
            raise OSError("the log cannot be written")

    with pytest.raises(OSError, match="log"):
        broken()
    found = latest(engine)
    assert found is not None
    assert found.documents == {A: {"x": 1}}


def test_a_second_writer_waits_and_sees_what_the_first_one_did(engine: Engine) -> None:
    """Both want to add the same document and one of their own."""
    second: list[Changes] = []
    waiting = threading.Thread(
        target=lambda: second.append(register(engine, {A: {"x": 1}, C: {"x": 1}}))
    )
    with engine.begin() as connection:
        registration.register(connection, {A: {"x": 1}, B: {"x": 1}}, "/data", NOW)
        waiting.start()
        with engine.connect() as watching:
            query = text(WAITING)
            waits = (watching.execute(query).scalar_one() for _ in range(5000))
            assert any(waits)
        assert second == []
    waiting.join(30)
    assert second == [Changes(added=(C,), changed=(), retired=(B,))]
    assert at(engine, 2) == {A: {"x": 1}, C: {"x": 1}}


states = st.lists(
    st.dictionaries(st.sampled_from([A, B, C]), st.fixed_dictionaries({"x": st.integers(0, 2)})),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=25, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(history=states)
def test_every_past_revision_can_be_read(engine: Engine, history: list[Documents]) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE registered, workspace_revision"))
    seen: dict[int, Documents] = {}
    for documents in history:
        register(engine, documents)
        found = latest(engine)
        assert found is not None
        seen[found.number] = documents
    for number, documents in seen.items():
        assert at(engine, number) == documents
    with engine.connect() as connection:
        live = text("SELECT kind, key FROM registered WHERE closed IS NULL")
        assert {(kind, key) for kind, key in connection.execute(live)} == set(history[-1])
