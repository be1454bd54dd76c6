"""The stand-alone verifier against the hub: whatever one of them refuses, the other does too."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine

from core.canonical import digest
from core.errors import HubError
from core.keys import KeyRing
from hub.audit.checkpoints import open_checkpoint, sign_checkpoint
from hub.audit.evidence import Evidence
from hub.audit.receipts import Receipt
from hub.audit.witness import cosignatures
from tests.audit.making import ORIGIN, entry
from tests.audit.test_attacks import attacked, run
from tests.audit.test_vectors import exported, named, problems, written
from tests.audit.test_witness import refusal, signed
from verifier import hub_verify
from verifier.hub_verify import Export, Refused, Trust, cosigners, read_key
from verifier.hub_witness import Api, Secret, cosign

__all__ = ["written"]
Json = dict[str, Any]
DEEP = "[" * 100_000
BENT: tuple[Any, ...] = (None, 0.5, 12, "x", [], {})


def notes(note: str) -> Iterator[str]:
    """A note, bent in many ways; some are none the worse for it."""
    text, _, lines = note.partition("\n\n")
    own, *others = lines.splitlines(keepends=True)
    head, name, blob = own.split()
    raw = base64.b64decode(blob)
    for n in range(0, len(note), 7):
        yield note[:n] + "x" + note[n + 1 :]
        yield note[:n] + note[n + 1 :]
    for kind in (b"\x04", b"\x00", b"\xff"):
        yield note.replace(blob, base64.b64encode(kind + raw[1:]).decode())
    yield from (note[:-1], f"{note}\n", note.replace("\n", "\r\n"), f"\n\n{note}", note.upper())
    yield note.replace(blob, blob.rstrip("="))
    yield note.replace(blob, blob[:-3] + chr(ord(blob[-3]) + 1) + "==")
    yield note.replace(blob, blob.replace("+", "-").replace("/", "_"))
    yield from (note + own, note + "".join(others), note + own.replace(blob, "AAAA"))
    yield from (note + "— stranger AAAA\n", note + "— \u202e \u2028\n", note + "- a b\n")
    yield text.replace("\n", "\u2028") + "\n\n" + lines
    yield f"{text}\nan extension\n\n{lines}"
    yield f"{text}\n\n{head} {name} {base64.b64encode(raw[:36]).decode()}\n"
    yield ""


def test_both_read_notes_alike(
    evidence: Evidence, secrets: list[Secret], tmp_path: Path, keys: KeyRing
) -> None:
    key, witnesses = read_key(evidence.key()["key"]), [each.key for each in secrets[:2]]
    note = signed(evidence, secrets[0], tmp_path)
    huge = [note.replace("\n300\n", f"\n{size}\n") for size in ("0300", "9" * 19, "9" * 5000, "³")]
    resigned = [
        sign_checkpoint(ORIGIN, evidence.audit.head()._replace(size=size), keys)
        for size in (0, 10**18, 10**19, -1)
    ]
    for bent in (note, *huge, *resigned, *notes(note)):
        try:
            ours: object = (
                tuple(open_checkpoint(bent, ORIGIN, keys.public_key)),
                sorted(each.witness.name for each in cosignatures(bent, evidence.witnesses)),
            )
        except HubError as error:
            ours = error.code
        try:
            head = hub_verify.open_checkpoint(bent, key)
            theirs: object = (head[:2], sorted(cosigners(head, witnesses)))
        except Refused as refused:
            theirs = refused.code
        if isinstance(ours, tuple):
            ours = (ours[0], sorted(set(ours[1])))
        assert ours == theirs, bent


def answers(answer: Json) -> Iterator[Json]:
    """An answer with its receipt, bent in every field."""
    receipt = answer["receipt"]
    bent: list[Any] = [None, 0, -1, 7, 2**70, 1.5, 1e999, True, "", "0" * 64, "é", "\ud800", [], {}]
    for name in receipt:
        yield from ({**answer, "receipt": {**receipt, name: value}} for value in bent)
        yield {**answer, "receipt": {key: receipt[key] for key in receipt if key != name}}
    yield {**answer, "receipt": {**receipt, "also": "approved"}}
    # The receipt laid beside the forged answer, where none would look for one.
    yield from ({"name": "forged", **receipt, "receipt": value} for value in bent)
    yield {"name": "forged", **receipt}
    yield from ({**answer, "name": value} for value in bent)


def test_both_read_receipts_alike(evidence: Evidence) -> None:
    key = read_key(evidence.key()["key"])
    (appended,) = evidence.audit.append([entry()])
    receipt = evidence.audit.receipt(appended, digest({"name": "one"})).model_dump(mode="json")
    sound = {"name": "one", "receipt": receipt}
    told = []
    for answer in (sound, receipt, *answers(sound)):
        rest = dict(answer)
        given = rest.pop("receipt", answer)
        try:
            made = Receipt.model_validate(given)
            evidence.audit.check_receipt(made, None if given is answer else digest(rest))
            ours = ""
        except HubError as error:
            ours = error.code
        except (ValidationError, TypeError):
            ours = "audit_document_malformed"
        try:
            hub_verify.check_receipt(answer, key)
            theirs = ""
        except Refused as refused:
            theirs = refused.code
        told.append((bool(ours), bool(theirs)))
        assert told[-1] in {(True, True), (False, False)}, (ours, theirs, answer)
    assert told.count((False, False)) == 2


@pytest.mark.parametrize(
    "text", [DEEP, '{"a":' * 5000, "[]", '{"index": 1e999, "size": 1}', "\x00"]
)
def test_nothing_that_is_written_in_a_document_breaks_it(
    text: str, evidence: Evidence, written: Callable[..., Path]
) -> None:
    file, key = written("document", text), evidence.key()["key"]
    assert named("receipt", file, "--key", key) == "audit_document_malformed"
    note = written("note", evidence.checkpoints()["checkpoint"])
    asked = ("--checkpoint", note, "--key", key)
    assert named("inclusion", file, *asked) == "audit_document_malformed"


def test_what_was_asked_for_is_checked_or_refused(
    evidence: Evidence, written: Callable[..., Path]
) -> None:
    """A proof without a checkpoint shows nothing, and nor does a quorum of nobody."""
    key = evidence.key()["key"]
    (appended,) = evidence.audit.append([entry()])
    receipt = evidence.audit.receipt(appended, digest({})).model_dump(mode="json")
    answer = written("answer", {"receipt": receipt})
    evidence.audit.checkpoint()
    proof = {**evidence.inclusion(300).model_dump(mode="json"), "checkpoint": None}
    given = ("receipt", answer, "--key", key)
    assert named(*given, "--proof", written("proof", proof)) == "audit_note_malformed"
    assert named(*given, "--quorum", "1") == "audit_quorum_missing"
    log = exported(evidence, answer.parent / "log")
    assert named("export", log, "--key", key, "--quorum", "1") == "audit_quorum_missing"
    twice = written("twice", f'{{"name": "read by others", {json.dumps({"receipt": receipt})[1:]}')
    both = twice.read_text().replace('"receipt"', '"name": 1, "receipt"')
    assert named("receipt", written("twice", both), "--key", key) == "audit_document_malformed"


def lines_of(file: Path) -> list[Json]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_every_field_of_an_export_counts(evidence: Evidence, tmp_path: Path) -> None:
    key = read_key(evidence.key()["key"])
    lines = lines_of(exported(evidence, tmp_path / "log"))

    def told(*given: Json) -> list[str]:
        read = Export(Trust(key))
        try:
            read.read(map(json.dumps, given))
        except Refused as refused:
            return [refused.code]
        return [problem.code for problem in read.problems]

    assert told(*lines) == []
    for place in (0, 1, 150, next(n for n, line in enumerate(lines) if "checkpoint" in line), -1):
        for name in lines[place]:
            if name in {"origin", "quorum", "witnesses"}:
                continue  # told for convenience: whom to trust is not for the export to say
            for value in BENT:
                bent = [*lines]
                bent[place] = {**lines[place], name: value}
                assert told(*bent), (name, value)
        assert told(*lines[:place], *lines[place:][1:]) or "checkpoint" in lines[place], place
    assert told(*lines, lines[-2]), "behind its end"
    assert told(lines[0], *lines), "begun twice"


def test_an_export_that_nobody_signed_is_refused(
    evidence: Evidence, engine: Engine, tmp_path: Path
) -> None:
    """Whoever writes a whole log anew and leaves the checkpoints out has proved nothing."""
    attacked(engine, lambda connection: run(connection, "TRUNCATE audit_checkpoint"))
    file = exported(evidence, tmp_path / "log")
    assert problems(evidence, file) == {"audit_export_unsigned"}
    assert problems(evidence, file, evidence.audit.checkpoint().note) == set()


@pytest.mark.parametrize(
    "bent",
    ["", "[]", "{", '{"KEY": []}', '{"KEY": {"size": -5, "root": "00"}}', DEEP,
     '{"KEY": {"size": 1e999, "root": ""}}', '{"KEY": {"size": 300}}', '{"KEY": null}'],
)  # fmt: skip
def test_a_witness_that_cannot_read_what_it_signed_signs_nothing(
    bent: str, evidence: Evidence, secrets: list[Secret], tmp_path: Path
) -> None:
    state = tmp_path / secrets[0].name.replace("/", "-")
    state.write_text(bent.replace("KEY", evidence.key()["key"]))
    assert refusal(signed, evidence, secrets[0], tmp_path) == "audit_document_malformed"
    assert state.read_text() == bent.replace("KEY", evidence.key()["key"])


def test_two_histories_for_two_witnesses_are_seen_when_they_meet(
    evidence: Evidence, secrets: list[Secret], keys: KeyRing, tmp_path: Path
) -> None:
    """The operator shows each witness a history of its own: each may sign, and the hub that is
    handed both, or either witness that is, has the proof.
    """
    key = read_key(evidence.key()["key"])
    note = evidence.checkpoints()["checkpoint"]
    other = sign_checkpoint(ORIGIN, evidence.audit.head()._replace(root=bytes(32)), keys)
    for secret, shown in zip(secrets, (note, other), strict=False):
        cosign(shown, key, secret, tmp_path / secret.name[-1], lambda _old, _new: {})
    again = refusal(cosign, other, key, secrets[0], tmp_path / "0", lambda _old, _new: {})
    assert again == "audit_split_view"
    trust = Trust(key, tuple(each.key for each in secrets[:2]), 2)
    assert refusal(trust.open, other) == "audit_quorum_missing"


@pytest.mark.parametrize(
    "answer",
    [b"junk\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"",
     b"HTTP/1.1 200 OK\r\n\r\n" + DEEP.encode(), b'HTTP/1.1 200 OK\r\n\r\n{"to_cosign": "x"}',
     b"HTTP/1.1 409 \x1b[2J\r\n\r\n{}", b"HTTP/1.1 200 OK\r\n\r\n[]"],
)  # fmt: skip
def test_a_hub_that_answers_oddly_is_told_in_words(
    answer: bytes, evidence: Evidence, tmp_path: Path
) -> None:
    import socket
    import threading

    def serve() -> None:
        link, _ = server.accept()
        with link:
            link.recv(4096)
            link.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=serve)
        serving.start()
        api = Api(f"http://127.0.0.1:{server.getsockname()[1]}")
        told = refusal(api.checkpoint, tmp_path / "state", read_key(evidence.key()["key"]))
        serving.join()
    assert told in {"audit_hub_unreachable", "audit_note_malformed"}
