"""Mistakes and manners of writing, applied to a share of a column."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from identifiers import Column
from numpy.random import Generator
from population import NO_DAY, TODAY

_FIRST_DAY = int(np.datetime64("1920-01-01", "D").astype(int))
_LAST_DAY = int(np.datetime64("2029-12-31", "D").astype(int))
_WIDE = str.maketrans("0123456789Xx", "０１２３４５６７８９Ｘｘ")
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_OLD_MARRIAGE = {"10": "1", "20": "2", "30": "3", "40": "4", None: None}
_MARRIAGE_WORDS = {"10": "未婚", "20": "已婚", "30": "丧偶", "40": "离异", None: None}

ISO, SLASH, DOT, WORDS, PLAIN = "iso", "slash", "dot", "words", "plain"


def some(rng: Generator, allowed: Column, rate: float) -> Column:
    """Indices of about ``rate`` of all rows, taken from the allowed ones; at least one of them
    if the rate is not zero.
    """
    candidates = np.flatnonzero(allowed)
    if rate == 0 or len(candidates) == 0:
        return np.array([], dtype=np.int64)
    wanted = max(1, round(rate * len(allowed)))
    return np.sort(rng.choice(candidates, size=min(wanted, len(candidates)), replace=False))


def mistype(ids: Column, where: Column, rng: Generator) -> None:
    """One digit becomes another, so that the check digit no longer fits."""
    place = rng.integers(8, 17, size=len(where))
    step = rng.integers(1, 10, size=len(where))
    for row, at, by in zip(where.tolist(), place.tolist(), step.tolist(), strict=True):
        text = ids[row]
        if text is not None and len(text) == 18:
            wrong = str((int(text[at]) + by) % 10) if text[at].isdigit() else "5"
            ids[row] = text[:at] + wrong + text[at + 1 :]


def mishear(names: Column, where: Column, table: Mapping[str, str]) -> int:
    """Replaces the last character of each name that the table knows. Returns how many changed."""
    changed = 0
    for row in where.tolist():
        name = names[row] or ""
        for at in range(len(name) - 1, -1, -1):
            if name[at] in table:
                names[row] = name[:at] + table[name[at]] + name[at + 1 :]
                changed += 1
                break
    return changed


def known_to(names: Column, table: Mapping[str, str]) -> Column:
    """Which names hold a character of the table."""
    signs = set(table)
    return np.array([name is not None and not signs.isdisjoint(name) for name in names], dtype=bool)


def to_fifteen(ids: Column, where: Column) -> None:
    """The number as it was before 1999: two-digit year, no check digit. A mistyped number stays:
    without its check digit it would pass for another person's.
    """
    for row in where.tolist():
        weighed = zip(ids[row][:17], _ID_WEIGHTS, strict=True)
        if "10X98765432"[sum(int(digit) * w for digit, w in weighed) % 11] == ids[row][17]:
            ids[row] = ids[row][:6] + ids[row][8:17]


def to_small_x(ids: Column, where: Column) -> None:
    """A lower-case x at the end."""
    for row in where.tolist():
        ids[row] = ids[row].lower()


def widen(texts: Column, where: Column) -> None:
    """Full-width digits."""
    for row in where.tolist():
        if texts[row] is not None:
            texts[row] = texts[row].translate(_WIDE)


def dates(days: Column, form: str) -> Column:
    """Days as text in one of the forms of the field; None where there is none."""
    table = _calendar(form)
    text: Column = table[np.where(days == NO_DAY, len(table) - 1, days - _FIRST_DAY)]
    return text


@cache
def _calendar(form: str) -> Column:
    """Every day in one form, and None at the end."""
    days = np.arange(_FIRST_DAY, _LAST_DAY + 1).astype("datetime64[D]")
    split = [text.split("-") for text in np.datetime_as_string(days).tolist()]
    if form == SLASH:
        written = [f"{y}/{int(m)}/{int(d)}" for y, m, d in split]
    elif form == DOT:
        written = [f"{y}.{int(m)}.{int(d)}" for y, m, d in split]
    elif form == WORDS:
        written = [f"{y}年{int(m)}月{int(d)}日" for y, m, d in split]
    else:
        written = [("-" if form == ISO else "").join(parts) for parts in split]
    return np.array([*written, None], dtype=object)


def impossible_dates(written: Column, where: Column) -> None:
    """The 30th of February, in the form of the text that stands there."""
    for row in where.tolist():
        text = str(written[row])
        year = text[:4]
        forms = {"-": "-02-30", "/": "/2/30", ".": ".2.30", "年": "年2月30日"}
        written[row] = year + next((end for sign, end in forms.items() if sign in text), "0230")


def money(amounts: Column, where: Column) -> Column:
    """Amounts as plain numbers, the chosen ones with a unit."""
    written = np.array([f"{amount:.0f}" for amount in amounts.tolist()], dtype=object)
    for number, row in enumerate(where.tolist()):
        amount = amounts[row]
        if number % 3 == 0 and amount % 100 == 0:
            written[row] = f"{amount / 10_000:g}万元"
        elif number % 3 == 1:
            written[row] = f"￥{amount:,.2f}"
        else:
            written[row] = f"{amount:,.0f}元"
    return written


def marriage(codes: Column, rng: Generator, words: float) -> Column:
    """Marital status as words for a share of the rows, else in the codes of older systems."""
    in_words = rng.random(len(codes)) < words
    both = zip(codes.tolist(), in_words.tolist(), strict=True)
    return np.array(
        [_MARRIAGE_WORDS[code] if word else _OLD_MARRIAGE[code] for code, word in both],
        dtype=object,
    )


def recorded(rng: Generator, stale: Column, mean_age: float) -> Column:
    """The day of each row: the more of its values are stale, the older it tends to be."""
    age = rng.exponential(mean_age, size=len(stale)) * (1 + 1.8 * stale) + 3
    return TODAY - np.minimum(age, 5000).astype(np.int64)
