"""Requests that wait for a second person: kept by digest, approved once, used once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select, update

from core.errors import HubError, NotFound
from hub.conditions.models import Approval

WAITS = timedelta(days=1)
"""How long a request waits for a second person; one that was refused stays so as long."""
HOLDS = timedelta(hours=1)
"""How long an approval can be used."""


class State(StrEnum):
    """What became of a request. ``used``: it was answered."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    USED = "used"


class ApprovalUnknown(NotFound):
    """No request of this number waits for the caller: there is none, it is of another department
    or purpose, it was decided or has expired, or the caller lacks the permission itself.
    """

    code = "approval_unknown"


class ApprovalOwn(HubError):
    """Nobody is their own second person, whatever client they use."""

    code = "approval_own"
    status = 403
    exit_code = 2


@dataclass(frozen=True)
class Waiting:
    """A request as it is kept; ``digest`` stands for all that it says."""

    digest: bytes
    client: str
    department: str
    person: str
    action: str
    deed: str
    subject: str
    purpose: str
    case: str
    items: Mapping[str, str]
    scope: str


@dataclass(frozen=True)
class Found:
    """What is known of a request: its number and, where it was approved, by whose account."""

    number: int
    state: State
    decider: str | None


def newest(connection: Connection, digest: bytes, now: datetime) -> Found | None:
    """The last of the requests of a digest, if it can still be decided or used."""
    row = connection.execute(
        select(Approval.number, Approval.state, Approval.decider)
        .where(Approval.digest == digest, Approval.expires_at > now, Approval.state != State.USED)
        .order_by(Approval.number.desc())
        .limit(1)
    ).first()
    return None if row is None else Found(row.number, State(row.state), row.decider)


def ask(connection: Connection, waiting: Waiting, now: datetime) -> Found:
    """Puts a request before a second person, unless it is there already."""
    # Of two that ask at once, the second one finds what the first one made.
    lock = int.from_bytes(waiting.digest[:8], "big", signed=True)
    connection.execute(select(func.pg_advisory_xact_lock(lock)))
    found = newest(connection, waiting.digest, now)
    if found is not None:
        return found
    values = {**vars(waiting), "items": dict(waiting.items)}
    number = connection.execute(
        insert(Approval)
        .values(**values, state=State.ASKED, asked_at=now, expires_at=now + WAITS)
        .returning(Approval.number)
    ).scalar_one()
    return Found(number, State.ASKED, None)


def waiting(
    connection: Connection, department: str, purpose: str, now: datetime
) -> Sequence[Approval]:
    """The requests of a department for a purpose that nobody has decided, the oldest first."""
    return [
        Approval(**row._mapping)
        for row in connection.execute(
            select(*Approval.__table__.columns)
            .where(
                Approval.department == department,
                Approval.purpose == purpose,
                Approval.state == State.ASKED,
                Approval.expires_at > now,
            )
            .order_by(Approval.number)
            .limit(_MOST)
        )
    ]


def decide(
    connection: Connection, number: int, state: State, by: tuple[str, str], now: datetime
) -> None:
    """Says yes or no to a request, for ``by`` (client, account).

    Raises:
        ApprovalUnknown: it does not wait any more.
    """
    client, person = by
    expires = {"expires_at": now + HOLDS} if state is State.APPROVED else {}
    done = connection.execute(
        update(Approval)
        .where(Approval.number == number, Approval.state == State.ASKED, Approval.expires_at > now)
        .values(state=state, decided_by=client, decider=person, decided_at=now, **expires)
    )
    if done.rowcount == 0:
        raise ApprovalUnknown(number=number)


def use(connection: Connection, number: int, now: datetime) -> bool:
    """Uses an approval up; False: somebody did already, or its hour is over."""
    done = connection.execute(
        update(Approval)
        .where(
            Approval.number == number, Approval.state == State.APPROVED, Approval.expires_at > now
        )
        .values(state=State.USED, used_at=now)
    )
    return done.rowcount == 1


_MOST = 500
"""Requests that are listed at once."""
