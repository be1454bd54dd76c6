"""What the gate counts of the rows of a table. Counts of parts add up to those of the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from catalog.contracts import Contract
from reconcile.rules import FLAW, KEY_DUPLICATE, Check

Counts = Mapping[str, int]
"""Rows by what they were counted as: ``landed``, ``readable``; ``unread|<code>``: could not be
read; ``given|<item>``: have a value; ``flaw|<item>|<flaw>``; of a check, by its place in the suite,
``judged|<place>`` and ``failed|<place>``; ``scored|<dimension>|<item or *>``: fail a check that
counts there, of those that ran.
"""

TABLE = "*"
"""Stands for the table as a whole; no item has such a name."""

Failed = Sequence[tuple[Check, np.ndarray[Any, Any]]]


def key(*parts: object) -> str:
    """The name under which something is counted."""
    return "|".join(map(str, parts))


def added(one: Counts, other: Counts) -> dict[str, int]:
    """The counts of two parts together."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def scored(contract: Contract, failed: Failed) -> dict[str, int]:
    """How many rows fail the checks of each dimension, item by item and of the table.

    Args:
        failed: check and the positions of the rows that fail it, of every check that ran over rows.
    """
    found = {}
    for about in (*(item.name for item in contract.items), TABLE):
        for dimension in ("validity", "uniqueness", "consistency", "timeliness"):
            failing = [
                rows
                for check, rows in failed
                if check.dimension == dimension and (about == TABLE or _is_about(check, about))
            ]
            if failing:
                rows = failing[0] if len(failing) == 1 else np.unique(np.concatenate(failing))
                found[key("scored", dimension, about)] = len(rows)
    return found


def _is_about(check: Check, item: str) -> bool:
    # One part of a compound key may well repeat.
    return item in check.items and (check.rule != KEY_DUPLICATE or len(check.items) == 1)


def said(
    checks: Sequence[Check], counts: Counts, unmet: set[int], skipped: Mapping[int, str]
) -> tuple[dict[str, int], dict[str, int]]:
    """``<item>.<rule>`` → rows that are warned of, and rows that are quarantined.

    Args:
        unmet: places of the checks that do not hold.
        skipped: places of those that could not be asked, and why (message code).
    """
    warnings: dict[str, int] = {}
    reasons: dict[str, int] = {}
    for place in unmet:
        check = checks[place]
        into = warnings if check.severity == "warn" else reasons
        if check.rule == FLAW:
            head = key("flaw", check.item, "")
            flaws = ((n.removeprefix(head), c) for n, c in counts.items() if n.startswith(head))
            told = {f"{check.item}.{flaw}": count for flaw, count in flaws}
        else:
            told = {check.name: counts.get(key("failed", place), 1)}
        for name, count in told.items():
            into[name] = into.get(name, 0) + count
    for place, why in skipped.items():
        if (item := checks[place].item) is not None:
            # Its values went unlooked at.
            name = f"{item}.{why}"
            warnings[name] = warnings.get(name, 0) + counts["readable"]
    for name, count in counts.items():
        if name.startswith("unread|"):
            reasons[name.removeprefix("unread|")] = count
    return _without_nothing(warnings), _without_nothing(reasons)


def _without_nothing(found: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in sorted(found.items()) if count}
