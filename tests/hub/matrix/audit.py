"""What auditors do with the log."""

from __future__ import annotations

from typing import Any

from tests.hub.matrix.base import PAST, Routes

# Only auditors hear anything; administrators and stewards hear that there is no such thing.
_AUDITORS = {
    "worker-1": 404,
    "worker-2": 404,
    "auditor-1": 200,
    "nobody-1": 404,
    "steward-1": 404,
}
_RECEIPT = {
    "origin": "hub",
    "index": 0,
    "leaf_hash": "00" * 32,
    "answer": "00" * 32,
    "time": "2026-01-01T00:00:00Z",
    "signature": "00" * 64,
}


def _route(path: str, more: dict[str, Any], auditor: int = 200) -> Routes:
    answers = {**_AUDITORS, "auditor-1": auditor}
    return {
        ("POST", f"/v1/audit/{path}"): (f"/v1/audit/{path}", {"json": {**PAST, **more}}, answers)
    }


ROUTES: Routes = {
    **_route("search", {"wanted": {"limit": 3}}),
    **_route("checkpoints/latest", {}),
    **_route("checkpoints", {}),
    **_route("verify", {}),
    # The receipt is forged: that is what an auditor hears.
    **_route("receipts/check", {"receipt": _RECEIPT}, auditor=400),
}
