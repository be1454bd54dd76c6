"""Reading golden records of the current release or of an earlier one, within what a grant reaches.

One statement reads release number and records together, so that an answer is of one release.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg_pool import AsyncConnectionPool

from catalog.standards.several import SEPARATOR
from catalog.subjects import Subject
from core.clock import end_of_day
from core.errors import HubError
from core.keys import KeyRing
from policies.decide import Grant
from policies.scope import ALL, Scope, widest
from reconcile.releases import Kept, is_sealed, key_kind, open_record

_SELECT = """
SELECT n.number, r.entity, r.region, r.plain, r.sealed
FROM (SELECT max(number) AS number FROM release) n
LEFT JOIN LATERAL (
    SELECT entity, region, plain, sealed FROM golden_record g
    WHERE g.subject = %s AND g.closed IS NULL{conditions}
    ORDER BY g.entity LIMIT %s
) r ON true
"""
_SELECT_PAST = """
SELECT n.number, r.entity, r.region, r.plain, r.sealed
FROM (SELECT number FROM release WHERE number = {number}) n
LEFT JOIN LATERAL (
    SELECT entity, region, plain, sealed FROM golden_record g
    WHERE g.subject = %s AND g.opened <= {number} AND g.closed IS NULL{conditions}
    UNION ALL
    SELECT entity, region, plain, sealed FROM golden_record g
    WHERE g.subject = %s AND g.opened <= {number} AND g.closed > {number}{conditions}
    ORDER BY entity LIMIT %s
) r ON true
"""  # one branch for each index: of records that are current, and of those that were
_CURRENT = "k.closed IS NULL"
_PAST = "k.opened <= {number} AND (k.closed IS NULL OR k.closed > {number})"
_SERVED_ON = "SELECT max(number) FROM release WHERE published_at < %s"
_COVERAGE = """
SELECT ARRAY(SELECT jsonb_object_keys(manifest -> 'subjects')),
       ARRAY(SELECT jsonb_object_keys(manifest -> 'datasets'))
FROM release ORDER BY number DESC LIMIT 1
"""
_IN_REGION = "g.region = ANY(%s)"
_OF_ENTITIES = "g.entity = ANY(%s)"
_BY_KEY = (
    " AND g.entity IN (SELECT k.entity FROM golden_key k WHERE k.subject = g.subject"
    " AND k.attribute = %s AND k.digest = ANY(%s) AND {held})"
)
_BY_VALUE = " AND g.plain -> %s ->> 0 = ANY(%s)"
_BY_MEMBER = f" AND string_to_array(g.plain -> %s ->> 0, '{SEPARATOR}') && %s::text[]"


class CheckTooLarge(HubError):
    """More records belong to those asked about than one check reads."""

    code = "check_too_large"
    status = 409


@dataclass(frozen=True)
class Record:
    """A golden record, opened: attribute → value, status, dataset, as_of, confidence."""

    entity: str
    region: str | None
    cells: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Found:
    """Records of one release. ``release`` None: there is no such release, or none at all."""

    release: int | None
    records: tuple[Record, ...]


class Reader:
    """Reads golden records for whoever holds a grant."""

    def __init__(self, pool: AsyncConnectionPool[Any], keys: KeyRing) -> None:
        self._pool = pool
        self._keys = keys

    async def find(
        self,
        grant: Grant,
        subject: Subject,
        where: Mapping[str, Sequence[str]],
        limit: int,
        release: int | None = None,
    ) -> Found:
        """Records within the grant's scopes whose attributes each have one of the given
        canonical values, or it among others: those of a release, or of the current one (None).
        """
        return await self._read(subject, grant.scopes, where, limit, release)

    async def served_on(self, day: date) -> int | None:
        """The number of the release that was served at the end of a day; None before the first."""
        end = end_of_day(day)
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_SERVED_ON, (end,))).fetchone()
        return None if row is None else row[0]

    async def related(
        self, grant: Grant, subject: Subject, attribute: str, values: Sequence[str]
    ) -> Found:
        """All records that belong to those a check is about, wherever they lie.

        Raises:
            ValueError: the grant is not one to run a check.
            CheckTooLarge: there are too many to be sure of.
        """
        if grant.action != "check":
            raise ValueError("only a check reads beyond a grant's scope")
        found = await self._read(subject, (ALL,), {attribute: values}, _MOST_RELATED + 1)
        if len(found.records) > _MOST_RELATED:
            raise CheckTooLarge(subject=subject.subject, most=_MOST_RELATED)
        return found

    async def coverage(self) -> tuple[frozenset[str], frozenset[str]]:
        """The subjects and the datasets that the current release was made of."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_COVERAGE)).fetchone()
        return (frozenset(), frozenset()) if row is None else (frozenset(row[0]), frozenset(row[1]))

    async def _read(
        self,
        subject: Subject,
        scopes: Sequence[Scope],
        where: Mapping[str, Sequence[str]],
        limit: int,
        release: int | None = None,
    ) -> Found:
        held = _CURRENT if release is None else _PAST
        conditions, within = _inside(scopes)
        parameters: list[Any] = [subject.subject, *within]
        for attribute, values in where.items():
            condition, extra = self._condition(subject, attribute, values)
            conditions += condition.format(held=held.format(number=release))
            parameters += extra
        query = _SELECT.format(conditions=conditions)
        if release is not None:
            query = _SELECT_PAST.format(number=int(release), conditions=conditions)
            parameters *= 2
        async with self._pool.connection() as connection:
            cursor = await connection.execute(query, (*parameters, limit))
            rows = await cursor.fetchall()
        records = tuple(self._open(subject, row) for row in rows if row[1] is not None)
        return Found(rows[0][0] if rows else None, records)

    def _condition(
        self, subject: Subject, attribute: str, values: Sequence[str]
    ) -> tuple[str, list[Any]]:
        if attribute in subject.lookups:
            kind = key_kind(subject.subject, attribute)
            return _BY_KEY, [attribute, [self._keys.blind_index(kind, v) for v in values]]
        if is_sealed(subject.attributes[attribute]):
            raise ValueError("a sealed attribute that is no lookup cannot be searched by")
        by = _BY_MEMBER if subject.attributes[attribute].many else _BY_VALUE
        return by, [attribute, list(values)]

    def _open(self, subject: Subject, row: tuple[Any, ...]) -> Record:
        _, entity, region, plain, sealed = row
        kept = Kept(entity, region, plain, sealed)
        cells = open_record(self._keys, subject.subject, kept)
        return Record(entity, region, cells)


def is_findable(subject: Subject, attribute: str) -> bool:
    """Whether records can be found by an attribute: it is a lookup, or it is not sealed."""
    return attribute in subject.lookups or not is_sealed(subject.attributes[attribute])


def _inside(scopes: Sequence[Scope]) -> tuple[str, list[list[str]]]:
    """SQL for the records that lie in one of the scopes at least, and its parameters."""
    ways: list[str] = []
    parameters: list[list[str]] = []
    for scope in widest(scopes):
        if scope.is_all:
            return "", []
        limits = ((_IN_REGION, scope.codes), (_OF_ENTITIES, scope.entities))
        some = [(condition, values) for condition, values in limits if values is not None]
        ways.append(" AND ".join(condition for condition, _ in some))
        parameters += [sorted(values) for _, values in some]
    return f" AND ({' OR '.join(ways) or 'false'})", parameters


_MOST_RELATED = 1000
