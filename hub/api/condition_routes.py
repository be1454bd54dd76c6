"""Cases and second persons over HTTP. People are named in bodies alone."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from core.types import Model
from hub.api.routes import By, Calling, Name, On, caller
from hub.serving.approving import Approvals
from hub.serving.cases import MOST_NAMED, Cases, Named

router = APIRouter(prefix="/v1", tags=["conditions"], dependencies=[Depends(caller)])


class NamedBody(Model):
    """Somebody or something that a case is about, by a key."""

    subject: Name
    attribute: Name
    value: Annotated[str, Field(max_length=200)]


class OpenBody(Calling):
    """The case to be opened is the one of the request; whom it is about; for whom it is."""

    about: Annotated[tuple[NamedBody, ...], Field(max_length=MOST_NAMED)] = ()
    own: bool = False


class ListBody(Calling):
    """Which cases of the department."""

    closed: bool = False
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class ApprovalBody(Calling):
    """Which request."""

    approval: Annotated[int, Field(ge=1, lt=2**63)]


@router.post("/cases/open")
def open_case(body: OpenBody, on: On, by: By) -> dict[str, Any]:
    """Registers a case of the client's department, with a receipt."""
    about = [Named(named.subject, named.attribute, named.value) for named in body.about]
    return Cases(on.office).open(body.call(by), about, body.own)


@router.post("/cases/close")
def close_case(body: Calling, on: On, by: By) -> dict[str, Any]:
    """Closes a case of the client's department."""
    return Cases(on.office).close(body.call(by))


@router.post("/cases/list")
def list_cases(body: ListBody, on: On, by: By) -> dict[str, Any]:
    """The cases of the client's department."""
    return Cases(on.office).list(body.call(by), body.closed, body.limit)


@router.post("/approvals/list")
def list_approvals(body: Calling, on: On, by: By) -> dict[str, Any]:
    """The requests that wait for a second person, and that may be the caller."""
    return Approvals(on.office).list(body.call(by))


@router.post("/approvals/approve")
def approve(body: ApprovalBody, on: On, by: By) -> dict[str, Any]:
    """Approves a request of somebody else."""
    return Approvals(on.office).approve(body.call(by), body.approval)


@router.post("/approvals/refuse")
def refuse(body: ApprovalBody, on: On, by: By) -> dict[str, Any]:
    """Refuses a request of somebody else."""
    return Approvals(on.office).refuse(body.call(by), body.approval)
