"""Sealing golden records anew, a batch at a time, while they are served and published.

Which records wait is told by the records themselves: whoever goes on after having been killed
meets those that are still sealed otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection, func, select

from core.keys import HEADER, KeyRing, SealBroken, Sealer
from reconcile.models import GoldenRecord
from reconcile.releases import Kept, lock, record_context

BATCH = 2000
"""Records that are sealed anew in one transaction."""

_WAITING = """
SELECT subject, entity, opened, region, plain, sealed FROM golden_record
WHERE (subject, entity, opened) > (%s, %s, %s) AND substring(sealed FOR %s) <> %s
ORDER BY subject, entity, opened LIMIT %s
"""
_RESEAL = """
UPDATE golden_record g SET sealed = n.sealed
FROM unnest(%b::text[], %b::text[], %b::bigint[], %b::bytea[]) n (subject, entity, opened, sealed)
WHERE g.subject = n.subject AND g.entity = n.entity AND g.opened = n.opened
"""

Place = tuple[str, str, int]
START: Place = ("", "", 0)
"""Before every record."""


@dataclass(frozen=True)
class Resealed:
    """A batch: up to where it went (None: there was nothing left), and how many records it
    sealed anew. Records that do not open are left as they are.
    """

    last: Place | None
    count: int


def reseal(connection: Connection, keys: KeyRing, sealer: Sealer, after: Place) -> Resealed:
    """Seals the next records after a place anew, in the caller's transaction: readers see each
    as it was before or after, and both open.
    """
    # A publication closes records in an order of its own; in turns, the two never block another.
    lock(connection)
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    found = driver.execute(_WAITING, (*after, HEADER, sealer.header, BATCH)).fetchall()
    if not found:
        return Resealed(None, 0)
    rows = [row for record in found if (row := _sealed_anew(keys, sealer, *record))]
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        driver.execute(_RESEAL, columns)
    last = found[-1]
    return Resealed((last[0], last[1], last[2]), len(rows))


def waiting(connection: Connection, sealer: Sealer) -> int:
    """How many records are not sealed by ``sealer``."""
    other = func.substring(GoldenRecord.sealed, 1, HEADER) != sealer.header
    count = select(func.count()).select_from(GoldenRecord).where(other)
    return int(connection.execute(count).scalar_one())


def _sealed_anew(
    keys: KeyRing, sealer: Sealer, subject: str, entity: str, opened: int, *rest: Any
) -> tuple[str, str, int, bytes] | None:
    kept = Kept(entity, *rest)
    context = record_context(subject, entity, kept.region, kept.plain)
    try:
        return subject, entity, opened, sealer.seal(keys.open(kept.sealed, context), context)
    except SealBroken:
        return None
