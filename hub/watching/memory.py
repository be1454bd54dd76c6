"""What watching remembers of the trail, so that a pass need not read it all again: days of
accounts, and who asked for whom lately.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import orjson
import pyarrow as pa
from sqlalchemy import Connection, text

from core.sql import FEW, open_sql
from hub.watching.rules.base import DAYS, SHAPES, SIGHTS, rows_of
from hub.watching.rules.volume import PEER_DAYS
from hub.watching.settings import Watching

_NEW_SIGHTS = """
SELECT day, person, account, any_value(client) AS client, matter,
       count(*) AS requests, min(index) AS first, max(index) AS last
FROM (SELECT * EXCLUDE (person), unnest(persons) AS person FROM entries WHERE index >= $first)
GROUP BY day, person, account, matter
"""
_NEW_DAYS = """
SELECT day, account, any_value(client) AS client, shape, count(*) AS requests,
       count(*) FILTER (off) AS off
FROM entries WHERE index >= $first GROUP BY day, account, shape
"""
_ADD_SIGHTS = text("""
INSERT INTO watch_sight AS kept (day, person, account, client, matter, requests, first, last)
SELECT * FROM unnest(
    CAST(:day AS date[]), CAST(:person AS bytea[]), CAST(:account AS bytea[]),
    CAST(:client AS text[]), CAST(:matter AS bytea[]), CAST(:requests AS bigint[]),
    CAST(:first AS bigint[]), CAST(:last AS bigint[]))
ON CONFLICT (person, day, account, matter) DO UPDATE
SET requests = kept.requests + excluded.requests, last = excluded.last
""")
# Forms of case numbers add up key by key.
_ADD_DAYS = text("""
INSERT INTO watch_day AS kept (day, account, client, requests, off, persons, matters, shapes)
SELECT day, account, client, requests, off, 0, 0, shapes
FROM unnest(CAST(:day AS date[]), CAST(:account AS bytea[]), CAST(:client AS text[]),
            CAST(:requests AS bigint[]), CAST(:off AS bigint[]), CAST(:shapes AS jsonb[]))
     AS new (day, account, client, requests, off, shapes)
ON CONFLICT (day, account) DO UPDATE
SET requests = kept.requests + excluded.requests, off = kept.off + excluded.off,
    shapes = (SELECT coalesce(jsonb_object_agg(key, n), '{}') FROM (
        SELECT key, sum(value::bigint) AS n FROM (
            SELECT * FROM jsonb_each_text(kept.shapes)
            UNION ALL SELECT * FROM jsonb_each_text(excluded.shapes)) AS all_of_them
        GROUP BY key) AS added)
""")
_COUNT_DAYS = text("""
UPDATE watch_day d SET persons = s.persons, matters = s.matters
FROM (SELECT s.day, s.account, count(DISTINCT s.person) AS persons,
             count(DISTINCT s.matter) AS matters
      FROM watch_sight s
      JOIN unnest(CAST(:day AS date[]), CAST(:account AS bytea[])) AS t (day, account)
           USING (day, account)
      GROUP BY s.day, s.account) s
WHERE d.day = s.day AND d.account = s.account
""")
_DAYS = text("""
SELECT day, encode(account, 'hex'), client, requests, off, persons, matters, shapes
FROM watch_day
WHERE (day >= :first AND account = ANY(:accounts)) OR (day >= :peers AND day <= :last)
""")
_SIGHTS = text("""
SELECT day, encode(person, 'hex'), encode(account, 'hex'), client, encode(matter, 'hex'),
       requests, first, last
