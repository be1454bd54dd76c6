"""Corrections: what a ruling asks of the departments whose tables say otherwise.

A ruling (or a repair) makes one ticket per dataset that is wrong. The department has ten working
days to say that it is fixed or why it is not (Order 809, Art. 26). The next pull closes the
ticket by itself; once no source contradicts a ruling any more, the ruling retires.

A repair ends as soon as the department says that it is fixed, or the next pull would be repaired
once too often. Where that pull shows that it is not, the ticket is open again. The repair stays
ended: what is left may be little, and two persons say whether all is to be read by it once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from sqlalchemy import ColumnElement, Connection, Row, func, insert, select

from catalog.standards import elements
from catalog.subjects import Subject
from core.canonical import encode
from core.clock import CHINA, add_working_days, count_working_days
from core.errors import HubError
from core.keys import KeyRing
from core.lake import Stored
from reconcile import rulings
from reconcile.conflicts.effects import Repair
from reconcile.conflicts.leftovers import left
from reconcile.conflicts.relations import relation
from reconcile.models import Correction, CorrectionEvent, Ruling
from reconcile.rulings import HUB, Actor, Kind, Ledger
from reconcile.stances import Stance, stances

DAYS = 10
"""Working days in which a department answers."""
NEAR_DAYS = 3
"""Working days left from which a ticket is yellow."""
OFFICE_DAYS = 5
"""Working days overdue after which the sharing office is told; until then the department's head."""


