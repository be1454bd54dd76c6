"""Scopes: over which records a grant reaches, the same in SQL and in Python."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    SQLColumnExpression,
    String,
    and_,
    any_,
    false,
    literal,
    or_,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from catalog.directory import Regions


@dataclass(frozen=True, slots=True)
class Scope:
    """All records, or those of a region and everything below it, or those of certain entities,
    or those that are both.

    ``region``: its code; None stands for all. ``codes``: the regions inside; None stands for
    all. A record whose region is not known lies in no region. ``entities``: the entities inside,
    such as those of the caller's open cases; None stands for all.
    """

    region: str | None
    codes: frozenset[str] | None
    entities: frozenset[str] | None = None

    @property
    def is_all(self) -> bool:
        """Whether every record lies inside."""
        return self.codes is None and self.entities is None

    @property
    def name(self) -> str:
        """What the log calls it: the region's code, ``own_cases``, both, or ``all``. Never an
        entity.
        """
        parts = [] if self.codes is None else [self.region or "-"]
        if self.entities is not None:
            parts.append("own_cases")
        return "&".join(parts) or "all"

    def contains(self, region: str | None, entity: str | None = None) -> bool:
        """Whether the record of ``entity``, which lies in ``region``, is inside."""
        return (self.codes is None or region in self.codes) and (
            self.entities is None or entity in self.entities
        )

    def covers(self, other: Scope) -> bool:
        """Whether every record inside ``other`` lies inside this, whatever records there are."""
        if frozenset() in (other.codes, other.entities):
            return True
        return _holds(self.codes, other.codes) and _holds(self.entities, other.entities)

    def within(self, other: Scope) -> Scope:
        """The records that lie inside both."""
        region = other.region if self.codes is None else self.region
        return Scope(region, _both(self.codes, other.codes), _both(self.entities, other.entities))

    def condition(
        self, region: SQLColumnExpression[Any], entity: SQLColumnExpression[Any]
    ) -> ColumnElement[bool]:
        """:meth:`contains` as SQL over the columns of region codes and of entities. Either travels
        as one parameter, so that thousands of grids make no longer statement than one.
        """
        return and_(true(), _among(region, self.codes), _among(entity, self.entities))


ALL = Scope(None, None)


def subtree(region: str, regions: Regions) -> Scope:
    """The region and everything below it; a region that is not registered has nothing."""
    return Scope(region, regions.subtree(region))


def cases(entities: frozenset[str]) -> Scope:
    """The records of those entities."""
    return Scope(None, None, entities)


def widest(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """The scopes without those that lie inside another of them."""
    found: list[Scope] = []
    for scope in scopes:
        if not any(other.covers(scope) for other in found):
            found = [other for other in found if not scope.covers(other)] + [scope]
    return tuple(found)


def condition_of(
    scopes: Iterable[Scope], region: SQLColumnExpression[Any], entity: SQLColumnExpression[Any]
) -> ColumnElement[bool]:
    """SQL for the records that lie in at least one of the scopes."""
    found = tuple(scopes)
    if any(scope.is_all for scope in found):
        return true()
    return or_(false(), *(scope.condition(region, entity) for scope in found))


def _holds(outer: frozenset[str] | None, inner: frozenset[str] | None) -> bool:
    # The same set is the usual case, and thousands of grids are long to compare.
    return outer is None or (inner is not None and (inner is outer or inner <= outer))


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None:
        return other
    return one if other is None or other is one else one & other


def _among(column: SQLColumnExpression[Any], values: frozenset[str] | None) -> ColumnElement[bool]:
    if values is None:
        return true()
    return column == any_(literal(sorted(values), ARRAY(String))) if values else false()
