from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from core.canonical import digest, encode
from core.clock import FixedClock
from core.database import Base
from core.errors import BadInput
from core.keys import KeyRing
from hub.audit import merkle, models
from hub.audit.entries import KeyedDigests, What
from hub.audit.log import AuditLog
from hub.audit.receipts import Receipt, ReceiptForged, ReceiptUnfounded, check_receipt, sign_receipt
from hub.audit.search import Wanted
from hub.audit.tree import AuditDamaged
from hub.audit.writing import Appended, AuditUnavailable
from tests.audit.making import ORIGIN, entry

ANSWER = digest({"answer": 1})


def stored(engine: Engine) -> list[tuple[int, bytes, bytes]]:
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT index, leaf_hash, body FROM audit_entry ORDER BY index")
        )
        return [(index, leaf, body) for index, leaf, body in rows]


def test_entries_are_kept_as_they_were_hashed(log: AuditLog, engine: Engine) -> None:
    done = log.append([entry(case="C-1"), entry(case="C-2")])
    rows = stored(engine)
    assert [(one.index, one.leaf_hash) for one in done] == [row[:2] for row in rows]
    for _, leaf, body in rows:
        assert leaf == merkle.leaf_hash(body)
        assert body == encode(orjson.loads(body))
    assert log.head() == (2, merkle.root([row[1] for row in rows]))


def test_equal_entries_have_different_leaves(log: AuditLog) -> None:
    one, other = log.append([entry(), entry()])
    assert one.leaf_hash != other.leaf_hash


def test_nothing_to_append_changes_nothing(log: AuditLog) -> None:
    assert log.append([]) == []
    assert log.verify().ok


def test_time_does_not_follow_a_clock_that_goes_back(log: AuditLog, clock: FixedClock) -> None:
    first = log.append([entry()])[0]
    clock.moment -= timedelta(days=1)
    second = log.append([entry()])[0]
    assert log.checkpoint().time == second.time == first.time
    assert log.verify().ok


def test_a_time_is_kept_as_the_same_moment_whatever_the_session(
    log: AuditLog, engine: Engine, keys: KeyRing, clock: FixedClock
) -> None:
    east = create_engine(engine.url, connect_args={"options": "-c timezone=Asia/Shanghai"})
    there = AuditLog(east, keys, clock, ORIGIN)
    log.append([entry()])
    clock.moment -= timedelta(hours=1)
    done = there.append([entry()])[0]
    assert done.time == clock.moment + timedelta(hours=1)
    assert there.find(Wanted())[0].time == done.time
    assert there.verify().ok
    assert log.verify().ok
    east.dispose()


def test_an_entry_is_logged_with_the_transaction_it_belongs_to(
    log: AuditLog, engine: Engine
) -> None:
    with engine.connect() as connection:
        log.append([entry()], connection)
        connection.rollback()
    assert stored(engine) == []
    with engine.begin() as connection:
        log.append([entry()], connection)
        log.checkpoint(connection)
    assert [index for index, _, _ in stored(engine)] == [0]
    assert log.verify().checkpoints == 1


REFUSED = [
    "UPDATE audit_entry SET client = 'other'",
    "UPDATE audit_entry SET client = 'other' WHERE false",
    "DELETE FROM audit_entry",
    "TRUNCATE audit_entry",
    """INSERT INTO audit_entry SELECT * FROM audit_entry
       ON CONFLICT (index) DO UPDATE SET client = 'other'""",
    "UPDATE audit_node SET hash = ''",
    "DELETE FROM audit_node",
    "TRUNCATE audit_node",
    "UPDATE audit_checkpoint SET note = ''",
    "DELETE FROM audit_checkpoint",
    "TRUNCATE audit_checkpoint",
    "DELETE FROM audit_head",
    "TRUNCATE audit_head",
    "UPDATE audit_head SET size = size - 1",
    "UPDATE audit_head SET time = time - interval '1 second'",
]


def test_the_database_itself_refuses_all_but_appending(grown: AuditLog, engine: Engine) -> None:
    for statement in REFUSED:
        with engine.connect() as connection, pytest.raises(DBAPIError, match="can only"):
            connection.execute(text(statement))
    assert grown.verify().ok


def test_a_server_that_acknowledges_too_early_is_overruled(log: AuditLog, engine: Engine) -> None:
    hasty = create_engine(engine.url, connect_args={"options": "-c synchronous_commit=off"})
    with hasty.begin() as connection:
        log.append([entry()], connection)
        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
    hasty.dispose()


def test_the_tables_can_be_dropped_and_made_again(log: AuditLog, engine: Engine) -> None:
    log.append([entry()])
    with engine.begin() as connection:
        Base.metadata.drop_all(connection)
        for statement in models.TEARDOWN:
            connection.exec_driver_sql(statement)
        Base.metadata.create_all(connection)
        models.set_up(connection)
    assert log.append([entry()])[0].index == 0


def test_without_a_log_nothing_is_acknowledged(
    database_url: str, keys: KeyRing, clock: FixedClock
) -> None:
    engine = create_engine(database_url)
    with pytest.raises(AuditUnavailable):
        AuditLog(engine, keys, clock, ORIGIN).append([entry()])
    engine.dispose()


def test_a_checkpoint_is_made_once_per_size(grown: AuditLog) -> None:
    first = grown.checkpoint()
    assert grown.checkpoint() == first
    grown.append([entry()])
    assert grown.checkpoint().size == first.size + 1
    assert grown.verify().checkpoints == 3


