"""Receipts: what a caller keeps to show later what was answered, and that it was logged."""

from __future__ import annotations

from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from core.canonical import encode
from core.errors import HubError
from core.keys import KeyRing
from core.types import Model
from hub.audit.proofs import Size
from hub.audit.writing import Appended

_KIND = "hub-audit-receipt"
"""Keeps a receipt's signature from being read as one over anything else that the hub signs."""


class ReceiptForged(HubError):
    """The hub did not sign this receipt as it stands."""

    code = "audit_receipt_forged"
    status = 400
    exit_code = 2


class ReceiptReplayed(HubError):
    """The receipt is genuine, but it was given with another answer."""

    code = "audit_receipt_replayed"
    status = 400
    exit_code = 2


class ReceiptUnfounded(HubError):
    """The receipt is genuine, but the log no longer holds the entry it speaks of."""

    code = "audit_receipt_unfounded"
    status = 409


class Receipt(Model):
    """The log ``origin`` holds ``leaf_hash`` at ``index`` since ``time``, and the answer that was
    given then has the digest ``answer``. Hashes and the signature are in hexadecimal.
    """

    origin: str
    index: Size
    leaf_hash: str
    answer: str
    time: datetime
    signature: str

    def signed_bytes(self) -> bytes:
        """What the signature is over."""
        return _statement(self.model_dump(exclude={"signature"}))


def _statement(fields: dict[str, object]) -> bytes:
    return encode({"kind": _KIND, **fields})


def sign_receipt(origin: str, appended: Appended, answer: str, keys: KeyRing) -> Receipt:
    """The receipt for an answer with digest ``answer`` (hexadecimal)."""
    fields: dict[str, object] = {
        "origin": origin,
        "index": appended.index,
        "leaf_hash": appended.leaf_hash.hex(),
        "answer": answer,
        "time": appended.time,
    }
    return Receipt.model_validate({**fields, "signature": keys.sign(_statement(fields)).hex()})


def check_receipt(
    receipt: Receipt, public_key: Ed25519PublicKey, answer: str | None = None
) -> None:
    """Does nothing if the hub signed ``receipt`` for an answer with the digest ``answer`` (None:
    for whatever answer); this asks the key alone, not the log.

    Raises:
        ReceiptForged: it did not sign it.
        ReceiptReplayed: it signed it for another answer.
    """
    try:
        public_key.verify(bytes.fromhex(receipt.signature), receipt.signed_bytes())
    except (InvalidSignature, TypeError, ValueError) as error:
        raise ReceiptForged(index=receipt.index) from error
    if answer is not None and answer != receipt.answer:
        raise ReceiptReplayed(index=receipt.index)