class State(StrEnum):
    """What has become of a ticket."""

    OPEN = "open"
    FIXED = "fixed"
    DISPUTED = "disputed"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class Light(StrEnum):
    """How a ticket stands to its day."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


class Escalation(StrEnum):
    """Who is told of a ticket beside those who answer it."""

    NONE = "none"
    HEAD = "department_head"
    OFFICE = "sharing_office"


UNSETTLED = frozenset({State.OPEN, State.FIXED, State.DISPUTED})
MOVES: dict[State, frozenset[State]] = {
    State.OPEN: frozenset({State.FIXED, State.DISPUTED, State.CLOSED, State.WITHDRAWN}),
    State.FIXED: frozenset({State.OPEN, State.DISPUTED, State.CLOSED, State.WITHDRAWN}),
    State.DISPUTED: frozenset({State.OPEN, State.FIXED, State.CLOSED, State.WITHDRAWN}),
}
"""The states that may follow a state."""


class CorrectionMoved(HubError):
    """What is asked for cannot follow what has become of the ticket."""

    code = "correction_moved"
    status = 409
    exit_code = 2


def light(due: date, day: date) -> Light:
    """The light of a ticket on ``day``; an answered one shows that of the day of its answer."""
    if day > due:
        return Light.RED
    return Light.YELLOW if count_working_days(day, due) <= NEAR_DAYS else Light.GREEN


def escalation(due: date, day: date) -> Escalation:
    """Who is told of a ticket that nobody has answered by ``day``."""
    over = count_working_days(due, day)
    if over > OFFICE_DAYS:
        return Escalation.OFFICE
    return Escalation.HEAD if day > due else Escalation.NONE


@dataclass(frozen=True)
class Settled:
    """What a run changed."""

    opened: int = 0
    closed: int = 0
    reopened: int = 0
    retired: int = 0
    expired: int = 0

    def counts(self) -> dict[str, int]:
        """By the words of the log; what did not happen is left out."""
        words = {
            "tickets opened": self.opened,
            "tickets closed": self.closed,
            "tickets reopened": self.reopened,
            "rulings retired": self.retired,
            "deferrals expired": self.expired,
        }
        return {word: count for word, count in words.items() if count}


@dataclass(frozen=True)
class Heard:
    """What sources said to a run.

    ``claims``: ``entity, attribute, value, gist, dataset, record``. ``pulled``: datasets that were
    pulled by this run. Only they can show that something was not fixed after all. ``repaired``:
    the datasets and attributes that were read by a repair, of which claims do not tell what the
    source says. ``links``: as of :func:`stances`.
    """

    claims: pa.Table | Stored
    pulled: Collection[str]
    repaired: Collection[tuple[str, str]] = ()
    links: pa.Table | ds.Dataset | None = None


class Book:
    """The tickets, in the caller's transaction."""

    def __init__(self, connection: Connection, keys: KeyRing, now: datetime) -> None:
        self._connection = connection
        self._keys = keys
        self._now = now
        self._day = now.astimezone(CHINA).date()
        self._ledger = Ledger(connection, keys, now)

    def settle(
        self,
        subject: Subject,
        heard: Heard,
        departments: Mapping[str, str],
        release: int,
    ) -> Settled:
        """What was heard in a run changes: opens, closes and reopens tickets, retires rulings that
        nobody contradicts any more, and ends deferrals whose day has come. Belongs into the
        transaction that publishes ``release``.

        Args:
            departments: dataset → its department.
        """
        rulings.lock(self._connection)
        name = subject.subject
        expired = self._expire(name)
        ruled = rulings.in_force(self._connection, self._keys, name)
        ruled = ruled.filter(pc.field("kind") == "value")
        unsettled = self.tickets(Correction.subject == name, states=UNSETTLED)
        if not len(ruled) and not unsettled:
            return Settled(expired=expired)
        there, said = stances(subject, ruled, heard.claims, heard.links)
        opened = self.confront(subject, said, departments)
        wrong = {(stance.ruling, stance.dataset) for stance in said if not stance.agrees}
        moves: Counter[State] = Counter()
        for ticket in unsettled:
            if ticket.entity is None:
                to = self._of_repair(subject, ticket, heard)
            else:
                to = _of_value(ticket, (ticket.ruling, ticket.dataset) in wrong, heard)
            if to is not None:
                self._write(ticket.number, to, HUB, release=release)
                moves[to] += 1
        retired = self._retire(there, said)
        return Settled(opened, moves[State.CLOSED], moves[State.OPEN], retired, expired)

    def confront(
        self, subject: Subject, said: Collection[Stance], departments: Mapping[str, str]
    ) -> int:
        """Opens a ticket for every dataset that contradicts a ruling and has none yet; returns
        how many.
        """
        unsettled = self.tickets(Correction.subject == subject.subject, states=UNSETTLED)
        have = {(ticket.ruling, ticket.dataset) for ticket in unsettled}
        wrong = [s for s in said if not s.agrees and (s.ruling, s.dataset) not in have]
        for stance in wrong:
            element = elements()[subject.attributes[stance.attribute].element]
            error, _ = relation(element, stance.value, stance.ruled)
            body = {"record": stance.record, "said": stance.value, "ruled": stance.ruled}
            self._open(
                {
                    "ruling": stance.ruling,
                    "subject": subject.subject,
                    "dataset": stance.dataset,
                    "department": departments.get(stance.dataset, "-"),
                    "entity": stance.entity,
                    "attribute": stance.attribute,
                    "error": error.value,
                },
                body,
            )
        return len(wrong)

    def ask_repair(self, ruling: Row[Any], repair: Mapping[str, Any], department: str) -> None:
        """Opens the ticket of a repair: one for the whole group of values, in place of that of an
        earlier one that has ended.
        """
        former = self.tickets(
            Correction.subject == ruling.subject,
            Correction.dataset == ruling.dataset,
            Correction.attribute == ruling.attribute,
            Correction.entity.is_(None),
            states=UNSETTLED,
        )
        for ticket in former:
            self._write(ticket.number, State.WITHDRAWN, HUB)
        about = {
            "ruling": ruling.number,
            "subject": ruling.subject,
            "dataset": ruling.dataset,
            "department": department,
            "entity": None,
            "attribute": ruling.attribute,
            "error": repair["kind"],
        }
        self._open(about, {"repair": dict(repair)})

    def withdraw(self, ruling: int, actor: Actor) -> int:
        """Ends all tickets of a ruling that is no more; returns how many."""
        tickets = self.tickets(Correction.ruling == ruling, states=UNSETTLED)
        for ticket in tickets:
            self._write(ticket.number, State.WITHDRAWN, actor)
        return len(tickets)

    def of_ruling(self, ruling: int) -> list[Row[Any]]:
        """All tickets that a ruling ever made."""
        return self.tickets(Correction.ruling == ruling)

    def move(
        self, number: int, to: State, actor: Actor, body: Mapping[str, Any] | None = None
    ) -> None:
        """What becomes of a ticket.

        Raises:
            CorrectionMoved: that cannot follow its state, or there is no such ticket.
        """
        rulings.lock(self._connection)
        found = self.tickets(Correction.number == number)
        now = State(found[0].state) if found else None
        if now is None or to not in MOVES.get(now, frozenset()):
            raise CorrectionMoved(number=number, state=now or "-", wanted=to)
        self._write(number, to, actor, body)

    def tickets(
        self, *conditions: ColumnElement[bool], states: Collection[str] | None = None
    ) -> list[Row[Any]]:
        """Tickets with their ``state`` and the moment (``since``) of their last event."""
        newest = select(func.max(CorrectionEvent.id)).group_by(CorrectionEvent.correction)
        last = select(CorrectionEvent).where(CorrectionEvent.id.in_(newest)).subquery()
        query = select(
            *Correction.__table__.columns, last.c.state, last.c.made_at.label("since")
        ).join(last, last.c.correction == Correction.number)
        if states is not None:
            query = query.where(last.c.state.in_(sorted(states)))
        return list(self._connection.execute(query.where(*conditions).order_by(Correction.number)))

    def _expire(self, subject: str) -> int:
        about = (Ruling.subject == subject, Ruling.kind == Kind.DEFER, Ruling.until <= self._day)
        over = rulings.standing(self._connection, rulings.State.IN_FORCE, *about)
        for ruling in over:
            self._ledger.move(ruling.number, rulings.State.EXPIRED, HUB)
        return len(over)

    def _of_repair(self, subject: Subject, ticket: Row[Any], heard: Heard) -> State | None:
        """What becomes of the ticket of a repair that has ended, once its dataset was read without
        any: open again if it was called fixed and is not, closed if nothing is left.
        """
        about = (ticket.dataset, ticket.attribute)
        counts = rulings.State.IN_FORCE
        if ticket.dataset not in heard.pulled or about in heard.repaired:
            return None
        if rulings.standing(self._connection, counts, Ruling.number == ticket.ruling):
            return None
        repair = open_ticket(self._keys, ticket)["repair"]
        if not left(subject, heard.claims, Repair(*about, repair)):
            return State.CLOSED
        return State.OPEN if ticket.state == State.FIXED else None

    def _retire(self, there: Mapping[int, Sequence[int]], said: Collection[Stance]) -> int:
        wrong = {stance.ruling for stance in said if not stance.agrees}
        settled = ({stance.ruling for stance in said} & there.keys()) - wrong
        retired = sorted({number for latest in settled for number in there[latest]})
        for number in retired:
            self._ledger.move(number, rulings.State.RETIRED, HUB)
        return len(retired)

    def _open(self, about: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        newest = select(func.coalesce(func.max(Correction.number), 0) + 1)
        number = int(self._connection.execute(newest).scalar_one())
        self._connection.execute(
            insert(Correction).values(
                **about,
                number=number,
                opened_at=self._now,
                due=add_working_days(self._day, DAYS),
                body=self._keys.seal(encode(body), _context(number)),
            )
        )
        self._write(number, State.OPEN, HUB)

    def _write(
        self,
        number: int,
        state: State,
        actor: Actor,
        body: Mapping[str, Any] | None = None,
        release: int | None = None,
    ) -> None:
        sealed = body and self._keys.seal(encode(body), _event_context(number, state))
        self._connection.execute(
            insert(CorrectionEvent).values(
                correction=number,
                state=state.value,
                client=actor.client,
                person=actor.person,
                release=release,
                made_at=self._now,
                body=sealed,
            )
        )


def _of_value(ticket: Row[Any], wrong: bool, heard: Heard) -> State | None:
    """What becomes of a ticket about a value, if anything."""
    if not wrong:
        return State.CLOSED
    answered = ticket.state == State.FIXED and ticket.dataset in heard.pulled
    return State.OPEN if answered else None


def open_ticket(keys: KeyRing, ticket: Row[Any]) -> dict[str, Any]:
    """A ticket's ``record``, what was ``said`` and ``ruled``; or its ``repair``.

    Raises:
        SealBroken: it is not what was kept under this number.
    """
    body: dict[str, Any] = orjson.loads(keys.open(ticket.body, _context(ticket.number)))
    return body


def open_answer(keys: KeyRing, event: Row[Any]) -> dict[str, Any]:
    """What was said with an event of a ticket; empty if nothing was.

    Raises:
        SealBroken: it is not what was kept for this event.
    """
    if event.body is None:
        return {}
    context = _event_context(event.correction, event.state)
    body: dict[str, Any] = orjson.loads(keys.open(event.body, context))
    return body


def _context(number: int) -> bytes:
    return encode(["correction", number])


def _event_context(number: int, state: str) -> bytes:
    return encode(["correction event", number, state])
