"""Time in China: days, working days, and clocks that run on them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import (
    CHINA,
    FixedClock,
    SystemClock,
    add_working_days,
    is_working_day,
    start_of_day,
)

# State Council notices on the holidays of 2025 and 2026.
FREE = [
    "2025-01-01",  # New Year
    "2025-01-28", "2025-02-04",  # first and last day of Spring Festival
    "2025-04-04", "2025-05-05", "2025-06-02",
    "2025-10-01", "2025-10-08",  # National Day with Mid-Autumn
    "2026-01-02", "2026-02-16", "2026-02-23", "2026-10-01", "2026-10-07",
    "2025-03-01", "2026-03-01",  # ordinary weekend
]  # fmt: skip
WORKED = [
    "2025-01-26", "2025-02-08",  # weekend days worked for Spring Festival
    "2025-04-27", "2025-09-28", "2025-10-11",
    "2026-01-04", "2026-02-14", "2026-02-28", "2026-09-20", "2026-10-10",
    "2025-03-03", "2026-03-02",  # ordinary Mondays
]  # fmt: skip


@pytest.mark.parametrize("day", FREE)
def test_holidays_and_weekends_are_free(day: str) -> None:
    assert not is_working_day(date.fromisoformat(day))


@pytest.mark.parametrize("day", WORKED)
def test_weekend_days_may_be_working_days(day: str) -> None:
    assert is_working_day(date.fromisoformat(day))


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        # Spring Festival 2025: from the 28th on free, Sunday the 26th and Saturday the 8th worked.
        ("2025-01-24", 1, "2025-01-26"),
        ("2025-01-27", 1, "2025-02-05"),
        ("2025-01-27", 4, "2025-02-08"),
        ("2025-01-27", 5, "2025-02-10"),
        # National Day 2025: free until the 8th, Saturday the 11th worked.
        ("2025-09-30", 5, "2025-10-14"),
        # Spring Festival 2026: free from the 15th to the 23rd.
        ("2026-02-13", 1, "2026-02-14"),
        ("2026-02-14", 5, "2026-02-28"),
        ("2026-02-14", 6, "2026-03-02"),
        # From one year into the next.
        ("2025-12-31", 1, "2026-01-04"),
        # A clock that starts on a free day; one that has no days to run.
        ("2026-10-03", 1, "2026-10-08"),
        ("2026-10-03", 0, "2026-10-03"),
    ],
)
def test_a_clock_of_working_days(start: str, days: int, end: str) -> None:
    assert add_working_days(date.fromisoformat(start), days) == date.fromisoformat(end)


@pytest.mark.parametrize("year", [1999, 2050])
def test_outside_the_published_years_monday_to_friday_count(year: int) -> None:
    week = [date(year, 5, 3) + timedelta(days) for days in range(7)]
    assert [is_working_day(day) for day in week] == [day.weekday() < 5 for day in week]
    assert add_working_days(week[0], 5) == week[0] + timedelta(7)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(start=st.dates(date(2024, 1, 1), date(2027, 6, 1)), days=st.integers(1, 40))
def test_a_clock_ends_on_a_working_day_and_counts_each_between(start: date, days: int) -> None:
    end = add_working_days(start, days)
    between = [start + timedelta(n) for n in range(1, (end - start).days + 1)]
    assert is_working_day(end)
    assert sum(map(is_working_day, between)) == days


def test_a_day_begins_at_midnight_in_china() -> None:
    begun = start_of_day(date(2026, 7, 1))
    assert begun == datetime(2026, 6, 30, 16, tzinfo=UTC)
    assert begun.astimezone(CHINA).date() == date(2026, 7, 1)


def test_a_clock_that_stands_still() -> None:
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    assert clock.now() == clock.now()
    clock.moment = datetime(2026, 1, 2, tzinfo=UTC)
    assert clock.now().day == 2


def test_the_machine_s_clock_tells_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)
