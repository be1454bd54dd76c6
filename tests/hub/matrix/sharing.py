"""Yes or no, files in bulk, counts, and open data."""

from __future__ import annotations

from tests.hub.matrix.base import PAST, Routes
from tests.hub.matrix.serving import BODY
from tests.hub.village import PEOPLE

VISIT = {"purpose": "visit", "case": "GD-1"}
CLAIMS = {"name": PEOPLE[0][1], "birth_date": PEOPLE[0][3]}
EVERYBODY = ("worker-1", "worker-2", "auditor-1", "nobody-1", "steward-1", "phones-1", "admin-1")

ROUTES: Routes = {
    ("POST", "/v1/subjects/{name}/verify"): (
        "/v1/subjects/resident/verify",
        {"json": {**BODY, "claims": CLAIMS}},
        {"worker-1": 200, "worker-2": 200, "auditor-1": 403, "nobody-1": 404, "steward-1": 403},
    ),
    ("POST", "/v1/subjects/{name}/exchange"): (
        "/v1/subjects/resident/exchange",
        {"json": {**VISIT, "format": "parquet"}},
        {"worker-1": 200, "worker-2": 200, "auditor-1": 200, "nobody-1": 404, "steward-1": 403},
    ),
    ("POST", "/v1/statistics/{name}"): (
        "/v1/statistics/resident",
        {"json": {**VISIT, "by": ["birth_date"]}},
        {"worker-1": 403, "worker-2": 403, "auditor-1": 200, "nobody-1": 404, "steward-1": 403},
    ),
    **{
        ("POST", f"/v1/open/{name}"): (
            f"/v1/open/{name}",
            {"json": {**PAST, "table": "resident", **more}, "person": "li"},
            # To an administrator it says that nothing is public, or that there is no release.
            {**dict.fromkeys(EVERYBODY, 404), "admin-1": answer},
        )
        for name, more, answer in (
            ("check", {}, 409),
            ("release", {}, 409),
            ("approve", {"number": 99}, 404),
        )
    },
    ("POST", "/v1/open/list"): (
        "/v1/open/list",
        {"json": PAST},
        dict.fromkeys(EVERYBODY, 200),
    ),
    ("POST", "/v1/open/file"): (
        "/v1/open/file",
        {"json": {**PAST, "table": "resident", "number": 99}},
        dict.fromkeys(EVERYBODY, 404),
    ),
}
