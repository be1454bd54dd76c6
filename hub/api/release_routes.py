"""Past releases over HTTP. For stewards: what each did to a subject, how two differ, what was known
and why; for auditors and administrators: releases as wholes.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from hub.api.routes import By, Calling, Day, Name, On, ReleaseNumber, Skip, caller
from hub.serving import history
from hub.serving.history import Asked
from hub.serving.releasing import Releases

release_routes = APIRouter(prefix="/v1/subjects/{name}", dependencies=[Depends(caller)])
whole_routes = APIRouter(prefix="/v1/releases", dependencies=[Depends(caller)])
EntityId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w\-]+$")]


class ReleasesBody(Calling):
    """Which releases: the latest ones."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    skip: Skip = 0


class ReleaseBody(Calling):
    """Which release is meant."""

    release: ReleaseNumber


class DiffBody(Calling):
    """Which two releases, and perhaps of which entity."""

    before: ReleaseNumber
    after: ReleaseNumber
    entity: EntityId | None = None


class ExplainBody(Calling):
    """Which entity, in which release or on which day."""

    entity: EntityId
    release: ReleaseNumber | None = None
    on: Day | None = None


@release_routes.post("/releases")
def listed(name: Name, body: ReleasesBody, on: On, by: By) -> dict[str, Any]:
    """The latest releases, and what each did to a subject."""
    return history.of_subject(Asked(on.office, body.call(by)), name, body.limit, body.skip)


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


@whole_routes.post("/list")
def listed_whole(body: ReleasesBody, on: On, by: By) -> dict[str, Any]:
    """The latest releases, and what each did to every subject."""
    return Releases(on.office).list(body.call(by), body.limit, body.skip)


@whole_routes.post("/show")
def show(body: ReleaseBody, on: On, by: By) -> dict[str, Any]:
    """What a release was made of: its manifest."""
    return Releases(on.office).show(body.call(by), body.release)


@whole_routes.post("/restore")
def restore(body: ReleaseBody, on: On, by: By) -> dict[str, Any]:
    """Publishes a new release that says what an earlier one did."""
    return Releases(on.office).restore(body.call(by), body.release)
