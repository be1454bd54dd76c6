#!/usr/bin/env python3
"""A witness of a hub's audit log, without the hub: signs that the log has only grown.

It needs the file ``hub_verify.py`` beside it, and what that needs.

    python hub_witness.py new-key police.example/witness --to FILE
    python hub_witness.py cosign --hub https://hub.example --key KEY --secret FILE --state FILE

Ends with 0 if it signed, 1 with a name and words if it must not, 2 on wrong use.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import importlib
import json
import os
import re
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

if not __package__:  # Run as a file: the verifier is the one that stands beside it.
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    sys.modules["verifier.hub_verify"] = importlib.import_module("hub_verify")

from verifier.hub_verify import (
    COSIGNED,
    OPTIONS,
    Head,
    Key,
    Refused,
    Tree,
    check_consistency,
    cosigned_text,
    count_of,
    documented,
    hash_of,
    json_of,
    key_of,
    object_of,
    open_checkpoint,
    run,
    sound,
    text_of,
)

_MOST = 1 << 20
"""Bytes that are read of what a hub answers."""
_UNREACHABLE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError,
    http.client.HTTPException,
)  # fmt: skip


class Secret(NamedTuple):
    """A witness's secret key."""

    name: str
    seed: bytes

    @property
    def key(self) -> Key:
        """What others need to check its signatures."""
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return Key(self.name, COSIGNED, public.public_bytes_raw())

    @property
    def text(self) -> str:
        """The secret on one line."""
        material = base64.b64encode(bytes([COSIGNED]) + self.seed).decode()
        return f"PRIVATE+KEY+{self.name}+{self.key.id.hex()}+{material}"

    def cosign(self, text: str, moment: int) -> str:
        """The signature line of this witness under a checkpoint's text."""
        signer = Ed25519PrivateKey.from_private_bytes(self.seed)
        signature = signer.sign(cosigned_text(moment, text).encode())
        blob = self.key.id + moment.to_bytes(8, "big") + signature
        return f"— {self.name} {base64.b64encode(blob).decode()}\n"


def read_secret(text: str) -> Secret:
    """The secret of a line."""
    with sound("audit_secret_malformed"):
        _, _, name, _, material = text.strip().split("+", 4)
        secret = Secret(name, base64.b64decode(material, validate=True)[1:])
        if secret.text != text.strip():
            raise ValueError
    return secret


def new_secret(name: str, file: Path) -> Secret:
    """A new witness key, kept in a new file that only its owner may read. A file that is there
    already is a FileExistsError.
    """
    if not name or re.search(r"[\s+]", name):
        raise Refused("audit_key_malformed")
    secret = Secret(name, os.urandom(32))
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(secret.text + "\n")
    return secret


Prove = Callable[[int, int], dict[str, Any]]
"""Gives the consistency proof between two sizes."""


def cosign(note: str, key: Key, secret: Secret, state: Path, prove: Prove) -> str:
    """The checkpoint with this witness's signature added: a statement that the log of ``key`` has
    only grown since this witness last signed, which its ``state`` file remembers.
    """
    head = open_checkpoint(note, key)
    with _locked(state):
        seen = _seen(state)
        old = _last(state, key)
        if old.size == head.size and old.root != head.root:
            raise Refused("audit_split_view", size=head.size)
        if old.size > head.size:
            raise Refused("audit_rolled_back", size=head.size, expected=old.size)
        if 0 < old.size < head.size:
            check_consistency(prove(old.size, head.size), old, head)
        # Remembered before it is signed: a signature that was given can never be forgotten.
        seen[key.text] = {"size": head.size, "root": head.root.hex(), "checkpoint": note}
        _write(state, json.dumps(seen, ensure_ascii=False, indent=1) + "\n")
    return note + secret.cosign(head.text, int(time.time()))


def _seen(state: Path) -> dict[str, Any]:
    return json_of(state) if state.exists() else {}


def _last(state: Path, key: Key) -> Head:
    """What was signed last of a log; of one never met, the empty tree."""
    last = _seen(state).get(key.text, {"size": 0, "root": Tree().root().hex()})
    with documented(str(state)):
        return Head(count_of(last["size"]), hash_of(last["root"]))