def test_an_empty_log_has_a_checkpoint(log: AuditLog) -> None:
    assert log.checkpoint().size == 0
    log.append([entry()])
    log.checkpoint()
    verdict = log.verify()
    assert (verdict.ok, verdict.size, verdict.checkpoints) == (True, 1, 2)


def test_a_rewritten_history_is_not_signed(grown: AuditLog, engine: Engine) -> None:
    grown.append([entry()])
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text("UPDATE audit_entry SET leaf_hash = sha256(leaf_hash) WHERE index = 299")
        )
    with pytest.raises(AuditDamaged):
        grown.checkpoint()


def test_proofs_from_the_stored_hashes_hold(grown: AuditLog, engine: Engine) -> None:
    leaves = [leaf for _, leaf, _ in stored(engine)]
    tops = {size: merkle.root(leaves[:size]) for size in (1, 2, 7, 256, 257, 300)}
    for size, top in tops.items():
        for index in {0, size // 3, size - 1}:
            proof = grown.inclusion_proof(index, size)
            assert merkle.verify_inclusion(leaves[index], index, size, proof, top)
        for old in (smaller for smaller in tops if smaller <= size):
            proof = grown.consistency_proof(old, size)
            assert merkle.verify_consistency(old, size, proof, tops[old], top)


def test_proofs_about_what_is_not_there_are_refused(grown: AuditLog) -> None:
    for index, size in ((0, 301), (300, 300), (-1, 300), (0, 0)):
        with pytest.raises(BadInput):
            grown.inclusion_proof(index, size)
    for old, new in ((0, 300), (1, 301), (300, 299)):
        with pytest.raises(BadInput):
            grown.consistency_proof(old, new)


def test_a_receipt_travels_as_json_and_holds(grown: AuditLog, keys: KeyRing) -> None:
    receipt = grown.receipt(grown.append([entry()])[0], ANSWER)
    again = Receipt.model_validate_json(receipt.model_dump_json())
    assert again == receipt
    check_receipt(again, keys.public_key)
    grown.check_receipt(again)


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "other.example/audit"},
        {"index": 4},
        {"leaf_hash": "00" * 32},
        {"answer": digest({"answer": 2})},
        {"time": datetime(2020, 1, 1, tzinfo=UTC)},
        {"signature": "00" * 64},
        {"signature": "no"},
    ],
)
def test_receipt_changed(change: dict[str, object], keys: KeyRing, clock: FixedClock) -> None:
    receipt = sign_receipt(ORIGIN, Appended(3, bytes(range(32)), clock.moment), ANSWER, keys)
    check_receipt(receipt, keys.public_key)
    with pytest.raises(ReceiptForged):
        check_receipt(receipt.model_copy(update=change), keys.public_key)


def test_receipt_of_another_log(
    log: AuditLog, engine: Engine, keys: KeyRing, clock: FixedClock
) -> None:
    other = AuditLog(engine, keys, clock, "other.example/audit")
    receipt = other.receipt(log.append([entry()])[0], ANSWER)
    with pytest.raises(ReceiptForged):
        log.check_receipt(receipt)


@pytest.mark.parametrize(
    "attack",
    [
        "DELETE FROM audit_entry WHERE index = 300",
        "UPDATE audit_entry SET body = body || ' ' WHERE index = 300",
    ],
)
def test_receipt_of_an_entry_that_was_removed_or_changed(
    attack: str, grown: AuditLog, engine: Engine
) -> None:
    receipt = grown.receipt(grown.append([entry()])[0], ANSWER)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(attack))
    with pytest.raises(ReceiptUnfounded):
        grown.check_receipt(receipt)


def test_entries_are_found_by_what_auditors_ask(log: AuditLog, clock: FixedClock) -> None:
    start = clock.moment
    log.append([entry(case="C-1"), entry(case="C-2", client="civil_affairs", purpose="low_income")])
    clock.moment += timedelta(hours=1)
    log.append([entry(case="C-3", purpose=None)])

    def cases(**wanted: object) -> list[str]:
        found = log.find(Wanted.model_validate(wanted))
        return [one.entry["why"]["case"] for one in found]

    assert cases() == ["C-3", "C-2", "C-1"]
    assert cases(client="town_app") == ["C-3", "C-1"]
    assert cases(purpose="low_income", action="query", subject="resident") == ["C-2"]
    assert cases(subject="vehicle") == []
    assert cases(since=clock.moment) == ["C-3"]
    assert cases(until=start) == ["C-2", "C-1"]
    assert cases(limit=1) == ["C-3"]
    assert cases(below=2, limit=1) == ["C-2"]


def test_a_value_cannot_be_logged_in_place_of_its_digest(keys: KeyRing) -> None:
    digests = KeyedDigests(keys)
    named = digests.of("mobile", "synthetic")
    assert What(action="lookup", subject="resident", digests=(named,)).digests == (named,)
    assert named != digests.of("name", "synthetic")
    assert named != keys.blind_index("mobile", "synthetic").hex()
    with pytest.raises(ValueError, match="never values"):
        What(action="lookup", subject="resident", digests=("synthetic",))


def test_a_proof_is_not_made_around_an_entry_that_is_gone(grown: AuditLog, engine: Engine) -> None:
    size = grown.head().size
    assert grown.inclusion_proof(5, size)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM audit_entry WHERE index = 9"))
    with pytest.raises(AuditDamaged):
        grown.inclusion_proof(5, size)
