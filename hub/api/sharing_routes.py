"""The other ways out over HTTP: yes or no, files in bulk, counts."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO, Literal

import orjson
from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import Field

from hub.api.routes import Body, By, Calling, Name, On, caller
from hub.serving.exchange import Exchange, Order
from hub.serving.statistics import MOST_DIMENSIONS, Question, Statistics
from hub.serving.verify import Claims, Verifier

router = APIRouter(prefix="/v1", tags=["sharing"], dependencies=[Depends(caller)])

Form = Literal["csv", "xlsx", "parquet", "jsonl"]
Value = Annotated[str, Field(max_length=200)]
_CHUNK = 1 << 18
_MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
    "jsonl": "application/jsonl",
}


class VerifyBody(Body):
    """What is claimed of the one record that ``where`` names."""

    claims: Annotated[dict[Name, Value], Field(min_length=1, max_length=10)]


class ExchangeBody(Body):
    """Which rows, which items, in which form, and after which file."""

    items: Annotated[tuple[Name, ...], Field(min_length=1, max_length=200)] | None = None
    format: Form = "csv"
    region: Annotated[str, Field(pattern=r"^[0-9]{2,15}$")] | None = None
    after: Annotated[str, Field(pattern=r"^[0-9]{1,9}\.[0-9a-f]{64}$")] | None = None


class StatisticsBody(Calling):
    """By what to count, and which values alone."""

    by: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MOST_DIMENSIONS)]
    where: dict[Name, Value] = Field(default_factory=dict, max_length=MOST_DIMENSIONS)


@router.post("/subjects/{name}/verify")
async def verify(name: Name, body: VerifyBody, on: On, by: By) -> dict[str, Any]:
    """Whether claims about a record are so: yes or no, never a value, with a receipt."""
    claims = Claims(body.purpose, body.case, body.where, claims=body.claims)
    return await Verifier(on.ground).verify(by, name, claims)


@router.post("/subjects/{name}/exchange", response_class=StreamingResponse)
def exchange(name: Name, body: ExchangeBody, on: On, by: By) -> StreamingResponse:
    """A file of masked rows; what is said of it stands, with the receipt, in a header."""
    order = Order(body.format, body.items, body.where, body.region, body.after)
    delivery = Exchange(on.office).deliver(body.call(by), name, order)
    return sent(delivery.answer, delivery.file, f"{name}.{body.format}")


@router.post("/statistics/{name}")
def statistics(name: Name, body: StatisticsBody, on: On, by: By) -> dict[str, Any]:
    """Counts of records by what the caller sees of them; small ones are withheld."""
    question = Question(body.by, body.where)
    return Statistics(on.office).count(body.call(by), name, question)


def sent(answer: dict[str, Any], file: BinaryIO, name: str) -> StreamingResponse:
    """A file as the body of an answer. ``Hub-Answer`` has, in base64, the JSON that comes with
    it; its last part is the receipt, which is over all the rest.
    """
    headers = {
        "Hub-Answer": base64.b64encode(orjson.dumps(answer)).decode(),
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return StreamingResponse(
        _chunks(file), headers=headers, media_type=_MEDIA[name.rsplit(".", maxsplit=1)[-1]]
    )


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
