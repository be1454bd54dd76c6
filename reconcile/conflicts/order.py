"""In which order conflicts matter: points of four kinds, 100 at most, whose sum decides.

=============  ====  =====================================================================
decisions      40    ``40 × n / (n + 6)`` for ``n`` decisions that depend on the attribute
sensitivity    20    5 for each level, from L1 to L4
age            20    ``20 × d / (d + 30)`` for ``d`` days since it was first found
doubt          20    ``40 × p``, at most 20, for a probability ``p`` that the served value is wrong
=============  ====  =====================================================================

What is in dispute comes before what is decided, and what is deferred comes last.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

_DECISIONS, _HALF_DECISIONS = 40, 6
_LEVEL = 5
_AGE, _HALF_DAYS = 20, 30
_DOUBT, _EVEN = 20, 0.5


@dataclass(frozen=True, slots=True)
class Stake:
    """What depends on an attribute: how many decisions, and its level (1 to 4)."""

    decisions: int
    level: int


@dataclass(frozen=True, slots=True)
class Points:
    """Why something stands where it stands."""

    decisions: float
    sensitivity: float
    age: float
    doubt: float

    @property
    def total(self) -> float:
        """By what it is ordered."""
        return round(self.decisions + self.sensitivity + self.age + self.doubt, 1)


def points(stake: Stake, days: int, doubt: float) -> Points:
    """The points of a conflict first found ``days`` ago, whose served value is wrong with the
    probability ``doubt``.
    """
    return Points(
        decisions=round(_DECISIONS * stake.decisions / (stake.decisions + _HALF_DECISIONS), 1),
        sensitivity=float(_LEVEL * stake.level),
        age=round(_AGE * days / (days + _HALF_DAYS), 1),
        doubt=round(_DOUBT * min(max(doubt, 0.0) / _EVEN, 1.0), 1),
    )


def days_since(since: str | None, day: date) -> int:
    """Whole days from an ISO day to ``day``; 0 where it is not known."""
    return 0 if since is None else max((day - date.fromisoformat(since)).days, 0)
