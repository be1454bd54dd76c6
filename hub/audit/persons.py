"""Verification of what is not in the leaves: the personal parts they commit to, the months' keys,
and the index by which persons are found.

A pass of its own beside the one over the leaves, so that the two can share two cores. It takes
from the rows what that one compares with the leaves.
"""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import orjson
import psycopg
from psycopg import sql
from sqlalchemy import Connection

from core.ciphers import Aead
from core.clock import start_of_day
from core.database import plain_url
from core.keys import SealBroken
from hub.audit.findings import Findings
from hub.audit.personal import (
    MonthKey,
    MonthKeys,
    commitment,
    day_after,
    first_day,
    month_of,
    person_prefix,
    retained_until,
    unseal,
)

RETIRE = "retire_audit"
"""The action of the entries that say which months' keys were destroyed: their items."""
ERASED = "erased"
LEAST_YEARS = 3
"""For how long personal parts are kept at the least, whatever is set."""

_APART = 200_000
"""From so many entries on, a process of its own is worth its start."""
_AT_ONCE = 1_000
_CHUNK = 16_384
"""Rows of the person index that are compared at once."""
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From where the database counts its times, in microseconds."""
_SECOND = 1_000_000
_ROW = 24
_END = (1 << 63) - 1

# Of leaves with a personal part, their last 240 bytes hold all that is needed.
_TAIL = re.compile(
    rb'"index":(\d{1,19}),"personal":"([0-9a-f]{64})","salt":"[0-9a-f]{32}","time":"'
)
_ENTRIES = """
SELECT index, timestamptz_send(time), personal,
       CASE WHEN personal IS NULL THEN body
            ELSE substr(body, greatest(1, length(body) - 239)) END
FROM audit_entry ORDER BY index
"""
_RETIRED = """
SELECT body FROM audit_entry WHERE action = %(action)s AND granted ORDER BY index
"""
_KEYS = "SELECT period, suite, wrapped, destroyed_at FROM audit_key ORDER BY period"
# A digest of another length than all was not written by the hub.
_PERSONS = """
SELECT coalesce(string_agg(int8send(index) ||
    CASE length(digest) WHEN 16 THEN digest ELSE substr(sha256(digest), 1, 16) END, ''::bytea), '')
