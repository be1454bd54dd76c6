"""The log over HTTP: for auditors, who search and verify it; and for everybody, who may check."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from core.types import Model
from hub.api.routes import By, Calling, On, caller
from hub.api.state import State
from hub.audit.evidence import Evidence
from hub.audit.proofs import Consistency, Inclusion, Note, Size
from hub.audit.search import Wanted
from hub.serving.auditing import Auditing, Person, Shown, evidence

open_router = APIRouter(prefix="/v1/audit", tags=["audit"])
"""Routes without a token. They tell of nobody, and whoever asks need not say who he is: so nobody
can be shown a history of his own."""

router = APIRouter(prefix="/v1/audit", tags=["audit"], dependencies=[Depends(caller)])


class SearchBody(Calling):
    """Which entries; ``about`` names a person, here and never in an address."""

    wanted: Wanted = Wanted()
    about: Person | None = None


class VerifyBody(Calling):
    """Perhaps with a checkpoint that was kept outside of the hub."""

    checkpoint: Note | None = None


class ReceiptBody(Calling, Shown):
    """A receipt as it was shown."""


class InclusionBody(Model):
    """Which entry, among how many (those of the latest checkpoint)."""

    index: Size
    size: Size | None = None


class ConsistencyBody(Model):
    """From how many entries to how many."""

    old: Size
    new: Size


class CosignedBody(Model):
    """A checkpoint with the signatures of witnesses under it."""

    checkpoint: Note


def _shown(on: State) -> Evidence:
    return evidence(on.hub, on.board.rules.workspace.witnesses)


@open_router.get("/key")
def key(on: On) -> dict[str, Any]:
    """The log's public key, and its witnesses."""
    return _shown(on).key()


@open_router.get("/checkpoint")
def checkpoint(on: On) -> dict[str, Any]:
    """The latest checkpoints as signed notes, with the signatures of witnesses."""
    return _shown(on).checkpoints()


@open_router.post("/proofs/inclusion")
def inclusion(body: InclusionBody, on: On) -> Inclusion:
    """That an entry is in the log; of the entry itself it tells a salted hash."""
    return _shown(on).inclusion(body.index, body.size)


@open_router.post("/proofs/consistency")
def consistency(body: ConsistencyBody, on: On) -> Consistency:
    """That the log has only grown."""
    return _shown(on).consistency(body.old, body.new)


@open_router.post("/cosignatures")
def cosign(body: CosignedBody, on: On) -> dict[str, Any]:
    """Takes what witnesses signed: who they are, their signatures say."""
    return {"kept": _shown(on).submit(body.checkpoint)}


@router.post("/search")
def search(body: SearchBody, on: On, by: By) -> dict[str, Any]:
    """Entries that match, latest first, with a receipt."""
    return Auditing(on.office, body.call(by)).search(body.wanted, body.about)


@router.post("/checkpoints/latest")
def latest(body: Calling, on: On, by: By) -> dict[str, Any]:
    """The latest checkpoints, and how far each witness has signed, with a receipt."""
    return Auditing(on.office, body.call(by)).latest()


@router.post("/checkpoints")
def sign(body: Calling, on: On, by: By) -> dict[str, Any]:
    """Signs the log as it stands; with a receipt."""
    return Auditing(on.office, body.call(by)).sign()


@router.post("/verify")
def verify(body: VerifyBody, on: On, by: By) -> dict[str, Any]:
    """Reads the whole log and says whether it holds, with a receipt."""
    return Auditing(on.office, body.call(by)).verify(body.checkpoint)


@router.post("/receipts/check")
def check_receipt(body: ReceiptBody, on: On, by: By) -> dict[str, Any]:
    """Says whether a receipt holds, with a receipt."""
    return Auditing(on.office, body.call(by)).check_receipt(body)
