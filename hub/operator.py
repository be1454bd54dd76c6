"""Audit entries for what the hub's operators do on its own machine."""

from __future__ import annotations

import getpass
from collections.abc import Mapping

from hub.audit.entries import Decision, Entry, What, Who, Why

OPERATOR = "operator"
"""The client under which the command line appears in the log."""


def operator_entry(
    action: str,
    subject: str,
    rows: Mapping[str, int] | None = None,
    release: int | None = None,
) -> Entry:
    """An entry for something done with the rights of the machine's owner."""
    return Entry(
        who=Who(client=OPERATOR, department="hub", person=_account()),
        why=Why(),
        what=What(action=action, subject=subject, rows=rows or {}),
        decision=Decision(granted=True),
        policy="operator",
        outcome="done",
        release=None if release is None else str(release),
    )


def _account() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return None
