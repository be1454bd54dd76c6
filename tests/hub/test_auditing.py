"""The log in others' hands: auditors over HTTP and on the command line, and a witness who has
nothing but the stand-alone verifier.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import create_engine, text

from core.database import parse_url
from hub.app import Hub, open_hub
from hub.audit.search import Recorded
from hub.audit.tree import AuditDamaged
from tests.hub import village
from tests.hub.conftest import Api, Place, serving
from tests.hub.matrix.base import PAST
from tests.hub.village import PEOPLE

VERIFIER = Path(__file__).parents[2] / "verifier"
NUMBER = PEOPLE[0][0]
NOBODY = "44060519710214002X"
ASKED = ("--as", "worker-1", "--purpose", "visit", "--case", "GD-1", "--where", "resident_id=-")
AUDITOR = ("--as", "auditor-1", "--purpose", "data_governance", "--case", "A-1")


def alone(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    file = "hub_witness.py" if arguments[0] in {"new-key", "cosign"} else "hub_verify.py"
    command = [sys.executable, "-I", str(VERIFIER / file), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


@pytest.fixture(scope="module")
def witnessed(
    _finished: Place, server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Place, Path]]:
    """A published village with one registered witness, and the folder of that witness."""
    folder = tmp_path_factory.mktemp("witness")
    done = alone("new-key", "phones.example/witness", "--to", folder / "secret")
    assert done.returncode == 0, done.stderr
    witness = {
        "name": "phones.example/witness",
        "department": "phones",
        "public_key": done.stdout.strip(),
    }
    workspace = village.make(folder / "village")
    policy = workspace / "policies" / "witnesses.yaml"
    policy.write_text(yaml.safe_dump({"quorum": 1, "within": 24, "witnesses": [witness]}))
    with copied(_finished, server_url) as url:
        made = Place(workspace, _finished.home, url)
        made.succeed("apply", str(workspace))
        (folder / "hub.pub").write_text(made.succeed("audit", "key"))
        yield made, folder


@contextmanager
def copied(place: Place, server_url: str) -> Iterator[str]:
    """The address of a database of one's own, as that of a place stands."""
    name, original = f"witnessed_{uuid.uuid4().hex}", parse_url(place.database).database
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {original}"))
    yield parse_url(server_url).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def test_a_witness_over_http(witnessed: tuple[Place, Path]) -> None:
    place, folder = witnessed
    with open_hub(place.settings) as hub, serving(hub) as address:
        common = ("--hub", address, "--key", folder / "hub.pub", "--secret", folder / "secret",
                  "--state", folder / "state.json", "--submit")  # fmt: skip
        first = alone("cosign", *common)
        assert first.returncode == 0, first.stderr
        hub.audit.checkpoint()
        second = alone("cosign", *common)
        assert second.returncode == 0, second.stderr
        (folder / "note").write_text(second.stdout)
        witness = first.stdout.splitlines()[-1].split()[1]
        assert witness == "phones.example/witness"
    shown = place.succeed("audit", "witness", "list")
    assert "phones.example/witness  phones" in shown
    assert "cosign" in place.succeed("audit", "search", "--action", "cosign")
    public = yaml.safe_load((place.workspace / "policies/witnesses.yaml").read_text())
    key = public["witnesses"][0]["public_key"]
    told = alone("checkpoint", folder / "note", "--key", folder / "hub.pub", "--witness", key,
                 "--quorum", "1")  # fmt: skip
    assert told.returncode == 0, told.stderr


def test_a_witness_by_files_and_the_hub_itself(witnessed: tuple[Place, Path]) -> None:
    place, folder = witnessed
    (folder / "one").write_text(place.succeed("audit", "checkpoint"))
    own = ("--key", str(folder / "hub.pub"), "--secret", str(folder / "secret"),
           "--state", str(folder / "by-files.json"))  # fmt: skip
    cosigned = str(folder / "cosigned")
    place.succeed("audit", "witness", "cosign", "--checkpoint", str(folder / "one"), *own,
                  "--to", cosigned)  # fmt: skip
    assert "phones.example/witness" in place.succeed("audit", "witness", "submit", cosigned)
    (folder / "two").write_text(place.succeed("audit", "checkpoint"))
    later = ("audit", "witness", "cosign", "--checkpoint", str(folder / "two"), *own)
    refused = place.command(*later)
    assert refused.returncode == 1
    assert "audit_proof_missing" in refused.stderr
    old, new = (str((folder / name).read_text().split("\n")[1]) for name in ("one", "two"))
    proof = str(folder / "grown")
    place.succeed("audit", "proof", "consistency", old, new, "--to", proof)
    assert place.succeed(*later, "--proof", proof).count("phones.example/witness") == 1
    back = ("audit", "witness", "cosign", "--checkpoint", str(folder / "one"), *own)
    assert "audit_rolled_back" in place.command(*back).stderr


