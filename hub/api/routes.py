"""The routes: parse, guard, call, return."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime, Field
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from core.clock import FIRST_DAY, LAST_DAY
from core.errors import BadInput, Unavailable
from core.messages import message
from core.types import Model
from hub.api.state import State
from hub.conditions.zones import origin
from hub.identity import Caller, Unauthenticated
from hub.serving.desk import Request as Asked
from hub.serving.notes import Call

_bearer = HTTPBearer(auto_error=False)
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
ReleaseNumber = Annotated[int, Field(ge=1, lt=2**31)]
Skip = Annotated[int, Field(ge=0, lt=2**31)]
"""How many of the first of a list are left out."""
Day = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)),
]
"""A moment that has days before and after it in every zone."""


def state(request: Request) -> State:
    """What the application runs on."""
    found: State = request.app.state.hub
    return found


def caller(
    request: Request,
    on: Annotated[State, Depends(state)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """The guard of every route but health: whose token it is, and where the request comes from.

    Raises:
        Unauthenticated: no token, or not a valid one.
    """
    if credentials is None:
        raise Unauthenticated
    peer = None if request.client is None else request.client.host
    address = origin(peer, request.headers.getlist("x-forwarded-for"), on.proxies)
    return replace(on.tokens.check(credentials.credentials), address=address)


On = Annotated[State, Depends(state)]
By = Annotated[Caller, Depends(caller)]

open_routes = APIRouter(prefix="/health", tags=["health"])
guarded = APIRouter(prefix="/v1", dependencies=[Depends(caller)])


class Calling(Model):
    """What every request says: for which purpose, in which case."""

    purpose: Name
    case: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w\-/.]+$")]

    def call(self, by: Caller) -> Call:
        """The request as the office takes it."""
        return Call(by, self.purpose, self.case)


class Body(Calling):
    """What a request says. Values to search by stand in the body: addresses get logged."""

    where: dict[Name, Annotated[str, Field(max_length=200)]] = Field(
        default_factory=dict, max_length=5
    )

    def asked(self) -> Asked:
        """The request as the desk takes it."""
        return Asked(purpose=self.purpose, case=self.case, where=self.where)


class QueryBody(Body):
    """A query: which records, which items, how many, and as of which release or day."""

    items: Annotated[tuple[Name, ...], Field(min_length=1, max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    release: ReleaseNumber | None = None
    on: Day | None = None

    def asked(self) -> Asked:
        """The request as the desk takes it."""
        return Asked(
            self.purpose, self.case, self.where, self.items, self.limit, self.release, self.on
        )


@open_routes.get("/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@open_routes.get("/ready")
async def ready(on: On) -> dict[str, str]:
    """The hub can answer queries: database, rules and log are there."""

    def probe() -> None:
        try:
            with on.hub.engine.connect() as connection:
                connection.execute(select(1))
        except SQLAlchemyError as error:
            raise Unavailable(reason=message("cause_no_database")) from error

    await run_in_threadpool(probe)
    return {"status": "ready", "revision": str(on.board.rules.revision)}


@guarded.post("/subjects/{name}/query")
async def query(name: Name, body: QueryBody, on: On, by: By) -> dict[str, Any]:
    """Records of a subject, masked as the policy says, with a receipt."""
    return await on.desk.query(by, name, body.asked())


@guarded.post("/checks/{name}")
async def check(name: Name, body: Body, on: On, by: By) -> dict[str, Any]:
    """The verdict of a check with its reasons, with a receipt."""
    return await on.desk.check(by, name, body.asked())


@guarded.get("/catalog/datasets")
async def datasets(
    on: On, by: By, purpose: Annotated[str, Query(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
) -> dict[str, Any]:
    """The registered tables that the caller may know of, with a receipt."""
    return await on.desk.datasets(by, purpose)


async def single_keys(request: Request) -> None:
    """Refuses a body in which an object names one key twice: what was meant is not clear, and
    what stands between here and the caller may have read the other one.

    Raises:
        BadInput: there is such an object.
    """
    content = await request.body()
    with suppress(ValueError, RecursionError):
        # What is no JSON is told of elsewhere, or is no matter here.
        json.loads(content or b"{}", object_pairs_hook=_single)


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise BadInput(field="body", rule=message("rule_json_twice"))
    return {}
