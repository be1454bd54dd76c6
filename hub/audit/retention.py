"""The end of retention: months whose personal parts have been kept long enough are erased, by
destroying their keys. What the log says of them otherwise, and every proof, stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection

from core.clock import CHINA, start_of_day
from core.errors import HubError
from hub.audit.personal import day_after, first_day, retained_until
from hub.audit.search import place

_KEPT = "SELECT period FROM audit_key WHERE wrapped IS NOT NULL ORDER BY period"
_DESTROY = """
UPDATE audit_key SET wrapped = NULL, destroyed_at = %(now)s
WHERE period = %(period)s AND wrapped IS NOT NULL
"""
_FORGET = 'DELETE FROM audit_person WHERE "index" >= %(first)s AND "index" < %(stop)s'


class RetentionRunning(HubError):
    """What was to be erased must still be kept."""

    code = "audit_retention_running"
    status = 409
    exit_code = 2


class Month(NamedTuple):
    """A month such as ``2026-03``, and its entries: from ``first`` up to, not including, ``stop``."""

    period: str
    first: int
    stop: int


def due(connection: Connection, now: datetime, years: int, before: date | None) -> list[Month]:
    """Months whose personal parts have been kept for ``years`` after their end; given ``before``,
    those of them that end before that day.

    Raises:
        RetentionRunning: not all that is from before that day has been kept long enough.
    """
    today = now.astimezone(CHINA).date().replace(day=1)
    earliest = today.replace(year=today.year - years)
    if before is not None and before > earliest:
        raise RetentionRunning(years=years, earliest=earliest.isoformat())
    return [
        Month(
            period,
            place(connection, start_of_day(first_day(period)), after=False),
            place(connection, start_of_day(day_after(period)), after=False),
        )
        for period in connection.exec_driver_sql(_KEPT).scalars()
        if retained_until(period, years) <= now and (before is None or day_after(period) <= before)
    ]


def retire(connection: Connection, months: Sequence[Month], now: datetime) -> None:
    """Destroys the keys of ``months``, and the index by which their persons are found."""
    for month in months:
        connection.exec_driver_sql(_DESTROY, {"period": month.period, "now": now})
        connection.exec_driver_sql(_FORGET, {"first": month.first, "stop": month.stop})