def test_a_receipt_from_the_answer_to_the_witnesses(witnessed: tuple[Place, Path]) -> None:
    place, folder = witnessed
    answer = place.succeed("query", "resident", *ASKED, typed=f"{NUMBER}\n")
    (folder / "answer").write_text(answer, "utf-8")
    index = str(json.loads(answer)["receipt"]["index"])
    early = place.command("audit", "proof", "inclusion", index)
    assert (early.returncode, "index" in early.stderr) == (2, True), "it is not signed yet"
    note = folder / "signed"
    note.write_text(place.succeed("audit", "checkpoint"))
    proof = folder / "proof"
    place.succeed("audit", "proof", "inclusion", index, "--to", str(proof))
    checked = place.succeed("audit", "receipt", "check", str(folder / "answer"),
                            "--checkpoint", str(note), "--proof", str(proof))  # fmt: skip
    assert f"entry {index}" in checked
    done = alone("receipt", folder / "answer", "--key", folder / "hub.pub", "--proof", proof)
    assert done.returncode == 0, done.stderr
    (folder / "replayed").write_text(answer.replace("2026", "2025", 1), "utf-8")
    replayed = place.command("audit", "receipt", "check", str(folder / "replayed"))
    assert replayed.returncode == 2
    assert "another answer" in replayed.stderr or "not signed" in replayed.stderr


@pytest.mark.parametrize(
    "bent",
    [{"x": 2**70}, {"x": "\ud800"}, {"receipt": {"index": 2**70}}, {"receipt": {"origin": "\ud800"}},
     {"receipt": {"index": -1}}],
)  # fmt: skip
def test_a_receipt_that_no_hub_wrote_is_refused_in_words(
    bent: dict[str, Any], witnessed: tuple[Place, Path]
) -> None:
    place, folder = witnessed
    receipt = {"origin": "hub", "index": 1, "leaf_hash": "00" * 32, "answer": "00" * 32,
               "time": "2026-01-01T00:00:00Z", "signature": "00" * 64}  # fmt: skip
    answer = {"x": 1, **bent, "receipt": {**receipt, **bent.get("receipt", {})}}
    (folder / "bent").write_text(json.dumps(answer))
    done = place.command("audit", "receipt", "check", str(folder / "bent"))
    assert done.returncode == 2, done.stderr
    assert alone("receipt", folder / "bent", "--key", folder / "hub.pub").returncode == 1


def test_a_witness_is_told_in_words_what_is_missing(witnessed: tuple[Place, Path]) -> None:
    place, folder = witnessed
    (folder / "any").write_text(place.succeed("audit", "checkpoint"))
    own = ("audit", "witness", "cosign", "--secret", str(folder / "secret"))
    note, key = ("--checkpoint", str(folder / "any")), ("--key", str(folder / "hub.pub"))
    away = place.command(*own, *note, *key, "--state", str(folder / "nowhere" / "state"))
    assert (away.returncode, "--state" in away.stderr) == (2, True)
    state = ("--state", str(folder / "fresh"))
    assert (
        "audit_hub_unreachable" in place.command(*own, *key, *state, "--hub", "http://[::").stderr
    )
    assert "audit_key_malformed" in place.command(*own, *note, "--key", "x" * 5000, *state).stderr
    assert not (folder / "fresh").exists()


def test_an_export_is_verified_without_the_hub(witnessed: tuple[Place, Path]) -> None:
    place, folder = witnessed
    log, key = str(folder / "log.jsonl"), str(folder / "hub.pub")
    place.succeed("audit", "export", "--to", log, *AUDITOR)
    assert NUMBER not in Path(log).read_text("utf-8")
    done = alone("export", log, "--key", key)
    assert done.returncode == 0, done.stderr
    assert "entries" in place.succeed("audit", "verify", "--offline", log, "--key", key)
    lines = Path(log).read_text("utf-8").splitlines(keepends=True)
    Path(log).write_text("".join(lines[:2] + lines[3:]), "utf-8")
    broken = place.command("audit", "verify", "--offline", log, "--key", key)
    assert broken.returncode == 1
    assert "audit_entry_removed" in broken.stdout
    assert "export_audit" in place.succeed("audit", "search", "--client", "auditor-1")
    assert place.command("audit", "export", "--to", log).returncode == 2, "it is there already"


def test_auditors_search_by_person(api: Api, published: Place) -> None:
    body = {"purpose": "visit", "case": "GD-7", "where": {"resident_id": NUMBER}}
    asked = api("POST", "/v1/subjects/resident/query", "worker-1", json=body)
    about = {"subject": "resident", "attribute": "resident_id", "value": NUMBER}
    wanted = {**PAST, "wanted": {"client": "worker-1", "limit": 5}, "about": about}
    found = api("POST", "/v1/audit/search", "auditor-1", json=wanted)
    assert found.status_code == 200, found.text
    assert found.json()["entries"][0]["index"] == asked.json()["receipt"]["index"]
    assert found.json()["entries"][0]["why"]["case"] == "GD-7"
    assert NUMBER not in found.text
    other = {**wanted, "about": {**about, "value": NOBODY}}
    assert api("POST", "/v1/audit/search", "auditor-1", json=other).json()["entries"] == []
    read = api("POST", "/v1/audit/search", "auditor-1",
               json={**PAST, "wanted": {"action": "search_audit"}}).json()  # fmt: skip
    assert read["entries"][0]["who"]["client"] == "auditor-1", "reading is read"
    for wrong in ({**about, "attribute": "shoe"}, {**about, "value": "1"}):
        answer = api("POST", "/v1/audit/search", "auditor-1", json={**wanted, "about": wrong})
        assert answer.status_code in {400, 404}
        assert NUMBER not in answer.text
    typed = ("audit", "search", "--about", "resident/resident_id=-", "--client", "worker-1")
    assert "worker-1" in published.succeed(*typed, typed=f"{NUMBER}\n")


