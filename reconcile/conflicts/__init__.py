"""Conflicts: which of them matter most, which are alike, and what would settle them."""

from __future__ import annotations

from reconcile.conflicts.effects import Basis, Change, Effect, Repair, effect
from reconcile.conflicts.groups import Example, Group, Grouping, grouped
from reconcile.conflicts.order import Points, Stake, days_since, points
from reconcile.conflicts.reading import Conflict, Reader, Said, carried, read
from reconcile.conflicts.relations import Relation

__all__ = [
    "Basis",
    "Change",
    "Conflict",
    "Effect",
    "Example",
    "Group",
    "Grouping",
    "Points",
    "Reader",
    "Relation",
    "Repair",
    "Said",
    "Stake",
    "carried",
    "days_since",
    "effect",
    "grouped",
    "points",
    "read",
]
