"""One pass over what is new in the trail: remember it, apply the rules, keep what they notice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, func, select, text

from core.clock import start_of_day
from hub.app import Hub
from hub.audit.entries import KeyedDigests
from hub.conditions import register
from hub.operator import operator_entry
from hub.serving.board import Board
from hub.watching import memory, trail
from hub.watching.kin import Kin
from hub.watching.ledger import Ledger
from hub.watching.rules import Frames, notice
from hub.watching.rules.base import Register
from hub.workspace import Workspace

STEP = 20_000
"""How many new entries one pass reads."""
LOOKBACK = 100_000
"""How many entries before them it reads at most, to know the day they belong to."""

_SEEN = text("SELECT seen FROM watch_mark WHERE id = 1")
_MARK = text("""
INSERT INTO watch_mark (id, seen) VALUES (1, :seen)
ON CONFLICT (id) DO UPDATE SET seen = greatest(watch_mark.seen, excluded.seen)
""")


@dataclass(frozen=True)
class Watched:
    """What passes did. ``left``: entries that are still to be watched."""

    read: int = 0
    opened: int = 0
    extended: int = 0
    left: int = 0


class Watcher:
    """Watches the trail of one hub."""

    def __init__(self, hub: Hub, board: Board | None = None) -> None:
        self._hub = hub
        self._board = board or Board(hub.engine)
        self._kin: tuple[tuple[int, int | None], pa.Table] | None = None

    def watch(self, since: datetime | None = None) -> Watched:
        """Watches all that is new or, given ``since``, all entries from then on once more: what
        was found before is not found twice.

        Raises:
            WorkspaceMissing: nothing is registered.
            AuditUnavailable: the log cannot be read.
        """
        size = self._hub.audit.head().size
        place = None if since is None else trail.first_since(self._hub.audit, since, size)
        done = Watched(left=1)
        while done.left:
            done = _sum(done, self._pass(size, place))
            place = None if place is None else min(place + STEP, size)
        return done

    def step(self) -> Watched:
        """One bounded pass over what is new, for a server; none while another is at it."""
        return self._pass(self._hub.audit.head().size, None, patient=False)

    def _pass(self, size: int, place: int | None, patient: bool = True) -> Watched:
        workspace = self._board.rules.workspace
        with self._hub.engine.begin() as connection:
            if not _lock(connection, patient):
                return Watched()
            seen = connection.execute(_SEEN).scalar_one_or_none() or 0
            first = seen if place is None else min(place, seen)
            last = min(size, first + STEP)
            if first >= last:
                return Watched()
            counts = self._notice(connection, workspace, (first, last), seen)
            connection.execute(_MARK, {"seen": last})
            if any(counts.values()):
                # Only what was found is logged: every pass would be something new to watch.
                self._hub.audit.append([operator_entry("watch", "audit", counts)], connection)
        return Watched(last - first, counts["opened"], counts["extended"], size - last)

    def _notice(
        self, connection: Connection, workspace: Workspace, span: tuple[int, int], seen: int
    ) -> dict[str, int]:
        first, last = span
        settings = workspace.watch.rules
        reading = trail.Reading(
            KeyedDigests(self._hub.keys),
            {client.id: client for client in workspace.policies.clients},
            settings.hours.since,
            settings.hours.until,
        )
        found = list(trail.read(self._hub.audit, self._beginning(first), last))[::-1]
        entries = reading.table(found)
        fresh = entries.filter(pc.field("index") >= first)
        if not fresh.num_rows:
            return {"opened": 0, "extended": 0}
        memory.remember(connection, entries, max(first, seen))
        days, shapes, sights = memory.recall(connection, fresh, reading.role, settings)
        frames = Frames(
            entries, days, shapes, sights, self._close_ones(connection, workspace), first,
            _register(connection, workspace),
        )  # fmt: skip
        book = Ledger(connection, self._hub.keys, self._hub.clock.now())
        counts = book.record(notice(frames, settings), timedelta(days=settings.quiet_days))
        if first >= seen:
            memory.forget(connection, max(fresh.column("day").to_pylist()), settings)
        return counts

    def _beginning(self, first: int) -> int:
        """The first entry of the day of entry ``first``, or one not too far back."""
        entry = next(trail.read(self._hub.audit, first, first + 1), None)
        if entry is None:
            # Taken out by force, which a verification tells: the others must be watched all the same.
            return first
        midnight = start_of_day(trail.day_of(entry.time))
        start = trail.first_since(self._hub.audit, midnight, first)
        return max(start, first - LOOKBACK)

    def _close_ones(self, connection: Connection, workspace: Workspace) -> pa.Table:
        """The frame of who is close to whom; computed anew after a release or a change of rules."""
        release = connection.execute(text("SELECT max(number) FROM release")).scalar_one()
        state = (self._board.rules.revision, release)
        if self._kin is None or self._kin[0] != state:
            self._kin = state, Kin(connection, self._hub.keys, workspace).table()
        return self._kin[1]


def _register(connection: Connection, workspace: Workspace) -> Register:
    """The register of cases, as rules ask it."""
    departments = {client.id: client.department for client in workspace.policies.clients}

    def registered(asked: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
        whose = {pair: (departments.get(pair[0], "-"), pair[1]) for pair in asked}
        found = register.accounted(connection, whose.values())
        return [pair for pair, case in whose.items() if case in found]

    return registered


def _sum(before: Watched, now: Watched) -> Watched:
    return replace(
        now,
        read=before.read + now.read,
        opened=before.opened + now.opened,
        extended=before.extended + now.extended,
    )


def _lock(connection: Connection, patient: bool) -> bool:
    """One pass at a time, over all processes."""
    if patient:
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        return True
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(_LOCK))).scalar_one())


_LOCK = 0x68756277
