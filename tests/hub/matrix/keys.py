"""Keys: for administrators alone. Whoever may not administer hears that there is nothing here."""

from __future__ import annotations

from tests.hub.matrix.base import PAST, Routes

CLOSED = dict.fromkeys(
    ("worker-1", "worker-2", "auditor-1", "nobody-1", "steward-1", "phones-1"), 404
)

ROUTES: Routes = {
    ("POST", "/v1/keys/status"): ("/v1/keys/status", {"json": PAST}, {**CLOSED, "admin-1": 200}),
    ("POST", "/v1/keys/rotate"): ("/v1/keys/rotate", {"json": PAST}, {**CLOSED, "admin-1": 200}),
}
