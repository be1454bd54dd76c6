"""The stand-alone verifier, run as others run it: a file of its own, without the hub."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from core.canonical import digest
from core.keys import KeyRing
from core.messages import catalogue
from hub.audit.checkpoints import key_text
from hub.audit.evidence import Evidence
from hub.audit.exporting import export
from tests.audit.making import ORIGIN, entry
from tests.audit.test_attacks import (
    attacked,
    clock_moved_back,
    entries_reordered,
    entry_changed,
    entry_inserted_and_rows_renumbered,
    entry_removed_and_rows_renumbered,
    tail_truncated,
)
from tests.audit.test_witness import signed
from verifier.hub_verify import WORDS, Export, Refused, Trust, canonical, read_key
from verifier.hub_witness import Secret

VERIFIER = Path(__file__).parents[2] / "verifier" / "hub_verify.py"


def alone(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the file in a Python that sees neither the hub nor the repository."""
    command = [sys.executable, "-I", str(VERIFIER), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


def held(*arguments: str | Path) -> str:
    done = alone(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def named(*arguments: str | Path) -> str:
    """The name of what is wrong."""
    done = alone(*arguments)
    assert done.returncode == 1, done.stdout
    return done.stderr.splitlines()[-1].partition(":")[0]


def test_published_vectors(shared_data: Path) -> None:
    folder = shared_data / "conformance" / "merkle"
    if not folder.exists():
        pytest.skip(f"the published vectors are absent (looked in {folder})")
    cases = len(list(folder.rglob("*.json")))
    assert held("vectors", folder) == f"{cases} published cases came out right\n"


def test_a_vector_that_comes_out_wrong_is_told(tmp_path: Path) -> None:
    case = {"leafIdx": 0, "treeSize": 1, "proof": None, "leafHash": "AA==", "root": "AA=="}
    (tmp_path / "inclusion").mkdir()
    (tmp_path / "inclusion" / "bent.json").write_text(json.dumps({**case, "wantErr": False}))
    assert named("vectors", tmp_path) == "audit_vector_failed"


def test_it_needs_nothing_but_the_standard_library_and_cryptography() -> None:
    nodes = list(ast.walk(ast.parse(VERIFIER.read_text("utf-8"))))
    imported = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    packages = {name.partition(".")[0] for name in imported}
    assert packages - set(sys.stdlib_module_names) == {"cryptography"}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, made: Any) -> Path:
        file = tmp_path / name
        file.write_text(made if isinstance(made, str) else json.dumps(made), "utf-8")
        return file

    return write


def test_checkpoints_proofs_and_receipts(
    evidence: Evidence, secrets: list[Secret], tmp_path: Path, written: Callable[..., Path]
) -> None:
    key = evidence.key()["key"]
    old = written("old", evidence.checkpoints()["checkpoint"])
    body = {"name": "张伟", "weights": [0.5, 0.00001, 1e16], "at": None, "ok": True}
    (appended,) = evidence.audit.append([entry()])
    receipt = evidence.audit.receipt(appended, digest(body)).model_dump(mode="json")
    evidence.audit.checkpoint()
    note = evidence.checkpoints()["checkpoint"]
    for each in secrets[:2]:
        note = signed(evidence, each, tmp_path, note)
    new = written("new", note)
    witnesses = [f"--witness={each.key.text}" for each in secrets[:2]]
    told = held("checkpoint", new, "--key", key, "--quorum", "2", *witnesses)
    assert "301 entries" in told
    assert "witness.example/1 at " in told
    assert named("checkpoint", new, "--key", key, "--quorum", "2", witnesses[0]) == (
        "audit_quorum_missing"
    )
    swapped = key_text(ORIGIN, KeyRing(bytes(32)).public_key)
    assert named("checkpoint", new, "--key", swapped) == "audit_note_key_swapped"
    assert named("checkpoint", new, "--key", secrets[0].key.text) == "audit_key_malformed"

    grown = written("grown", evidence.consistency(300, 301).model_dump(mode="json"))
    sizes = ("--old", old, "--new", new, "--key", key)
    assert "begins with" in held("consistency", grown, *sizes)
    assert named("consistency", grown, "--old", new, "--new", old, "--key", key) == (
        "audit_rolled_back"
    )
    bent = written("bent", {"old": 300, "new": 301, "proof": ["00" * 32]})
    assert named("consistency", bent, *sizes) == "audit_split_view"

    proof = evidence.inclusion(300).model_dump(mode="json")
    included = written("proof", proof)
    assert "entry 300" in held("inclusion", included, "--key", key)
    other = written("other", {**proof, "index": 299})
    assert named("inclusion", other, "--key", key) == "audit_inclusion_unproven"

    resized = written("resized", {**evidence.inclusion(0).model_dump(mode="json"), "size": 300})
    assert named("inclusion", resized, "--key", key) == "audit_inclusion_unproven"

    answer = written("answer", {**body, "receipt": receipt})
    asked = ("--proof", included, "--checkpoint", new, "--key", key, "--quorum", "2", *witnesses)
    assert "signed for this answer" in held("receipt", answer, *asked)
    replayed = written("replayed", {"name": "other", "receipt": receipt})
    assert named("receipt", replayed, *asked) == "audit_receipt_replayed"
    forged = written("forged", {**body, "receipt": {**receipt, "index": 299}})
    assert named("receipt", forged, *asked) == "audit_receipt_forged"
    early = ("--key", key, "--proof", included, "--checkpoint", old)
    assert named("receipt", answer, *early) == "audit_receipt_later"
    elsewhere = written("elsewhere", evidence.inclusion(7).model_dump(mode="json"))
    assert named("receipt", answer, "--proof", elsewhere, "--key", key) == "audit_receipt_unfounded"


EXPORTED = [
    (entry_changed, "audit_entry_changed"),
    (entry_removed_and_rows_renumbered, "audit_entry_removed"),
    (entry_inserted_and_rows_renumbered, "audit_entry_inserted"),
    (entries_reordered, "audit_entries_reordered"),
    (tail_truncated, "audit_truncated"),
    (clock_moved_back, "audit_time_backward"),
]


def exported(evidence: Evidence, file: Path) -> Path:
    with file.open("w", encoding="utf-8") as out:
        export(evidence, out)
    return file


def problems(evidence: Evidence, file: Path, *kept: str) -> set[str]:
    read = Export(Trust(read_key(evidence.key()["key"])), kept)
    with file.open(encoding="utf-8") as lines:
        read.read(lines)
    return {problem.code for problem in read.problems}


def test_a_whole_export(evidence: Evidence, tmp_path: Path, secrets: list[Secret]) -> None:
    evidence.submit(signed(evidence, secrets[0], tmp_path))
    file, key = exported(evidence, tmp_path / "log"), evidence.key()["key"]
    told = held("export", file, "--key", key, "--witness", secrets[0].key.text, "--quorum", "1")
    root = evidence.audit.head().root.hex()
    assert (
        told == f"301 entries, 300 of them signed, 300 by witnesses (2 checkpoints), root {root}\n"
    )
    lines = file.read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "cut").write_text("".join(lines[:-30]), "utf-8")
    assert named("export", tmp_path / "cut", "--key", key) == "audit_export_cut"
    kept = evidence.checkpoints()["checkpoint"]
    cut = problems(evidence, tmp_path / "cut", kept)
    assert cut == {"audit_export_cut", "audit_rolled_back"}


