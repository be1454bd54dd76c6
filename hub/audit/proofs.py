"""Proofs as documents: what is handed to somebody who wants to check by himself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from core.errors import HubError
from core.types import Model
from hub.audit import merkle
from hub.audit.checkpoints import TreeHead

Size = Annotated[int, Field(ge=0, lt=2**63)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Note = Annotated[str, Field(max_length=16_384)]
Path = Annotated[tuple[Digest, ...], Field(max_length=64)]


class InclusionUnproven(HubError):
    """A proof does not lead from an entry to the root that was signed."""

    code = "audit_inclusion_unproven"
    status = 400
    exit_code = 2


class Inclusion(Model):
    """That the leaf hash stands at ``index`` among the first ``size`` entries (RFC 6962, 2.1.1);
    hashes in hexadecimal. ``checkpoint``: the note that states the root, if one was signed.
    """

    index: Size
    size: Size
    leaf_hash: Digest
    proof: Path
    checkpoint: str | None = None

    def check(self, head: TreeHead) -> None:
        """Does nothing if it leads to ``head``.

        Raises:
            InclusionUnproven: it does not.
        """
        proof = [bytes.fromhex(each) for each in self.proof]
        leaf = bytes.fromhex(self.leaf_hash)
        led = merkle.verify_inclusion(leaf, self.index, self.size, proof, head.root)
        if self.size != head.size or not led:
            raise InclusionUnproven(index=self.index, size=head.size)


class Consistency(Model):
    """That the first ``new`` entries begin with the first ``old`` (RFC 6962, 2.1.2)."""

    old: Size
    new: Size
    proof: Path
