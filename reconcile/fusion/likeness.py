"""When two spellings of a value mean the same, beyond what their gists have in common."""

from __future__ import annotations

from catalog.standards.base import Element
from reconcile.fusion.details import tells_less

TOLERANCE = 0.005  # of the larger: amounts this close are the same, rounded differently
AMOUNTS = frozenset({"money", "decimal"})


def bears_out(element: Element, one: str, other: str) -> bool:
    """Whether a canonical value of an element means what another does, or less of the same."""
    gists = element.gist(one), element.gist(other)
    if gists[0] == gists[1] or tells_less(element, *gists):
        return True
    return element.code in AMOUNTS and near(float(one), float(other))


def near(one: float, other: float) -> bool:
    """Whether two amounts differ by no more than rounding does."""
    return abs(one - other) <= TOLERANCE * max(abs(one), abs(other))
