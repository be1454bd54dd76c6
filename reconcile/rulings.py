"""Rulings as the pipeline sees them: the table of those in force.

What a steward decides is kept as rows of this table, sealed, from the moment it is made: what a
ruling does never depends on anything but itself and whether it is in force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from sqlalchemy import ColumnElement, Connection, Row, Subquery, func, insert, select

from core.canonical import encode
from core.errors import HubError
from core.keys import KeyRing
from core.lake import Stored
from core.sql import FEW, open_sql
from reconcile.models import Ruling, RulingEvent

RULINGS = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("entity", pa.string()),
        pa.field("dataset", pa.string()),
        pa.field("record", pa.string()),
        pa.field("other_dataset", pa.string()),
        pa.field("other_record", pa.string()),
        pa.field("attribute", pa.string()),
        pa.field("value", pa.string()),
        pa.field("repair", pa.string()),
    ]
)
"""What rulings ask of a run. By ``kind`` of row:

``value``: ``entity`` and ``attribute`` get ``value``; ``dataset, record`` is one record of the
entity, by which it is found again where the entity's id is no more.
``same``, ``never``: the two records are, or are never, one entity; the first is the one that
leaves. That two entities are never one is a row for every pair of their records.
``repair``: how claims of ``dataset`` about ``attribute`` are read: JSON with a ``kind``.
"""


class Kind(StrEnum):
    """What a steward can decide."""

    CHOOSE = "choose"
    ENTER = "enter"
    MERGE = "merge"
    SPLIT = "split"
    NEVER = "never"
    DEFER = "defer"
    REPAIR = "repair"


class State(StrEnum):
    """What has become of a ruling."""

    PROPOSED = "proposed"
    IN_FORCE = "in_force"
    REFUSED = "refused"
    REVOKED = "revoked"
    RETIRED = "retired"
    EXPIRED = "expired"


OPEN = frozenset({State.PROPOSED, State.IN_FORCE})
"""States in which a ruling stands in the way of another about the same."""

MOVES: dict[State | None, frozenset[State]] = {
    None: OPEN,
    State.PROPOSED: frozenset({State.IN_FORCE, State.REFUSED, State.REVOKED, State.EXPIRED}),
    State.IN_FORCE: frozenset({State.REVOKED, State.RETIRED, State.EXPIRED}),
    # It counts no more, but its tickets may wait: a repair's, of which something is left.
    State.RETIRED: frozenset({State.REVOKED}),
}
"""The states that may follow a state; nothing follows those that are left out."""


class RulingMoved(HubError):
    """What is asked for cannot follow what has become of the ruling."""

    code = "ruling_moved"
    status = 409
    exit_code = 2


@dataclass(frozen=True)
class Actor:
    """Under which client something is done, and by which person; None: by the hub itself."""

    client: str
    person: str | None = None


HUB = Actor("hub")


@dataclass(frozen=True)
class Draft:
    """A ruling before it has a number. ``body`` holds ``rows`` of :data:`RULINGS`, without their
    number, the reason, and what else is told of it.
    """

    subject: str
    kind: Kind
    body: Mapping[str, Any]
    entity: str | None = None
    attribute: str | None = None
    dataset: str | None = None
    until: date | None = None
    sensitive: bool = False
    key: str | None = None


def lock(connection: Connection) -> None:
    """Rulings, tickets and what becomes of them are written by one transaction at a time."""
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


class Ledger:
    """Adds rulings and what becomes of them, in the caller's transaction."""

    def __init__(self, connection: Connection, keys: KeyRing, now: datetime) -> None:
        self._connection = connection
        self._keys = keys
        self._now = now

    def add(self, draft: Draft, actor: Actor) -> int:
        """The number of a new ruling: in force, or proposed where it needs a second person."""
        lock(self._connection)
        newest = select(func.coalesce(func.max(Ruling.number), 0) + 1)
        number = int(self._connection.execute(newest).scalar_one())
        told = {k: v for k, v in vars(draft).items() if k not in ("body", "kind")}
        self._connection.execute(
            insert(Ruling).values(
                **told,
                number=number,
                kind=draft.kind.value,
                client=actor.client,
                person=actor.person,
                made_at=self._now,
                body=self._keys.seal(encode(draft.body), _context(number)),
            )
        )
        self._write(number, State.PROPOSED if draft.sensitive else State.IN_FORCE, actor, None)
        return number

    def move(self, number: int, to: State, actor: Actor, reason: str | None = None) -> None:
        """What becomes of a ruling.

        Raises:
            RulingMoved: that cannot follow its state, or there is no such ruling.
        """
        lock(self._connection)
        found = standing(self._connection, None, Ruling.number == number)
        now = State(found[0].state) if found else None
        if now is None or to not in MOVES.get(now, frozenset()):
            raise RulingMoved(number=number, state=now or "-", wanted=to)
        self._write(number, to, actor, reason)

    def _write(self, number: int, state: State, actor: Actor, reason: str | None) -> None:
        sealed = reason and self._keys.seal(reason.encode(), _reason_context(number, state))
        self._connection.execute(
            insert(RulingEvent).values(
                ruling=number,
                state=state.value,
                client=actor.client,
                person=actor.person,
                made_at=self._now,
                reason=sealed,
            )
        )


def open_reason(keys: KeyRing, event: Row[Any]) -> str | None:
    """The reason that was given for an event of a ruling.

    Raises:
        SealBroken: it is not what was kept for this event.
    """
    if event.reason is None:
        return None
    return keys.open(event.reason, _reason_context(event.ruling, event.state)).decode()


