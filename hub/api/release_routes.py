"""Past releases over HTTP, for stewards: what each did, how two differ, what was known and why."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from hub.api.routes import By, Calling, Name, On, ReleaseNumber, caller
from hub.serving import history
from hub.serving.history import Asked

release_routes = APIRouter(prefix="/v1/subjects/{name}", dependencies=[Depends(caller)])
EntityId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w\-]+$")]


class ReleasesBody(Calling):
    """Which releases: the latest ones."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20


class DiffBody(Calling):
    """Which two releases, and perhaps of which entity."""

    before: ReleaseNumber
    after: ReleaseNumber
    entity: EntityId | None = None


class ExplainBody(Calling):
    """Which entity, in which release or on which day."""

    entity: EntityId
    release: ReleaseNumber | None = None
    on: date | None = None


@release_routes.post("/releases")
def listed(name: Name, body: ReleasesBody, on: On, by: By) -> dict[str, Any]:
    """The latest releases, and what each did to a subject."""
    return history.of_subject(Asked(on.office, body.call(by)), name, body.limit)


@release_routes.post("/diff")
def diff(name: Name, body: DiffBody, on: On, by: By) -> dict[str, Any]:
    """How a subject differs between two releases; of one entity, value by value."""
    asked = Asked(on.office, body.call(by))
    return history.diff(asked, name, body.before, body.after, body.entity)


@release_routes.post("/explain")
def explain(name: Name, body: ExplainBody, on: On, by: By) -> dict[str, Any]:
    """What a release knew of an entity, and why."""
    asked = Asked(on.office, body.call(by))
    return history.explain(asked, name, body.entity, body.release, body.on)
