#!/usr/bin/env python3
"""Checks what a hub's audit log says, without the hub: for auditors, citizens and witnesses.

One file that needs Python 3.11 and the package ``cryptography``; it has no secret and asks no
network. It trusts one thing: the log's public key (``--key``: the line that ``hub audit key``
prints, or a file that holds it), which must have come to you on a way of its own.

    python hub_verify.py checkpoint NOTE --key KEY
    python hub_verify.py receipt ANSWER --key KEY --proof PROOF --checkpoint NOTE
    python hub_verify.py consistency PROOF --old NOTE --new NOTE --key KEY
    python hub_verify.py export EXPORT --key KEY --kept NOTE

Formats: RFC 6962 trees; C2SP signed-note, tlog-checkpoint and tlog-cosignature (Ed25519).
Ends with 0 if all holds, 1 with a name and words if something does not, 2 on wrong use.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNED, COSIGNED = 1, 4
"""The kinds of key: a log's own, and a witness's."""

_SHOWN = 20
_LINE = re.compile(r"— (\S+) (\S+)")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

WORDS = {
    "audit_key_malformed": "this is not a public key as `hub audit key` prints it",
    "audit_secret_malformed": "this is not a witness's secret key",
    "audit_document_malformed": "{file} is not a document of the kind that was expected",
    "audit_note_malformed": "the text is not a signed checkpoint",
    "audit_note_of_another_log": "the checkpoint is of another log than {origin}",
    "audit_note_forged": "the log's key, which the checkpoint names, did not sign this text",
    "audit_note_key_swapped": "the log's key did not sign: it is another log's, or was swapped",
    "audit_cosignature_forged": "the cosignature of {witness} is not by its key",
    "audit_quorum_missing": "{found} of the witnesses signed this, {quorum} are needed",
    "audit_receipt_forged": "the log did not sign the receipt (entry {index}) as it stands",
    "audit_receipt_replayed": "the receipt (entry {index}) is genuine, but of another answer",
    "audit_receipt_unfounded": "the log does not hold entry {index} as the receipt says",
    "audit_receipt_later": "entry {index} is behind the checkpoint at {size}: take a later one",
    "audit_inclusion_unproven": "the proof does not show entry {index} among the first {size}",
    "audit_proof_missing": "a consistency proof from {old} to {new} entries is needed",
    "audit_split_view": "two histories of the first {size} entries were signed",
    "audit_rolled_back": "the log has {size} entries, but {expected} were signed for before",
    "audit_truncated": "the end is missing: {size} entries, {expected} are attested",
    "audit_entry_changed": "entry {index} was changed after it was logged",
    "audit_entry_removed": "{count} entries were removed at or before place {first}",
    "audit_entry_inserted": "{count} entries were inserted at or before place {first}",
    "audit_entries_reordered": "{count} entries from place {first} on stand in another order",
    "audit_time_backward": "at place {index} the clock was moved back",
    "audit_checkpoint_mismatch": "the first {size} entries are not the ones that were signed",
    "audit_checkpoint_forged": "the checkpoint at {size} entries was forged or altered",
    "audit_checkpoint_malformed": "the checkpoint at {size} entries is not a signed checkpoint",
    "audit_checkpoint_of_another_log": "the checkpoint at {size} entries is of another log",
    "audit_key_swapped": "the log's key did not sign the checkpoint at {size} entries",
    "audit_export_cut": "the export ends before its end",
    "audit_export_unsigned": "none of the {size} entries is signed: keep a checkpoint, give it",
    "audit_hub_unreachable": "the hub did not answer as it should ({reason})",
    "audit_vector_failed": "the published case {file} came out wrong",
}
"""All that can be wrong, by the names that the hub's documentation has for it."""


class Refused(Exception):
    """Something does not hold; ``code`` is its name in ``WORDS``. All here may raise it."""

    def __init__(self, code: str, **fields: str | int) -> None:
        self.code = code
        self.fields = fields
        super().__init__(f"{code}: {WORDS[code].format(**fields)}")


# --- the tree (RFC 6962, RFC 9162) ---


