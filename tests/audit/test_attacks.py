"""What a database superuser may try, named for what is attempted; each must be named in return."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import orjson
import pytest
from sqlalchemy import Connection, Engine, text

from core.canonical import digest, encode
from core.clock import FixedClock
from core.keys import KeyRing
from hub.audit.checkpoints import (
    CheckpointKeySwapped,
    TreeHead,
    open_checkpoint,
    sign_checkpoint,
    sign_note,
)
from hub.audit.log import AuditLog
from hub.audit.merkle import Frontier, leaf_hash
from hub.audit.receipts import ReceiptForged, ReceiptReplayed, ReceiptUnfounded
from hub.audit.verify import Verdict
from tests.audit.making import ORIGIN, entry

Attack = Callable[[Connection], None]

BODIES = text("SELECT body FROM audit_entry ORDER BY index")
INSERT = text(
    "INSERT INTO audit_entry (index, leaf_hash, body, personal, time, client, department, action,"
    " subject, purpose, granted, outcome) VALUES (:index, :leaf, :body, :personal, :time, :client,"
    " :department, :action, :subject, :purpose, :granted, :outcome)"
)


def run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(text(statement))


def rebuild(connection: Connection, bodies: list[bytes]) -> None:
    """The thorough attacker: all rows, hashes and the head fit ``bodies`` afterwards."""
    sealed = {
        orjson.loads(body)["personal"]: personal
        for body, personal in connection.execute(text("SELECT body, personal FROM audit_entry"))
    }
    run(connection, f"DELETE FROM audit_person WHERE index >= {len(bodies)}")
    run(connection, "TRUNCATE audit_entry", "TRUNCATE audit_node")
    tree = Frontier()
    for index, body in enumerate(bodies):
        leaf = orjson.loads(body)
        what, who, why = (leaf["entry"][part] for part in ("what", "who", "why"))
        connection.execute(
            INSERT,
            {
                "index": index,
                "leaf": leaf_hash(body),
                "body": body,
                "personal": sealed[leaf["personal"]],
                "time": leaf["time"],
                "client": who["client"],
                "department": who["department"],
                "granted": leaf["entry"]["decision"]["granted"],
                "outcome": leaf["entry"]["outcome"],
                "action": what["action"],
                "subject": what["subject"],
                "purpose": why["purpose"],
            },
        )
        tree.append(leaf_hash(body))
    for node in tree.tiles:
        connection.execute(
            text("INSERT INTO audit_node VALUES (:level, :position, :hash)"),
            {
                "level": node.level,
                "position": node.position,
                "hash": node.hash,
            },
        )
    connection.execute(
        text("UPDATE audit_head SET size = :size, frontier = :frontier"),
        {"size": tree.size, "frontier": tree.hashes},
    )


def bodies(connection: Connection) -> list[bytes]:
    return list(connection.execute(BODIES).scalars())


def changed(body: bytes, **fields: object) -> bytes:
    return encode({**orjson.loads(body), **fields})


def entry_changed(connection: Connection) -> None:
    run(
        connection,
        "UPDATE audit_entry SET body = convert_to(replace(convert_from(body, 'UTF8'), "
        "'\"partial\"', '\"reveal\"'), 'UTF8') WHERE index = 40",
    )


def entry_changed_beyond_reading(connection: Connection) -> None:
    run(connection, "UPDATE audit_entry SET body = 'nonsense', leaf_hash = sha256('\\x006e6f')")


def entry_changed_and_all_hashes_mended(connection: Connection) -> None:
    all_bodies = bodies(connection)
    all_bodies[40] = changed(all_bodies[40], salt="00" * 16)
    rebuild(connection, all_bodies)


def entry_hidden_from_search(connection: Connection) -> None:
    run(connection, "UPDATE audit_entry SET client = 'nobody' WHERE index = 40")


def entry_dated_at_the_end_of_time(connection: Connection) -> None:
    run(connection, "UPDATE audit_entry SET time = 'infinity' WHERE index = 40")


def entry_removed(connection: Connection) -> None:
    run(connection, "DELETE FROM audit_entry WHERE index IN (40, 41)")


def entry_removed_and_rows_renumbered(connection: Connection) -> None:
    all_bodies = bodies(connection)
    rebuild(connection, all_bodies[:40] + all_bodies[42:])


def entry_inserted_and_rows_renumbered(connection: Connection) -> None:
    all_bodies = bodies(connection)
    forged = changed(all_bodies[40], salt="00" * 16)
    rebuild(connection, [*all_bodies[:41], forged, *all_bodies[41:]])


def entry_inserted_behind_the_end(connection: Connection) -> None:
    forged = changed(bodies(connection)[299], index=300)
    run(connection, "CREATE TEMPORARY TABLE forged AS SELECT * FROM audit_entry WHERE index = 299")
    connection.execute(
        text("UPDATE forged SET index = 300, body = :body, leaf_hash = :leaf"),
        {"body": forged, "leaf": leaf_hash(forged)},
    )
    run(connection, "INSERT INTO audit_entry SELECT * FROM forged")


def entries_reordered(connection: Connection) -> None:
    all_bodies = bodies(connection)
    all_bodies[40], all_bodies[50] = all_bodies[50], all_bodies[40]
    rebuild(connection, all_bodies)


def tail_truncated(connection: Connection) -> None:
    run(connection, "DELETE FROM audit_entry WHERE index >= 290")


def tail_truncated_and_head_set_back(connection: Connection) -> None:
    rebuild(connection, bodies(connection)[:290])


def all_truncated(connection: Connection) -> None:
    rebuild(connection, [])


def checkpoint_root_forged(connection: Connection) -> None:
    run(
        connection,
        "UPDATE audit_checkpoint SET root = sha256(root), note = replace(note, "
        "encode(root, 'base64'), encode(sha256(root), 'base64')) WHERE size = 300",
    )


def checkpoint_moved_to_another_size(connection: Connection) -> None:
    run(connection, "UPDATE audit_checkpoint SET size = 299 WHERE size = 300")


def checkpoint_replaced_by_nonsense(connection: Connection) -> None:
    run(connection, "UPDATE audit_checkpoint SET note = 'nonsense' WHERE size = 300")


def checkpoint_dated_back(connection: Connection) -> None:
    run(connection, "UPDATE audit_checkpoint SET time = time - interval '1 day' WHERE size = 300")


def checkpoint_dated_ahead(connection: Connection) -> None:
    run(connection, "UPDATE audit_checkpoint SET time = time + interval '1 day' WHERE size = 100")


def history_rewritten_and_signed_by_a_swapped_key(connection: Connection) -> None:
    entry_changed_and_all_hashes_mended(connection)
    tree = Frontier()
    for body in bodies(connection):
        tree.append(leaf_hash(body))
    note = sign_checkpoint(ORIGIN, TreeHead(300, tree.root()), KeyRing(bytes(32)))
    connection.execute(
        text("UPDATE audit_checkpoint SET root = :root, note = :note WHERE size = 300"),
        {"root": tree.root(), "note": note},
    )


def clock_moved_back(connection: Connection) -> None:
    all_bodies = bodies(connection)
    all_bodies[150] = changed(all_bodies[150], time="2026-03-01T09:30:00Z")
    rebuild(connection, all_bodies)


def head_replaced(connection: Connection) -> None:
    run(connection, "UPDATE audit_head SET frontier[1] = sha256('other')")


def head_emptied(connection: Connection) -> None:
    run(
        connection,
        "ALTER TABLE audit_head ALTER frontier DROP NOT NULL",
        "UPDATE audit_head SET frontier = NULL",
    )


def head_removed(connection: Connection) -> None:
    run(connection, "DELETE FROM audit_head")


def subtree_hash_replaced(connection: Connection) -> None:
    run(connection, "UPDATE audit_node SET hash = sha256(hash)")


def subtree_hash_added(connection: Connection) -> None:
    run(connection, "INSERT INTO audit_node SELECT 16, position, hash FROM audit_node")


ATTACKS: list[tuple[Attack, set[str]]] = [
    (entry_changed, {"audit_entry_changed"}),
    (entry_changed_beyond_reading, {"audit_entry_changed"}),
    (entry_changed_and_all_hashes_mended, {"audit_checkpoint_mismatch"}),
    (entry_hidden_from_search, {"audit_column_changed"}),
    (entry_dated_at_the_end_of_time, {"audit_column_changed"}),
    (entry_removed, {"audit_entry_removed"}),
    (entry_removed_and_rows_renumbered, {"audit_entry_removed", "audit_checkpoint_mismatch"}),
    (entry_inserted_and_rows_renumbered, {"audit_entry_inserted", "audit_checkpoint_mismatch"}),
    (entry_inserted_behind_the_end, {"audit_entry_inserted"}),
    (entries_reordered, {"audit_entries_reordered", "audit_checkpoint_mismatch"}),
    (tail_truncated, {"audit_truncated"}),
    (tail_truncated_and_head_set_back, {"audit_truncated"}),
    (all_truncated, {"audit_truncated"}),
    (checkpoint_root_forged, {"audit_checkpoint_forged"}),
    (checkpoint_moved_to_another_size, {"audit_checkpoint_forged"}),
    (checkpoint_replaced_by_nonsense, {"audit_checkpoint_malformed"}),
    (checkpoint_dated_back, {"audit_time_backward"}),
    (checkpoint_dated_ahead, {"audit_time_backward"}),
    (history_rewritten_and_signed_by_a_swapped_key, {"audit_key_swapped"}),
    (clock_moved_back, {"audit_time_backward", "audit_checkpoint_mismatch"}),
    (head_replaced, {"audit_head_mismatch"}),
    (head_emptied, {"audit_head_mismatch"}),
    (head_removed, {"audit_head_mismatch"}),
    (subtree_hash_replaced, {"audit_node_mismatch"}),
    (subtree_hash_added, {"audit_nodes_surplus"}),
]


def attacked(engine: Engine, attack: Attack) -> None:
    with engine.begin() as connection:
        run(connection, "SET LOCAL session_replication_role = replica")
        attack(connection)


def codes(verdict: Verdict) -> set[str]:
    for problem in verdict.problems:
        assert problem.words("zh")
        assert problem.words("en")
    return {problem.code for problem in verdict.problems}


@pytest.mark.parametrize(("attack", "named"), ATTACKS, ids=lambda one: getattr(one, "__name__", ""))
def test_attack_is_named(attack: Attack, named: set[str], grown: AuditLog, engine: Engine) -> None:
    assert grown.verify().ok
    attacked(engine, attack)
    found = codes(grown.verify())
    assert named <= found, found


@pytest.mark.parametrize(
    ("attack", "only"),
    [
        (entry_removed_and_rows_renumbered, {"first": 40, "count": 2}),
        (entry_inserted_and_rows_renumbered, {"first": 41, "count": 1}),
        (entries_reordered, {"first": 40, "count": 2}),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_attack_is_located(
    attack: Attack, only: dict[str, int], grown: AuditLog, engine: Engine
) -> None:
    attacked(engine, attack)
    located = [problem.fields for problem in grown.verify().problems if "first" in problem.fields]
    assert located == [only]


def test_many_problems_of_one_kind_are_counted(grown: AuditLog, engine: Engine) -> None:
    attacked(engine, entry_changed_beyond_reading)
    verdict = grown.verify()
    assert [p.fields for p in verdict.problems if p.code == "audit_more_problems"] == [
        {"kind": "audit_entry_changed", "count": 280}
    ]
    assert len(codes(verdict)) > 1


def test_checkpoint_of_another_log(grown: AuditLog, engine: Engine, keys: KeyRing) -> None:
    note = sign_note(f"other.example/audit\n300\n{'A' * 43}=\n", ORIGIN, keys)

    def replace(connection: Connection) -> None:
        statement = text("UPDATE audit_checkpoint SET note = :note WHERE size = 300")
        connection.execute(statement, {"note": note})

    attacked(engine, replace)
    assert codes(grown.verify()) == {"audit_checkpoint_of_another_log"}


def test_key_swapped(grown: AuditLog, engine: Engine, clock: FixedClock) -> None:
    swapped = AuditLog(engine, KeyRing(bytes(32)), clock, ORIGIN)
    assert codes(swapped.verify()) == {"audit_key_swapped", "audit_key_unusable"}
    with pytest.raises(CheckpointKeySwapped):
        swapped.verify(trusted=grown.checkpoint().note)


def test_database_restored_from_an_older_copy(grown: AuditLog, engine: Engine) -> None:
    kept = grown.checkpoint().note

    def restore(connection: Connection) -> None:
        rebuild(connection, bodies(connection)[:200])
        run(connection, "DELETE FROM audit_checkpoint WHERE size > 200")

    attacked(engine, restore)
    assert grown.verify().ok, "nothing inside of the database can show it"
    assert codes(grown.verify(trusted=kept)) == {"audit_rolled_back"}


def test_split_view(grown: AuditLog, engine: Engine, keys: KeyRing, clock: FixedClock) -> None:
    kept = grown.checkpoint().note
    assert grown.verify(trusted=kept).ok
    clock.moment += timedelta(hours=1)

    def replace(connection: Connection) -> None:
        run(connection, "TRUNCATE audit_checkpoint")
        entry_changed_and_all_hashes_mended(connection)

    attacked(engine, replace)
    grown.append([entry()])
    grown.checkpoint()
    assert grown.verify().ok, "nothing inside of the database can show it"
    assert codes(grown.verify(trusted=kept)) == {"audit_split_view"}
    assert open_checkpoint(kept, ORIGIN, keys.public_key).size == 300


def test_replayed_receipt(grown: AuditLog) -> None:
    (appended,) = grown.append([entry()])
    receipt = grown.receipt(appended, digest({"name": "one"}))
    grown.check_receipt(receipt, digest({"name": "one"}))
    with pytest.raises(ReceiptReplayed) as caught:
        grown.check_receipt(receipt, digest({"name": "other"}))
    assert caught.value.code == "audit_receipt_replayed"


def test_receipt_moved_to_another_entry(grown: AuditLog) -> None:
    (appended,) = grown.append([entry()])
    receipt = grown.receipt(appended, digest({}))
    with pytest.raises(ReceiptForged):
        grown.check_receipt(receipt.model_copy(update={"index": 7}))


def test_unsigned_tail_rewritten(grown: AuditLog, engine: Engine) -> None:
    """Behind the last checkpoint nothing inside of the database binds an entry; receipts do."""
    first, second = grown.append([entry(case="T-1"), entry(case="T-2")])
    kept = [grown.receipt(each, digest({})) for each in (first, second)]

    def rewrite(connection: Connection) -> None:
        all_bodies = bodies(connection)
        all_bodies[second.index] = changed(all_bodies[second.index], salt="00" * 16)
        rebuild(connection, all_bodies)

    attacked(engine, rewrite)
    assert grown.verify().ok, "nothing inside of the database can show it"
    grown.check_receipt(kept[0])
    with pytest.raises(ReceiptUnfounded) as caught:
        grown.check_receipt(kept[1])
    assert caught.value.fields == {"index": second.index}
    grown.checkpoint()
    with pytest.raises(ReceiptUnfounded):
        grown.check_receipt(kept[1])