FROM audit_person WHERE index >= %(first)s AND index < %(stop)s
"""
_BY_PLACE = "SET LOCAL enable_seqscan = off"


def check(link: psycopg.Connection, months: MonthKeys) -> tuple[Findings, int]:
    """What is wrong, and of how many entries the personal part was erased. ``link`` is in a
    transaction that sees one state of the log.
    """
    one = _Pass(link, months)
    with link.cursor("audit_personal", binary=True) as cursor:
        cursor.execute(_ENTRIES)
        while rows := cursor.fetchmany(_AT_ONCE):
            one.take(rows)
    one.close()
    return one.findings, one.erased


class _Pass:
    """Takes entries in their order; :meth:`close` tells what only the end can tell."""

    def __init__(self, link: psycopg.Connection, months: MonthKeys) -> None:
        self.findings = Findings()
        self.erased = 0
        self._link = link
        self._months = months
        link.execute(_BY_PLACE)
        self._keys = {row[0]: MonthKey(*row[:3]) for row in link.execute(_KEYS)}
        self._unread: set[str] = set()
        """Months whose key does not open."""
        self._period = ""
        self._since = self._until = _END
        self._cipher: Aead | None = None
        self._is_erased = False
        self._known: set[bytes] = set()
        """What the person index should hold of the entries from ``_first`` on."""
        self._skipped: set[bytes] = set()
        """Entries that cannot be read: whom they are about is not known."""
        self._first = 0

    def take(self, rows: Sequence[tuple[int, bytes, bytes | None, bytes]]) -> None:
        """Rows of :data:`_ENTRIES`, at least one."""
        for stored, time, sealed, body in rows:
            moment = int.from_bytes(time, signed=True)
            if not self._since <= moment < self._until:
                self._enter(moment)
            found = _TAIL.search(body)
            if found is None:
                self._take_whole(stored, body)
            elif self._cipher is None or sealed is None:
                self._take_closed(stored)
            else:
                self._open(self._cipher, int(found[1]), found[2], sealed)
        if len(self._known) + len(self._skipped) >= _CHUNK:
            self._compare(rows[-1][0] + 1)

    def _take_closed(self, stored: int) -> None:
        """An entry whose personal part cannot be opened."""
        if self._is_erased:
            self.erased += 1
        elif self._cipher is None:
            self._report_key("audit_key_missing")
        else:
            self.findings.add("audit_personal_missing", index=stored)
            self._skipped.add(stored.to_bytes(8))

    def _take_whole(self, stored: int, body: bytes) -> None:
        """An entry of the first format, which holds all in the clear; or what is none at all."""
        try:
            digests = orjson.loads(body)["entry"]["what"]["digests"]
            if not self._is_erased:
                self._expect(stored, None, digests)
        except (KeyError, TypeError, ValueError):
            self._skipped.add(stored.to_bytes(8))

    def _open(self, cipher: Aead, index: int, committed: bytes, sealed: bytes) -> None:
        try:
            personal = unseal(cipher, sealed, index)
            document = orjson.loads(personal)
            self._expect(index, document["person"], document["digests"])
        except (SealBroken, KeyError, TypeError, ValueError):
            personal = b""
            self._skipped.add(index.to_bytes(8))
        if commitment(personal) != committed.decode():
            self.findings.add("audit_personal_changed", index=index)

    def _expect(self, index: int, account: str | None, digests: Sequence[str]) -> None:
        place = index.to_bytes(8)
        for digest in digests:
            self._known.add(place + person_prefix(digest))
        if account is not None:
            self._known.add(place + self._months.account(account))

    def _enter(self, moment: int) -> None:
        """Goes on to the month of ``moment``."""
        self._cipher, self._is_erased = None, False
        try:
            self._period = month_of(datetime.fromtimestamp(moment / _SECOND + _OFFSET, UTC))
        except (OverflowError, ValueError):
            # Out of all reach; told by the comparison with the leaf.
            self._period, self._since, self._until = "-", moment, moment + 1
            return
        self._since = _ticks(start_of_day(first_day(self._period)))
        self._until = _ticks(start_of_day(day_after(self._period)))
        key = self._keys.get(self._period)
        self._is_erased = key is not None and key.wrapped is None
        if key is not None and not self._is_erased:
            try:
                self._cipher = self._months.open(key)
            except SealBroken:
                self._report_key("audit_key_unusable")

    def _report_key(self, code: str) -> None:
        """Once for each month: nothing of it can be read."""
        if self._period not in self._unread:
            self._unread.add(self._period)
            self.findings.add(code, period=self._period)

    def _compare(self, stop: int) -> None:
        span = {"first": self._first, "stop": stop}
        row = self._link.cursor(binary=True).execute(_PERSONS, span).fetchone()
        rows = b"" if row is None else bytes(row[0])
        found = {rows[at : at + _ROW] for at in range(0, len(rows), _ROW)}
        # A month whose key does not open says nothing of its persons; that is told already.
        if found != self._known and not self._unread:
            differing = {row[:8] for row in found ^ self._known} - self._skipped
            for place in sorted(differing):
                self.findings.add("audit_person_index", index=int.from_bytes(place))
        self._known.clear()
        self._skipped.clear()
        self._first = stop

    def close(self) -> None:
        """Compares what the log says of the months' keys with what became of them."""
        self._compare(_END)
        told = self._told()
        for period, key in self._keys.items():
            erased = told.get(period)
            if key.wrapped is not None:
                if erased is not None:
                    self.findings.add("audit_key_restored", period=period)
            elif erased is None:
                self.findings.add("audit_key_destroyed", period=period)
            elif erased < retained_until(period, LEAST_YEARS):
                self.findings.add("audit_key_destroyed_early", period=period)

    def _told(self) -> dict[str, datetime]:
        """When the log says that a month was erased."""
        told: dict[str, datetime] = {}
        for (body,) in self._link.execute(_RETIRED, {"action": RETIRE}):
            try:
                leaf = orjson.loads(body)
                time = datetime.fromisoformat(leaf["time"])
                for period, deed in leaf["entry"]["what"]["items"].items():
                    if deed == ERASED:
                        told.setdefault(period, time)
            except (KeyError, TypeError, ValueError, AttributeError):
                continue  # told by the comparison with the leaf
        return told


def _ticks(moment: datetime) -> int:
    return int((moment - _EPOCH).total_seconds()) * _SECOND


_OFFSET = int(_EPOCH.timestamp())


@contextmanager
def checking(
    connection: Connection, months: MonthKeys, size: int
) -> Iterator[Callable[[], tuple[Findings, int]]]:
    """Starts :func:`check` for the state that ``connection`` sees; what is given waits for it."""
    if size < _APART:
        yield lambda: check(driver(connection), months)
        return
    snapshot = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
    # A program of its own, not a copy of this process, which may have threads and locks. What it
    # needs of the keys goes to it by a pipe, and to nobody else.
    with subprocess.Popen(
        [sys.executable, "-c", f"import {__name__} as one; one.check_apart()"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        asked = pickle.dumps((plain_url(connection.engine.url), str(snapshot), months))
        with ThreadPoolExecutor(1) as waiting:
            answer = waiting.submit(process.communicate, asked)

            def result() -> tuple[Findings, int]:
                said = answer.result()[0]
                if process.returncode:
                    # It did not come to an end there; so it is done here.
                    return check(driver(connection), months)
                found: tuple[Findings, int] = pickle.loads(said)  # noqa: S301 - of our own process
                return found

            try:
                yield result
            except BaseException:
                process.kill()
                raise


def check_apart() -> None:
    """What the other process does: it sees the same state over a connection of its own."""
    url, snapshot, months = pickle.load(sys.stdin.buffer)  # noqa: S301 - of our own process
    with psycopg.connect(url) as own:
        own.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        own.read_only = True
        own.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))
        sys.stdout.buffer.write(pickle.dumps(check(own, months)))


def driver(connection: Connection) -> psycopg.Connection:
    """The driver's own connection: what comes between takes as long as the hashing does."""
    found = connection.connection.driver_connection
    if not isinstance(found, psycopg.Connection):
        raise TypeError("the log is read by psycopg")
    return found
