"""Vectorised looks at whole columns of text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]

_DAYS_IN_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0])


def fixed_width(texts: pa.StringArray, width: int) -> tuple[Flags, npt.NDArray[np.uint8]]:
    """Which texts are ``width`` bytes long, and the bytes of those: shape (how many, width)."""
    fits = pc.equal(pc.binary_length(texts), width)
    picked = texts.filter(fits).cast(pa.binary()).cast(pa.binary(width))
    buffer = picked.buffers()[1]
    content = np.frombuffer(buffer, np.uint8, len(picked) * width) if len(picked) else b""
    shaped = np.frombuffer(content, np.uint8).reshape(len(picked), width)
    return fits.to_numpy(zero_copy_only=False), shaped


def spread(fits: Flags, passed: Flags) -> pa.BooleanArray:
    """A flag per text: ``passed`` for those that fit, False for the others."""
    flags = np.zeros(len(fits), bool)
    flags[fits] = passed
    return pa.array(flags)


def matching(texts: pa.StringArray, pattern: str, longest: int) -> pa.BooleanArray:
    """Which texts match ``pattern`` (RE2) from end to end and have at most ``longest``
    characters.
    """
    short = pc.less_equal(pc.utf8_length(texts), longest)
    return pc.and_(pc.match_substring_regex(texts, rf"\A(?:{pattern})\z"), short)


def number(digits: npt.NDArray[np.integer]) -> Numbers:
    """The number that each row of digits writes."""
    scale = 10 ** np.arange(digits.shape[1] - 1, -1, -1, dtype=np.int64)
    total: Numbers = digits.astype(np.int64) @ scale
    return total


def real_day(year: Numbers, month: Numbers, day: Numbers) -> Flags:
    """Which (year, month, day) are days of the calendar."""
    month = np.where((month >= 1) & (month <= 12), month, 0)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last = _DAYS_IN_MONTH[month] + (leap & (month == 2))
    within: Flags = (day >= 1) & (day <= last)
    return within
