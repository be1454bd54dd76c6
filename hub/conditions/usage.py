"""What is used of quotas: taken before an answer, once per request, by all workers alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from core.clock import CHINA, start_of_day
from policies.conditions import Quota
from policies.verdicts import Quotas

# One statement takes one or, where none is left, nothing. A worker whose clock is behind counts
# in the period that has begun, so that two clocks never give two quotas.
_TAKE = text("""
INSERT INTO policy_usage AS held (key, window_start, used) VALUES (:key, :start, 1)
ON CONFLICT (key) DO UPDATE SET
    window_start = greatest(held.window_start, excluded.window_start),
    used = CASE WHEN held.window_start < excluded.window_start THEN 1 ELSE held.used + 1 END
WHERE held.window_start < excluded.window_start OR held.used < :most
RETURNING used
""")


@dataclass(frozen=True)
class Spent:
    """A quota of which nothing is left before ``resets``."""

    line: str
    quota: Quota
    resets: datetime


def take(connection: Connection, payer: str, quotas: Quotas, now: datetime) -> Spent | None:
    """Takes one of each quota, for the client ``payer``; the one of which nothing is left, if
    there is one: then the transaction must be given up.
    """
    for owed in quotas:
        begins, ends = period(owed.quota, now)
        key = f"{owed.counter}/{payer}"
        told = {"key": key, "start": begins, "most": owed.quota.requests}
        if connection.execute(_TAKE, told).first() is None:
            return Spent(owed.rule, owed.quota, ends)
    return None


def period(quota: Quota, now: datetime) -> tuple[datetime, datetime]:
    """The hour, day or month of China's calendar that ``now`` lies in: when it began, and when
    the next begins.
    """
    local = now.astimezone(CHINA)
    if quota.per == "hour":
        begins = local.replace(minute=0, second=0, microsecond=0)
        return begins, begins + timedelta(hours=1)
    if quota.per == "day":
        begins = start_of_day(local.date())
        return begins, begins + timedelta(days=1)
    begins = start_of_day(local.date().replace(day=1))
    following = (begins + timedelta(days=32)).date().replace(day=1)
    return begins, start_of_day(following)
