"""What would be decided, over HTTP: explained, as a matrix, and tried on the past."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints, model_validator

from core.messages import message
from core.types import Model
from hub.api.routes import By, Calling, Moment, Name, On, caller
from hub.deciding import drafts, explaining, matrix, replay
from hub.deciding.doors import Asker
from policies.conditions import supposed
from policies.models import Action, ClientId

router = APIRouter(prefix="/v1/policy", dependencies=[Depends(caller)])

Object = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-z][\w./-]*$")]
Dataset = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-z][\w.-]*$")]
Document = Annotated[
    str,
    StringConstraints(
        pattern=r"^(policies/(purposes\.yaml|clients\.yaml|rules\.csv)|agreements/[\w-][\w.-]{0,49}\.yaml)$"
    ),
]


class Given(Model):
    """What conditions are to be judged by."""

    zones: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    second: Annotated[str, Field(max_length=64)] | None = None
    case_open: bool = False


class ExplainBody(Calling):
    """Which client (the caller itself, unless named) is to do what, under which purpose."""

    client: ClientId | None = None
    action: Action = Action.QUERY
    subject: Object
    items: Annotated[tuple[Name, ...], Field(min_length=1, max_length=200)] | None = None
    under: Name | None = None
    given: Given = Given()


class MatrixBody(Calling):
    """Of which table, or of which subject."""

    dataset: Dataset | None = None
    subject: Name | None = None
    under: Name | None = None
    action: Action | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.dataset is None) == (self.subject is None):
            raise ValueError(message("rule_dataset_or_subject"))
        return self


class WhatIfBody(Calling):
    """A draft: the files that would be replaced, by their paths; and which past it is put to."""

    documents: Annotated[dict[Document, str], Field(min_length=1, max_length=1000)]
    since: Moment | None = None
    until: Moment | None = None
    limit: Annotated[int, Field(ge=1, le=replay.MOST_ENTRIES)] = 100_000


@router.post("/explain")
def explain(body: ExplainBody, on: On, by: By) -> dict[str, Any]:
    """Why a client may or may not."""
    given = body.given
    question = explaining.Question(
        client=body.client or by.client,
        action=body.action,
        subject=body.subject,
        items=body.items,
        purpose=body.under or body.purpose,
        context=supposed(given.zones, given.second, given.case_open),
    )
    return explaining.explain(Asker(on.office, body.call(by)), question)


@router.post("/matrix")
def shown(body: MatrixBody, on: On, by: By) -> dict[str, Any]:
    """Who can see what of a table or subject, now."""
    wanted = matrix.Wanted(body.dataset, body.subject, body.under, body.action)
    return matrix.matrix(Asker(on.office, body.call(by)), wanted)


@router.post("/what-if")
def what_if(body: WhatIfBody, on: On, by: By) -> dict[str, Any]:
    """Which items past askers would gain or lose under a draft."""
    now: datetime = on.hub.clock.now()
    return replay.what_if(
        Asker(on.office, body.call(by)),
        lambda rules: drafts.of_texts(body.documents, rules.workspace),
        replay.period(now, body.since, body.until, body.limit),
        body.model_dump(mode="json"),
    )
