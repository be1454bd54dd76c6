"""Made-up trails: what 50 accounts do on working days, and what misuse looks like among it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from core.clock import CHINA, is_working_day
from hub.watching.rules.base import DAYS, SHAPES, SIGHTS, Frames
from hub.watching.trail import ENTRIES, shape

START = date(2026, 3, 2)
works = cache(is_working_day)


@cache
def digest(name: str) -> str:
    """Stands for a keyed digest."""
    return hashlib.sha256(name.encode()).hexdigest()


@dataclass(frozen=True)
class Asked:
    """One request, as it was made."""

    account: str
    at: datetime
    persons: tuple[str, ...]
    case: str = "GD-2026-0001"
    role: str = "grid_worker"
    action: str = "query"
    outside: bool = False
    items: str = "name"
    request: str = ""


def moment(day: date, hour: float) -> datetime:
    """``hour`` o'clock of a day in China, as UTC."""
    return (datetime.combine(day, time(), CHINA) + timedelta(hours=hour)).astimezone(UTC)


def normal(accounts: int = 50, days: int = 60, seed: int = 1) -> Iterator[Asked]:
    """Usual work: visits of one's own grid by day, a few cases, now and then a slip, a busy day
    or an hour of overtime. A fifth of the accounts are clerks of a window, who see many more.
    """
    chance = random.Random(seed)
    rate = [chance.uniform(4, 12) * (4 if n % 5 == 0 else 1) for n in range(accounts)]
    for offset in range(days):
        day = START + timedelta(days=offset)
        if not works(day):
            continue
        for n in range(accounts):
            if chance.random() > 0.06:
                yield from _workday(chance, day, n, rate[n])


def _workday(chance: random.Random, day: date, n: int, rate: float) -> Iterator[Asked]:
    clerk = n % 5 == 0
    busy = 2 if chance.random() < 0.03 else 1
    number = 0
    for visit in range(max(1, round(chance.gauss(rate * busy, (rate * busy) ** 0.5)))):
        late = chance.random() < 0.003
        hour = chance.choice([6.5, 20.5, 21]) if late else chance.triangular(8.2, 18.2, 10)
        pool = 40_000 if clerk else 1500
        person = f"{'town' if clerk else n}/{int(pool * chance.random() ** 2)}"
        number += visit % 3 == 0
        case = f"GD-{day:%m%d}-{n:02}{number:03}"
        base = Asked(
            f"a{n:02}", moment(day, hour), (person,), case, "clerk" if clerk else "grid_worker"
        )
        # A number mistyped; and the same person looked at again while the visit goes on.
        yield replace(base, outside=True) if chance.random() < 0.02 else base
        if chance.random() < 0.3:
            yield replace(base, at=base.at + timedelta(minutes=chance.uniform(1, 9)))


def entries(asked: Iterable[Asked]) -> pa.Table:
    """The requests as the frame of entries, in order of time."""
    rows = []
    for index, one in enumerate(sorted(asked, key=lambda a: a.at)):
        local = one.at.astimezone(CHINA)
        off = not time(7) <= local.time() < time(20) or not works(local.date())
        told = {"index": index, "at": one.at, "day": local.date(), "off": off, "client": one.account,
                "account": digest(one.account), "person": one.account, "role": one.role,
                "action": one.action, "subject": "resident", "items": one.items, "case": one.case,
                "matter": digest(one.account + one.case), "shape": shape(one.case),
                "outside": one.outside, "persons": [digest(p) for p in one.persons],
                "request": one.request or str(index)}  # fmt: skip
        rows.append(told)
    return pa.Table.from_pylist(rows, schema=ENTRIES)


_DAYS = """
SELECT e.day, e.account, any_value(client) AS client, any_value(role) AS role,
       count(*) AS requests, count(*) FILTER (off) AS off,
       len(list_distinct(flatten(list(persons)))) AS persons, count(DISTINCT matter) AS matters
FROM entries e GROUP BY e.day, e.account
"""
_SHAPES = """
SELECT account, any_value(client) AS client, any_value(role) AS role, shape, count(*) AS requests
FROM entries GROUP BY account, shape
"""
_SIGHTS = """
SELECT day, person, account, any_value(client) AS client, matter, count(*) AS requests,
       min(index) AS first, max(index) AS last
FROM (SELECT * EXCLUDE (person), unnest(persons) AS person FROM entries)
GROUP BY day, person, account, matter
"""


class Remembered:
    """A trail with all that is remembered of it."""

    def __init__(self, asked: list[Asked]) -> None:
        self.trail = entries(asked)
        with duckdb.connect() as engine:
            engine.register("entries", self.trail)
            self.made = {
                name: engine.sql(query).to_arrow_table().select(schema.names).cast(schema)
                for name, query, schema in (
                    ("days", _DAYS, DAYS), ("shapes", _SHAPES, SHAPES), ("sights", _SIGHTS, SIGHTS)
                )
            }  # fmt: skip

    @property
    def days(self) -> list[date]:
        """The days of the trail."""
        return sorted(set(self.trail["day"].to_pylist()))

    def on(self, day: date, **more: Any) -> Frames:
        """What rules see in a pass on the evening of ``day``."""
        today = self.trail.filter(pc.field("day") == day)
        return Frames(today, **self.made, **more, fresh=today["index"][0].as_py())
