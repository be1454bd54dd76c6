"""Verification: the whole log, read once in a stream and recomputed from the logged bytes.

What the database says about itself is compared with what the entries give; what was signed is
compared with both. Entries behind the last checkpoint are bound by no signature yet: keep
checkpoints frequent, and a copy of each outside of the hub.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from hub.audit.checkpoints import (
    CheckpointForged,
    CheckpointKeySwapped,
    CheckpointMalformed,
    CheckpointOfAnotherLog,
    CheckpointRefused,
    open_checkpoint,
)
from hub.audit.findings import Findings, Problem
from hub.audit.merkle import Frontier, leaf_hash
from hub.audit.personal import MonthKeys
from hub.audit.persons import checking, driver
from hub.audit.writing import FORMAT

__all__ = ["Problem", "Verdict", "verify"]

_CHUNK = 1_000
_FORMATS = (1, FORMAT)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From where the database counts its times."""
_TICK = timedelta(microseconds=1)

# Constraints may be gone and times out of reach in a log that was tampered with: nothing stored
# may keep the verification from reaching its end.
_ENTRIES = """
SELECT leaf_hash, coalesce(body, ''), index, timestamptz_send(time),
       client, department, action, subject, purpose, granted, outcome
FROM audit_entry ORDER BY index
"""
_COLUMNS = (
    "index", "time", "client", "department", "action", "subject", "purpose", "granted", "outcome",
)  # fmt: skip
_AT_ONCE = 1_000
"""Rows fetched at once: so few stay in the processor's cache between fetching and hashing."""
_CHECKPOINTS = """
SELECT size, root, coalesce(note, ''),
       CASE WHEN time BETWEEN '0001-01-02' AND '9998-12-31' THEN time END
FROM audit_checkpoint ORDER BY size
"""
_HEAD = """
SELECT coalesce(size, -1), coalesce(frontier, '{}'),
       CASE WHEN time BETWEEN '0001-01-02' AND '9998-12-31' THEN time END
FROM audit_head WHERE id = 1
"""
_NODES = """
SELECT level, position, hash FROM audit_node
WHERE (level, position) IN (SELECT * FROM unnest(%(levels)s::smallint[], %(positions)s::bigint[]))
"""
_NODE_COUNT = "SELECT count(*) FROM audit_node"

_REFUSALS: dict[type[CheckpointRefused], str] = {
    CheckpointMalformed: "audit_checkpoint_malformed",
    CheckpointOfAnotherLog: "audit_checkpoint_of_another_log",
    CheckpointForged: "audit_checkpoint_forged",
    CheckpointKeySwapped: "audit_key_swapped",
}

Rows = Iterator[Sequence[Any]]


@dataclass(frozen=True)
class Verdict:
    """What a verification found in how many entries and checkpoints. The personal parts of
    ``erased`` entries are gone for good, as their retention says.
    """

    size: int
    checkpoints: int
    problems: tuple[Problem, ...]
    erased: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class _Signed(NamedTuple):
    """A root that was signed; ``time`` is ``None`` for the checkpoint that was kept outside."""

    size: int
    root: bytes
    time: datetime | None


