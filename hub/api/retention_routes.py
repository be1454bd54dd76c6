"""The end of retention over HTTP, for administrators."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from hub.api.routes import By, Calling, Day, On, caller
from hub.serving import retention

router = APIRouter(prefix="/v1/audit", tags=["audit"], dependencies=[Depends(caller)])


class RetireBody(Calling):
    """Up to which day; without ``confirm`` it is only said what would be erased."""

    before: Day | None = None
    confirm: bool = False


@router.post("/retire")
def retire(body: RetireBody, on: On, by: By) -> dict[str, Any]:
    """Months whose personal parts have been kept long enough, and may be or were erased."""
    return retention.retire(on.office, body.call(by), body.before, body.confirm)
