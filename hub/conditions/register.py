"""The register of cases: what a department says it works on, before it asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from core.errors import HubError, NotFound
from hub.conditions.models import CaseRegister, CaseSubject


class CaseKnown(HubError):
    """The department has a case of this number, open or closed: numbers are not used twice."""

    code = "case_known"
    status = 409
    exit_code = 2


class CaseUnknown(NotFound):
    """The department has no open case of this number."""

    code = "case_unknown"


@dataclass(frozen=True)
class Case:
    """A case as its department sees it. ``subjects``: subject → how many of it it is about."""

    number: str
    purpose: str
    client: str | None
    opened_at: datetime
    closed_at: datetime | None
    subjects: Mapping[str, int]


@dataclass(frozen=True)
class Kept:
    """A case as the register keeps it. ``subjects``: of which it names somebody."""

    purpose: str
    client: str | None
    opened_at: datetime
    closed_at: datetime | None
    subjects: frozenset[str]

    def served(self, client: str, purpose: str, moment: datetime) -> bool:
        """Whether it was open to a client's request for a purpose at a moment."""
        return (
            self.purpose == purpose
            and self.client in (None, client)
            and self.opened_at <= moment
            and (self.closed_at is None or moment < self.closed_at)
        )


@dataclass(frozen=True)
class Standing:
    """A request's case, as far as conditions go: ``entities`` of the subject asked about."""

    is_open: bool = False
    entities: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Opening:
    """A case to be registered; ``client`` None: all of the department may ask in it."""

    number: str
    department: str
    purpose: str
    client: str | None
    opened_by: str


def standing(
    connection: Connection, department: str, client: str, about: tuple[str, str], subject: str
) -> Standing:
    """What the register says of ``about`` (case number and purpose) to a client's request for
    ``subject``.
    """
    number, purpose = about
    case = connection.execute(
        select(CaseRegister.id).where(
            CaseRegister.department == department,
            CaseRegister.number == number,
            CaseRegister.purpose == purpose,
            CaseRegister.closed_at.is_(None),
            or_(CaseRegister.client.is_(None), CaseRegister.client == client),
        )
    ).scalar_one_or_none()
    if case is None:
        return Standing()
    entities = connection.execute(
        select(CaseSubject.entity).where(CaseSubject.case == case, CaseSubject.subject == subject)
    ).scalars()
    return Standing(True, frozenset(entities))


def open_case(
    connection: Connection, opening: Opening, entities: Mapping[str, Iterable[str]], now: datetime
) -> None:
    """Registers a case about entities (by subject).

    Raises:
        CaseKnown: the number was used before.
    """
    made = connection.execute(
        upsert(CaseRegister)
        .values(**vars(opening), opened_at=now)
        .on_conflict_do_nothing()
        .returning(CaseRegister.id)
    ).scalar_one_or_none()
    if made is None:
        raise CaseKnown(number=opening.number)
    rows = [
        {"case": made, "subject": subject, "entity": entity}
        for subject, found in entities.items()
        for entity in sorted(set(found))
    ]
    if rows:
        connection.execute(insert(CaseSubject), rows)


def close_case(connection: Connection, department: str, number: str, now: datetime) -> None:
    """Closes a case of a department.

    Raises:
        CaseUnknown: it has no such case, or no open one.
    """
    closed = connection.execute(
        update(CaseRegister)
        .where(
            CaseRegister.department == department,
            CaseRegister.number == number,
            CaseRegister.closed_at.is_(None),
        )
        .values(closed_at=now)
    )
    if closed.rowcount == 0:
        raise CaseUnknown(number=number)


def listed(
    connection: Connection, department: str, also_closed: bool, limit: int
) -> Sequence[Case]:
    """The cases of a department, the latest first."""
    query = select(CaseRegister).where(CaseRegister.department == department)
    if not also_closed:
        query = query.where(CaseRegister.closed_at.is_(None))
    rows = connection.execute(query.order_by(CaseRegister.id.desc()).limit(limit)).all()
    counts = connection.execute(
        select(CaseSubject.case, CaseSubject.subject, func.count())
        .where(CaseSubject.case.in_([row.id for row in rows]))
        .group_by(CaseSubject.case, CaseSubject.subject)
    ).all()
    return [
        Case(
            row.number, row.purpose, row.client, row.opened_at, row.closed_at,
            {subject: count for case, subject, count in counts if case == row.id},
        )
        for row in rows
    ]  # fmt: skip


def kept(connection: Connection, asked: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Kept]:
    """Of pairs of department and case number, those that are registered, open or closed."""
    pairs = set(asked)
    rows = connection.execute(
        select(CaseRegister, func.array_agg(CaseSubject.subject.distinct()).label("subjects"))
        .outerjoin(CaseSubject, CaseSubject.case == CaseRegister.id)
        .where(CaseRegister.number.in_([number for _, number in pairs]))
        .group_by(CaseRegister.id)
    )
    found = {
        (row.department, row.number): Kept(
            purpose=row.purpose,
            client=row.client,
            opened_at=row.opened_at,
            closed_at=row.closed_at,
            subjects=frozenset(row.subjects) - {None},
        )
        for row in rows
    }
    return {pair: case for pair, case in found.items() if pair in pairs}


def accounted(connection: Connection, asked: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Of pairs of department and case number, those that are registered, and all of departments
    that never registered a case: they keep no register here.
    """
    pairs = set(asked)
    departments = set(connection.execute(select(CaseRegister.department).distinct()).scalars())
    numbers = [number for department, number in pairs if department in departments]
    found = connection.execute(
        select(CaseRegister.department, CaseRegister.number).where(CaseRegister.number.in_(numbers))
    ).all()
    registered = {(row.department, row.number) for row in found}
    return {pair for pair in pairs if pair in registered or pair[0] not in departments}