class _Times:
    """Times as bodies state them; many entries in a row have the same."""

    def __init__(self) -> None:
        self._text = ""
        self._read: tuple[datetime, bytes] = (_EPOCH, b"")

    def read(self, text: str) -> tuple[datetime, bytes]:
        """The moment, and its form in the database.

        Raises:
            ValueError, TypeError, OverflowError: it is none.
        """
        if text != self._text:
            time = datetime.fromisoformat(text)
            stored = ((time - _EPOCH) // _TICK).to_bytes(8, signed=True)
            self._text, self._read = text, (time, stored)
        return self._read


def _claim(leaf: Any, stored_time: bytes) -> tuple[Any, ...]:
    """What a leaf says of itself, in the order of ``_COLUMNS``.

    Raises:
        KeyError, TypeError, ValueError: this log cannot have written it.
    """
    if leaf.get("format", 1) not in _FORMATS:
        raise ValueError("of a format that is not known")
    entry = leaf["entry"]
    who, what = entry["who"], entry["what"]
    return (
        leaf["index"],
        stored_time,
        who["client"],
        who["department"],
        what["action"],
        what["subject"],
        entry["why"]["purpose"],
        entry["decision"]["granted"],
        entry["outcome"],
    )


def verify(
    connection: Connection,
    origin: str,
    public_key: Ed25519PublicKey,
    months: MonthKeys,
    trusted: str | None = None,
) -> Verdict:
    """Checks the log of ``connection`` (a fresh one) in one consistent view, in bounded memory.

    Args:
        months: open the personal parts, as far as they are still there.
        trusted: the text of a checkpoint that was kept outside of the hub.

    Raises:
        CheckpointRefused: ``trusted`` is not a checkpoint of this log under the present key.
    """
    findings = Findings()
    outside: list[_Signed] = []
    if trusted is not None:
        outside.append(_Signed(*open_checkpoint(trusted, origin, public_key), None))
    connection = connection.execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True
    )
    with connection.begin():
        stored = _Stored(findings, origin, public_key)
        signed = heapq.merge(
            stored.checkpoints(_stream(connection, _CHECKPOINTS)), outside, key=lambda one: one.size
        )
        size = max(0, *(row[0] for row in connection.exec_driver_sql(_HEAD)), 0)
        with checking(connection, months, size) as personal:
            walk = _Walk(findings, _Nodes(findings, connection), signed)
            walk.run(driver(connection))
            walk.close(connection.exec_driver_sql(_HEAD).first())
            others, erased = personal()
    findings.take(others)
    return Verdict(walk.tree.size, stored.count, findings.all(), erased)


def _stream(connection: Connection, query: str) -> Rows:
    options = {"stream_results": True, "yield_per": _CHUNK}
    return iter(connection.exec_driver_sql(query, execution_options=options))


class _Stored:
    """The checkpoints in the database whose signature holds; the others are reported."""

    def __init__(self, findings: Findings, origin: str, public_key: Ed25519PublicKey) -> None:
        self.count = 0
        self._findings = findings
        self._origin = origin
        self._key = public_key

    def checkpoints(self, rows: Rows) -> Iterator[_Signed]:
        for size, root, note, time in rows:
            self.count += 1
            try:
                head = open_checkpoint(note, self._origin, self._key)
            except CheckpointRefused as refusal:
                self._findings.add(_REFUSALS[type(refusal)], size=size)
                continue
            if head == (size, root) and time is not None:
                yield _Signed(size, root, time)
            else:
                self._findings.add("audit_checkpoint_forged", size=size)


class _Nodes:
    """The stored roots of complete subtrees, compared with the recomputed ones."""

    def __init__(self, findings: Findings, connection: Connection) -> None:
        self._findings = findings
        self._connection = connection
        self._checked = 0

    def compare(self, tree: Frontier) -> None:
        """Takes the nodes that ``tree`` has completed."""
        levels = [node.level for node in tree.tiles]
        positions = [node.position for node in tree.tiles]
        rows = self._connection.exec_driver_sql(_NODES, {"levels": levels, "positions": positions})
        stored = {(level, position): found for level, position, found in rows}
        for node in tree.tiles:
            if stored.get((node.level, node.position)) != node.hash:
                self._report(node.level, node.position)
        self._checked += len(tree.tiles)
        tree.tiles.clear()

    def close(self) -> None:
        """Reports nodes of subtrees that are not complete or do not exist."""
        surplus = self._connection.exec_driver_sql(_NODE_COUNT).scalar_one() - self._checked
        if surplus > 0:
            self._findings.add("audit_nodes_surplus", count=surplus)

    def _report(self, level: int, position: int) -> None:
        first = position << level
        self._findings.add("audit_node_mismatch", first=first, last=first + (1 << level) - 1)


