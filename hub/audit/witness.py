"""Witnesses: departments that sign what they have seen of the log, so that nobody can be shown
another history.

A cosignature is a line under a checkpoint in the C2SP format tlog-cosignature (Ed25519): as of
its time, the largest tree that the witness has seen, grown from all it saw before, is this one.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field, model_validator

from core.errors import HubError
from core.messages import message
from core.types import Model
from hub.audit.checkpoints import COSIGNED, key_id, note_parts, read_key

_BLOB_BYTES = 4 + 8 + 64
_LATEST = 2**37
"""Seconds since 1970 that a calendar still has a date for."""


class CosignatureForged(HubError):
    """A line claims the key of a witness that did not sign this text."""

    code = "audit_cosignature_forged"
    status = 400
    exit_code = 2


class Witness(Model):
    """A department's witness; ``public_key`` is the line that ``hub audit witness new-key``
    prints, and begins with ``name``.
    """

    name: str = Field(pattern=r"^[\w.\-/]{1,100}$")
    department: str
    public_key: str

    @model_validator(mode="after")
    def _is_its_key(self) -> Self:
        if read_key(self.public_key, COSIGNED)[0] != self.name:
            raise ValueError(message("rule_key_of_other"))
        return self

    @cached_property
    def key(self) -> Ed25519PublicKey:
        """The key itself."""
        return read_key(self.public_key, COSIGNED)[1]

    @property
    def key_id(self) -> bytes:
        """The 4 bytes by which its signatures name its key."""
        return key_id(self.name, self.key, COSIGNED)


class Witnesses(Model):
    """The file ``policies/witnesses.yaml``: who bears witness, how many must have signed a
    checkpoint, and within how many hours of it.
    """

    quorum: int = Field(default=0, ge=0)
    within: int = Field(default=24, ge=1, le=24 * 366)
    witnesses: tuple[Witness, ...] = ()

    @model_validator(mode="after")
    def _are_different(self) -> Self:
        for what in ("name", "department"):
            if len({getattr(each, what) for each in self.witnesses}) < len(self.witnesses):
                raise ValueError(message("rule_twice"))
        if len({each.key.public_bytes_raw() for each in self.witnesses}) < len(self.witnesses):
            raise ValueError(message("rule_witness_key"))
        if self.quorum > len(self.witnesses):
            raise ValueError(message("rule_quorum"))
        return self


class Cosignature(NamedTuple):
    """That a witness signed a text at ``time`` (UTC); ``line`` is what stands under it."""

    witness: Witness
    time: datetime
    line: str


def cosigned_text(moment: int, text: str) -> str:
    """What a witness signs. ``moment``: seconds since 1970."""
    return f"cosignature/v1\ntime {moment}\n{text}"


def cosignatures(note: str, witnesses: Witnesses) -> Iterator[Cosignature]:
    """The signatures of witnesses under a note; those of others are let be.

    Raises:
        CheckpointMalformed: not a signed note.
        CosignatureForged: a line claims a witness's key and is not by it.
    """
    text, signatures = note_parts(note)
    known = {(each.name, each.key_id): each for each in witnesses.witnesses}
    for name, blob in signatures:
        witness = known.get((name, blob[:4]))
        if witness is None:
            continue
        moment = int.from_bytes(blob[4:12], "big")
        if len(blob) != _BLOB_BYTES or moment > _LATEST:
            raise CosignatureForged(witness=name)
        try:
            witness.key.verify(blob[12:], cosigned_text(moment, text).encode())
        except InvalidSignature as error:
            raise CosignatureForged(witness=name) from error
        line = f"— {name} {base64.b64encode(blob).decode()}\n"
        yield Cosignature(witness, datetime.fromtimestamp(moment, UTC), line)
