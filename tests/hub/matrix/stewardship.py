"""Conflicts, rulings and corrections."""

from __future__ import annotations

from tests.hub.matrix.base import PAST, Routes

RULING = {
    "kind": "choose", "entity": "nobody", "attribute": "name", "dataset": "phones.users",
    "reason": "r",
}  # fmt: skip

ROUTES: Routes = {
    **{
        ("POST", f"/v1/conflicts/{name}"): (
            f"/v1/conflicts/{name}",
            {"json": {**PAST, "subject": "resident", **more}},
            {"worker-1": 403, "worker-2": 403, "auditor-1": 403, "nobody-1": 404,
             "steward-1": answer},
        )
        for name, more, answer in (
            ("search", {}, 200),
            ("matches", {}, 200),
            ("groups", {}, 200),
            # To a steward it says that there is no such conflict or group.
            ("show", {"entity": "nobody"}, 404),
            ("preview", {"group": 99}, 404),
        )
    },
    **{
        ("POST", f"/v1/rulings{name}"): (
            f"/v1/rulings{name}",
            {"json": {**PAST, **more}, "person": "li"},
            # Who may know that there are residents hears that it may not; others, nothing.
            {"worker-1": closed, "worker-2": closed, "auditor-1": closed, "nobody-1": 404,
             "steward-1": answer},
        )
        for name, more, closed, answer in (
            ("", {"subject": "resident", "ruling": RULING}, 403, 404),
            ("/list", {"subject": "resident"}, 403, 200),
            *((f"/{deed}", {"number": 99}, 404, 404) for deed in ("show", "evidence")),
            *((f"/{deed}", {"number": 99, "reason": "r"}, 404, 404)
              for deed in ("approve", "refuse", "revoke")),
        )
    },
    **{
        ("POST", f"/v1/corrections/{name}"): (
            f"/v1/corrections/{name}",
            {"json": {**PAST, **more}, "person": "li"},
            {"worker-1": closed, "worker-2": closed, "auditor-1": 404, "nobody-1": 404,
             "steward-1": answer, "phones-1": answer},
        )
        for name, more, closed, answer in (
            ("list", {}, 403, 200),
            ("report", {}, 403, 200),
            *((deed, {"number": 99}, 404, 404) for deed in ("show", "evidence")),
            ("answer", {"number": 99, "verdict": "fixed"}, 404, 404),
        )
    },
}  # fmt: skip