class _Walk:
    """Goes once through all entries, growing the tree anew.

    Each entry names its own index in the logged bytes. The difference to the place it is found at
    tells a removal (it stays positive) from an insertion (negative) and a reordering (ends at 0),
    also where the rows were numbered anew.
    """

    def __init__(
        self,
        findings: Findings,
        nodes: _Nodes,
        signed: Iterable[_Signed],
    ) -> None:
        self.tree = Frontier()
        self._findings = findings
        self._nodes = nodes
        self._times = _Times()
        self._signed = iter(signed)
        self._due = next(self._signed, None)
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._shift = 0
        self._displaced: tuple[int, int] | None = None
        """First place, and number of places."""

    def run(self, link: psycopg.Connection) -> None:
        self._compare_signed()
        with link.cursor("audit_entries", binary=True) as cursor:
            cursor.execute(_ENTRIES)
            while rows := cursor.fetchmany(_AT_ONCE):
                while rows:
                    taken = self._until_signed(len(rows))
                    self._take(rows[:taken])
                    self._compare_signed()
                    rows = rows[taken:]
                if len(self.tree.tiles) >= _CHUNK:
                    self._nodes.compare(self.tree)
        self._nodes.compare(self.tree)

    def _until_signed(self, most: int) -> int:
        """How many entries, of ``most``, there are up to the next that was signed."""
        ahead = 0 if self._due is None else self._due.size - self.tree.size
        return min(ahead, most) if ahead > 0 else most

    def _take(self, rows: Sequence[Sequence[Any]]) -> None:
        first, hashed = self.tree.size, [leaf_hash(row[1]) for row in rows]
        self.tree.extend(hashed)
        for place, (row, leaf) in enumerate(zip(rows, hashed, strict=True), first):
            if leaf == row[0]:
                self._entry(place, row)
            else:
                self._findings.add("audit_entry_changed", index=place)

    def _entry(self, place: int, row: Sequence[Any]) -> None:
        try:
            leaf = orjson.loads(row[1])
            time, stored_time = self._times.read(leaf["time"])
            claim = _claim(leaf, stored_time)
            self._shift = claim[0] - place
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            self._findings.add("audit_entry_changed", index=place)
            return
        if self._shift or claim != row[2:]:
            self._mismatch(place, claim, row[2:])
        if time < self._latest:
            self._findings.add("audit_time_backward", index=place)
        else:
            self._latest = time

    def _mismatch(self, place: int, claim: Sequence[Any], columns: Sequence[Any]) -> None:
        if self._shift:
            first, count = self._displaced or (place, 0)
            self._displaced = (first, count + 1)
        for name, claimed, column in zip(_COLUMNS, claim, columns, strict=True):
            # Displaced rows are told as one problem, not one by one.
            if claimed != column and not (name == "index" and self._shift):
                self._findings.add("audit_column_changed", index=place, column=name)

    def _compare_signed(self) -> None:
        while self._due is not None and self._due.size == self.tree.size:
            one, self._due = self._due, next(self._signed, None)
            if one.root != self.tree.root():
                code = "audit_checkpoint_mismatch" if one.time else "audit_split_view"
                self._findings.add(code, size=one.size)
            if one.time is not None and one.time < self._latest:
                self._findings.add("audit_time_backward", index=one.size)
            elif one.time is not None:
                self._latest = one.time

    def close(self, head: Sequence[Any] | None) -> None:
        """Compares what was read with the head and with signatures over more than was read."""
        self._nodes.close()
        self._close_displaced()
        while (one := self._due) is not None:
            code = "audit_truncated" if one.time else "audit_rolled_back"
            self._findings.add(code, size=self.tree.size, expected=one.size)
            self._due = next(self._signed, None)
        if head is None:
            self._findings.add("audit_head_mismatch", size=self.tree.size)
        else:
            self._close_head(*head)

    def _close_displaced(self) -> None:
        if self._displaced is None:
            return
        first, count = self._displaced
        if self._shift > 0:
            self._findings.add("audit_entry_removed", first=first, count=self._shift)
        elif self._shift < 0:
            self._findings.add("audit_entry_inserted", first=first, count=-self._shift)
        else:
            self._findings.add("audit_entries_reordered", first=first, count=count)

    def _close_head(self, size: int, hashes: list[bytes], time: datetime | None) -> None:
        read = self.tree.size
        if read < size and not self._shift:
            self._findings.add("audit_truncated", size=read, expected=size)
        elif read > size and not self._shift:
            self._findings.add("audit_entry_inserted", first=size, count=read - size)
        elif hashes != self.tree.hashes or time is None or time < self._latest:
            self._findings.add("audit_head_mismatch", size=read)
