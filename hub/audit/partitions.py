"""The partitions of the log: each holds the same number of entries, and is made before the first of
them comes. What finds none (nobody made it in time) falls into the rest, and is found there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hub.audit.writing import Appended

SPAN = 1 << 22
"""Entries of one partition: one complete subtree of the log."""
_OFTEN = SPAN >> 4

TABLES = ("audit_entry", "audit_person")
NAME = re.compile(r"(audit_entry|audit_person)_(\d{6,}|rest)")
"""How partitions are called."""

GROW = "SELECT audit_grow(%(size)s)"
"""Makes the partition of the place ``size`` and the one behind it, where they are not there."""


def due(appended: Sequence[Appended]) -> bool:
    """Whether it is time to look for the next partition: sixteen times within each."""
    return bool(appended) and appended[0].index // _OFTEN != (appended[-1].index + 1) // _OFTEN