def in_force(connection: Connection, keys: KeyRing, subject: str) -> pa.Table:
    """The rows (:data:`RULINGS`) of the rulings about ``subject`` that are in force, by number.

    Raises:
        SealBroken: a ruling is not what was kept.
    """
    rows: list[dict[str, Any]] = []
    for found in standing(connection, State.IN_FORCE, Ruling.subject == subject):
        body = open_body(keys, found)
        rows += [{"number": found.number, **row} for row in body["rows"]]
    return pa.Table.from_pylist(rows, schema=RULINGS)


def resolved(rulings: pa.Table, links: pa.Table | ds.Dataset) -> pa.Table:
    """The ruled values under the ids of today: ``entity, attribute, value, number``. An entity
    whose id is no more is found by the record it was ruled by; where that is gone as well, there
    is nothing left to rule. Of several rulings about one value the latest counts.
    """
    with open_sql(FEW) as engine:
        engine.register("placed", placed(rulings, links))
        return engine.sql(
            """
            SELECT * FROM placed
            QUALIFY row_number() OVER (PARTITION BY entity, attribute ORDER BY number DESC) = 1
            ORDER BY number
            """
        ).to_arrow_table()


def placed(rulings: pa.Table, links: pa.Table | ds.Dataset) -> pa.Table:
    """As :func:`resolved`, with those as well that a later one takes the place of: once two
    entities are one, both may have been ruled on.
    """
    values = rulings.filter(pc.field("kind") == "value")
    wanted = pc.field("entity").isin(values.column("entity").combine_chunks())
    wanted |= pc.field("record").isin(values.column("record").combine_chunks())
    near = columns(links, ("dataset", "record", "entity"), wanted)
    with open_sql(FEW) as engine:
        engine.register("ruled", values)
        engine.register("near", near)
        return engine.sql(
            """
            SELECT DISTINCT coalesce(e.entity, n.entity) AS entity, attribute, value, number
            FROM ruled r
            LEFT JOIN (SELECT DISTINCT entity FROM near) e ON e.entity = r.entity
            LEFT JOIN near n ON n.dataset = r.dataset AND n.record = r.record
            WHERE coalesce(e.entity, n.entity) IS NOT NULL
            ORDER BY number
            """
        ).to_arrow_table()


def idle(rulings: pa.Table, links: pa.Table | ds.Dataset) -> frozenset[int]:
    """The numbers of rulings that do nothing by these links, as nothing is left of what they are
    about: neither the entity of a value nor the record it was ruled by; of two records that are
    to be joined or parted, one.
    """
    pairs = rulings.filter(pc.field("kind").isin(["same", "never"]))
    named = pc.field("record").isin(pairs.column("record").combine_chunks())
    named |= pc.field("record").isin(pairs.column("other_record").combine_chunks())
    acting = set(placed(rulings, links).column("number").to_pylist())
    with open_sql(FEW) as engine:
        engine.register("pairs", pairs)
        engine.register("near", columns(links, ("dataset", "record"), named))
        acting |= {
            number
            for (number,) in engine.execute(
                """
                SELECT number FROM pairs SEMI JOIN near USING (dataset, record)
                WHERE (other_dataset, other_record) IN (FROM near)
                """
            ).fetchall()
        }
    about = rulings.filter(pc.field("kind") != "repair").column("number").to_pylist()
    return frozenset(about) - acting


def deferred(connection: Connection, subject: str, day: date) -> frozenset[tuple[str, str]]:
    """The values (entity, attribute) that need not be looked at on ``day``."""
    about = (Ruling.subject == subject, Ruling.kind == Kind.DEFER, Ruling.until > day)
    found = standing(connection, State.IN_FORCE, *about)
    return frozenset((row.entity or "", row.attribute or "") for row in found)


def standing(
    connection: Connection, state: State | None, *conditions: ColumnElement[bool]
) -> list[Row[Any]]:
    """Rulings in a state (None: in any), with ``state``, ``since`` and who brought it about
    (``by_client, by_person``), by number.
    """
    last = _last()
    query = select(
        *Ruling.__table__.columns,
        last.c.state,
        last.c.made_at.label("since"),
        last.c.client.label("by_client"),
        last.c.person.label("by_person"),
    )
    query = query.join(last, last.c.ruling == Ruling.number).where(*conditions)
    if state is not None:
        query = query.where(last.c.state == state)
    return list(connection.execute(query.order_by(Ruling.number)))


def _last() -> Subquery:
    newest = select(func.max(RulingEvent.id)).group_by(RulingEvent.ruling)
    return select(RulingEvent).where(RulingEvent.id.in_(newest)).subquery()


def open_body(keys: KeyRing, ruling: Row[Any]) -> dict[str, Any]:
    """The body of a ruling.

    Raises:
        SealBroken: it is not what was kept under this number.
    """
    body: dict[str, Any] = orjson.loads(keys.open(ruling.body, _context(ruling.number)))
    return body


def _context(number: int) -> bytes:
    return encode(["ruling", number])


def _reason_context(number: int, state: str) -> bytes:
    return encode(["ruling event", number, state])


def columns(data: pa.Table | Stored, names: Sequence[str], wanted: pc.Expression) -> pa.Table:
    """Some columns of some rows, wherever they are kept."""
    if isinstance(data, pa.Table):
        return data.filter(wanted).select(list(names))
    return data.to_table(columns=list(names), filter=wanted)


_LOCK = 0x68756234
