"""Personal parts: apart from the leaves, searchable, erased when their time has come; and what a
database superuser may try with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from core.ciphers import Suite
from core.clock import FixedClock
from core.keys import KeyRing
from hub.audit import merkle, persons, retention
from hub.audit.entries import Decision, Entry, KeyedDigests, What
from hub.audit.log import AuditLog
from hub.audit.partitions import SPAN
from hub.audit.persons import ERASED, RETIRE
from hub.audit.search import Wanted
from tests.audit.making import ORIGIN, entry

ANSWER = "ab" * 32
LATER = datetime(2029, 4, 1, tzinfo=UTC)
"""More than three years after the month of the entries."""


def retired(items: dict[str, str]) -> Entry:
    return replace(entry(), what=What(RETIRE, "audit", items=items))


def erase(log: AuditLog, engine: Engine, now: datetime = LATER, years: int = 3) -> list[str]:
    with engine.begin() as connection:
        months = retention.due(connection, now, years, None)
        retention.retire(connection, months, now)
        if months:
            log.append([retired({month.period: ERASED for month in months})], connection)
    return [month.period for month in months]


def codes(log: AuditLog) -> list[str]:
    return sorted({problem.code for problem in log.verify().problems})


def tampered(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement))


def test_a_leaf_holds_nothing_personal_and_the_log_gives_it_back(
    log: AuditLog, engine: Engine
) -> None:
    log.append([entry(case="C-77")])
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT body, t::text FROM audit_entry t")).one()
    for part in ("C-77", "clerk-7", "ab" * 32, "1e" * 32):
        assert part not in bytes(rows[0]).decode() + rows[1]
    (found,) = log.find(Wanted())
    assert found.entry["who"]["person"] == "clerk-7"
    assert found.entry["why"]["case"] == "C-77"
    assert found.entry["what"]["digests"] == ["ab" * 32]
    assert found.entry["request"] == "1e" * 32


def test_what_was_erased_is_gone_and_everything_still_holds(
    grown: AuditLog, engine: Engine, keys: KeyRing, clock: FixedClock
) -> None:
    done = grown.append([entry(case="C-last")])[0]
    receipt, signed = grown.receipt(done, ANSWER), grown.checkpoint()
    proof = grown.inclusion_proof(done.index, signed.size)
    person = KeyedDigests(keys).account("clerk-7")
    assert len(grown.find(Wanted(person=person))) == 100
    clock.moment = LATER
    assert erase(grown, engine, LATER - timedelta(days=2)) == []
    assert erase(grown, engine, LATER, years=4) == []
    assert erase(grown, engine) == ["2026-03"]
    verdict = grown.verify(trusted=signed.note)
    assert (verdict.ok, verdict.erased, verdict.size) == (True, 301, 302)
    # What is left under the name of the person is the erasing itself.
    assert [one.index for one in grown.find(Wanted(person=person))] == [301]
    (old,) = grown.find(Wanted(below=301, limit=1))
    assert (old.entry["who"], old.entry["why"]["case"]) == (
        {"client": "town_app", "department": "town", "person": None},
        None,
    )
    assert old.entry["what"]["digests"] == []
    grown.check_receipt(receipt)
    assert merkle.verify_inclusion(done.leaf_hash, done.index, signed.size, proof, signed.root)
    assert grown.inclusion_proof(done.index, signed.size) == proof


@pytest.mark.usefixtures("grown")
def test_younger_months_are_not_erased(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(retention.RetentionRunning) as caught:
        retention.due(connection, LATER, 3, date(2026, 5, 1))
    assert caught.value.fields == {"years": 3, "earliest": "2026-04-01"}
    with engine.begin() as connection:
        assert retention.due(connection, LATER, 3, date(2026, 3, 31)) == []
        months = retention.due(connection, LATER, 3, date(2026, 4, 1))
    assert months == [("2026-03", 0, 300)]


def key_brought_back(engine: Engine, log: AuditLog, clock: FixedClock) -> None:
    with engine.begin() as connection:
        kept = connection.execute(text("SELECT wrapped FROM audit_key")).scalar_one()
    clock.moment = LATER
    erase(log, engine)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text("UPDATE audit_key SET wrapped = :kept WHERE period = '2026-03'"), {"kept": kept}
        )


def key_destroyed_early(engine: Engine, log: AuditLog, clock: FixedClock) -> None:
    clock.moment = LATER - timedelta(days=365)
    erase(log, engine)


def by(*statements: str) -> Callable[[Engine, AuditLog, FixedClock], None]:
    return lambda engine, *_: tampered(engine, *statements)


ATTACKS = {
    "personal_part_changed": (
        by("UPDATE audit_entry SET personal = personal || '\\x00' WHERE index = 40"),
        ["audit_personal_changed"],
    ),
    "personal_part_of_another_entry": (
        by("UPDATE audit_entry a SET personal = b.personal FROM audit_entry b"
           " WHERE a.index = 40 AND b.index = 41"),
        ["audit_personal_changed"],
    ),
    "personal_part_removed": (
        by("UPDATE audit_entry SET personal = NULL WHERE index = 40"),
        ["audit_personal_missing"],
    ),
    "key_removed": (by("DELETE FROM audit_key"), ["audit_key_missing"]),
    "key_replaced": (by("UPDATE audit_key SET wrapped = '\\x00'"), ["audit_key_unusable"]),
    "key_destroyed_in_secret": (
        by("UPDATE audit_key SET wrapped = NULL, destroyed_at = now()",
           "TRUNCATE audit_person"),
        ["audit_key_destroyed"],
    ),
    "key_destroyed_early": (key_destroyed_early, ["audit_key_destroyed_early"]),
    "key_brought_back": (key_brought_back, ["audit_key_restored", "audit_more_problems", "audit_person_index"]),
    "person_hidden_from_search": (
        by("DELETE FROM audit_person WHERE index = 40"), ["audit_person_index"],
    ),
    "person_named_falsely": (
        by("INSERT INTO audit_person VALUES (substr(sha256('other'), 1, 16), 40)"),
        ["audit_person_index"],
    ),
    "person_index_stuffed": (
        by("INSERT INTO audit_person VALUES ('\\x01', 40), (sha256('other'), 40)"),
        ["audit_person_index"],
    ),
    "entry_said_to_be_granted": (
        by("UPDATE audit_entry SET granted = NOT granted WHERE index = 40"),
        ["audit_column_changed"],
    ),
    "entry_said_to_be_of_another_department": (
        by("UPDATE audit_entry SET department = 'x', outcome = 'x' WHERE index = 40"),
        ["audit_column_changed"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_is_named(attack: str, grown: AuditLog, engine: Engine, clock: FixedClock) -> None:
    run, named = ATTACKS[attack]
    run(engine, grown, clock)
    assert codes(grown) == named
    assert all(p.words("zh") and p.words("en") for p in grown.verify().problems)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_key SET wrapped = '\\x00'",
        "UPDATE audit_key SET wrapped = NULL",
        "DELETE FROM audit_key",
        "TRUNCATE audit_key",
        "DELETE FROM audit_entry_000000",
        "UPDATE audit_entry_000001 SET client = 'other'",
        "TRUNCATE audit_entry_rest",
    ],
)
def test_the_database_refuses_it(statement: str, grown: AuditLog, engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(DBAPIError, match="can only"):
        connection.execute(text(statement))
    assert grown.verify().ok


def test_a_key_of_a_transaction_that_came_to_nothing_seals_nothing(
    log: AuditLog, engine: Engine
) -> None:
    with engine.connect() as connection:
        log.append([entry()], connection)
        log.append([entry()], connection)
        connection.rollback()
    log.append([entry()])
    assert log.find(Wanted())[0].personal is not None
    assert log.verify().ok


def test_a_long_log_is_verified_by_two_processes_at_once(
    grown: AuditLog, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(persons, "_APART", 1)
    monkeypatch.setattr(persons, "check", None)
    assert grown.verify().ok
    run, named = ATTACKS["personal_part_changed"]
    run(engine, grown, FixedClock(LATER))
    assert codes(grown) == named


def test_each_month_and_suite_has_a_key_of_its_own(
    engine: Engine, clock: FixedClock, keys: KeyRing
) -> None:
    national = KeyRing(bytes(range(32)), Suite.SM)
    AuditLog(engine, keys, clock, ORIGIN).append([entry()])
    # In China this is April already.
    clock.moment = datetime(2026, 3, 31, 16, tzinfo=UTC)
    log = AuditLog(engine, national, clock, ORIGIN)
    log.append([entry()] * 2)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT period, suite FROM audit_key ORDER BY 1")).all()
    assert [tuple(row) for row in rows] == [("2026-03", "aes"), ("2026-04", "sm")]
    assert {one.entry["who"]["person"] for one in log.find(Wanted())} == {"clerk-7"}


def test_entries_are_found_by_each_of_their_marks(
    log: AuditLog, clock: FixedClock, keys: KeyRing
) -> None:
    other = replace(
        entry(case="C-2"),
        who=replace(entry().who, department="police", person="officer-3"),
        what=What("export", "vehicle", digests=("cd" * 32, "ab" * 32)),
        decision=Decision(granted=False, reasons=("no_rule",)),
        outcome="refused",
    )
    log.append([entry(case="C-1")])
    clock.moment += timedelta(minutes=5)
    log.append([other, entry(case="C-3")])

    def cases(**wanted: object) -> list[str]:
        found = log.find(Wanted.model_validate(wanted))
        return [one.entry["why"]["case"] for one in found]

    for wanted in (
        {"department": "police"}, {"granted": False}, {"outcome": "refused"},
        {"action": "export"}, {"subject": "vehicle"}, {"person": "cd" * 32},
        {"person": KeyedDigests(keys).account("officer-3")},
        {"person": "ab" * 32, "department": "police", "since": clock.moment},
    ):  # fmt: skip
        assert cases(**wanted) == ["C-2"], wanted
    assert cases(person="ab" * 32) == ["C-3", "C-2", "C-1"]
    assert cases(person="ab" * 32, below=2, limit=1) == ["C-2"]
    assert cases(person="ef" * 32) == []
    assert cases(until=clock.moment - timedelta(seconds=1)) == ["C-1"]
    assert cases(since=clock.moment + timedelta(days=1)) == []
    assert cases(until=clock.moment - timedelta(days=1)) == []


def partitions(connection: Connection) -> dict[str, int]:
    rows = connection.execute(
        text("SELECT tableoid::regclass::text, count(*) FROM audit_entry GROUP BY 1")
    )
    return dict(map(tuple, rows))


def test_partitions_come_in_time_and_none_that_is_missing_stops_the_log(
    log: AuditLog, engine: Engine
) -> None:
    log.append([entry()])
    frontier = "array_fill('\\x00'::bytea, array[22])"
    tampered(engine, f"UPDATE audit_head SET size = {3 * SPAN - 1}, frontier = {frontier}")
    # Nothing was made for the first: it falls into the rest. The second finds what was made then.
    log.append([entry()])
    log.append([entry()])
    with engine.connect() as connection:
        assert partitions(connection) == {
            "audit_entry_000000": 1,
            "audit_entry_rest": 1,
            "audit_entry_000003": 1,
        }
    assert [one.index for one in log.find(Wanted())] == [3 * SPAN, 3 * SPAN - 1, 0]
    with engine.connect() as connection, pytest.raises(DBAPIError, match="can only"):
        connection.execute(text("TRUNCATE audit_entry_000003"))
