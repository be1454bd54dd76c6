"""Keys over HTTP, for administrators. No key ever travels: master secrets are exchanged on the
hub's own machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field
from sqlalchemy import Connection

from hub.api.routes import By, Calling, On, caller
from hub.keeping import rotation
from hub.serving.access import About
from policies.models import Action

key_routes = APIRouter(prefix="/v1/keys", dependencies=[Depends(caller)])


class KeysBody(Calling):
    """Who wants to know, and why."""


class RotateBody(Calling):
    """How many records this request may seal anew."""

    records: Annotated[int, Field(ge=1, le=100_000)] = 20_000


@key_routes.post("/status")
def status(body: KeysBody, on: On, by: By) -> dict[str, Any]:
    """All keys: since when each is there, and how many values are sealed under it."""
    access = on.office.enter(body.call(by), Action.ADMINISTER, "list_keys", "hub")
    return access.give({"keys": rotation.status(access.hub)})


@key_routes.post("/rotate")
def rotate(body: RotateBody, on: On, by: By) -> dict[str, Any]:
    """Begins a rotation, or goes on with it: to be asked again until no records are left."""
    call = body.call(by)
    access = on.office.enter(call, Action.ADMINISTER, "rotate_keys", "hub", body.records)

    # Asked for beforehand: within a transaction that writes the log, no refusal could be logged.
    deeds = ("key_created", "key_rotated")
    may = {deed: on.office.enter(call, Action.ADMINISTER, deed, "hub") for deed in deeds}

    def tell(connection: Connection, deed: str, about: str, rows: Mapping[str, int]) -> None:
        may[deed].over(about, {}).give({}, About(rows=rows), connection)

    done = rotation.rotate(access.hub, tell, body.records)
    return access.give(vars(done), About(rows=vars(done)))
