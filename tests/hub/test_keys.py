"""Keys, exchanged while the hub is in use."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import LargeBinary, text

from core.ciphers import Suite
from core.clock import FixedClock
from core.database import Base
from core.keys import DEEDS, RECORDS, KeyDestroyed, SealBroken, header, sealed_under
from core.keysources import KeysUnusable, development_file, from_file, new_secret, write_file
from hub.app import Hub, open_hub
from hub.audit.search import Wanted
from hub.identity import Caller, Tokens
from hub.keeping import rotation
from hub.keeping.rotation import KeyNeeded, KeyUnknown
from hub.keeping.sources import KeysDemoInProduction, master_secret
from hub.keeping.vault import CryptoFixed, Envelope, KeysWrong
from hub.settings import Settings
from hub.watching.ledger import Ledger
from hub.watching.rules.base import Hit
from reconcile import releases, resealing
from reconcile.models import GoldenRecord
from reconcile.releases import record_context
from tests.hub.conftest import Place, serving
from tests.hub.village import PEOPLE

MORE = 5000
WAITS = text("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
             " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))")  # fmt: skip
ASK = {"purpose": "visit", "case": "GD-1", "where": {"resident_id": PEOPLE[0][0]}}


def crowd(hub: Hub, sealer: Any = None, count: int = MORE) -> None:
    """Puts so many records into the database that sealing them takes several batches."""
    used = sealer or hub.keys.sealer(RECORDS)
    rows = [
        {
            "entity": f"x{n:05}",
            "sealed": used.seal(b"{}", record_context("resident", f"x{n:05}", None, {})),
        }
        for n in range(count)
    ]
    with hub.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO golden_record (subject, entity, opened, plain, sealed)"
                " VALUES ('resident', :entity, 1, '{}', :sealed)"
            ),
            rows,
        )


def used(hub: Hub) -> dict[int, int]:
    """Key → how many records are sealed under it."""
    return {row["key"]: row["values"] for row in rotation.status(hub) if row["purpose"] == RECORDS}


def deeds(hub: Hub) -> list[str]:
    """What was done with keys, by the log."""
    found = hub.audit.find(Wanted(limit=100))
    told = [recorded.entry["what"] for recorded in found]
    return [f"{w['action']} {w['subject']}" for w in told if w["action"].startswith("key_")][::-1]


def all_open(hub: Hub) -> int:
    """Opens every record, and gives how many there are."""
    with hub.engine.connect() as connection:
        rows = connection.execute(GoldenRecord.__table__.select()).all()
    for row in rows:
        kept = releases.Kept(row.entity, row.region, row.plain, row.sealed)
        releases.open_record(hub.keys, row.subject, kept)
    return len(rows)


def rotate(hub: Hub, most: int | None = None) -> rotation.Rotation:
    return rotation.rotate(hub, rotation.by_operator(hub), most)


def test_the_hub_serves_while_its_keys_are_exchanged(town: Hub) -> None:
    """Another hub on the same database, as another worker would be, meets the new key."""
    crowd(town)
    (before,) = used(town)
    token = Tokens(town.keys, town.clock).issue(Caller("worker-1"), timedelta(minutes=5))
    headers = {"Authorization": f"Bearer {token}"}
    answers: list[tuple[int, str]] = []
    over = threading.Event()

    def ask(address: str) -> None:
        with httpx.Client(base_url=address, headers=headers, timeout=30) as client:
            last = False
            while not last:
                last = over.is_set()
                answer = client.post("/v1/subjects/resident/query", json=ASK)
                answers.append((answer.status_code, str(answer.json().get("rows"))))

    with open_hub(town.settings) as worker, serving(worker) as address:
        asking = threading.Thread(target=ask, args=(address,))
        asking.start()
        done = rotate(town)
        over.set()
        asking.join()
    assert len(set(answers)) == 1
    assert answers[0][0] == 200
    assert PEOPLE[0][1] in answers[0][1]
    assert (done.resealed, done.left) == (MORE + len(PEOPLE), 0)
    assert used(town) == {before: 0, done.key: MORE + len(PEOPLE)}
    assert all_open(town) == MORE + len(PEOPLE)
    assert deeds(town)[-3:] == ["key_created keys/records", "key_created keys/deeds",
                                "key_rotated keys/records"]  # fmt: skip


def test_a_rotation_waits_for_a_publication_that_seals_under_the_former_key(town: Hub) -> None:
    (before,) = used(town)
    rotating = threading.Thread(target=rotate, args=(town,))
    with town.engine.begin() as publishing:
        releases.lock(publishing)
        sealer = town.keys.sealer(RECORDS)
        rotating.start()
        while not publishing.execute(WAITS).scalar_one():
            pass
        crowd(town, sealer, count=3)
    rotating.join()
    assert used(town)[before] == 0
    assert all_open(town) == 3 + len(PEOPLE)


KILLED = """
import os, signal
from reconcile import resealing
real, batches = resealing.reseal, []
def reseal(*given):
    batches.append(real(*given))
    if len(batches) == 2:
        os.kill(os.getpid(), signal.SIGKILL)  # before this batch's transaction ends
    return batches[-1]
