"""Findings, and the person's own view."""

from __future__ import annotations

from tests.hub.matrix.base import PAST, Routes
from tests.hub.village import PEOPLE

REFUSED = dict.fromkeys(("worker-1", "worker-2", "nobody-1", "steward-1"), 404)
WORDS = {"words": "w"}

ROUTES: Routes = {
    ("POST", "/v1/findings/list"): (
        "/v1/findings/list",
        {"json": PAST},
        {**REFUSED, "auditor-1": 200},
    ),
    # There is none of that number; and nobody stands behind the auditor's token.
    **{
        ("POST", f"/v1/findings/{deed}"): (
            f"/v1/findings/{deed}",
            {"json": {**PAST, "finding": 1, **more}},
            {**REFUSED, "auditor-1": status},
        )
        for deed, more, status in (
            ("show", {}, 404),
            ("note", WORDS, 403),
            ("close", {**WORDS, "state": "misuse"}, 403),
        )
    },
    ("POST", "/v1/audit/subject"): (
        "/v1/audit/subject",
        {"json": {**PAST, "number": PEOPLE[0][0]}},
        {**REFUSED, "auditor-1": 404, "citizen-1": 200},
    ),
}
