"""Findings over HTTP, for auditors; and each person's own view, for a citizen service."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from hub.api.routes import By, Calling, Name, On, caller
from hub.watching.findings import Findings
from hub.watching.ledger import State, Which
from hub.watching.view import MOST_ENTRIES, OwnView
from policies.models import ClientId

router = APIRouter(prefix="/v1", tags=["watching"], dependencies=[Depends(caller)])

Number = Annotated[int, Field(ge=1, lt=2**63)]
Words = Annotated[str, Field(max_length=4000)]


class ListBody(Calling):
    """Which findings are wanted; those that are not closed, unless ``states`` says otherwise."""

    states: Annotated[tuple[State, ...], Field(min_length=1, max_length=5)] = (
        State.OPEN,
        State.LOOKING,
    )
    rule: Name | None = None
    client: ClientId | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class FindingBody(Calling):
    """Which finding."""

    finding: Number


class NoteBody(FindingBody):
    """What is written down about it."""

    words: Words


class CloseBody(NoteBody):
    """As what it is closed, and why."""

    state: Literal[State.JUSTIFIED, State.MISUSE, State.FALSE_ALARM]


class SubjectBody(Calling):
    """Whose view: by the person's number, which travels in the body alone."""

    number: Annotated[str, Field(min_length=1, max_length=64)]
    limit: Annotated[int, Field(ge=1, le=MOST_ENTRIES)] = 100


@router.post("/findings/list")
def list_findings(body: ListBody, on: On, by: By) -> dict[str, Any]:
    """Findings, the latest first."""
    wanted = Which(frozenset(body.states), body.rule, body.client, body.limit)
    return Findings(on.office).list(body.call(by), wanted)


@router.post("/findings/show")
def show_finding(body: FindingBody, on: On, by: By) -> dict[str, Any]:
    """A finding with its evidence and all that was said to it."""
    return Findings(on.office).show(body.call(by), body.finding)


@router.post("/findings/note")
def note_finding(body: NoteBody, on: On, by: By) -> dict[str, Any]:
    """Writes something down about a finding."""
    return Findings(on.office).note(body.call(by), body.finding, body.words)


@router.post("/findings/close")
def close_finding(body: CloseBody, on: On, by: By) -> dict[str, Any]:
    """Closes a finding."""
    return Findings(on.office).close(body.call(by), body.finding, body.state, body.words)


@router.post("/audit/subject")
def subject(body: SubjectBody, on: On, by: By) -> dict[str, Any]:
    """Who looked at a person's data, for what, when, in plain words."""
    return OwnView(on.office).read(body.call(by), body.number, body.limit)