resealing.reseal = reseal
from hub.app import open_hub
from hub.keeping import rotation
from hub.settings import read_settings
with open_hub(read_settings()) as hub:
    rotation.rotate(hub, rotation.by_operator(hub))
"""


def test_a_rotation_that_was_killed_goes_on(town: Hub) -> None:
    crowd(town)
    before = set(used(town))
    place = Place(Path(), town.settings.home, town.engine.url.render_as_string(False))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED], env=place.environment, capture_output=True, check=False
    )
    assert killed.returncode == -9, killed.stderr
    (new,) = set(used(town)) - before
    assert used(town)[new] == resealing.BATCH
    told = place.succeed("keys", "rotate")
    assert str(MORE + len(PEOPLE) - resealing.BATCH) in told
    assert used(town) == {**dict.fromkeys(before, 0), new: MORE + len(PEOPLE)}
    assert all_open(town) == MORE + len(PEOPLE)
    rows = {row["key"]: row for row in rotation.status(town)}
    assert all(rows[number]["retired"] for number in before)
    assert not rows[new]["retired"]
    assert rotate(town).key > new


def test_a_rotation_goes_in_steps_over_http(town: Hub) -> None:
    crowd(town)
    token = Tokens(town.keys, town.clock).issue(Caller("admin-1", "zhao"), timedelta(minutes=5))
    body = {"purpose": "data_governance", "case": "K-1"}
    with serving(town) as address, httpx.Client(base_url=address, timeout=30) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        steps = []
        while not steps or steps[-1]["left"]:
            asked = client.post("/v1/keys/rotate", json={**body, "records": 1})
            assert asked.status_code == 200, asked.text
            steps.append(asked.json())
        told = client.post("/v1/keys/status", json=body).json()
    assert [step["resealed"] for step in steps] == [2000, 2000, 1003]
    assert len({step["key"] for step in steps}) == 1
    assert {"key", "purpose", "suite", "created", "retired", "destroyed", "values"} == set(
        told["keys"][0]
    )
    done = town.audit.find(Wanted(limit=20, client="admin-1"))
    assert {found.entry["what"]["action"] for found in done} == {
        "rotate_keys", "key_created", "key_rotated", "list_keys",
    }  # fmt: skip
    assert {found.entry["who"]["person"] for found in done} == {"zhao"}


def test_what_is_only_added_to_keeps_its_key(town: Hub) -> None:
    sealed = town.keys.seal(b"why", b"context")
    former = sealed_under(sealed)
    evidence = text("INSERT INTO evidence VALUES (1, '.txt', 3, :body)")
    with town.engine.begin() as connection:
        connection.execute(evidence, {"body": sealed})
    rotate(town)
    assert town.keys.open(sealed, b"context") == b"why"
    assert sealed_under(town.keys.seal(b"why", b"context")) > former
    later = replace(town, clock=FixedClock(town.clock.now() + timedelta(days=400)))
    with pytest.raises(KeyNeeded, match="1 values"):
        rotation.destroy(later, rotation.by_operator(later), former)


def test_the_key_of_a_finding_is_needed(town: Hub) -> None:
    former = sealed_under(town.keys.seal(b"", b""))
    hit = Hit("off_hours", 1, 1, (1,), {"requests": 5}, "worker-1")
    with town.engine.begin() as connection:
        Ledger(connection, town.keys, town.clock.now()).record([hit], timedelta(0))
    rotate(town)
    later = replace(town, clock=FixedClock(town.clock.now() + timedelta(days=400)))
    with pytest.raises(KeyNeeded, match="1 values"):
        rotation.destroy(later, rotation.by_operator(later), former)


def test_whatever_is_sealed_is_counted_before_its_key_is_destroyed() -> None:
    """A table with sealed values that a rotation does not know of would be lost with its key."""
    counted = {
        column.class_.__table__.c[column.key]
        for each in rotation.SEALED.values()
        for column in each
    }
    held = {
        column
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.name in {"body", "sealed", "reason"}
    }
    assert {str(column) for column in held - counted} == {"audit_entry.body"}


def test_destroying_a_key_waits_for_a_publication_and_keeps_nobody_from_the_log(town: Hub) -> None:
    refused: list[Exception] = []

    def destroy() -> None:
        try:
            rotation.destroy(town, rotation.by_operator(town), 99)
        except KeyUnknown as error:
            refused.append(error)

    destroying = threading.Thread(target=destroy)
    with town.engine.begin() as publishing:
        releases.lock(publishing)
        destroying.start()
        while not publishing.execute(WAITS).scalar_one():
            pass
        publishing.execute(text("SELECT size FROM audit_head FOR UPDATE NOWAIT"))
    destroying.join()
    assert len(refused) == 1


def test_only_a_key_that_seals_nothing_is_destroyed(town: Hub) -> None:
    crowd(town, count=10)
    (former,) = used(town)
    tell = rotation.by_operator(town)
    with pytest.raises(KeyNeeded, match="in use"):
        rotation.destroy(town, tell, former)
    with town.engine.connect() as connection:
        old = connection.execute(GoldenRecord.__table__.select()).first()
    assert old is not None
    context = record_context(old.subject, old.entity, old.region, old.plain)
    rotate(town)
    with pytest.raises(KeyNeeded, match="an hour"):
        rotation.destroy(town, tell, former)
    later = replace(town, clock=FixedClock(town.clock.now() + rotation.REST))
    rotation.destroy(later, tell, former)
    for unknown in (1, former, 99):
        with pytest.raises(KeyUnknown):
            rotation.destroy(later, tell, unknown)
    assert deeds(town)[-1] == f"key_destroyed keys/{former}"
    with open_hub(town.settings) as fresh:
        assert all_open(fresh) == 10 + len(PEOPLE)
        with pytest.raises(KeyDestroyed):
            fresh.keys.open(old.sealed, context)
        with fresh.engine.connect() as connection:
            assert connection.execute(text("SELECT wrapped FROM data_key WHERE id = :id"),
                                      {"id": former}).scalar_one() is None  # fmt: skip


def test_a_record_that_was_changed_keeps_its_key_and_is_told(town: Hub) -> None:
    crowd(town, count=3)
    (former,) = used(town)
    with town.engine.begin() as connection:
        connection.execute(text("UPDATE golden_record SET region = '1' WHERE entity = 'x00001'"))
    done = rotate(town)
    assert (done.resealed, done.left) == (2 + len(PEOPLE), 1)
    assert used(town)[former] == 1
    assert not next(r for r in rotation.status(town) if r["key"] == former)["retired"]
    assert rotate(town) == rotation.Rotation(done.key, 0, 1)


@pytest.fixture
def kept(town: Hub, tmp_path: Path) -> Iterator[Hub]:
    """The town, with its master secret in a file that production would take."""
    file = tmp_path / "hub.key"
    write_file(file, new_secret())
    rotation.rewrap(town, rotation.by_operator(town), from_file(file))
    with open_hub(town.settings.model_copy(update={"keys_file": file})) as opened:
        yield opened


def test_the_master_secret_changes_and_nothing_else_does(kept: Hub, tmp_path: Path) -> None:
    file = kept.settings.keys_file
    assert file is not None
    token = Tokens(kept.keys, kept.clock).issue(Caller("worker-1"), timedelta(minutes=5))
    digest = kept.keys.blind_index("resident/mobile", PEOPLE[0][4])
    former = from_file(file)
    with open_hub(kept.settings) as worker:
        rotation.rewrap(kept, rotation.by_operator(kept), master := new_secret())
        with pytest.raises(KeysWrong), open_hub(kept.settings):
            pass
        # A worker that was up goes on; the first key that it has to unwrap makes it read the
        # new secret, once that stands in the old one's place.
        assert all_open(worker) == len(PEOPLE)
        file.unlink()
        write_file(file, master)
        rotate(worker)
        assert all_open(kept) == len(PEOPLE)
    with open_hub(kept.settings) as after:
        assert Tokens(after.keys, after.clock).check(token).client == "worker-1"
        assert after.keys.blind_index("resident/mobile", PEOPLE[0][4]) == digest
        assert after.keys.derive("entity") == kept.keys.derive("entity")
        assert after.audit.verify().ok
        with after.engine.connect() as connection:
            current = releases.current(connection)
        assert current is not None
        releases.check_signature(current, after.keys)
        assert "key_rewrapped keys" in deeds(after)
        with after.engine.connect() as connection:
            rows = connection.execute(text("SELECT id, purpose, wrapped FROM data_key")).all()
    assert len(rows) == 5
    for row in rows:
        with pytest.raises(KeysWrong):
            Envelope(former, Suite.AES).unwrap(row.wrapped, row.id, row.purpose)
    for secret in (former, bytes(32)):
        other = tmp_path / "other.key"
        other.unlink(missing_ok=True)
        write_file(other, secret)
        settings = kept.settings.model_copy(update={"keys_file": other})
        with pytest.raises(KeysWrong), open_hub(settings):
            pass


def test_a_wrapped_key_is_bound_to_its_number_and_purpose(town: Hub) -> None:
    """Whoever writes the database cannot bring an old key back, or one of another purpose."""
    rotate(town)
    swap = text(
        "UPDATE data_key k SET wrapped = o.wrapped FROM data_key o"
        " WHERE k.purpose = 'records' AND o.purpose = 'records' AND k.id <> o.id"
    )
    with town.engine.begin() as connection:
        connection.execute(swap)
    with pytest.raises(KeysWrong), open_hub(town.settings):
        pass


def test_a_hub_stays_with_its_ciphers(place: Place) -> None:
    sm = {"HUB_CRYPTO": "sm"}
    assert place.command("apply", str(place.workspace), settings=sm).returncode == 0
    refused = place.command("keys", "status")
    assert refused.returncode == 2
    assert "HUB_CRYPTO=sm" in refused.stderr
    with open_hub(place.settings.model_copy(update={"crypto": Suite.SM})) as hub:
        crowd(hub, count=3)
        rotate(hub)
        assert all_open(hub) == 3
        assert {row["suite"] for row in rotation.status(hub)} == {"sm"}
    with pytest.raises(CryptoFixed), open_hub(place.settings):
        pass


def test_the_command_line_exchanges_both_kinds_of_keys(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "new.key"
    assert str(file) in place.succeed("keys", "create", str(file))
    again = place.command("keys", "create", str(file))
    assert (again.returncode, str(file) in again.stderr) == (2, True)
    place.succeed("apply", str(place.workspace))
    assert DEEDS in place.succeed("keys", "status")
    place.succeed("keys", "rewrap", str(file))
    refused = place.command("keys", "status")
    assert refused.returncode == 2
    moved = {"HUB_KEYS_FILE": str(file), "HUB_MODE": "production"}
    assert place.command("keys", "rotate", settings=moved).returncode == 0
    assert place.command("keys", "destroy", "2", settings=moved).returncode == 1
    own = development_file(place.home / "keys/hub.key")
    write_file(tmp_path / "copied.key", own)
    backwards = place.command("keys", "rewrap", str(tmp_path / "copied.key"), settings=moved)
    assert backwards.returncode == 2
    typed = place.command("keys", "rewrap", "-", settings=moved, typed="nonsense")
    assert typed.returncode == 2
    line = (place.home / "keys/hub.key").read_text()
    assert line.strip() not in backwards.stderr + typed.stderr + refused.stderr


def settings(home: Path, **given: Any) -> Settings:
    return Settings(home=home, **given)


def test_production_takes_no_key_that_a_hub_made(tmp_path: Path) -> None:
    own = tmp_path / "keys/hub.key"
    development_file(own)
    line = own.read_text()
    with pytest.raises(KeysDemoInProduction):
        master_secret(settings(tmp_path, mode="production"))
    ways = (
        {"keys_file": own},
        {"keys": SecretStr(line)},
        {"keys_command": SecretStr(f"cat {own}")},
    )
    for way in ways:
        with pytest.raises(KeysDemoInProduction) as caught:
            master_secret(settings(tmp_path, mode="production", **way))
        assert line.strip() not in str(caught.value)
        assert master_secret(settings(tmp_path, **way)).secret == from_file(own)
    write_file(tmp_path / "good.key", secret := new_secret())
    good = settings(tmp_path, mode="production", keys_file=tmp_path / "good.key")
    assert master_secret(good).secret == secret


def test_one_source_of_the_master_secret_is_given(place: Place) -> None:
    both = {"HUB_KEYS": "x", "HUB_KEYS_COMMAND": "y"}
    refused = place.command("doctor", settings=both)
    assert refused.returncode == 1
    assert "HUB_KEYS, HUB_KEYS_COMMAND" in refused.stdout
    with pytest.raises(KeysUnusable):
        master_secret(place.settings.model_copy(update={"keys": SecretStr("no secret")}))


def test_a_key_number_that_never_was_does_not_open(town: Hub) -> None:
    with pytest.raises(SealBroken):
        town.keys.open(header(99) + bytes(40), b"")
