"""Cases and second persons: for every registered client, about its own department."""

from __future__ import annotations

from tests.hub.matrix.base import PAST, Routes

REGISTERED = ("worker-1", "worker-2", "auditor-1", "nobody-1", "steward-1", "phones-1", "admin-1")
EVERY = dict.fromkeys((*REGISTERED, "citizen-1"), 200)
# Nobody stands behind the tokens; there is no such request; a case to close there is none.
UNKNOWN = dict.fromkeys(EVERY, 404)
PERSONLESS = dict.fromkeys(EVERY, 403)
NAMED = {"subject": "resident", "attribute": "birth_date", "value": "1990-02-02"}

ROUTES: Routes = {
    # Not a key that anybody may look up by; who knows of residents at all hears as much.
    ("POST", "/v1/cases/open"): (
        "/v1/cases/open",
        {"json": {**PAST, "about": [NAMED]}},
        {**PERSONLESS, "phones-1": 404, "admin-1": 404, "citizen-1": 404},
    ),
    ("POST", "/v1/cases/close"): ("/v1/cases/close", {"json": PAST}, UNKNOWN),
    ("POST", "/v1/cases/list"): ("/v1/cases/list", {"json": PAST}, EVERY),
    ("POST", "/v1/approvals/list"): ("/v1/approvals/list", {"json": PAST}, EVERY),
    **{
        ("POST", f"/v1/approvals/{deed}"): (
            f"/v1/approvals/{deed}",
            {"json": {**PAST, "approval": 1}},
            PERSONLESS,
        )
        for deed in ("approve", "refuse")
    },
}
