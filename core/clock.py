"""Time, as something that is given: nothing else in the hub asks the machine for it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Protocol

import chinese_calendar

CHINA = timezone(timedelta(hours=8), "CST")
"""The one time of the country, without summer time."""


FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
"""The days that may be asked about: each has others before and after it."""


class Clock(Protocol):
    """A source of the present moment."""

    def now(self) -> datetime:
        """The moment, in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The moment, in UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is set."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        """The moment it was set to."""
        return self.moment


def start_of_day(day: date) -> datetime:
    """The moment at which ``day`` begins in China."""
    return datetime(day.year, day.month, day.day, tzinfo=CHINA)


def end_of_day(day: date) -> datetime:
    """The moment at which ``day`` ends in China; beyond the last day, at which that does."""
    return start_of_day(min(day, LAST_DAY) + timedelta(days=1))


def today(clock: Clock) -> date:
    """The day it is in China."""
    return clock.now().astimezone(CHINA).date()


def is_working_day(day: date) -> bool:
    """Whether ``day`` is a working day in China; outside the published calendar years, Monday
    to Friday count.
    """
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < 5


def add_working_days(start: date, days: int) -> date:
    """The day on which a clock of ``days`` working days that starts after ``start`` ends."""
    day = start
    while days > 0:
        day += timedelta(days=1)
        days -= is_working_day(day)
    return day


def count_working_days(start: date, end: date) -> int:
    """How many working days follow ``start``, up to and with ``end``; 0 if it is not later."""
    days = (end - start).days
    return sum(is_working_day(start + timedelta(days=n)) for n in range(1, days + 1))
