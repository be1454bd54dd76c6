"""Numbers that pass the checks of their standards, made by the column."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Column = NDArray[Any]

_ID_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
_ID_CHECKS = np.array(list("10X98765432"))

_CREDIT = np.array(list("0123456789ABCDEFGHJKLMNPQRTUWXY"))
_CREDIT_WEIGHTS = np.array([pow(3, i, 31) for i in range(17)])
_ORGANISATION_VALUES = np.array([int(sign, 36) for sign in _CREDIT])
_ORGANISATION_WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2])

_PLATE = np.array(list("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"))


def texts(values: Column) -> Column:
    """Any array of texts as an array of Python strings."""
    return values.astype(object)


def blank_where(empty: Column, values: Column) -> Column:
    """``values`` as objects, with None in the rows that are empty."""
    filled = values.astype(object)
    filled[empty] = None
    return filled


def rank_in_group(group: Column) -> Column:
    """For each row, how many rows of the same group stand before it."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    starts = np.r_[True, ordered[1:] != ordered[:-1]]
    first = np.maximum.accumulate(np.where(starts, np.arange(len(group)), 0))
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = np.arange(len(group)) - first
    return rank


def resident_ids(area: Column, birth: Column, male: Column) -> Column:
    """18-digit resident IDs (GB 11643), all different.

    ``area``: six-digit codes; ``birth``: days since 1970; ``male``: booleans.
    """
    count = rank_in_group((area * 100_000 + birth + 50_000) * 2 + male)
    # 499 is prime, so the sequence numbers of one day and place are all different.
    sequence = (count * 37 + birth * 7) % 499 * 2 + np.where(male, 1, 2)
    day = birth.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    year = day.astype("datetime64[Y]").astype(int) + 1970
    written = year * 10_000 + (month.astype(int) % 12 + 1) * 100
    written = written + (day - month).astype(int) + 1
    number = area.astype(np.int64) * 10**11 + written * 1000 + sequence
    digits = number[:, None] // 10 ** np.arange(16, -1, -1, dtype=np.int64) % 10
    check = _ID_CHECKS[(digits * _ID_WEIGHTS).sum(axis=1) % 11]
    return texts(np.strings.add(number.astype("U17"), check))


def credit_codes(count: int, rng: Generator) -> Column:
    """Unified social credit codes (GB 32100) of firms of this district, all different."""
    body = _scattered(count, 31**6, rng)
    signs = np.empty((count, 17), dtype=np.int64)
    signs[:, :10] = [np.flatnonzero(sign == _CREDIT)[0] for sign in "91440605MA"]
    signs[:, 10:16] = body[:, None] // 31 ** np.arange(5, -1, -1) % 31
    weighed = _ORGANISATION_VALUES[signs[:, 8:16]] * _ORGANISATION_WEIGHTS
    inner = 11 - weighed.sum(axis=1) % 11
    signs[:, 16] = np.where(inner == 11, 0, np.where(inner == 10, 29, inner))
    outer = (31 - (signs * _CREDIT_WEIGHTS).sum(axis=1) % 31) % 31
    return _joined(_CREDIT[np.c_[signs, outer]])


def plates(count: int, rng: Generator) -> Column:
    """Number plates of the city, all different; one in ten is of a new-energy vehicle."""
    number = _scattered(count, 10_000 * 34, rng)
    tail = number[:, None] // 10 ** np.arange(3, -1, -1) % 10
    old = _joined(np.c_[np.full(count, "粤"), np.full(count, "E"), _PLATE[number // 10_000], tail])
    electric = _joined(
        np.c_[np.full(count, "粤"), np.full(count, "ED"), _PLATE[number // 10_000], tail]
    )
    return np.where(number % 10 == 0, electric, old)


def mobiles(count: int, prefixes: tuple[int, ...], rng: Generator) -> Column:
    """Eleven-digit mobile numbers."""
    number = np.array(prefixes)[rng.integers(len(prefixes), size=count)] * 10**8
    return texts((number + rng.integers(10**7, 10**8, size=count)).astype("U11"))


def _scattered(count: int, space: int, rng: Generator) -> Column:
    """``count`` different numbers below ``space``, in no visible order."""
    # 1,000,003 is prime and divides none of the spaces, so the steps never meet.
    start = int(rng.integers(space))
    return (start + np.arange(count, dtype=np.int64) * 1_000_003) % space


def _joined(signs: Column) -> Column:
    return texts(np.array(["".join(row) for row in signs.tolist()], dtype=object))
