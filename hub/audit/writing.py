"""How entries become leaves: the statements and the arithmetic that every writer shares.

A writer locks the head row, computes leaves and frontier from it, writes both with ``WRITE`` and
commits. The lock makes indexes consecutive across threads, processes and hosts.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from core.canonical import encode
from core.ciphers import NONCE, Aead
from core.errors import BadInput, HubError
from core.messages import message
from hub.audit.entries import Entry
from hub.audit.merkle import Frontier, leaf_hash
from hub.audit.personal import (
    INSERT_KEY,
    KEY,
    SALT_BYTES,
    MonthKey,
    MonthKeys,
    commitment,
    month_of,
    seal,
)

FORMAT = 2
"""Of leaves; those of the first one have no such mark, and hold everything in the clear."""
LONGEST_NAME = 200

HEAD = "SELECT size, frontier, time FROM audit_head WHERE id = 1"

LOCK = """
SELECT size, frontier, time,
       CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')
            THEN set_config('synchronous_commit', 'on', true) END
FROM audit_head WHERE id = 1 FOR UPDATE
"""
"""Locks the head, and makes the transaction durable also on a server that by default acknowledges
before writing."""

LOCK_WITH_KEY = """
SELECT head.*, key.suite, key.wrapped FROM (
    SELECT size, frontier, time,
           CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')
                THEN set_config('synchronous_commit', 'on', true) END
    FROM audit_head WHERE id = 1 FOR UPDATE
) AS head LEFT JOIN audit_key AS key ON key.period = %(period)s
"""
"""Gives the key of the month as well, where it has one."""

WRITE = """
WITH entries AS (
    INSERT INTO audit_entry (index, leaf_hash, body, personal, time, client, department, action,
                             subject, purpose, granted, outcome)
    SELECT %(first)s::bigint + row.nr - 1, row.leaf_hash, row.body, row.personal,
           %(time)s::timestamptz, row.client, row.department, row.action, row.subject,
           row.purpose, row.granted, row.outcome
    FROM unnest(%(leaf_hashes)b::bytea[], %(bodies)b::bytea[], %(personal)b::bytea[],
                %(clients)b::text[], %(departments)b::text[], %(actions)b::text[],
                %(subjects)b::text[], %(purposes)b::text[], %(granted)b::boolean[],
                %(outcomes)b::text[])
         WITH ORDINALITY AS row (leaf_hash, body, personal, client, department, action, subject,
                                 purpose, granted, outcome, nr)
), persons AS (
    INSERT INTO audit_person (digest, index)
    SELECT * FROM unnest(%(persons)b::bytea[], %(places)b::bigint[])
), nodes AS (
    INSERT INTO audit_node (level, position, hash)
    SELECT * FROM unnest(%(levels)s::smallint[], %(positions)s::bigint[], %(hashes)b::bytea[])
)
UPDATE audit_head SET size = %(size)s, frontier = %(frontier)b::bytea[], time = %(time)s
WHERE id = 1
"""


class AuditUnavailable(HubError):
    """An entry could not be written durably: what it is about must not be answered."""

    code = "audit_unavailable"
    status = 503


class Head(NamedTuple):
    """How far the log has grown."""

    size: int
    frontier: list[bytes]
    time: datetime


class Draft(NamedTuple):
    """An entry that is encoded and waits for its place in the log.

    ``committed``: the digest of ``personal``, in hexadecimal. ``persons``: by whom it is found.
    """

    public: bytes
    personal: bytes
    committed: str
    persons: list[bytes]
    client: str
    department: str
    action: str
    subject: str
    purpose: str | None
    granted: bool
    outcome: str


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an entry stands in the log: its index, leaf hash (32 bytes) and time (UTC)."""

    index: int
    leaf_hash: bytes
    time: datetime


@dataclass(frozen=True)
class Batch:
    """Leaves ready to be written by ``WRITE``, and what to tell their writers."""

    parameters: dict[str, Any]
    appended: list[Appended]


