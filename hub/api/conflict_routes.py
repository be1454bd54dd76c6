"""Conflicts over HTTP, for stewards."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from hub.api.routes import By, Calling, Name, On, Skip, caller
from hub.api.state import State
from hub.identity import Caller
from hub.stewardship.conflicts import Conflicts, Preview
from hub.stewardship.patterns import Which
from hub.stewardship.queue import Search
from hub.stewardship.sight import StewardSight
from hub.stewardship.wishes import Reading

router = APIRouter(prefix="/v1/conflicts", tags=["conflicts"], dependencies=[Depends(caller)])

Dataset = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,127}$")]
Entity = Annotated[str, Field(pattern=r"^[\w-]{1,64}$")]
Group = Annotated[int, Field(ge=1, lt=2**31)]
Limit = Annotated[int, Field(ge=1, le=100)]
Status = Literal["in_dispute", "designated", "evidence", "ruled"]


class SearchBody(Calling):
    """Which conflicts are wanted."""

    subject: Name
    attribute: Name | None = None
    status: Status | None = None
    group: Group | None = None
    deferred: bool = False
    limit: Limit = 20
    skip: Skip = 0


class MatchesBody(Calling):
    """How many possible matches are wanted."""

    subject: Name
    limit: Limit = 20
    skip: Skip = 0


class ShowBody(Calling):
    """Which entity's conflicts are wanted."""

    subject: Name
    entity: Entity
    attribute: Name | None = None


class GroupsBody(Calling):
    """Which groups are wanted."""

    subject: Name
    attribute: Name | None = None
    dataset: Dataset | None = None
    proposed: bool = False
    limit: Limit = 20
    skip: Skip = 0


class PreviewBody(Calling):
    """Which repair is to be tried: the one proposed for a group, or one that is given."""

    subject: Name
    group: Group | None = None
    dataset: Dataset | None = None
    attribute: Name | None = None
    repair: Reading | None = None

    def wanted(self) -> Preview:
        """The request as it is taken."""
        return Preview(self.group, self.dataset, self.attribute, self.repair)


@router.post("/search")
def search(body: SearchBody, on: On, by: By) -> dict[str, Any]:
    """The conflicts that matter most, masked as the policy says, with a receipt."""
    wanted = Search(body.attribute, body.status, body.group, body.deferred, body.limit, body.skip)
    return _conflicts(on, by, body).search(body.subject, wanted)


@router.post("/matches")
def matches(body: MatchesBody, on: On, by: By) -> dict[str, Any]:
    """The possible matches of records that matter most, side by side, with a receipt."""
    return _conflicts(on, by, body).matches(body.subject, body.limit, body.skip)


@router.post("/show")
def show(body: ShowBody, on: On, by: By) -> dict[str, Any]:
    """All there is about the conflicts of one entity, with a receipt."""
    return _conflicts(on, by, body).show(body.subject, body.entity, body.attribute)


@router.post("/groups")
def groups(body: GroupsBody, on: On, by: By) -> dict[str, Any]:
    """Conflicts that are alike, those that one ruling could settle first, with a receipt."""
    wanted = Which(body.attribute, body.dataset, body.proposed, body.limit, body.skip)
    return _conflicts(on, by, body).groups(body.subject, wanted)


@router.post("/preview")
def preview(body: PreviewBody, on: On, by: By) -> dict[str, Any]:
    """What a repair would change, without making it, with a receipt."""
    return _conflicts(on, by, body).preview(body.subject, body.wanted())


def _conflicts(on: State, by: Caller, body: Calling) -> Conflicts:
    return Conflicts(lambda look: StewardSight(on.office, body.call(by), look))
