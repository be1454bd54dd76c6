"""When two spellings of a value mean the same, beyond what their gists have in common."""

from __future__ import annotations

from catalog.standards.base import Element

TOLERANCE = 0.005  # of the larger: amounts this close are the same, rounded differently
AMOUNTS = frozenset({"money", "decimal"})


def means_the_same(element: Element, one: str, other: str) -> bool:
    """Whether two canonical values of an element do."""
    if element.gist(one) == element.gist(other):
        return True
    return element.code in AMOUNTS and near(float(one), float(other))


def near(one: float, other: float) -> bool:
    """Whether two amounts differ by no more than rounding does."""
    return abs(one - other) <= TOLERANCE * max(abs(one), abs(other))
