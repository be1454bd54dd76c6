"""Resident identity numbers: GB 11643."""

from __future__ import annotations

import re
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
from stdnum.cn import ric

from catalog.standards.base import Comparison, Element, Invalid
from catalog.standards.columns import fixed_width, number, real_day, spread
from catalog.standards.domains import Domain
from catalog.standards.hiding import forms, keep, keeping, series
from catalog.standards.spelling import bare
from core.types import Level, Text

# Whoever is on a register was born in these years. Fixed, so that the same number is judged
# the same way whenever it is cleaned.
FIRST_YEAR, LAST_YEAR = 1850, 2049

_SHAPE = re.compile(r"[1-9][0-9]{16}[0-9X]")
_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2], dtype=np.int64)
_CHECKS = np.frombuffer(b"10X98765432", np.uint8)


def _born(number: str) -> bool:
    if not FIRST_YEAR <= int(number[6:10]) <= LAST_YEAR:
        return False
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    return True


def is_resident_id(number: str) -> bool:
    """Whether 18 characters are a resident number: shape, birth date and check character. The
    area code is not looked up, since abolished ones stay valid.
    """
    return (
        _SHAPE.fullmatch(number) is not None
        and _born(number)
        and ric.calc_check_digit(number) == number[17]
    )


_FIRST_DAY = date(FIRST_YEAR, 1, 1)
_DAYS = (date(LAST_YEAR + 1, 1, 1) - _FIRST_DAY).days


def _number(resident_id: str) -> int:
    """Area, birth date and order as one number."""
    born = date.fromisoformat(resident_id[6:14])
    area = int(resident_id[:6]) - 100_000
    return (area * _DAYS + (born - _FIRST_DAY).days) * 1000 + int(resident_id[14:17])


def _resident_id(number: int) -> str:
    rest, order = divmod(number, 1000)
    area, day = divmod(rest, _DAYS)
    front = f"{area + 100_000}{_FIRST_DAY + timedelta(days=day):%Y%m%d}{order:03d}"
    return front + str(ric.calc_check_digit(front + "0"))


_DOMAIN = Domain("resident_id", 900_000 * _DAYS * 1000, _number, _resident_id)


class ResidentId(Element):
    """18 characters with an upper-case X. Numbers of 15 digits get their century and check."""

    code = "resident_id"
    title = Text(zh="公民身份号码", en="Resident identity number")
    level = Level.L4
    personal = True
    comparison = Comparison(blocking=("",), checked=True, gathers=True)
    masks = forms(partial=lambda value: keep(value, 6, 4), ends=lambda value: keep(value, 1, 2))
    families = series(keep=keeping(masks["partial"], 18))
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The number in 18 characters."""
        number = bare(text)
        if len(number) == 15 and number.isascii() and number.isdigit():
            number = f"{number[:6]}19{number[6:]}"
            number += ric.calc_check_digit(number + "0")
        if len(number) != 18:
            raise Invalid("flaw_length")
        if not _SHAPE.fullmatch(number):
            raise Invalid("flaw_characters")
        if not _born(number):
            raise Invalid("flaw_birth_date")
        if ric.calc_check_digit(number) != number[17]:
            raise Invalid("flaw_check_digit")
        return number

    def domain(self, value: str) -> Domain:  # noqa: ARG002
        """All resident numbers: any area, any birth date, with a right check character."""
        return _DOMAIN

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Valid numbers of 18 characters."""
        fits, content = fixed_width(texts, 18)
        digits = content[:, :17] - ord("0")  # what stands below "0" wraps to above 9
        year, month, day = (number(digits[:, a:b]) for a, b in ((6, 10), (10, 12), (12, 14)))
        passed = (digits <= 9).all(axis=1) & (digits[:, 0] > 0)
        passed &= (year >= FIRST_YEAR) & (year <= LAST_YEAR) & real_day(year, month, day)
        passed &= _CHECKS[digits.astype(np.int64) @ _WEIGHTS % 11] == content[:, 17]
        return spread(fits, passed)
