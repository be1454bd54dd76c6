"""Releases as wholes."""

from __future__ import annotations

from tests.hub.matrix.base import PAST, Routes

ROUTES: Routes = {
    ("POST", "/v1/releases/list"): (
        "/v1/releases/list",
        {"json": PAST},
        {"worker-1": 404, "worker-2": 404, "auditor-1": 200, "nobody-1": 404, "steward-1": 404,
         "admin-1": 200},
    ),
    ("POST", "/v1/releases/show"): (
        "/v1/releases/show",
        {"json": {**PAST, "release": 1}},
        {"worker-1": 404, "worker-2": 404, "auditor-1": 200, "nobody-1": 404, "steward-1": 404,
         "admin-1": 200},
    ),
    ("POST", "/v1/releases/restore"): (
        "/v1/releases/restore",
        # There is none such, so that nothing is restored that other tests look at; an administrator
        # has to say which person asks.
        {"json": {**PAST, "release": 99}},
        {"worker-1": 404, "worker-2": 404, "auditor-1": 404, "nobody-1": 404, "steward-1": 404,
         "admin-1": 403},
    ),
}  # fmt: skip