def leaf_hash(body: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


@dataclass
class Tree:
    """A tree that grows: the roots of the complete subtrees it splits into, largest first."""

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        """Adds one leaf hash."""
        position = self.size
        while position & 1:
            leaf = node_hash(self.hashes.pop(), leaf)
            position >>= 1
        self.hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root as it stands."""
        if not self.hashes:
            return sha256(b"").digest()
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


def included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether ``proof`` shows ``leaf`` at ``index`` among ``size`` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or any(len(h) != 32 for h in (leaf, root, *proof)):
        return False
    return _climbed(index, size - 1, proof, leaf)[1:] == (root, 0)


def consistent(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Whether ``proof`` shows that the ``new`` tree begins with the ``old`` (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= new or any(len(h) != 32 for h in (old_root, new_root, *proof)):
        return False
    if old == new or not proof:
        return old == new and not proof and old_root == new_root
    first, *rest = proof if old & (old - 1) else [old_root, *proof]
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    return _climbed(fn, sn, rest, first) == (old_root, new_root, 0)


def _climbed(fn: int, sn: int, proof: Sequence[bytes], first: bytes) -> tuple[bytes, bytes, int]:
    """The roots that a proof leads to, of the old tree and of all, and what is left of the way."""
    left = right = first
    for step in proof:
        if sn == 0:
            return left, right, -1
        if fn & 1 or fn == sn:
            left, right = node_hash(step, left), node_hash(step, right)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            right = node_hash(right, step)
        fn, sn = fn >> 1, sn >> 1
    return left, right, sn


# --- what others write: nothing in it is taken on trust ---


@contextmanager
def sound(code: str, **fields: str) -> Iterator[None]:
    """Refuses what cannot even be read."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        raise Refused(code, **fields) from None


def documented(name: str) -> AbstractContextManager[None]:
    """Refuses what is no document of its kind."""
    return sound("audit_document_malformed", file=name)


def hash_of(text: str) -> bytes:
    """32 bytes from hexadecimal, or ValueError."""
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError
    return bytes.fromhex(text)


def count_of(value: Any) -> int:
    """A number of entries, or ValueError."""
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def object_of(text: str | bytes) -> dict[str, Any]:
    """A JSON object, or ValueError: also where one key is named twice, as others may read the
    other value.
    """

    def single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    found: dict[str, Any] = json.loads(text, object_pairs_hook=single)
    return dict(found.items())


def text_of(file: Path) -> str:
    """The text of a file."""
    return file.read_text("utf-8")


def json_of(file: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    with documented(str(file)):
        return object_of(text_of(file))


# --- keys and signed notes (C2SP) ---


class Key(NamedTuple):
    """A public key with its name, as C2SP writes it: ``<name>+<id>+<kind and key>``."""

    name: str
    kind: int
    raw: bytes

    @property
    def id(self) -> bytes:
        """The 4 bytes by which a signature names its key."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.raw).digest()[:4]

    @property
    def text(self) -> str:
        """The key on one line."""
        material = base64.b64encode(bytes([self.kind]) + self.raw).decode()
        return f"{self.name}+{self.id.hex()}+{material}"

    def signed(self, signature: bytes, text: str) -> bool:
        """Whether this key made ``signature`` over ``text``."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


def read_key(text: str, kind: int = SIGNED) -> Key:
    """The key of a line, a log's or a witness's."""
    with sound("audit_key_malformed"):
        name, _, rest = text.strip().partition("+")
        raw = base64.b64decode(rest.partition("+")[2], validate=True)
        key = Key(name, raw[0], raw[1:])
        known = key.kind == kind and len(key.raw) == 32 and key.text == text.strip()
        if not known or not re.fullmatch(r"\S+", name):
            raise ValueError
    return key


class Head(NamedTuple):
    """What a checkpoint says, the text that is signed, and the signatures under it."""

    size: int
    root: bytes
    text: str = ""
    signatures: tuple[tuple[str, bytes], ...] = ()


def open_checkpoint(note: str, key: Key) -> Head:
    """What a checkpoint says, if the log of ``key`` signed it."""
    with sound("audit_note_malformed"):
        body, found, lines = note.rpartition("\n\n")
        matches = [_LINE.fullmatch(line) for line in lines.removesuffix("\n").split("\n")]
        signatures = tuple((m[1], base64.b64decode(m[2], validate=True)) for m in matches if m)
        if not found or not lines.endswith("\n") or None in matches:
            raise ValueError
    text = body + "\n"
    ours = [blob[4:] for name, blob in signatures if name == key.name and blob[:4] == key.id]
    if not ours:
        raise Refused("audit_note_key_swapped")
    if not all(key.signed(signature, text) for signature in ours):
        raise Refused("audit_note_forged")
    if not text.startswith(f"{key.name}\n"):
        raise Refused("audit_note_of_another_log", origin=key.name)
    with sound("audit_note_malformed"):
        _, size, root, *_ = text.split("\n")
        hashed = base64.b64decode(root, validate=True)
        if not _NUMBER.fullmatch(size) or len(hashed) != 32:
            raise ValueError
    return Head(int(size), hashed, text, signatures)


def cosigned_text(moment: int, text: str) -> str:
    """What a witness signs."""
    return f"cosignature/v1\ntime {moment}\n{text}"


def cosigners(head: Head, witnesses: Iterable[Key]) -> dict[str, int]:
    """Which of the witnesses signed, and when (seconds since 1970); others are let be."""
    known = {(key.name, key.id): key for key in witnesses}
    found: dict[str, int] = {}
    for name, blob in head.signatures:
        key = known.get((name, blob[:4]))
        if key is None:
            continue
        moment = int.from_bytes(blob[4:12], "big")
        sound = len(blob) == 76 and moment <= 2**37  # for which a calendar still has a date
        if not sound or not key.signed(blob[12:], cosigned_text(moment, head.text)):
            raise Refused("audit_cosignature_forged", witness=name)
        found[name] = moment
    return found


@dataclass(frozen=True)
class Trust:
    """What is trusted: the log's key, the witnesses' keys, and how many of them must agree."""

    key: Key
    witnesses: tuple[Key, ...] = ()
    quorum: int = 0

    def open(self, note: str) -> Head:
        """A checkpoint that the log and a quorum of the witnesses signed."""
        head = open_checkpoint(note, self.key)
        self.ask(len(cosigners(head, self.witnesses)))
        return head

    def ask(self, found: int) -> None:
        """Refuses what too few witnesses signed."""
        if found < self.quorum:
            raise Refused("audit_quorum_missing", found=found, quorum=self.quorum)


# --- proofs and receipts ---


def check_inclusion(document: dict[str, Any], head: Head) -> tuple[int, bytes]:
    """The index and leaf hash that an inclusion proof shows to be in ``head``."""
    with documented("the proof"):
        index, size = count_of(document["index"]), count_of(document["size"])
        leaf, proof = hash_of(document["leaf_hash"]), [hash_of(each) for each in document["proof"]]
    if size != head.size or not included(leaf, index, size, proof, head.root):
        raise Refused("audit_inclusion_unproven", index=index, size=head.size)
    return index, leaf


def check_consistency(document: dict[str, Any], old: Head, new: Head) -> None:
    """Refuses two histories: does nothing if the log of ``new`` begins with that of ``old``."""
    if old.size > new.size:
        raise Refused("audit_rolled_back", size=new.size, expected=old.size)
    with documented("the proof"):
        proof = [hash_of(each) for each in document["proof"]]
    if not consistent(old.size, new.size, proof, old.root, new.root):
        raise Refused("audit_split_view", size=old.size)


def check_receipt(
    answer: dict[str, Any], key: Key, head: Head | None = None, proof: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The receipt of an answer (or a receipt alone), if the log signed it for this answer and,
    where a checkpoint and a proof are given, holds its entry.
    """
    body = dict(answer)
    receipt = body.pop("receipt", answer)
    with documented("the receipt"):
        told = dict(receipt)
        signature = bytes.fromhex(told.pop("signature"))
        index, leaf = count_of(told["index"]), hash_of(told["leaf_hash"])
        if told.keys() != {"answer", "index", "leaf_hash", "origin", "time"}:
            raise ValueError
        statement = canonical({"kind": "hub-audit-receipt", **told})
        answered = sha256(canonical(body).encode()).hexdigest()
    if told["origin"] != key.name or not key.signed(signature, statement):
        raise Refused("audit_receipt_forged", index=index)
    if receipt is not answer and answered != told["answer"]:
        raise Refused("audit_receipt_replayed", index=index)
    if head is not None and index >= head.size:
        raise Refused("audit_receipt_later", index=index, size=head.size)
    if head is not None and proof is not None and check_inclusion(proof, head) != (index, leaf):
        raise Refused("audit_receipt_unfounded", index=index)
    return dict(receipt)


def canonical(value: Any) -> str:
    """JSON with sorted keys and without blanks, as the hub writes what it signs."""
    if isinstance(value, dict):
        pairs = (f"{canonical(name)}:{canonical(value[name])}" for name in sorted(value))
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float):
        return _number(value)
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    """Python writes 1e-05 and 1e-07 where the hub's JSON has 0.00001 and 1e-7."""
    digits, found, exponent = repr(value).partition("e")
    if not found:
        return digits
    if int(exponent) == -5:
        sign = "-" if digits.startswith("-") else ""
        return f"{sign}0.0000{digits.lstrip('-').replace('.', '')}"
    return f"{digits}e{int(exponent):+d}"


# --- a whole log, exported ---


class Export:
    """Reads an exported log line by line and grows its tree anew. ``problems``: what is wrong with
    it, of each kind the first; ``signed`` and ``witnessed``: so many entries stand as the log, and
    a quorum of the witnesses, signed them.
    """

    def __init__(self, trust: Trust, kept: Sequence[str] = ()) -> None:
        self.tree = Tree()
        self.problems: list[Refused] = []
        self.checkpoints = self.signed = self.witnessed = 0
        self._trust = trust
        self._counts: Counter[str] = Counter()
        self._due: dict[int, list[tuple[bytes, bool]]] = {}
        self._seen: dict[str, int] = {}
        self._shift = 0
        self._displaced: tuple[int, int] | None = None
        self._latest = _EPOCH
        for note in kept:
            head = open_checkpoint(note, trust.key)
            self._due.setdefault(head.size, []).append((head.root, False))

    def read(self, lines: Iterable[str]) -> None:
        """Checks the lines of an export; what is no export at all is refused."""
        end: int | None = None
        for number, line in enumerate(lines):
            with documented(f"line {number + 1} of the export"):
                told = object_of(line)
                if (number == 0) != (told.get("audit_export") == 1) or end is not None:
                    raise ValueError
                if number == 0:
                    if told["key"] != self._trust.key.text:
                        self._wrong("audit_key_swapped", size=0)
                    self._compare()
                elif "checkpoint" in told:
                    self._checkpoint(told["checkpoint"])
                elif "end" in told:
                    end = count_of(told["end"])
                else:
                    self._entry(told)
        size = self.tree.size
        if end is None:
            self._wrong("audit_export_cut")
        elif end > size and not self._shift:
            self._wrong("audit_truncated", size=size, expected=end)
        elif end < size and not self._shift:
            self._wrong("audit_entry_inserted", first=end, count=size - end)
        self._close()

    def _wrong(self, code: str, **fields: str | int) -> None:
        self._counts[code] += 1
        if self._counts[code] <= _SHOWN:
            self.problems.append(Refused(code, **fields))

    def _checkpoint(self, note: str) -> None:
        self.checkpoints += 1
        try:
            head = open_checkpoint(note, self._trust.key)
            for name in cosigners(head, self._trust.witnesses):
                self._seen[name] = max(self._seen.get(name, 0), head.size)
        except Refused as refusal:
            code = refusal.code.replace("audit_note_key", "audit_key").replace("note", "checkpoint")
            self._wrong(code, **{"size": self.tree.size, **refusal.fields})
            return
        self._due.setdefault(head.size, []).append((head.root, True))
        if head.size == self.tree.size:
            self._compare()

    def _entry(self, told: dict[str, Any]) -> None:
        place = self.tree.size
        body = told["body"].encode("utf-8", "surrogateescape")
        leaf = leaf_hash(body)
        self.tree.append(leaf)
        try:
            with documented("the entry"):
                own = json.loads(body)
                index, moment = count_of(own["index"]), datetime.fromisoformat(own["time"])
                self._place(place, index, moment)
                if leaf.hex() != told["leaf_hash"] or (told["index"] != place and not self._shift):
                    raise ValueError
        except Refused:
            self._wrong("audit_entry_changed", index=place)
        self._compare()

    def _place(self, place: int, index: int, moment: datetime) -> None:
        """The difference between where an entry stands and where it says it stands tells a
        removal (it stays positive) from an insertion (negative) and a reordering (ends at 0).
        """
        if moment < self._latest:
            self._wrong("audit_time_backward", index=place)
        self._latest = max(self._latest, moment)
        self._shift = index - place
        if self._shift:
            first, count = self._displaced or (place, 0)
            self._displaced = (first, count + 1)

    def _compare(self) -> None:
        for root, own in self._due.pop(self.tree.size, ()):
            if root == self.tree.root():
                self.signed = self.tree.size
            else:
                code = "audit_checkpoint_mismatch" if own else "audit_split_view"
                self._wrong(code, size=self.tree.size)

    def _close(self) -> None:
        size, quorum = self.tree.size, self._trust.quorum
        if self._displaced is not None:
            first, count = self._displaced
            removed, inserted = self._shift > 0, self._shift < 0
            what = "entry_removed" if removed else "entry_inserted" if inserted else ""
            self._wrong(f"audit_{what or 'entries_reordered'}", first=first,
                        count=abs(self._shift) or count)  # fmt: skip
        for expected, roots in sorted(self._due.items()):
            for _, own in roots:
                code = "audit_truncated" if own else "audit_rolled_back"
                self._wrong(code, size=size, expected=expected)
        if size and not self.signed and not self.problems:
            self._wrong("audit_export_unsigned", size=size)
        if quorum > 0:
            sizes = sorted(self._seen.values(), reverse=True)
            self.witnessed = sizes[quorum - 1] if len(sizes) >= quorum else 0
            if len(sizes) < quorum:
                self._wrong("audit_quorum_missing", found=len(sizes), quorum=quorum)


# --- the command line ---


def key_of(text: str, kind: int = SIGNED) -> Key:
    """The key of a line, or of the file that holds one."""
    # A line that is longer than the name of a file may be is asked for no file.
    return read_key(text_of(Path(text)) if len(text) < 256 and Path(text).is_file() else text, kind)


def _trust(given: argparse.Namespace) -> Trust:
    witnesses = tuple(key_of(each, COSIGNED) for each in given.witness)
    return Trust(key_of(given.key), witnesses, given.quorum)


def _proven(given: argparse.Namespace, trust: Trust) -> tuple[dict[str, Any] | None, Head | None]:
    """The inclusion proof, and the checkpoint that was given or else stands in it."""
    proof = None if given.proof is None else json_of(given.proof)
    if given.checkpoint is not None:
        return proof, trust.open(text_of(given.checkpoint))
    if proof is not None:
        return proof, trust.open(str(proof.get("checkpoint")))
    trust.ask(0)
    return None, None


def _checkpoint(given: argparse.Namespace) -> str:
    trust = _trust(given)
    head = trust.open(text_of(given.note))
    times = cosigners(head, trust.witnesses).items()
    signed = [f"{name} at {datetime.fromtimestamp(t, UTC).isoformat()}" for name, t in times]
    by = f"; cosigned by {', '.join(signed)}" if signed else ""
    return f"{trust.key.name} signed {head.size} entries, root {head.root.hex()}{by}"


def _inclusion(given: argparse.Namespace) -> str:
    proof, head = _proven(given, _trust(given))
    assert proof is not None
    assert head is not None
    index, _ = check_inclusion(proof, head)
    return f"entry {index} is among the {head.size} that were signed"


def _consistency(given: argparse.Namespace) -> str:
    trust = _trust(given)
    old, new = open_checkpoint(text_of(given.old), trust.key), trust.open(text_of(given.new))
    check_consistency(json_of(given.proof), old, new)
    return f"the log of {new.size} entries begins with the log of {old.size}"


def _receipt(given: argparse.Namespace) -> str:
    trust, answer = _trust(given), json_of(given.answer)
    proof, head = _proven(given, trust)
    receipt = check_receipt(answer, trust.key, head, proof)
    what = "signed for this answer" if "receipt" in answer else "signed"
    held = f"; its entry is among the {head.size} that were signed" if head and proof else ""
    return f"{what} by {trust.key.name} at {receipt['time']}, entry {receipt['index']}{held}"


def _export(given: argparse.Namespace) -> str:
    export = Export(_trust(given), [text_of(note) for note in given.kept])
    with given.export.open(encoding="utf-8") as lines:
        export.read(lines)
    for problem in export.problems[:-1]:
        print(problem, file=sys.stderr)
    if export.problems:
        raise export.problems[-1]
    witnessed = f", {export.witnessed} by witnesses" if given.quorum else ""
    signed = f"{export.signed} of them signed{witnessed} ({export.checkpoints} checkpoints)"
    return f"{export.tree.size} entries, {signed}, root {export.tree.root().hex()}"


def _vectors(given: argparse.Namespace) -> str:
    """The verifier itself, checked on the published cases of transparency-dev/merkle."""
    counted = 0
    for kind in ("inclusion", "consistency"):
        for file in sorted((given.folder / kind).rglob("*.json")):
            case, counted = json_of(file), counted + 1
            proof = [base64.b64decode(each) for each in case["proof"] or ()]
            names = ("root1", "root2") if kind == "consistency" else ("leafHash", "root")
            first, second = (base64.b64decode(case[name] or "") for name in names)
            if kind == "consistency":
                held = consistent(case["size1"], case["size2"], proof, first, second)
            else:
                held = included(first, case["leafIdx"], case["treeSize"], proof, second)
            if held is case["wantErr"]:
                raise Refused("audit_vector_failed", file=str(file))
    return f"{counted} published cases came out right"


_Command = tuple[Callable[[argparse.Namespace], str], str, str]

_TRUST = "--key! --witness --quorum"
_COMMANDS: dict[str, _Command] = {
    "checkpoint": (_checkpoint, "check a signed checkpoint", f"note {_TRUST}"),
    "inclusion": (_inclusion, "check that an entry is in the log", f"proof {_TRUST} --checkpoint"),
    "consistency": (_consistency, "check that the log only grew", f"proof --old! --new! {_TRUST}"),
    "receipt": (_receipt, "check an answer", f"answer {_TRUST} --checkpoint --proof"),
    "export": (_export, "check a whole exported log", f"export {_TRUST} --kept"),
    "vectors": (_vectors, "check this verifier on published cases", "folder"),
}
"""Command → what it does, in words, and its options; those with ``!`` must be given."""
OPTIONS: dict[str, dict[str, Any]] = {
    "--key": {"help": "the log's public key, or its file"},
    "--witness": {"action": "append", "default": [], "help": "a witness's public key, or its file"},
    "--quorum": {"type": int, "default": 0, "help": "so many witnesses must have signed"},
    "--kept": {"type": Path, "action": "append", "default": [], "help": "a kept checkpoint"},
    "--checkpoint": {"type": Path, "help": "else the one that the proof holds"},
    "--proof": {"type": Path, "help": "the inclusion proof of its entry"},
}
"""All others are files."""
_FILE: dict[str, Any] = {"type": Path}


def run(words: str, commands: Mapping[str, _Command], options: dict[str, dict[str, Any]]) -> int:
    """Runs a command line and gives its exit code."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=words, formatter_class=raw)
    made = parser.add_subparsers(required=True)
    for name, (work, told, names) in commands.items():
        command = made.add_parser(name, help=told, description=told)
        command.set_defaults(work=work)
        for option in names.split():
            must: dict[str, Any] = {"required": True} if option.endswith("!") else {}
            command.add_argument(
                option.rstrip("!"), **options.get(option.rstrip("!"), _FILE), **must
            )
    given = parser.parse_args()
    try:
        print(given.work(given))
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except (OSError, UnicodeError) as error:
        print(f"a file cannot be read or written ({type(error).__name__})", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(run(str(__doc__), _COMMANDS, OPTIONS))
