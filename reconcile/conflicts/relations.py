"""How a value that differs is related to what the others say: told by the two values alone."""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from functools import lru_cache

from catalog.standards.base import Element
from catalog.standards.person_name import sound
from catalog.standards.spelling import HAN


class Relation(StrEnum):
    """What a dataset's values have to do with what others say in their place."""

    SWAPPED = "swap_day_month"
    OLD_NUMBER = "old_number"
    FACTOR = "factor"
    CONSTANT = "constant"
    RECODE = "recode"
    ROUNDED = "rounded"
    REORDERED = "reordered"
    SHORTENED = "shortened"
    LONGER = "longer"
    SAME_SOUND = "same_sound"
    SLIP = "slip"
    STALE = "stale"
    OTHER = "other"


SPECIFIC = frozenset({Relation.SWAPPED, Relation.OLD_NUMBER, Relation.FACTOR, Relation.ROUNDED})
"""What two values show beyond doubt; nothing that many of them have in common says it better."""

STALE_DAYS = 180
"""So much older than what others say, a value is taken for one that was right once."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_HAN = re.compile(f"[{HAN}]")
# Powers of ten are units (yuan and ten thousand yuan); twelve is a year and its month.
_FACTORS = {10.0**power: f"{10**power:g}" for power in range(1, 9)} | {12.0: "12"}
_EXACT = 0.005  # a unit was changed before rounding
_CLOSE = 0.01
_SHORTEST_SLIP = 3  # in two characters, one is half of all there is


def relation(element: Element, value: str, standard: str) -> tuple[Relation, str | None]:
    """The relation of ``value`` to ``standard``, which differs, and the factor between numbers.
    A factor beside :attr:`Relation.OTHER` says something only if many have it.

    Both are canonical texts of ``element``.
    """
    if _swapped(value, standard):
        return Relation.SWAPPED, None
    if _old_number(value, standard):
        return Relation.OLD_NUMBER, None
    numeric = _numbers(element, value, standard)
    if numeric is not None:
        return _of_numbers(*numeric)
    return _of_texts(value, standard), None


def _swapped(value: str, standard: str) -> bool:
    return (
        len(value) == 10
        and value[:5] == standard[:5]
        and value[5:7] == standard[8:]
        and value[8:] == standard[5:7]
        and bool(_DAY.fullmatch(value))
    )


def swappable(value: str) -> str | None:
    """A day with day and month swapped; None where that is no other day."""
    if not _DAY.fullmatch(value) or value[5:7] == value[8:]:
        return None
    swapped = f"{value[:5]}{value[8:]}-{value[5:7]}"
    try:
        return date.fromisoformat(swapped).isoformat()
    except ValueError:
        return None


def _old_number(value: str, standard: str) -> bool:
    """A resident ID of 15 digits beside the same one of 18."""
    short, long = sorted((value, standard), key=len)
    return len(short) == 15 and len(long) == 18 and short == long[:6] + long[8:17]


def _numbers(element: Element, value: str, standard: str) -> tuple[float, float] | None:
    try:
        one, other = element.typed(value), element.typed(standard)
    except ValueError:
        return None
    if isinstance(one, (str, bool)) or isinstance(other, (str, bool)):
        return None
    return float(one), float(other)


def _of_numbers(value: float, standard: float) -> tuple[Relation, str | None]:
    if value <= 0 or standard <= 0:
        return Relation.OTHER, None
    ratio = value / standard
    for factor, words in _FACTORS.items():
        if abs(ratio / factor - 1) <= _EXACT:
            return Relation.FACTOR, f"×{words}"
        if abs(ratio * factor - 1) <= _EXACT:
            return Relation.FACTOR, f"÷{words}"
    if abs(value - standard) <= _CLOSE * max(value, standard):
        return Relation.ROUNDED, None
    return Relation.OTHER, _ratio(ratio)


def _ratio(ratio: float) -> str | None:
    """A ratio that is one of two digits; whether that is chance, only many of them tell."""
    short = float(f"{ratio:.2g}")
    return f"×{short:g}" if abs(ratio / short - 1) <= _EXACT else None


def _of_texts(value: str, standard: str) -> Relation:
    if len(value) == len(standard) and sorted(value) == sorted(standard):
        # Two digits that changed places are a slip of the keyboard, two parts of a name are not.
        return Relation.SLIP if _one_edit(value, standard) else Relation.REORDERED
    if _shortens(value, standard):
        return Relation.SHORTENED
    if _shortens(standard, value):
        return Relation.LONGER
    if len(value) == len(standard) and _sounds_like(value, standard):
        return Relation.SAME_SOUND
    if max(len(value), len(standard)) >= _SHORTEST_SLIP and _one_edit(value, standard):
        return Relation.SLIP
    return Relation.OTHER


def _shortens(short: str, long: str) -> bool:
    """Whether ``short`` is a part of ``long``, or of Chinese words leaves some characters out."""
    if not 2 <= len(short) < len(long):
        return False
    if short in long:
        return True
    rest = iter(long)
    return bool(_HAN.search(short)) and len(short) > 2 and all(c in rest for c in short)


def _sounds_like(one: str, other: str) -> bool:
    differing = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    return all(_HAN.match(a) and _HAN.match(b) and _sound(a) == _sound(b) for a, b in differing)


@lru_cache(1 << 14)
def _sound(character: str) -> str:
    return sound(character)


def _one_edit(one: str, other: str) -> bool:
    """Whether one character was replaced, left out, added, or swapped with its neighbour."""
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1:
        return False
    start = 0
    while start < len(short) and short[start] == long[start]:
        start += 1
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    swapped = short[start + 1 : start + 2] + short[start : start + 1] + short[start + 2 :]
    return short[start + 1 :] == long[start + 1 :] or swapped == long[start:]
