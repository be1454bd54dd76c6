"""Quality over HTTP, for stewards and for departments' own data keepers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from fastapi.responses import StreamingResponse
from pydantic import Field

from hub.api.routes import By, Calling, Name, On, ReleaseNumber, caller
from hub.api.sharing_routes import sent
from hub.quality.answers import Answers

router = APIRouter(prefix="/v1/quality", tags=["quality"], dependencies=[Depends(caller)])

Dataset = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,63}\.[a-z][a-z0-9_]{0,63}$")]


class ScoresBody(Calling):
    """Which scores are wanted: of the last release, or of all."""

    history: bool = False


class QuarantineBody(Calling):
    """Which quarantined rows are wanted: those after a row number, of a release."""

    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    language: Literal["zh", "en"] = "zh"
    release: ReleaseNumber | None = None


class ReleaseBody(Calling):
    """Of which release; without one, of the current one."""

    release: ReleaseNumber | None = None


class FileBody(ReleaseBody):
    """In which language the reasons are wanted."""

    language: Literal["zh", "en"] = "zh"


@router.post("/datasets/{dataset}/scores")
def dataset_scores(dataset: Dataset, body: ScoresBody, on: On, by: By) -> dict[str, Any]:
    """The scores of a dataset and its items."""
    return Answers(on.office).dataset(body.call(by), dataset, body.history)


@router.post("/departments/{department}/scores")
def department_scores(department: Name, body: ScoresBody, on: On, by: By) -> dict[str, Any]:
    """The scores of a department."""
    return Answers(on.office).department(body.call(by), department, body.history)


@router.post("/datasets/{dataset}/rows")
def quarantined_rows(dataset: Dataset, body: QuarantineBody, on: On, by: By) -> dict[str, Any]:
    """Quarantined rows as the department sent them, with the reasons."""
    return Answers(on.office).rows(
        body.call(by), dataset, body.after, body.limit, body.language, body.release
    )


@router.post("/datasets/{dataset}/file", response_class=StreamingResponse)
def quarantine_file(dataset: Dataset, body: FileBody, on: On, by: By) -> StreamingResponse:
    """Quarantined rows as a file in the form of the department's own source."""
    return sent(*Answers(on.office).file(body.call(by), dataset, body.language, body.release))


@router.post("/datasets/{dataset}/reproduce")
def reproduce(dataset: Dataset, body: ReleaseBody, on: On, by: By) -> dict[str, Any]:
    """Whether the verdict of a release is come to again."""
    return Answers(on.office).reproduce(body.call(by), dataset, body.release)
