"""The end of retention."""

from __future__ import annotations

from tests.hub.matrix.base import PAST, Routes

ROUTES: Routes = {
    ("POST", "/v1/audit/retire"): (
        "/v1/audit/retire",
        {"json": PAST},
        {"worker-1": 404, "worker-2": 404, "auditor-1": 404, "nobody-1": 404, "steward-1": 404,
         "admin-1": 200},
    ),
}  # fmt: skip
