"""Findings as they are kept: only added to, evidence and words sealed, their state derived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import Connection, func, insert, select, text

from core.canonical import encode
from core.errors import HubError, NotFound
from core.keys import KeyRing
from hub.audit.entries import KeyedDigests
from hub.watching.models import Finding, FindingEvent
from hub.watching.rules.base import Hit

FOUND, NOTE = "found", "note"


class State(StrEnum):
    """What has become of a finding. The last three close it."""

    OPEN = "open"
    LOOKING = "looking"
    JUSTIFIED = "justified"
    MISUSE = "misuse"
    FALSE_ALARM = "false_alarm"


CLOSED = frozenset({State.JUSTIFIED, State.MISUSE, State.FALSE_ALARM})
_QUIET = frozenset({State.JUSTIFIED, State.FALSE_ALARM})


class FindingUnknown(NotFound):
    """There is no finding of that number."""

    code = "finding_unknown"


class FindingClosed(HubError):
    """It was closed; what goes on after that is a finding of its own."""

    code = "finding_closed"
    status = 409
    exit_code = 2


@dataclass(frozen=True)
class Standing:
    """A finding and what has become of it, without what is sealed. ``first`` and ``last``: of the
    entries it rests on; ``moved_at``: when it was last noted on, closed or extended.
    """

    number: int
    rule: str
    client: str | None
    about: bytes
    opened_at: datetime
    state: State
    first: int
    last: int
    moved_at: datetime


# A note means that somebody is looking; whatever closes a finding is the last to be said of it.
_STANDING = """
SELECT f.number, f.rule, f.client, f.about, f.opened_at, e.state, e.first, e.last, e.moved_at
FROM finding f CROSS JOIN LATERAL (
    SELECT coalesce(max(kind) FILTER (WHERE kind NOT IN ('found', 'note')),
                    CASE WHEN bool_or(kind = 'note') THEN 'looking' ELSE 'open' END) AS state,
           min(first) AS first, max(last) AS last, max(made_at) AS moved_at
    FROM finding_event WHERE finding = f.number
) e
"""
_LATEST = text(
    "SELECT DISTINCT ON (about) * FROM (!all WHERE f.about = ANY(:abouts)) s "
    "ORDER BY about, number DESC".replace("!all", _STANDING)
)
_ONE = text(_STANDING + " WHERE f.number = :number")
_LIST = text(
    """
SELECT *, count(*) OVER () FROM (!all) s
WHERE state = ANY(:states) AND (CAST(:rule AS text) IS NULL OR rule = :rule)
  AND (CAST(:client AS text) IS NULL OR client = :client)
