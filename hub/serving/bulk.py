"""Reading many golden records within a grant, a few thousand at a time: for files and counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    LargeBinary,
    Row,
    Select,
    Text,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
)

from catalog.standards.several import SEPARATOR
from catalog.subjects import Subject
from core.keys import KeyRing
from hub.serving.reading import Record
from policies.decide import Grant
from policies.scope import condition_of
from reconcile.models import GoldenKey, GoldenRecord, Release
from reconcile.releases import Kept, ReleaseMissing, is_sealed, key_kind, open_record

BATCH = 2_000
"""Records held at a time."""


@dataclass(frozen=True)
class Selection:
    """Which records of a subject: those of a release whose attributes each have one of the given
    canonical values, and that lie in one of ``regions`` (None: anywhere).
    """

    subject: Subject
    release: int
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    regions: frozenset[str] | None = None


@dataclass(frozen=True)
class Page:
    """At most ``most`` records after the place ``after``, in an order that only ``secret``
    tells: two consumers cannot join their files row by row.
    """

    secret: bytes
    most: int
    after: bytes | None = None


def newest(connection: Connection) -> int:
    """The number of the current release.

    Raises:
        ReleaseMissing: there is none.
    """
    found: int | None = connection.execute(select(func.max(Release.number))).scalar()
    if found is None:
        raise ReleaseMissing
    return found


class Bulk:
    """Reads golden records for whoever holds a grant."""

    def __init__(self, connection: Connection, keys: KeyRing) -> None:
        self._connection = connection
        self._keys = keys

    def records(self, grant: Grant, selection: Selection) -> Iterator[Record]:
        """All records within the grant's scopes that are selected, in no order."""
        for row in self._rows(self._query(grant, selection)):
            yield self._open(selection.subject, row)

    def page(
        self, grant: Grant, selection: Selection, page: Page
    ) -> Iterator[tuple[bytes, Record]]:
        """The records of a page, each with its place."""
        secret = func.convert_to(literal(page.secret.hex()) + GoldenRecord.entity, "UTF8")
        place = func.sha256(secret, type_=LargeBinary)
        query = self._query(grant, selection).add_columns(place.label("place"))
        if page.after is not None:
            query = query.where(place > page.after)
        for row in self._rows(query.order_by(place).limit(page.most)):
            yield bytes(row.place), self._open(selection.subject, row)

    def counts(
        self, grant: Grant, selection: Selection, attributes: Sequence[str]
    ) -> Iterator[tuple[tuple[str | None, ...], int]]:
        """How many of the records have which canonical values of attributes that are not sealed."""
        if any(is_sealed(selection.subject.attributes[name]) for name in attributes):
            raise ValueError("a sealed attribute is counted record by record")
        values = [
            GoldenRecord.plain[name][0].astext.label(f"v{i}") for i, name in enumerate(attributes)
        ]
        held = self._query(grant, selection).with_only_columns(*values).subquery()
        columns = list(held.c)
        for row in self._rows(select(*columns, func.count().label("count")).group_by(*columns)):
            yield tuple(row)[:-1], row._mapping["count"]

    def _rows(self, query: Select[Any]) -> Iterator[Row[Any]]:
        # A cursor of the server's: the client never holds more than a batch.
        found = self._connection.execution_options(yield_per=BATCH).execute(query)
        yield from found

    def _query(self, grant: Grant, selection: Selection) -> Select[Any]:
        record = GoldenRecord
        conditions = [
            record.subject == selection.subject.subject,
            _held(record, selection.release),
            condition_of(grant.scopes, record.region, record.entity),
        ]
        if selection.regions is not None:
            conditions.append(record.region.in_(sorted(selection.regions)))
        for attribute, values in selection.where.items():
            conditions.append(self._condition(selection, attribute, values))
        columns = (record.entity, record.region, record.plain, record.sealed)
        return select(*columns).where(*conditions)

    def _condition(
        self, selection: Selection, attribute: str, values: Sequence[str]
    ) -> ColumnElement[bool]:
        subject = selection.subject
        if attribute in subject.lookups:
            kind = key_kind(subject.subject, attribute)
            digests = [self._keys.blind_index(kind, value) for value in values]
            found = select(GoldenKey.entity).where(
                GoldenKey.subject == subject.subject,
                GoldenKey.attribute == attribute,
                GoldenKey.digest.in_(digests),
                _held(GoldenKey, selection.release),
            )
            return GoldenRecord.entity.in_(found)
        if is_sealed(subject.attributes[attribute]):
            raise ValueError("a sealed attribute that is no lookup cannot be searched by")
        shown: ColumnElement[str] = GoldenRecord.plain[attribute][0].astext
        if subject.attributes[attribute].many:
            members = func.string_to_array(shown, SEPARATOR)
            return members.op("&&")(cast(list(values), ARRAY(Text)))
        return shown.in_(list(values))

    def _open(self, subject: Subject, row: Row[Any]) -> Record:
        kept = Kept(row.entity, row.region, row.plain, row.sealed)
        return Record(row.entity, row.region, open_record(self._keys, subject.subject, kept))


def _held(table: type[GoldenRecord | GoldenKey], release: int) -> ColumnElement[bool]:
    """What was said in a release."""
    return and_(table.opened <= release, or_(table.closed.is_(None), table.closed > release))
