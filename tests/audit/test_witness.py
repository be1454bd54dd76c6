"""Witnesses: what they sign, what they refuse to sign, and what their signatures show later."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, event

from core.clock import FixedClock
from core.keys import KeyRing
from hub.audit.checkpoints import CheckpointKeySwapped, key_text, sign_checkpoint
from hub.audit.evidence import CheckpointMissing, Evidence, WitnessContradicts, WitnessUnknown
from hub.audit.search import Wanted
from hub.audit.witness import CosignatureForged, Witness, Witnesses, cosignatures
from tests.audit.making import ORIGIN, entry
from tests.audit.test_attacks import attacked, bodies, changed, codes, rebuild, run
from verifier.hub_verify import Key, Refused, read_key
from verifier.hub_witness import Secret, cosign, read_secret


@pytest.fixture
def key(keys: KeyRing) -> Key:
    return read_key(key_text(ORIGIN, keys.public_key))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "witness.json"


def signed(evidence: Evidence, secret: Secret, folder: Path, note: str | None = None) -> str:
    """What a witness makes of a checkpoint of the log."""
    offered = note or evidence.checkpoints()["checkpoint"]
    key = read_key(evidence.key()["key"])

    def prove(old: int, new: int) -> dict[str, object]:
        return evidence.consistency(old, new).model_dump(mode="json")

    return cosign(offered, key, secret, folder / secret.name.replace("/", "-"), prove)


def test_a_quorum_signs_and_it_is_shown_logged_and_counted(
    evidence: Evidence, secrets: list[Secret], tmp_path: Path
) -> None:
    assert evidence.checkpoints()["witnessed"] is None
    first = signed(evidence, secrets[0], tmp_path)
    assert evidence.submit(first) == ["witness.example/0"]
    assert evidence.checkpoints()["witnessed"] is None, "one is not a quorum"
    evidence.submit(signed(evidence, secrets[1], tmp_path, first))
    assert evidence.submit(first) == ["witness.example/0"], "handed in again"
    shown = evidence.checkpoints()
    assert shown["witnessed"] == shown["checkpoint"]
    names = [each.witness.name for each in cosignatures(shown["witnessed"], evidence.witnesses)]
    assert names == ["witness.example/0", "witness.example/1"]
    assert [each.size for each in evidence.standing()] == [300, 300]
    logged = evidence.audit.find(Wanted(action="cosign"))
    assert [each.entry["who"]["client"] for each in logged] == [
        "witness:witness.example/1",
        "witness:witness.example/0",
    ]
    assert evidence.verify().ok


def test_witnesses_are_offered_the_same_checkpoint_for_an_hour(
    evidence: Evidence, clock: FixedClock
) -> None:
    clock.moment = clock.moment.replace(hour=10, minute=5)
    for _ in range(2):
        evidence.audit.append([entry()])
        evidence.audit.checkpoint()
        clock.moment += timedelta(minutes=20)
        shown = evidence.checkpoints()
        assert "\n300\n" in shown["to_cosign"]
    assert "\n302\n" in shown["checkpoint"]


def test_a_witness_signs_on_and_remembers(
    evidence: Evidence, secrets: list[Secret], tmp_path: Path
) -> None:
    signed(evidence, secrets[0], tmp_path)
    evidence.audit.append([entry()])
    evidence.audit.checkpoint()
    evidence.submit(signed(evidence, secrets[0], tmp_path))
    assert evidence.standing()[0].size == 301
    (seen,) = json.loads((tmp_path / "witness.example-0").read_text()).values()
    assert seen["size"] == 301


def refusal(work: object, *given: object) -> str:
    with pytest.raises(Refused) as caught:
        work(*given)  # type: ignore[operator]
    return caught.value.code


def test_a_witness_signs_no_second_history_and_no_older_one(
    evidence: Evidence, secrets: list[Secret], keys: KeyRing, tmp_path: Path
) -> None:
    older = evidence.checkpoints()["checkpoint"]
    evidence.audit.append([entry()])
    evidence.audit.checkpoint()
    signed(evidence, secrets[0], tmp_path)
    before = (tmp_path / "witness.example-0").read_bytes()
    head = evidence.audit.head()
    same_size = sign_checkpoint(ORIGIN, head._replace(root=bytes(32)), keys)
    assert refusal(signed, evidence, secrets[0], tmp_path, same_size) == "audit_split_view"
    assert refusal(signed, evidence, secrets[0], tmp_path, older) == "audit_rolled_back"
    evidence.audit.append([entry()])
    evidence.audit.checkpoint()
    larger = sign_checkpoint(ORIGIN, evidence.audit.head()._replace(root=bytes(32)), keys)
    assert refusal(signed, evidence, secrets[0], tmp_path, larger) == "audit_split_view"
    stolen = sign_checkpoint(ORIGIN, head, KeyRing(bytes(32)))
    assert refusal(signed, evidence, secrets[0], tmp_path, stolen) == "audit_note_key_swapped"
    assert (tmp_path / "witness.example-0").read_bytes() == before


def test_what_is_handed_in_must_be_signed_by_the_log_and_a_registered_witness(
    evidence: Evidence, secrets: list[Secret], tmp_path: Path
) -> None:
    with pytest.raises(WitnessUnknown):
        evidence.submit(signed(evidence, secrets[2], tmp_path))
    note = signed(evidence, secrets[0], tmp_path)
    blob = bytearray(base64.b64decode(note.split()[-1]))
    blob[11] ^= 1  # the time
    bent = note.replace(note.split()[-1], base64.b64encode(blob).decode())
    with pytest.raises(CosignatureForged):
        evidence.submit(bent)
    own = sign_checkpoint(ORIGIN, evidence.audit.head(), KeyRing(bytes(32)))
    with pytest.raises(CheckpointKeySwapped):
        evidence.submit(own + secrets[0].cosign(own.partition("\n\n")[0] + "\n", 1))
    assert [each.size for each in evidence.standing()] == [0, 0]
    assert evidence.audit.find(Wanted(action="cosign")) == []


def test_witnesses_show_a_database_restored_from_an_older_copy(
    evidence: Evidence, secrets: list[Secret], engine: Engine, tmp_path: Path
) -> None:
    cosigned = signed(evidence, secrets[0], tmp_path)

    def restore(connection: Connection) -> None:
        rebuild(connection, bodies(connection)[:200])
        run(connection, "DELETE FROM audit_checkpoint WHERE size > 200")

    attacked(engine, restore)
    assert evidence.verify().ok, "nothing inside of the database can show it"
    with pytest.raises(WitnessContradicts):
        evidence.submit(cosigned)
    assert codes(evidence.verify()) == {"audit_rolled_back"}, "the proof is kept"
    (logged,) = evidence.audit.find(Wanted(action="cosign"))
    assert logged.entry["outcome"] == "contradicts"
    with pytest.raises(WitnessContradicts):
        evidence.submit(cosigned)
    assert len(evidence.audit.find(Wanted(action="cosign"))) == 1


def test_witnesses_show_a_split_view(
    evidence: Evidence, secrets: list[Secret], engine: Engine, tmp_path: Path
) -> None:
    """The operator rewrites all there is and signs it anew, with the true key."""
    evidence.submit(signed(evidence, secrets[0], tmp_path))

    def rewrite(connection: Connection) -> None:
        run(connection, "TRUNCATE audit_checkpoint")
        all_bodies = bodies(connection)
        all_bodies[40] = changed(all_bodies[40], salt="00" * 16)
        rebuild(connection, all_bodies)

    attacked(engine, rewrite)
    evidence.audit.checkpoint()
    assert codes(evidence.verify()) == {"audit_split_view"}
    assert refusal(signed, evidence, secrets[0], tmp_path) == "audit_split_view"


def test_cosignatures_forged_in_the_database_are_named_and_not_counted(
    evidence: Evidence, secrets: list[Secret], engine: Engine, tmp_path: Path
) -> None:
    for each in secrets[:2]:
        evidence.submit(signed(evidence, each, tmp_path))

    def forge(connection: Connection) -> None:
        bent = "UPDATE audit_cosignature SET note = regexp_replace(note, '.{6}=\\n$', 'AAAAAA=\\n')"
        run(connection, f"{bent} WHERE witness = 'witness.example/1'")

    attacked(engine, forge)
    assert "audit_cosignature_forged" in codes(evidence.verify())
    assert [each.size for each in evidence.standing()] == [300, 0]


def test_checkpoints_that_witnesses_have_not_signed_in_time_are_told(
    evidence: Evidence, secrets: list[Secret], clock: FixedClock, tmp_path: Path
) -> None:
    assert evidence.verify().ok, "there is time yet"
    clock.moment += timedelta(hours=25)
    (problem,) = evidence.verify().problems
    assert problem.code == "audit_checkpoints_unwitnessed"
    assert problem.fields == {"count": 2, "size": 0, "quorum": 2}
    for each in secrets[:2]:
        evidence.submit(signed(evidence, each, tmp_path))
    assert evidence.verify().ok
    alone = replace(evidence, witnesses=Witnesses())
    assert alone.verify().ok, "without a quorum nothing is asked for"


def test_all_checkpoints_are_read_by_as_many_statements_however_many_there_are(
    evidence: Evidence, secrets: list[Secret], tmp_path: Path, clock: FixedClock
) -> None:
    asked: list[str] = []
    event.listen(evidence.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))

    def read() -> tuple[list[tuple[int, str]], int]:
        asked.clear()
        with evidence.snapshot() as connection:
            return list(evidence.notes(connection)), len(asked)

    few, statements = read()
    shown = []
    for number in range(6):
        evidence.audit.append([entry()])
        clock.moment += timedelta(minutes=1)
        evidence.audit.checkpoint()
        if number % 2:
            evidence.submit(signed(evidence, secrets[0], tmp_path))
            evidence.submit(signed(evidence, secrets[1], tmp_path))
        shown.append(evidence.checkpoints()["checkpoint"])
    many, more = read()
    assert (len(few), len(many), more) == (2, 8, statements)
    assert [note for _, note in many[2:]] == shown
    assert [note.count("witness.example") for note in shown] == [0, 2] * 3


def test_nothing_is_shown_of_what_is_not_signed_yet(evidence: Evidence) -> None:
    evidence.audit.append([entry()])
    with pytest.raises(CheckpointMissing):
        evidence.consistency(300, 301)
    with pytest.raises(CheckpointMissing):
        evidence.inclusion(300, 301)


def test_no_checkpoint_at_all(evidence: Evidence, engine: Engine) -> None:
    attacked(engine, lambda connection: run(connection, "TRUNCATE audit_checkpoint"))
    with pytest.raises(CheckpointMissing):
        evidence.checkpoints()


@pytest.mark.parametrize(
    "mistake",
    [
        {"name": "other"},
        {"public_key": "witness.example/0+00000000+BAAA"},
        {"public_key": ""},
    ],
)
def test_a_witness_is_registered_with_its_own_key(
    mistake: dict[str, str], secrets: list[Secret]
) -> None:
    sound = {
        "name": secrets[0].name, "department": "d", "public_key": secrets[0].key.text,
    }  # fmt: skip
    assert Witness.model_validate(sound)
    with pytest.raises(ValidationError):
        Witness.model_validate({**sound, **mistake})


def test_a_quorum_is_of_different_witnesses(secrets: list[Secret]) -> None:
    one = Witness(name=secrets[0].name, department="a", public_key=secrets[0].key.text)
    again = Secret("other", secrets[0].seed)
    same_key = Witness(name="other", department="b", public_key=again.key.text)
    same_department = Witness(name=secrets[1].name, department="a", public_key=secrets[1].key.text)
    for second in (one, same_key, same_department):
        with pytest.raises(ValidationError):
            Witnesses(quorum=1, witnesses=(one, second))
    with pytest.raises(ValidationError):
        Witnesses(quorum=2, witnesses=(one,))


def test_a_secret_key_reads_back(secrets: list[Secret]) -> None:
    assert read_secret(secrets[0].text) == secrets[0]
    for broken in ("", "PRIVATE+KEY+a+b+c", secrets[0].text[:-4], secrets[0].key.text):
        assert refusal(read_secret, broken) == "audit_secret_malformed"
