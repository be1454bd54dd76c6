"""Scores, and rows that were set aside."""

from __future__ import annotations

from tests.hub.matrix.base import PAST, Routes

ROUTES: Routes = {
    **{
        ("POST", f"/v1/quality/{route}"): (
            f"/v1/quality/{path}",
            {"json": PAST},
            {"worker-1": 403, "worker-2": 403, "auditor-1": 404, "nobody-1": 404,
             "steward-1": 200, "police-1": 200},
        )
        for route, path in (
            ("datasets/{dataset}/scores", "datasets/police.people/scores"),
            ("departments/{department}/scores", "departments/police/scores"),
            ("datasets/{dataset}/rows", "datasets/police.people/rows"),
            ("datasets/{dataset}/reproduce", "datasets/police.people/reproduce"),
        )
    },
    ("POST", "/v1/quality/datasets/{dataset}/file"): (
        "/v1/quality/datasets/police.people/file",
        {"json": PAST},
        # A department's rows in its own form are for its own people alone.
        {"worker-1": 403, "worker-2": 403, "auditor-1": 404, "nobody-1": 404, "steward-1": 200,
         "police-1": 200},
    ),
}  # fmt: skip