def _write(file: Path, text: str) -> None:
    """Writes a file so that whatever happens the old or the new text is there, whole."""
    handle, draft = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    Path(draft).replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    """One witness at a time: two at once could each remember another history."""
    import fcntl  # Checking works on any system; being a witness needs a POSIX one.

    with Path(f"{state}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Api:
    """What a witness needs of a hub's API; none of it needs a token."""

    def __init__(self, address: str) -> None:
        if not re.match(r"https?://", address):
            raise Refused("audit_hub_unreachable", reason="the address begins with https://")
        self._address = address.rstrip("/")

    def checkpoint(self, state: Path, key: Key) -> str:
        """The checkpoint that all witnesses are asked to sign, or the latest one if this witness
        has signed a later one than that already.
        """
        offered = str(self._ask("/v1/audit/checkpoint", "to_cosign"))
        if open_checkpoint(offered, key).size >= _last(state, key).size:
            return offered
        return str(self._ask("/v1/audit/checkpoint", "checkpoint"))

    def prove(self, old: int, new: int) -> dict[str, Any]:
        """The consistency proof between two sizes."""
        sizes = {"old": old, "new": new}
        return {"proof": self._ask("/v1/audit/proofs/consistency", "proof", sizes)}

    def submit(self, note: str) -> list[str]:
        """Hands in a cosigned checkpoint; gives whose signatures were kept."""
        return list(map(str, self._ask("/v1/audit/cosignatures", "kept", {"checkpoint": note})))

    def _ask(self, path: str, field: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"}
        try:
            request = urllib.request.Request(self._address + path, data, kind)  # noqa: S310 - looked at
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return object_of(answer.read(_MOST))[field]
        except urllib.error.HTTPError as error:
            raise Refused("audit_hub_unreachable", reason=f"status {error.code}") from error
        except _UNREACHABLE as error:
            raise Refused("audit_hub_unreachable", reason=type(error).__name__) from error


def proving(proof: dict[str, Any] | None, api: Api | None) -> Prove:
    """Proves by a document that is at hand, or else by asking the hub."""

    def prove(old: int, new: int) -> dict[str, Any]:
        if proof is not None:
            return proof
        if api is None:
            raise Refused("audit_proof_missing", old=old, new=new)
        return api.prove(old, new)

    return prove


def _new_key(given: argparse.Namespace) -> str:
    return new_secret(given.name, given.to).key.text


def _cosign(given: argparse.Namespace) -> str:
    key, secret = key_of(given.key), read_secret(text_of(given.secret))
    api = None if given.hub is None else Api(given.hub)
    if given.checkpoint is not None:
        note = text_of(given.checkpoint)
    elif api is not None:
        note = api.checkpoint(given.state, key)
    else:
        raise Refused("audit_document_malformed", file="--checkpoint or --hub")
    proof = None if given.proof is None else json_of(given.proof)
    signed = cosign(note, key, secret, given.state, proving(proof, api))
    if given.submit and api is not None:
        api.submit(signed)
    return signed.rstrip("\n")


_COMMANDS = {
    "new-key": (_new_key, "make a witness's key", "name --to!"),
    "cosign": (
        _cosign,
        "sign a checkpoint as a witness",
        "--key! --secret! --state! --checkpoint --proof --hub --submit",
    ),
}
_OPTIONS = OPTIONS | {
    "name": {},
    "--to": {"type": Path, "help": "a new file for the secret"},
    "--state": {"type": Path, "help": "where the witness remembers what it signed last"},
    "--checkpoint": {"type": Path, "help": "else the one that --hub offers"},
    "--proof": {"type": Path, "help": "consistency with what was signed last; else from --hub"},
    "--hub": {"help": "address of the hub's API"},
    "--submit": {"action": "store_true", "help": "hand it in to --hub"},
}

if __name__ == "__main__":
    sys.exit(run(str(__doc__), _COMMANDS, _OPTIONS))