def test_auditors_sign_verify_and_check_receipts(api: Api) -> None:
    signed = api("POST", "/v1/audit/checkpoints", "auditor-1", json=PAST).json()
    shown = api("POST", "/v1/audit/checkpoints/latest", "auditor-1", json=PAST).json()
    assert shown["checkpoint"] == signed["checkpoint"]
    assert shown["unsigned"] >= 1, "the signing was logged behind it"
    assert api("GET", "/v1/audit/checkpoint").json()["checkpoint"] == signed["checkpoint"]
    assert api("POST", "/v1/audit/verify", "auditor-1", json=PAST).json()["holds"] is True
    kept = {**PAST, "checkpoint": signed["checkpoint"]}
    assert api("POST", "/v1/audit/verify", "auditor-1", json=kept).json()["holds"] is True
    receipt = signed["receipt"]
    given = {**PAST, "receipt": receipt, "answer": receipt["answer"]}
    answer = api("POST", "/v1/audit/receipts/check", "auditor-1", json=given)
    assert answer.json()["index"] == receipt["index"]
    early = {**given, "checkpoint": signed["checkpoint"]}
    answer = api("POST", "/v1/audit/receipts/check", "auditor-1", json=early)
    assert answer.status_code == 400
    later = api("POST", "/v1/audit/checkpoints", "auditor-1", json=PAST).json()["checkpoint"]
    proof = api("POST", "/v1/audit/proofs/inclusion", json={"index": receipt["index"]}).json()
    nothing = {**given, "proof": {**proof, "checkpoint": None}}
    answer = api("POST", "/v1/audit/receipts/check", "auditor-1", json=nothing)
    assert answer.status_code == 400, "a proof that leads nowhere"
    both = {**given, "checkpoint": later, "proof": proof}
    answer = api("POST", "/v1/audit/receipts/check", "auditor-1", json=both)
    assert answer.json()["signed_by"] == ["hub"]
    replayed = {**given, "answer": "00" * 32}
    answer = api("POST", "/v1/audit/receipts/check", "auditor-1", json=replayed)
    assert answer.json()["title"] == "audit_receipt_replayed"


def test_what_anybody_may_ask(api: Api, hub: Hub) -> None:
    size = hub.audit.checkpoint().size
    assert api("GET", "/v1/audit/key").json()["key"].startswith("hub+")
    proof = api("POST", "/v1/audit/proofs/consistency", json={"old": 1, "new": size}).json()
    assert proof["new"] == size
    beyond = api("POST", "/v1/audit/proofs/inclusion", json={"index": 0, "size": size + 1})
    assert beyond.status_code == 404
    for body in ({"old": 0, "new": 1}, {"old": 2, "new": 1}, {"old": -1, "new": 1}, {}):
        assert api("POST", "/v1/audit/proofs/consistency", json=body).status_code == 400
    note = api("GET", "/v1/audit/checkpoint").json()["checkpoint"]
    for bent in (note, "nonsense", note.replace("\n", "\r\n"), "\x00\n\n— a b\n"):
        answer = api("POST", "/v1/audit/cosignatures", json={"checkpoint": bent})
        assert answer.status_code == 400, bent


@pytest.mark.parametrize(
    "mistake",
    [
        {"quorum": 2},
        {"witnesses": [{"name": "w", "department": "phones", "public_key": "nonsense"}]},
    ],
)
def test_a_mistake_in_the_witnesses_is_told(mistake: dict[str, object], tmp_path: Path) -> None:
    from hub.folder import read

    folder = village.make(tmp_path / "village")
    file = folder / "policies" / "witnesses.yaml"
    file.write_text(yaml.safe_dump({"quorum": 1, "witnesses": [], **mistake}))
    with pytest.raises(Exception, match="mistakes"):
        read(folder)


@pytest.mark.parametrize(
    "wrong", [{"below": 2**63}, {"client": "a\x00b"}, {"person": "li"}, {"purpose": "p" * 201}]
)
def test_what_cannot_be_looked_for_is_refused(api: Api, wrong: dict[str, object]) -> None:
    answer = api("POST", "/v1/audit/search", "auditor-1", json={**PAST, "wanted": wrong})
    assert answer.status_code == 400


def test_bytes_that_the_log_did_not_write_are_told_of() -> None:
    for body in (b"{", b"[]", b'{"entry": {}, "format": 2}'):
        with pytest.raises(AuditDamaged):
            _ = Recorded(0, datetime.now(UTC), body).entry
