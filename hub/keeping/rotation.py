"""Exchanging keys while the hub is in use.

A rotation makes a new data key, seals golden records anew under it, and retires the former key.
What is only ever added to (rulings, corrections, evidence, findings) keeps the key it was sealed
under: its tables refuse every change, and a way around that for keys would be one for all else.
Those keys stay, to open, for as long as anything names them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, func, select, text, update
from sqlalchemy.orm import InstrumentedAttribute

from core.errors import HubError, NotFound
from core.keys import DEEDS, HEADER, RECORDS, header, sealed_under
from hub.app import Hub
from hub.audit.entries import Entry
from hub.keeping.models import DataKey
from hub.keeping.vault import lock
from hub.operator import operator_entry
from hub.watching.models import FindingEvent
from reconcile import releases, resealing
from reconcile.models import (
    Correction,
    CorrectionEvent,
    Evidence,
    GoldenRecord,
    Ruling,
    RulingEvent,
)

REST = timedelta(hours=1)
"""How long a key rests between being retired and being destroyed: by then, whoever still had it
in hand has let go.
"""

SEALED: Mapping[str, tuple[InstrumentedAttribute[Any], ...]] = {
    RECORDS: (GoldenRecord.sealed,),
    DEEDS: (
        Ruling.body,
        RulingEvent.reason,
        Evidence.body,
        Correction.body,
        CorrectionEvent.body,
        FindingEvent.body,
    ),
}
"""Where values sealed for a purpose stand: whatever is sealed elsewhere is lost with its key."""


class KeyUnknown(NotFound):
    """There is no data key of that number."""

    code = "key_unknown"


class KeyNeeded(HubError):
    """A key cannot be destroyed yet."""

    code = "key_needed"
    status = 409


Tell = Callable[[Connection, str, str, Mapping[str, int]], None]
"""Logs a deed with a key in the transaction that does it: deed, about what, numbers."""


@dataclass(frozen=True)
class Rotation:
    """How far a rotation is: the new key, the records it sealed anew this time, and those that
    are sealed otherwise still. It is over when none are.
    """

    key: int
    resealed: int
    left: int


def by_operator(hub: Hub) -> Tell:
    """Logs deeds as the operator's, on the hub's own machine."""

    def tell(connection: Connection, deed: str, about: str, rows: Mapping[str, int]) -> None:
        entry: Entry = operator_entry(deed, about, rows)
        hub.audit.append([entry], connection)

    return tell


def rotate(hub: Hub, tell: Tell, most: int | None = None) -> Rotation:
    """Begins a rotation, or goes on with one that is not over; seals at most ``most`` records
    anew, in whole batches (None: all). The hub may serve, publish and rule meanwhile.

    Raises:
        KeysWrong: the master secret at hand is not the one that wraps the keys.
    """
    with hub.engine.begin() as connection:
        releases.lock(connection)
        if len(_unretired(connection)) < 2:
            _begin(hub, connection, tell)
    sealer = hub.keys.sealer(RECORDS)
    place: resealing.Place | None = resealing.START
    resealed = 0
    while place is not None and (most is None or resealed < most):
        with hub.engine.begin() as connection:
            batch = resealing.reseal(connection, hub.keys, sealer, place)
        place = batch.last
        resealed += batch.count
    with hub.engine.begin() as connection:
        left = resealing.waiting(connection, sealer)
        key = sealed_under(sealer.header)
        if not left:
            _conclude(hub, connection, tell, key, resealed)
    return Rotation(key, resealed, left)


def _begin(hub: Hub, connection: Connection, tell: Tell) -> None:
    tell(connection, "key_created", f"keys/{RECORDS}", {})
    tell(connection, "key_created", f"keys/{DEEDS}", {})
    lock(connection)
    hub.vault.add(connection, RECORDS)
    key = hub.vault.add(connection, DEEDS)
    former = (DataKey.purpose == DEEDS, DataKey.id < key, DataKey.retired_at.is_(None))
    connection.execute(update(DataKey).where(*former).values(retired_at=hub.clock.now()))


def _conclude(hub: Hub, connection: Connection, tell: Tell, key: int, resealed: int) -> None:
    if former := [number for number in _unretired(connection) if number < key]:
        tell(connection, "key_rotated", f"keys/{RECORDS}", {"key": key, "resealed": resealed})
        retired = update(DataKey).where(DataKey.id.in_(former), DataKey.retired_at.is_(None))
        connection.execute(retired.values(retired_at=hub.clock.now()))


def _unretired(connection: Connection) -> list[int]:
    found = select(DataKey.id).where(DataKey.purpose == RECORDS, DataKey.retired_at.is_(None))
    return list(connection.execute(found.order_by(DataKey.id)).scalars())


def rewrap(hub: Hub, tell: Tell, master: bytes) -> int:
    """Wraps all keys by another master secret and gives how many. Nothing is sealed, signed or
    digested otherwise than before; from now on only the other secret opens the keys.
    """
    with hub.engine.begin() as connection:
        tell(connection, "key_rewrapped", "keys", {})
        return hub.vault.rewrap(connection, master)


def destroy(hub: Hub, tell: Tell, number: int) -> None:
    """Destroys a key that seals nothing any more.

    Raises:
        KeyUnknown: there is no such key any more, or it is not one of records or deeds.
        KeyNeeded: it is in use, or was until a moment ago.
    """
    with hub.engine.begin() as connection:
        # Before the log: whoever waits for a publication while holding it keeps all from answering.
        releases.lock(connection)
        tell(connection, "key_destroyed", f"keys/{number}", {"key": number})
        lock(connection)
        key = connection.execute(select(DataKey).where(DataKey.id == number)).first()
        if key is None or key.wrapped is None or key.purpose not in SEALED:
            raise KeyUnknown(key=number)
        if rule := _needed(connection, key, hub.clock.now()):
            raise KeyNeeded(key=number, rule=rule)
        gone = update(DataKey).where(DataKey.id == number)
        connection.execute(gone.values(wrapped=None, destroyed_at=hub.clock.now()))


def _needed(connection: Connection, key: Any, now: datetime) -> str | None:
    if key.retired_at is None:
        return "it is in use"
    if now - key.retired_at < REST:
        return "it was in use less than an hour ago"
    if count := _counts(connection, key.purpose).get(key.id, 0):
        return f"{count} values are sealed under it"
    return None


def status(hub: Hub) -> list[dict[str, Any]]:
    """All keys, by number: ``key``, ``purpose``, ``suite``, when it was ``created``, ``retired``
    and ``destroyed``, and how many ``values`` are sealed under it (None: not counted). Key 0 is
    what hubs sealed under before there were data keys; it stands here while anything is.
    """
    with hub.engine.connect() as connection:
        counts = {purpose: _counts(connection, purpose) for purpose in SEALED}
        rows = connection.execute(select(DataKey).order_by(DataKey.id)).all()
    first = [
        _told(0, purpose, hub.keys.suite.value, values=counted[0])
        for purpose, counted in counts.items()
        if 0 in counted
    ]
    return first + [
        _told(
            row.id,
            row.purpose,
            row.suite,
            (row.created_at, row.retired_at, row.destroyed_at),
            counts[row.purpose].get(row.id, 0) if row.purpose in counts else None,
        )
        for row in rows
    ]


def _told(
    key: int,
    purpose: str,
    suite: str,
    moments: tuple[datetime | None, ...] = (None, None, None),
    values: int | None = None,
) -> dict[str, Any]:
    created, retired, destroyed = (None if m is None else m.isoformat() for m in moments)
    return {
        "key": key,
        "purpose": purpose,
        "suite": suite,
        "created": created,
        "retired": retired,
        "destroyed": destroyed,
        "values": values,
    }


def _counts(connection: Connection, purpose: str) -> dict[int, int]:
    """By number of key: how many values of a purpose are sealed under it."""
    found: dict[int, int] = {}
    for column in SEALED[purpose]:
        # What was sealed before there were data keys goes on with random bytes.
        plainly = func.substring(column, 1, 1) != header(0)[:1]
        named = case((plainly, b""), else_=func.substring(column, 1, HEADER))
        query = select(named, func.count()).where(column.is_not(None)).group_by(text("1"))
        for beginning, count in connection.execute(query):
            number = sealed_under(beginning)
            found[number] = found.get(number, 0) + count
    return found
