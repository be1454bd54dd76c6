"""Rulings and corrections over HTTP, for stewards and for departments that answer."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from pydantic import Base64Bytes, Field, StringConstraints

from core.types import Model
from hub.api.routes import By, Calling, Name, On, Skip, caller
from hub.stewardship.corrections import Answer, Corrections, Verdict, Which
from hub.stewardship.evidence import File
from hub.stewardship.report import report
from hub.stewardship.rulings import Rulings
from hub.stewardship.wishes import Dataset, Reason, Wish
from reconcile import corrections, rulings

router = APIRouter(prefix="/v1", tags=["rulings"], dependencies=[Depends(caller)])

Number = Annotated[int, Field(ge=1, lt=2**63)]
Limit = Annotated[int, Field(ge=1, le=500)]
Key = Annotated[
    str | None, Header(alias="Idempotency-Key", pattern=r"^[\x21-\x7e]{1,128}$"), Field()
]


class EvidenceBody(Model):
    """A file: its name, of which the suffix counts, and its content in base64."""

    name: Annotated[str, StringConstraints(max_length=200)]
    content: Base64Bytes

    def file(self) -> File:
        """The file."""
        return File(self.name, self.content)


class RulingBody(Calling):
    """A ruling that is asked for."""

    subject: Name
    ruling: Annotated[Wish, Field(discriminator="kind")]
    evidence: EvidenceBody | None = None


class RulingsBody(Calling):
    """Which rulings are wanted."""

    subject: Name
    state: rulings.State | None = None
    limit: Limit = 50
    skip: Skip = 0


class NumberBody(Calling):
    """Which ruling or correction is meant."""

    number: Number


class DecisionBody(NumberBody):
    """A decision on a ruling."""

    reason: Reason = ""


class CorrectionsBody(Calling):
    """Which corrections are wanted; without states, those that are not settled."""

    dataset: Dataset | None = None
    department: Name | None = None
    states: Annotated[tuple[corrections.State, ...], Field(min_length=1)] | None = None
    limit: Limit = 50
    skip: Skip = 0


class AnswerBody(NumberBody):
    """An answer to a correction."""

    verdict: Verdict
    reason: Reason = ""
    evidence: EvidenceBody | None = None


class ReportBody(Calling):
    """Whose report is wanted."""

    department: Name | None = None


@router.post("/rulings")
def make(body: RulingBody, on: On, by: By, key: Key = None) -> dict[str, Any]:
    """Rules on a value, on who is who, or on how a source is read; with a receipt."""
    file = None if body.evidence is None else body.evidence.file()
    return Rulings(on.office).make(body.call(by), body.subject, body.ruling, file, key)


@router.post("/rulings/list")
def list_rulings(body: RulingsBody, on: On, by: By) -> dict[str, Any]:
    """Rulings about what the caller may steward, latest first."""
    return Rulings(on.office).list(body.call(by), body.subject, body.state, body.limit, body.skip)


@router.post("/rulings/show")
def show_ruling(body: NumberBody, on: On, by: By) -> dict[str, Any]:
    """A ruling with its reason and all that became of it."""
    return Rulings(on.office).show(body.call(by), body.number)


@router.post("/rulings/evidence")
def ruling_evidence(body: NumberBody, on: On, by: By) -> dict[str, str]:
    """The file that a ruling was made by."""
    return _file(*Rulings(on.office).evidence(body.call(by), body.number))


@router.post("/rulings/approve")
def approve(body: DecisionBody, on: On, by: By) -> dict[str, Any]:
    """Brings into force what another person proposed."""
    return Rulings(on.office).approve(body.call(by), body.number, body.reason)


@router.post("/rulings/refuse")
def refuse(body: DecisionBody, on: On, by: By) -> dict[str, Any]:
    """Turns down what another person proposed."""
    return Rulings(on.office).refuse(body.call(by), body.number, body.reason)


@router.post("/rulings/revoke")
def revoke(body: DecisionBody, on: On, by: By) -> dict[str, Any]:
    """Takes back a ruling."""
    return Rulings(on.office).revoke(body.call(by), body.number, body.reason)


@router.post("/corrections/list")
def list_corrections(body: CorrectionsBody, on: On, by: By) -> dict[str, Any]:
    """Corrections of the datasets that are open to the caller, those due first in front."""
    wanted = Which(body.dataset, body.department, body.states, body.limit, body.skip)
    return Corrections(on.office).list(body.call(by), wanted)


@router.post("/corrections/show")
def show_correction(body: NumberBody, on: On, by: By) -> dict[str, Any]:
    """A correction with the dataset's own value and all answers."""
    return Corrections(on.office).show(body.call(by), body.number)


@router.post("/corrections/evidence")
def correction_evidence(body: NumberBody, on: On, by: By) -> dict[str, str]:
    """The latest file that came with an answer to a correction."""
    return _file(*Corrections(on.office).evidence(body.call(by), body.number))


@router.post("/corrections/answer")
def answer(body: AnswerBody, on: On, by: By) -> dict[str, Any]:
    """Answers a correction: fixed, or disputed; a steward may reopen it."""
    file = None if body.evidence is None else body.evidence.file()
    said = Answer(body.verdict, body.reason, file)
    return Corrections(on.office).answer(body.call(by), body.number, said)


@router.post("/corrections/report")
def corrections_report(body: ReportBody, on: On, by: By) -> dict[str, Any]:
    """What departments get wrong, whether it gets better, and what would help."""
    return report(on.office, body.call(by), body.department)


def _file(suffix: str, content: bytes) -> dict[str, str]:
    return {"suffix": suffix, "content": base64.b64encode(content).decode()}
