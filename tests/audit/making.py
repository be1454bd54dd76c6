"""Entries for tests."""

from __future__ import annotations

from hub.audit.entries import Decision, Entry, What, Who, Why

ORIGIN = "hub.example/audit"


def entry(case: str = "C-1", client: str = "town_app", purpose: str | None = "grid_visit") -> Entry:
    return Entry(
        who=Who(client, "town", "clerk-7"),
        why=Why(purpose, case, ("A-2026-001",)),
        what=What(
            action="query",
            subject="resident",
            items={"name": "partial", "address": "division"},
            scope="own_region",
            digests=("ab" * 32,),
            rows={"asked": 1, "answered": 1},
        ),
        decision=Decision(granted=True, reasons=("agreement_in_force",)),
        policy="0f" * 32,
        outcome="answered",
        release="resident/12",
        request="1e" * 32,
    )
