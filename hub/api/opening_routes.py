"""Open data over HTTP: checked and released by administrators, read by every client."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import Field

from hub.api.routes import By, Calling, On, ReleaseNumber, caller
from hub.api.sharing_routes import sent
from hub.opening.releasing import OpenData

router = APIRouter(prefix="/v1/open", tags=["open data"], dependencies=[Depends(caller)])

Table = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,127}$")]


class TableBody(Calling):
    """Which subject or dataset."""

    table: Table


class ReleaseBody(TableBody):
    """In which form."""

    format: Literal["csv", "parquet"] = "csv"


class NumberBody(TableBody):
    """Which of its releases."""

    number: ReleaseNumber


@router.post("/check")
def check(body: TableBody, on: On, by: By) -> dict[str, Any]:
    """How a table could be opened, and the risk before and after."""
    return OpenData(on.office).check(body.call(by), body.table)


@router.post("/release")
def release(body: ReleaseBody, on: On, by: By) -> dict[str, Any]:
    """A release that waits for a second person."""
    return OpenData(on.office).propose(body.call(by), body.table, body.format)


@router.post("/approve")
def approve(body: NumberBody, on: On, by: By) -> dict[str, Any]:
    """What another person proposed is the public's."""
    return OpenData(on.office).approve(body.call(by), body.table, body.number)


@router.post("/list")
def listed(body: Calling, on: On, by: By) -> dict[str, Any]:
    """The releases there are."""
    return OpenData(on.office).listed(body.call(by))


@router.post("/file", response_class=StreamingResponse)
def file(body: NumberBody, on: On, by: By) -> StreamingResponse:
    """The file of an approved release."""
    manifest, content = OpenData(on.office).file(body.call(by), body.table, body.number)
    return sent(manifest, content, manifest["file"])
