"""Looking entries up, for auditors.

Time only grows with the index, so that a time is first turned into a place, by halving: every
search is then one by index, of few partitions, whatever else is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import Field
from sqlalchemy import Connection, Row, Select, select

from core.keys import SealBroken
from core.types import Model
from hub.audit.models import AuditEntry, AuditPerson
from hub.audit.personal import KEY, MonthKey, MonthKeys, month_of, person_prefix, unseal
from hub.audit.tree import AuditDamaged
from hub.audit.writing import LONGEST_NAME

_NOBODY: Mapping[str, Any] = {"person": None, "case": None, "digests": (), "request": None}
_BOUNDS = 'SELECT min("index"), max("index") FROM audit_entry'
# The place of a missing entry is taken by the next one.
_TIME = 'SELECT time FROM audit_entry WHERE "index" >= %(index)s ORDER BY "index" LIMIT 1'


_Query = Select[int, datetime, bytes, bytes | None]


_Word = Annotated[str, Field(max_length=LONGEST_NAME, pattern=r"^[^\x00]*$")]


class Wanted(Model):
    """What to look for: every given field must match. ``since`` and ``until`` are inclusive;
    ``below`` continues a list behind its last index. ``person``: the keyed digest
    (:class:`hub.audit.entries.KeyedDigests`) of whom was asked about, or of the account that
    asked; what was erased is not found by it.
    """

    since: datetime | None = None
    until: datetime | None = None
    client: _Word | None = None
    department: _Word | None = None
    action: _Word | None = None
    subject: _Word | None = None
    purpose: _Word | None = None
    granted: bool | None = None
    outcome: _Word | None = None
    person: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    below: int | None = Field(default=None, ge=0, lt=2**63)
    limit: int = Field(default=100, gt=0, le=1000)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry as it is kept: ``body`` are the bytes that were hashed; ``personal`` is what they
    hold only the digest of, or ``None`` where it was erased or does not open (or never was apart).
    """

    index: int
    time: datetime
    body: bytes
    personal: bytes | None = None

    @property
    def entry(self) -> dict[str, Any]:
        """The whole document that was logged. What was erased is ``None``, or empty.

        Raises:
            AuditDamaged: these are no bytes that the log wrote.
        """
        try:
            return _document(orjson.loads(self.body), self.personal)
        except (ValueError, KeyError, TypeError):
            raise AuditDamaged from None


def _document(leaf: dict[str, Any], personal: bytes | None) -> dict[str, Any]:
    document: dict[str, Any] = leaf["entry"]
    if "format" not in leaf:
        return document
    found = _NOBODY if personal is None else orjson.loads(personal)
    document["who"]["person"] = found["person"]
    document["why"]["case"] = found["case"]
    document["what"]["digests"] = list(found["digests"])
    document["request"] = found["request"]
    return document


_COLUMNS = (AuditEntry.index, AuditEntry.time, AuditEntry.body, AuditEntry.personal)
_EQUAL = (
    AuditEntry.client,
    AuditEntry.department,
    AuditEntry.action,
    AuditEntry.subject,
    AuditEntry.purpose,
    AuditEntry.granted,
    AuditEntry.outcome,
)


def read(connection: Connection, index: int, months: MonthKeys | None = None) -> Recorded | None:
    """The entry at ``index``, if there is one; without ``months``, only what is public of it."""
    found = connection.execute(select(*_COLUMNS).where(AuditEntry.index == index)).all()
    opened = _opened(connection, found, months)
    return opened[0] if opened else None


def find(connection: Connection, wanted: Wanted, months: MonthKeys) -> list[Recorded]:
    """Entries that match, latest first."""
    query = select(*_COLUMNS).order_by(AuditEntry.index.desc()).limit(wanted.limit)
    if wanted.person is not None:
        query = _about(query, wanted.person)
    for column in _EQUAL:
        value = getattr(wanted, column.key)
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(AuditEntry.index >= place(connection, wanted.since, after=False))
    if wanted.until is not None:
        query = query.where(AuditEntry.index < place(connection, wanted.until, after=True))
    if wanted.below is not None:
        query = query.where(AuditEntry.index < wanted.below)
    return _opened(connection, connection.execute(query).all(), months)


def _about(query: _Query, person: str) -> _Query:
    # Ordered by the person's own places: there are few of them among a hundred million.
    return (
        query.join(AuditPerson, AuditPerson.index == AuditEntry.index)
        .where(AuditPerson.digest == person_prefix(person))
        .order_by(None)
        .order_by(AuditPerson.index.desc())
    )


def place(connection: Connection, moment: datetime, after: bool) -> int:
    """The first index whose time is not before ``moment`` (or is ``after`` it)."""
    low, high = connection.exec_driver_sql(_BOUNDS).one()
    if low is None:
        return 0
    high += 1
    while low < high:
        middle = (low + high) // 2
        time = connection.exec_driver_sql(_TIME, {"index": middle}).scalar_one()
        if time > moment if after else time >= moment:
            high = middle
        else:
            low = middle + 1
    return int(low)


def _opened(
    connection: Connection,
    rows: Sequence[Row[int, datetime, bytes, bytes | None]],
    months: MonthKeys | None,
) -> list[Recorded]:
    keys: dict[str, MonthKey | None] = {}
    found = []
    for index, time, body, sealed in rows:
        personal = None
        if sealed is not None and months is not None:
            period = month_of(time)
            if period not in keys:
                row = connection.exec_driver_sql(KEY, {"period": period}).one_or_none()
                keys[period] = None if row is None else MonthKey(*row)
            personal = _personal(months, keys[period], sealed, index)
        found.append(Recorded(index, time, body, personal))
    return found


def _personal(months: MonthKeys, key: MonthKey | None, sealed: bytes, index: int) -> bytes | None:
    try:
        return None if key is None else unseal(months.open(key), sealed, index)
    except SealBroken:
        # It was erased; or it was tampered with, which a verification tells, and which must not
        # keep the entries beside it from being found.
        return None
