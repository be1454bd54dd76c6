"""Checkpoints: tree heads in the C2SP formats tlog-checkpoint and signed-note, under Ed25519.

A checkpoint kept outside of the hub (with another department, on paper) is what shows later that
a whole log was replaced or set back, which nothing inside the database can show.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.errors import BadInput, HubError
from core.keys import KeyRing
from core.messages import message
from hub.audit.merkle import HASH_BYTES

SIGNED, COSIGNED = b"\x01", b"\x04"
"""The kinds of key, as C2SP numbers them: a log's own (Ed25519), and a witness's."""

_KEY_ID_BYTES = 4
_SIGNATURE = re.compile(r"— (\S+) (\S+)")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class CheckpointRefused(HubError):
    """A checkpoint that does not hold; the kinds below say why."""

    status = 400
    exit_code = 2


class CheckpointMalformed(CheckpointRefused):
    """The text is not a signed checkpoint."""

    code = "audit_note_malformed"


class CheckpointOfAnotherLog(CheckpointRefused):
    """The origin line names another log."""

    code = "audit_note_of_another_log"


class CheckpointForged(CheckpointRefused):
    """Our key is named but did not sign this text."""

    code = "audit_note_forged"


class CheckpointKeySwapped(CheckpointRefused):
    """The text is signed, but not by our key."""

    code = "audit_note_key_swapped"


class TreeHead(NamedTuple):
    """What a checkpoint says: the root (32 bytes) that the first ``size`` leaves have."""

    size: int
    root: bytes


class Checkpoint(NamedTuple):
    """A signed tree head: ``note`` is the signed text, ``time`` when it was made (UTC)."""

    size: int
    root: bytes
    note: str
    time: datetime


def check_origin(origin: str) -> str:
    """``origin``, if it can name a log and its key.

    Raises:
        BadInput: it is empty or holds a blank, a line break or ``+``.
    """
    if not origin or "+" in origin or any(c.isspace() or not c.isprintable() for c in origin):
        raise BadInput(field="origin", rule=message("rule_origin"))
    return origin


def key_id(name: str, public_key: Ed25519PublicKey, kind: bytes = SIGNED) -> bytes:
    """The 4 bytes by which a signature names its key."""
    raw = public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return sha256(name.encode() + b"\n" + kind + raw).digest()[:_KEY_ID_BYTES]


def key_text(name: str, public_key: Ed25519PublicKey, kind: bytes = SIGNED) -> str:
    """A public key with its name on one line, as C2SP writes it."""
    raw = public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    identity = key_id(name, public_key, kind).hex()
    return f"{name}+{identity}+{base64.b64encode(kind + raw).decode()}"


def read_key(text: str, kind: bytes) -> tuple[str, Ed25519PublicKey]:
    """Name and key of a line of :func:`key_text`.

    Raises:
        ValueError: it is none, or of another kind.
    """
    name, _, rest = text.partition("+")
    material = base64.b64decode(rest.partition("+")[2], validate=True)
    public_key = Ed25519PublicKey.from_public_bytes(material[1:])
    if key_text(name, public_key, kind) != text:
        raise ValueError(message("rule_public_key"))
    return name, public_key


def sign_note(text: str, name: str, keys: KeyRing) -> str:
    """``text`` (which ends with a line break) as a signed note."""
    signature = key_id(name, keys.public_key) + keys.sign(text.encode())
    return f"{text}\n— {name} {base64.b64encode(signature).decode()}\n"


def open_note(note: str, name: str, public_key: Ed25519PublicKey) -> str:
    """The text of a note that ``name`` signed; further signatures by others are let be.

    Raises:
        CheckpointMalformed: not a signed note.
        CheckpointKeySwapped: no signature is by this key.
        CheckpointForged: a signature that claims this key is not by it.
    """
    text, signatures = note_parts(note)
    wanted, signed = key_id(name, public_key), False
    for signer, signature in signatures:
        if signer != name or signature[:_KEY_ID_BYTES] != wanted:
            continue
        try:
            public_key.verify(signature[_KEY_ID_BYTES:], text.encode())
        except InvalidSignature as error:
            raise CheckpointForged from error
        signed = True
    if not signed:
        raise CheckpointKeySwapped
    return text


def note_parts(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text of a note, and its signatures: who claims to have signed, and the bytes.

    Raises:
        CheckpointMalformed: not a signed note.
    """
    text, found, signatures = note.rpartition("\n\n")
    if not found or not signatures.endswith("\n"):
        raise CheckpointMalformed
    return text + "\n", list(_signatures(signatures))


def _signatures(lines: str) -> Iterator[tuple[str, bytes]]:
    for line in lines[:-1].split("\n"):
        match = _SIGNATURE.fullmatch(line)
        if match is None:
            raise CheckpointMalformed
        yield match[1], _base64(match[2])


def sign_checkpoint(origin: str, head: TreeHead, keys: KeyRing) -> str:
    """The checkpoint of a tree head as a signed note."""
    root = base64.b64encode(head.root).decode()
    return sign_note(f"{origin}\n{head.size}\n{root}\n", origin, keys)


def open_checkpoint(note: str, origin: str, public_key: Ed25519PublicKey) -> TreeHead:
    """The tree head that a checkpoint of our log states.

    Raises:
        CheckpointRefused: one of its kinds.
    """
    text = open_note(note, origin, public_key)
    stated, size, root, *_ = [*text.split("\n"), "", ""]
    if stated != origin:
        raise CheckpointOfAnotherLog(origin=origin)
    if not _SIZE.fullmatch(size) or len(_base64(root)) != HASH_BYTES:
        raise CheckpointMalformed
    return TreeHead(int(size), _base64(root))


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointMalformed from error
