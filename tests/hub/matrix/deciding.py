"""What would be decided: explained, as a matrix, tried on the past, and asked for by AuthZEN."""

from __future__ import annotations

from tests.hub.matrix.base import PAST, Routes

RULES = "role, action, object, purpose, scope, mask, effect\n"
ITSELF = dict.fromkeys(
    ("worker-1", "worker-2", "auditor-1", "nobody-1", "steward-1", "phones-1", "admin-1",
     "citizen-1"),
    200,
)  # fmt: skip
# Who keeps no table and oversees nothing hears whether there is such a thing to be denied.
OVERSEERS = {"auditor-1": 200, "admin-1": 200}
QUESTION = {
    "action": {"name": "query"},
    "resource": {"type": "item", "id": "resident/name"},
    "context": {**PAST, "purpose": "data_governance"},
}
OTHER = {**QUESTION, "subject": {"type": "client", "id": "police-1"}}

ROUTES: Routes = {
    ("POST", "/v1/policy/explain"): (
        "/v1/policy/explain", {"json": {**PAST, "subject": "resident"}}, ITSELF
    ),
    ("POST", "/v1/policy/matrix"): (
        "/v1/policy/matrix",
        {"json": {**PAST, "dataset": "phones.users"}},
        {**OVERSEERS, "steward-1": 200, "phones-1": 200, "worker-1": 403, "worker-2": 403,
         "nobody-1": 404},
    ),
    ("POST", "/v1/policy/what-if"): (
        "/v1/policy/what-if",
        {"json": {**PAST, "documents": {"policies/rules.csv": RULES}}},
        {"admin-1": 200, "auditor-1": 404, "worker-1": 404, "worker-2": 404, "nobody-1": 404,
         "steward-1": 404},
    ),
    ("POST", "/access/v1/evaluation"): (
        "/access/v1/evaluation",
        {"json": OTHER},
        {**OVERSEERS, "worker-1": 404, "worker-2": 404, "nobody-1": 404, "steward-1": 404},
    ),
    ("POST", "/access/v1/evaluations"): (
        "/access/v1/evaluations",
        {"json": {**OTHER, "evaluations": [{"action": {"name": "lookup"}}]}},
        {**OVERSEERS, "worker-1": 404, "worker-2": 404, "nobody-1": 404, "steward-1": 404},
    ),
    **{
        ("POST", f"/access/v1/search/{what}"): (
            f"/access/v1/search/{what}",
            {"json": OTHER},
            {**OVERSEERS, "worker-1": 404, "worker-2": 404, "nobody-1": 404, "steward-1": 404},
        )
        for what in ("subject", "resource", "action")
    },
}  # fmt: skip
