from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from core.errors import BadInput
from core.keys import KeyRing
from hub.audit.checkpoints import (
    CheckpointForged,
    CheckpointKeySwapped,
    CheckpointMalformed,
    CheckpointOfAnotherLog,
    TreeHead,
    check_origin,
    key_id,
    open_checkpoint,
    open_note,
    sign_checkpoint,
    sign_note,
)
from tests.audit.making import ORIGIN

HEAD = TreeHead(7, bytes(range(32)))

# The example of the reference implementation (golang.org/x/mod/sumdb/note).
REFERENCE_KEY = Ed25519PublicKey.from_public_bytes(
    base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
)
REFERENCE_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
REFERENCE_NOTE = (
    f"{REFERENCE_TEXT}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFY"
    "C2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_reference_note_opens() -> None:
    assert key_id("PeterNeumann", REFERENCE_KEY).hex() == "c74f20a3"
    assert open_note(REFERENCE_NOTE, "PeterNeumann", REFERENCE_KEY) == REFERENCE_TEXT


def test_the_reference_note_changed_does_not_open() -> None:
    changed = REFERENCE_NOTE.replace("answer", "Answer")
    with pytest.raises(CheckpointForged):
        open_note(changed, "PeterNeumann", REFERENCE_KEY)


def test_a_checkpoint_opens_as_it_was_signed(keys: KeyRing) -> None:
    note = sign_checkpoint(ORIGIN, HEAD, keys)
    assert open_checkpoint(note, ORIGIN, keys.public_key) == HEAD
    root = base64.b64encode(HEAD.root).decode()
    assert note.startswith(f"{ORIGIN}\n7\n{root}\n\n— {ORIGIN} ")


def test_signatures_by_witnesses_and_further_lines_are_let_be(keys: KeyRing) -> None:
    root = base64.b64encode(HEAD.root).decode()
    note = sign_note(f"{ORIGIN}\n7\n{root}\nextension\n", ORIGIN, keys)
    witness = base64.b64encode(bytes(76)).decode()
    assert open_checkpoint(f"{note}— witness {witness}\n", ORIGIN, keys.public_key) == HEAD


def test_another_key_is_a_swapped_key(keys: KeyRing) -> None:
    note = sign_checkpoint(ORIGIN, HEAD, KeyRing(bytes(32)))
    with pytest.raises(CheckpointKeySwapped):
        open_checkpoint(note, ORIGIN, keys.public_key)


def test_another_key_under_our_key_id_is_a_forgery(keys: KeyRing) -> None:
    text = f"{ORIGIN}\n7\n{base64.b64encode(HEAD.root).decode()}\n"
    stolen = key_id(ORIGIN, keys.public_key) + KeyRing(bytes(32)).sign(text.encode())
    note = f"{text}\n— {ORIGIN} {base64.b64encode(stolen).decode()}\n"
    with pytest.raises(CheckpointForged):
        open_checkpoint(note, ORIGIN, keys.public_key)


def test_a_checkpoint_of_another_log_is_refused(keys: KeyRing) -> None:
    root = base64.b64encode(HEAD.root).decode()
    note = sign_note(f"other.example/audit\n7\n{root}\n", ORIGIN, keys)
    with pytest.raises(CheckpointOfAnotherLog):
        open_checkpoint(note, ORIGIN, keys.public_key)


@pytest.mark.parametrize(
    "text", ["", "\n", "a\n\nb\n", "a\n\n— b\n", "a\n\n— b c!\n", "a\n\n— b c"]
)
def test_what_is_no_note_is_malformed(text: str, keys: KeyRing) -> None:
    with pytest.raises(CheckpointMalformed):
        open_checkpoint(text, ORIGIN, keys.public_key)


@pytest.mark.parametrize("body", ["7", "07\nROOT", "-7\nROOT", "７\nROOT", "7\nAAAA", "7\n!"])
def test_a_signed_text_that_states_no_tree_head_is_malformed(body: str, keys: KeyRing) -> None:
    root = base64.b64encode(HEAD.root).decode()
    note = sign_note(f"{ORIGIN}\n{body.replace('ROOT', root)}\n", ORIGIN, keys)
    with pytest.raises(CheckpointMalformed):
        open_checkpoint(note, ORIGIN, keys.public_key)


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb", "a\u3000b"])
def test_an_origin_that_would_break_the_format_is_refused(origin: str) -> None:
    with pytest.raises(BadInput):
        check_origin(origin)
