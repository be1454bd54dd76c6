"""Queries, checks, the catalogue, and what was known in the past."""

from __future__ import annotations

from tests.hub.matrix.base import PAST, Routes
from tests.hub.village import PEOPLE

BODY = {"purpose": "visit", "case": "GD-1", "where": {"resident_id": PEOPLE[0][0]}}

ROUTES: Routes = {
    ("POST", "/v1/subjects/{name}/query"): (
        "/v1/subjects/resident/query",
        {"json": BODY},
        {"worker-1": 200, "worker-2": 200, "auditor-1": 200, "nobody-1": 404, "steward-1": 403},
    ),
    ("POST", "/v1/checks/{name}"): (
        "/v1/checks/grown_up",
        {"json": BODY},
        {"worker-1": 200, "worker-2": 404, "auditor-1": 404, "nobody-1": 404, "steward-1": 404},
    ),
    ("GET", "/v1/catalog/datasets"): (
        "/v1/catalog/datasets?purpose=visit",
        {},
        {"worker-1": 200, "worker-2": 200, "auditor-1": 200, "nobody-1": 200, "steward-1": 200, "admin-1": 200,
         "phones-1": 200},
    ),
    ("POST", "/v1/subjects/{name}/releases"): (
        "/v1/subjects/resident/releases",
        {"json": PAST},
        {"worker-1": 403, "worker-2": 403, "auditor-1": 403, "nobody-1": 404, "steward-1": 200},
    ),
    ("POST", "/v1/subjects/{name}/diff"): (
        "/v1/subjects/resident/diff",
        {"json": {**PAST, "before": 1, "after": 1}},
        {"worker-1": 403, "worker-2": 403, "auditor-1": 403, "nobody-1": 404, "steward-1": 200},
    ),
    ("POST", "/v1/subjects/{name}/explain"): (
        "/v1/subjects/resident/explain",
        {"json": {**PAST, "entity": "nobody"}},
        # To a steward it says that there is no such entity.
        {"worker-1": 403, "worker-2": 403, "auditor-1": 403, "nobody-1": 404, "steward-1": 404},
    ),
}  # fmt: skip