@pytest.mark.parametrize(("attack", "code"), EXPORTED, ids=lambda one: getattr(one, "__name__", ""))
def test_an_export_of_an_attacked_log_names_the_attack(
    attack: Any, code: str, evidence: Evidence, engine: Engine, tmp_path: Path
) -> None:
    attacked(engine, attack)
    assert code in problems(evidence, exported(evidence, tmp_path / "log"))


def test_an_export_of_another_history_is_told_by_a_kept_checkpoint(
    evidence: Evidence, engine: Engine, tmp_path: Path
) -> None:
    kept = evidence.checkpoints()["checkpoint"]

    def replace(connection: Any) -> None:
        entry_removed_and_rows_renumbered(connection)
        connection.exec_driver_sql("TRUNCATE audit_checkpoint")

    attacked(engine, replace)
    file = exported(evidence, tmp_path / "log")
    assert "audit_rolled_back" in problems(evidence, file, kept)
    evidence.audit.append([entry(), entry()])
    file = exported(evidence, tmp_path / "log")
    assert "audit_split_view" in problems(evidence, file, kept)


@pytest.mark.parametrize("line", ["", "{}", "[]", "nonsense", '{"audit_export": 2}', "\x00"])
def test_what_is_no_export(line: str, evidence: Evidence, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(line + "\n", "utf-8")
    assert named("export", tmp_path / "log", "--key", evidence.key()["key"]) == (
        "audit_document_malformed"
    )


plain = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)  # fmt: skip


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.recursive(
        plain, lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=8
    )
)
def test_it_writes_json_as_the_hub_signs_it(value: Any) -> None:
    assert canonical(value).encode() == orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.text())
def test_whatever_is_given_for_a_key_is_refused_in_words(text: str) -> None:
    with pytest.raises(Refused):
        read_key(text)


def test_it_calls_things_as_the_hub_does() -> None:
    assert sorted(WORDS.keys() - catalogue().keys()) == []
