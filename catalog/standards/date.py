"""Days."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pyarrow as pa

from catalog.standards.base import Agreement, Comparison, Element, Invalid
from catalog.standards.columns import fixed_width, number, real_day, spread
from catalog.standards.hiding import forms
from catalog.standards.spelling import tidy
from core.types import Level, Text

# What lies outside is a slip or a stand-in such as 9999-12-31. Fixed, so that the same text is
# judged the same way whenever it is cleaned.
FIRST_YEAR, LAST_YEAR = 1800, 2149

_TIME = (
    r"(?:[T\s]\s*(?P<hour>\d{1,2})[:时](?P<minute>\d{1,2})(?:[:分](?:(?P<second>\d{1,2})"
    r"(?:[.,]\d+)?秒?)?)?\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
)
_DIGITS_OF_TIME = r"(?:(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})(?P<zone>))?"
_FORMS = tuple(
    re.compile(form, re.ASCII)
    for form in (
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})" + _TIME,
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})" + _DIGITS_OF_TIME,
        r"(?P<year>\d{4})\s?年\s?(?P<month>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?[日号]?" + _TIME,
    )
)
_SERIAL = re.compile(r"(\d{5})(?:\.\d+)?", re.ASCII)
_SERIAL_ZERO = date(1899, 12, 30)
_LOCAL = ZoneInfo("Asia/Shanghai")


class Date(Element):
    """A day as YYYY-MM-DD. Day-first and month-first forms are refused: they cannot be told
    apart. Moments with a zone count as the day they fall on in China.
    """

    code = "date"
    title = Text(zh="日期", en="Date")
    level = Level.L2
    comparison = Comparison(
        levels=(
            Agreement("exact", "equal"),
            Agreement("swapped", "equal", "swapped"),
            Agreement("close", "edits", bound=1),
            Agreement("other_year", "equal", "day"),
            Agreement("same_month", "equal", "month"),
            Agreement("same_year", "equal", "year"),
        ),
        features={
            "swapped": lambda value: value[:4] + "".join(sorted((value[5:7], value[8:]))),
            "day": lambda value: value[5:],
            "month": lambda value: value[:7],
            "year": lambda value: value[:4],
        },
        blocking=("", "swapped"),
    )
    masks = forms(
        partial=lambda value: f"{value[:4]}-**-**",
        year=lambda value: value[:4],
        month=lambda value: value[:7],
    )
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The day in ISO form; also of timestamps and of Excel's serial numbers (five digits:
        from 1927-05-18).
        """
        text = tidy(text)
        try:
            day = _stamped(text) or _serial(text) or _written(text)
        except ValueError:
            day = None
        if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise Invalid("flaw_date")
        return day.isoformat()

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Days in ISO form."""
        fits, content = fixed_width(texts, 10)
        marks = content[:, [4, 7]] == ord("-")
        digits = content[:, [0, 1, 2, 3, 5, 6, 8, 9]] - ord("0")
        year, month, day = (number(digits[:, a:b]) for a, b in ((0, 4), (4, 6), (6, 8)))
        passed = marks.all(axis=1) & (digits <= 9).all(axis=1)
        passed &= (year >= FIRST_YEAR) & (year <= LAST_YEAR) & real_day(year, month, day)
        return spread(fits, passed)


def _stamped(text: str) -> date | None:
    """The day of a timestamp in ISO form: the quick way for what databases give most often."""
    if text[10:11] not in {" ", "T"} or text[4:5] != "-":
        return None
    try:
        return _day_in_china(datetime.fromisoformat(text))
    except ValueError:
        return None


def _serial(text: str) -> date | None:
    found = _SERIAL.fullmatch(text)
    if found is None or int(found[1]) < 10000:
        return None
    return _SERIAL_ZERO + timedelta(days=int(found[1]))


def _written(text: str) -> date | None:
    for form in _FORMS:
        found = form.fullmatch(text)
        if found is not None:
            return _day(found)
    return None


def _day(found: re.Match[str]) -> date:
    day = date(int(found["year"]), int(found["month"]), int(found["day"]))
    if found["hour"] is None:
        return day
    zone = _zone(found["zone"]) if found["zone"] else None
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    return _day_in_china(datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=zone))


def _day_in_china(moment: datetime) -> date:
    if moment.tzinfo is None or not FIRST_YEAR <= moment.year <= LAST_YEAR:
        return moment.date()
    return moment.astimezone(_LOCAL).date()


def _zone(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