ORDER BY number DESC LIMIT :limit
""".replace("!all", _STANDING)
)


class Ledger:
    """Adds findings and what becomes of them, in the caller's transaction."""

    def __init__(self, connection: Connection, keys: KeyRing, now: datetime) -> None:
        self._connection = connection
        self._keys = keys
        self._digests = KeyedDigests(keys)
        self._now = now

    def record(self, hits: Iterable[Hit], quiet: timedelta) -> dict[str, int]:
        """Keeps what rules noticed: a finding that goes on is extended; one that was closed stays
        so, and what comes later is a new one, after ``quiet`` if it was closed as harmless.
        Gives counts: ``opened``, ``extended``.
        """
        lock(self._connection)
        found = [(self._about(hit), hit) for hit in hits]
        rows = self._connection.execute(_LATEST, {"abouts": [about for about, _ in found]})
        standing = {row[3]: _standing(row) for row in rows}
        counts = {"opened": 0, "extended": 0}
        for about, hit in found:
            before = standing.get(about)
            if before is not None and not self._is_news(before, hit, quiet):
                continue
            if before is None or before.state in CLOSED:
                number = self._open(about, hit)
                counts["opened"] += 1
            else:
                number = before.number
                counts["extended"] += 1
            self._extend(number, hit)
            standing[about] = Standing(
                number, hit.rule, hit.client, about, self._now, State.OPEN, hit.first, hit.last,
                self._now,
            )  # fmt: skip
        return counts

    def _is_news(self, before: Standing, hit: Hit, quiet: timedelta) -> bool:
        harmless = before.state in _QUIET and self._now < before.moved_at + quiet
        return hit.last > before.last and not harmless

    def _about(self, hit: Hit) -> bytes:
        parts = (hit.rule, hit.account or "", hit.subject_person or "")
        return bytes.fromhex(self._digests.of("finding", "\x00".join(parts)))

    def _open(self, about: bytes, hit: Hit) -> int:
        newest = select(func.coalesce(func.max(Finding.number), 0) + 1)
        number = int(self._connection.execute(newest).scalar_one())
        told = {"rule": hit.rule, "client": hit.client, "about": about, "opened_at": self._now}
        self._connection.execute(insert(Finding).values(number=number, **told))
        return number

    def _extend(self, number: int, hit: Hit) -> None:
        body = {
            "numbers": hit.numbers,
            "indexes": hit.indexes,
            "person": hit.person,
            "subject_person": hit.subject_person,
        }
        self._write(number, FOUND, body, ("hub", None), (hit.first, hit.last))

    def say(self, number: int, kind: str, words: str, by: tuple[str, str]) -> None:
        """What an auditor says: a note, or the state that closes the finding. ``by``: client and
        person.

        Raises:
            FindingUnknown, FindingClosed: there is no such finding, or not any more.
        """
        lock(self._connection)
        if one(self._connection, number).state in CLOSED:
            raise FindingClosed(number=number)
        self._write(number, kind, {"words": words}, by, (None, None))

    def _write(
        self,
        number: int,
        kind: str,
        body: Mapping[str, Any],
        by: tuple[str, str | None],
        places: tuple[int | None, int | None],
    ) -> None:
        sealed = self._keys.seal(encode(body), _context(number, kind))
        self._connection.execute(
            insert(FindingEvent).values(
                finding=number,
                kind=kind,
                first=places[0],
                last=places[1],
                client=by[0],
                person=by[1],
                made_at=self._now,
                body=sealed,
            )
        )


def lock(connection: Connection) -> None:
    """Findings are added and moved by one transaction at a time."""
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def one(connection: Connection, number: int) -> Standing:
    """The finding of a number.

    Raises:
        FindingUnknown: there is none.
    """
    row = connection.execute(_ONE, {"number": number}).one_or_none()
    if row is None:
        raise FindingUnknown(name=number)
    return _standing(row)


@dataclass(frozen=True)
class Which:
    """Which findings are wanted, at most ``limit``."""

    states: frozenset[State] = frozenset({State.OPEN, State.LOOKING})
    rule: str | None = None
    client: str | None = None
    limit: int = 50


def listed(connection: Connection, wanted: Which) -> tuple[list[Standing], int]:
    """Findings, the latest first, and how many there are in all."""
    told = {**vars(wanted), "states": [state.value for state in wanted.states]}
    rows = connection.execute(_LIST, told).all()
    return [_standing(row) for row in rows], rows[0][-1] if rows else 0


@dataclass(frozen=True)
class Event:
    """A step in the life of a finding, opened."""

    kind: str
    first: int | None
    last: int | None
    client: str
    person: str | None
    made_at: datetime
    body: Mapping[str, Any]


def events(connection: Connection, keys: KeyRing, number: int) -> list[Event]:
    """All that became of a finding, in order.

    Raises:
        SealBroken: what is sealed was changed or moved.
    """
    query = select(FindingEvent).where(FindingEvent.finding == number).order_by(FindingEvent.id)
    return [
        Event(
            row.kind, row.first, row.last, row.client, row.person, row.made_at,
            orjson.loads(keys.open(row.body, _context(number, row.kind))),
        )
        for row in connection.execute(query.with_only_columns(*FindingEvent.__table__.columns))
    ]  # fmt: skip


def _standing(row: Sequence[Any]) -> Standing:
    number, rule, client, about, opened_at, state, first, last, moved_at = row[:9]
    return Standing(number, rule, client, about, opened_at, State(state), first, last, moved_at)


def _context(number: int, kind: str) -> bytes:
    return f"finding/{number}/{kind}".encode()


_LOCK = 0x68756266