FROM watch_sight
WHERE day >= :first AND day <= :last AND (person = ANY(:persons) OR matter = ANY(:matters))
""")


def remember(connection: Connection, entries: pa.Table, first: int) -> None:
    """Adds the entries from index ``first`` on; each may be added once."""
    with open_sql(FEW) as engine:
        engine.register("entries", entries)
        sights = rows_of(engine, _NEW_SIGHTS, {"first": first})
        parts = rows_of(engine, _NEW_DAYS, {"first": first})
    if not parts:
        return
    days: dict[tuple[date, str], dict[str, Any]] = {}
    for part in parts:
        fresh = {**part, "requests": 0, "off": 0, "shapes": {}}
        day = days.setdefault((part["day"], part["account"]), fresh)
        day["requests"] += part["requests"]
        day["off"] += part["off"]
        day["shapes"][part["shape"]] = part["requests"]
    told = [{**day, "shapes": orjson.dumps(day["shapes"]).decode()} for day in days.values()]
    keyed = ("person", "account", "matter")
    if sights:
        connection.execute(_ADD_SIGHTS, _columns(sights, SIGHTS.names, keyed))
    names = ("day", "account", "client", "requests", "off", "shapes")
    connection.execute(_ADD_DAYS, _columns(told, names, keyed))
    connection.execute(_COUNT_DAYS, _columns(told, ("day", "account"), keyed))


def _columns(
    rows: Sequence[dict[str, Any]], names: Sequence[str], keyed: Sequence[str]
) -> dict[str, list[Any]]:
    def of(name: str) -> list[Any]:
        return [bytes.fromhex(row[name]) if name in keyed else row[name] for row in rows]

    return {name: of(name) for name in names}


def forget(connection: Connection, newest: date, settings: Watching) -> None:
    """Forgets what rules do not look back to any more, seen from the ``newest`` day watched."""
    days = newest - timedelta(days=settings.volume.days)
    sights = newest - timedelta(days=lookback(settings))
    connection.execute(text("DELETE FROM watch_day WHERE day < :day"), {"day": days})
    connection.execute(text("DELETE FROM watch_sight WHERE day < :day"), {"day": sights})


def lookback(settings: Watching) -> int:
    """How many days back rules look for who asked for whom."""
    return max(settings.sought.days, settings.cases.days)


def recall(
    connection: Connection, entries: pa.Table, role: Callable[[str], str], settings: Watching
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """What is remembered about the accounts, persons and cases of ``entries``: the frames
    ``days``, ``shapes`` and ``sights``.
    """
    newest, oldest = max(_values(entries, "day")), min(_values(entries, "day"))
    accounts = {
        "accounts": [bytes.fromhex(a) for a in _values(entries, "account")],
        "first": oldest - timedelta(days=settings.volume.days),
        "peers": oldest - timedelta(days=PEER_DAYS),
        "last": newest,
    }
    days, shapes = list[dict[str, Any]](), dict[tuple[str, str], dict[str, Any]]()
    since = oldest - timedelta(days=settings.cases.days)
    for day, account, client, requests, off, persons, matters, forms in connection.execute(
        _DAYS, accounts
    ):
        told = {"account": account, "client": client, "role": role(client)}
        days.append({**told, "day": day, "requests": requests, "off": off, "persons": persons,
                     "matters": matters})  # fmt: skip
        for form, times in forms.items() if day >= since else ():
            row = shapes.setdefault((account, form), {**told, "shape": form, "requests": 0})
            row["requests"] += times
    found = {
        "persons": [bytes.fromhex(p) for p in _persons(entries)],
        "matters": [bytes.fromhex(m) for m in _values(entries, "matter")],
        "first": oldest - timedelta(days=lookback(settings)),
        "last": newest,
    }
    sights = [dict(zip(SIGHTS.names, r, strict=True)) for r in connection.execute(_SIGHTS, found)]
    return (
        pa.Table.from_pylist(days, schema=DAYS),
        pa.Table.from_pylist(list(shapes.values()), schema=SHAPES),
        pa.Table.from_pylist(sights, schema=SIGHTS),
    )


def _values(entries: pa.Table, name: str) -> list[Any]:
    return list(entries.column(name).unique().to_pylist())


def _persons(entries: pa.Table) -> list[str]:
    return sorted({p for persons in entries.column("persons").to_pylist() for p in persons})
