"""A log of the first format comes into the new tables as it was, and goes on there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, create_engine, text

from core.canonical import encode
from core.clock import FixedClock
from core.keys import KeyRing
from hub.audit.checkpoints import TreeHead, sign_checkpoint
from hub.audit.log import AuditLog
from hub.audit.merkle import Frontier, leaf_hash
from hub.audit.search import Wanted
from tests.audit.making import ORIGIN, entry
from tests.hub.test_migrations import move

TIME = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
COUNT = 300


def first_format(index: int) -> bytes:
    """A leaf as it was written then, with everything in the clear."""
    document = {
        "who": {"client": "town_app", "department": "town", "person": "clerk-7"},
        "why": {"purpose": "grid_visit", "case": f"C-{index}", "agreements": ["A-2026-001"]},
        "what": {"action": "query", "subject": "resident", "items": {"name": "partial"},
                 "scope": "own_region", "digests": [f"{index:04x}" * 16, "ab" * 32, "ab" * 32],
                 "rows": {"asked": 1, "answered": 1}},
        "decision": {"granted": index != 7, "reasons": ["agreement_in_force"]},
        "policy": "0f" * 32, "outcome": "answered", "release": "1", "request": "1e" * 32,
    }  # fmt: skip
    return encode({"entry": document, "index": index, "salt": "00" * 16, "time": TIME})


def fill(engine: Engine, keys: KeyRing) -> None:
    tree = Frontier()
    with engine.begin() as connection:
        for index in range(COUNT):
            body = first_format(index)
            tree.append(leaf_hash(body))
            connection.execute(
                text("INSERT INTO audit_entry VALUES (:index, :leaf, :body, :time, 'town_app',"
                     " 'query', 'resident', 'grid_visit')"),
                {"index": index, "leaf": leaf_hash(body), "body": body, "time": TIME},
            )  # fmt: skip
        for node in tree.tiles:
            connection.execute(
                text("INSERT INTO audit_node VALUES (:level, :position, :hash)"), node._asdict()
            )
        connection.execute(
            text("UPDATE audit_head SET size = :size, frontier = :frontier, time = :time"),
            {"size": COUNT, "frontier": tree.hashes, "time": TIME},
        )
        note = sign_checkpoint(ORIGIN, TreeHead(COUNT, tree.root()), keys)
        connection.execute(
            text("INSERT INTO audit_checkpoint VALUES (:size, :root, :note, :time)"),
            {"size": COUNT, "root": tree.root(), "note": note, "time": TIME},
        )


def leaves(engine: Engine) -> list[tuple[int, bytes, bytes]]:
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT index, leaf_hash, body FROM audit_entry ORDER BY index")
        )
        return [(index, bytes(leaf), bytes(body)) for index, leaf, body in rows]


@pytest.fixture
def keys() -> KeyRing:
    return KeyRing(bytes(range(32)))


def test_a_log_of_before_is_carried_over_and_back(database_url: str, keys: KeyRing) -> None:
    engine = create_engine(database_url)
    move(engine, "0004")
    fill(engine, keys)
    before = leaves(engine)
    move(engine, "head")
    assert leaves(engine) == before
    log = AuditLog(engine, keys, FixedClock(TIME), ORIGIN)
    verdict = log.verify()
    assert (verdict.ok, verdict.size, verdict.checkpoints) == (True, COUNT, 1)
    (found,) = log.find(Wanted(person=f"{41:04x}" * 16, department="town", granted=True))
    assert found.entry["why"]["case"] == "C-41"
    assert [one.index for one in log.find(Wanted(granted=False))] == [7]
    assert len(log.find(Wanted(person="ab" * 32, limit=1000))) == COUNT
    log.append([entry(case="C-new")])
    log.checkpoint()
    move(engine, "0004", down=True)
    assert leaves(engine)[:COUNT] == before
    move(engine, "head")
    verdict = log.verify()
    assert (verdict.ok, verdict.size, verdict.checkpoints) == (True, COUNT + 1, 2)
    assert log.find(Wanted(limit=1))[0].entry["why"]["case"] == "C-new"
    engine.dispose()