def draft(entry: Entry, months: MonthKeys) -> Draft:
    """``entry``, encoded outside of any lock.

    Raises:
        BadInput: a column would not take it. Denials are logged with what was asked for, whatever
            it was, and one such text would fail the batch that it shares with others.
        TypeError: a field holds something JSON has no form for.
    """
    who, what, purpose = entry.who, entry.what, entry.why.purpose
    for field, name in (
        ("client", who.client),
        ("department", who.department),
        ("action", what.action),
        ("subject", what.subject),
        ("purpose", purpose or ""),
        ("outcome", entry.outcome),
    ):
        if len(name) > LONGEST_NAME or "\x00" in name:
            raise BadInput(field=field, rule=message("rule_name_length", most=LONGEST_NAME))
    personal = entry.personal(os.urandom(SALT_BYTES).hex())
    return Draft(
        public=entry.public(),
        personal=personal,
        committed=commitment(personal),
        persons=months.persons(who.person, what.digests),
        client=who.client,
        department=who.department,
        action=what.action,
        subject=what.subject,
        purpose=purpose,
        granted=entry.decision.granted,
        outcome=entry.outcome,
    )


def read_head(row: Sequence[Any] | None) -> Head:
    """The head from the row that ``LOCK`` gave.

    Raises:
        AuditUnavailable: there is no such row, so the log was never set up or is damaged.
    """
    if row is None:
        raise AuditUnavailable(reason=message("cause_no_head"))
    size, frontier, time = row[:3]
    return Head(size, list(frontier), time.astimezone(UTC))


def leaf_body(waiting: Draft, index: int, time: datetime, salt: bytes) -> bytes:
    """The bytes that are hashed: canonical JSON of what is public of the entry, the digest of
    what is personal, index, time and a salt, which keeps the leaf hash from telling anything
    about its entry.
    """
    return encode(
        {
            "entry": orjson.Fragment(waiting.public),
            "format": FORMAT,
            "index": index,
            "personal": waiting.committed,
            "salt": salt.hex(),
            "time": time,
        }
    )


Statement = tuple[str, dict[str, Any]]


def appending(
    drafts: Sequence[Draft], months: MonthKeys, now: datetime
) -> Generator[Statement, Sequence[Any] | None, Batch]:
    """The steps of one append: statements to be executed in one transaction, each answered with
    the one row it gave, if any. Time never goes back: where the clock did, the latest time of
    the log counts.

    Raises:
        AuditUnavailable: the log was never set up, is damaged, or cannot seal personal parts.
    """
    guess = month_of(now)
    row = yield LOCK_WITH_KEY, {"period": guess}
    head = read_head(row)
    time = max(now, head.time)
    period = month_of(time)
    if row is not None and row[5] is not None and period == guess:
        key = MonthKey(period, row[4], row[5])
    else:
        # A month's first entry. The head is locked: nobody else makes this key now.
        row = yield KEY, {"period": period}
        key = months.make(period) if row is None else MonthKey(*row)
        if row is None:
            yield INSERT_KEY, key._asdict()
    try:
        cipher = months.open(key)
    except HubError as error:
        raise AuditUnavailable(reason=error.code) from error
    batch = extend(head, drafts, time, cipher)
    yield WRITE, batch.parameters
    return batch


def extend(head: Head, drafts: Sequence[Draft], time: datetime, cipher: Aead) -> Batch:
    """The leaves of ``drafts`` behind ``head``, their personal parts sealed by ``cipher``."""
    frontier = Frontier(head.size, head.frontier)
    bodies, sealed, appended, places = [], [], [], []
    each = SALT_BYTES + NONCE
    random = os.urandom(each * len(drafts))
    for nr, waiting in enumerate(drafts):
        index, own = head.size + nr, random[nr * each : (nr + 1) * each]
        body = leaf_body(waiting, index, time, own[:SALT_BYTES])
        leaf = leaf_hash(body)
        frontier.append(leaf)
        bodies.append(body)
        sealed.append(seal(cipher, own[SALT_BYTES:], waiting.personal, index))
        appended.append(Appended(index, leaf, time))
        places.extend([index] * len(waiting.persons))
    parameters = {
        "first": head.size,
        "time": time,
        "leaf_hashes": [done.leaf_hash for done in appended],
        "bodies": bodies,
        "personal": sealed,
        "clients": [waiting.client for waiting in drafts],
        "departments": [waiting.department for waiting in drafts],
        "actions": [waiting.action for waiting in drafts],
        "subjects": [waiting.subject for waiting in drafts],
        "purposes": [waiting.purpose for waiting in drafts],
        "granted": [waiting.granted for waiting in drafts],
        "outcomes": [waiting.outcome for waiting in drafts],
        "persons": [person for waiting in drafts for person in waiting.persons],
        "places": places,
        "levels": [node.level for node in frontier.tiles],
        "positions": [node.position for node in frontier.tiles],
        "hashes": [node.hash for node in frontier.tiles],
        "size": frontier.size,
        "frontier": frontier.hashes,
    }
    return Batch(parameters, appended)
