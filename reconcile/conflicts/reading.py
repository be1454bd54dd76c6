"""Conflicts as they stand in the lake, read for people: who says what, against what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from functools import lru_cache
from math import exp
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import orjson
import pyarrow as pa
from ibis.backends import BaseBackend

from catalog.standards import elements
from catalog.subjects import Subject
from core.engine import Data, scan
from core.types import Status
from reconcile.fusion.details import finest, tells_less
from reconcile.fusion.gather import TableLike, as_table

_HIGHEST = 50.0  # nats: past this a value is as good as certain
_REMEMBERED = 1 << 16


class Said(NamedTuple):
    """What one dataset says. ``weight``: what that adds for the value, in nats."""

    dataset: str
    value: str
    as_of: str | None
    weight: float


class Conflict(NamedTuple):
    """A value on which datasets differ. ``claims`` are ordered by dataset; ``since`` is the day
    of the run that first found it (None: not told); ``reason`` is JSON.
    """

    entity: str
    attribute: str
    status: str
    value: str
    reason: str
    claims: tuple[Said, ...]
    since: str | None

    @property
    def in_dispute(self) -> bool:
        """Whether the sources are close to even."""
        return self.status == Status.IN_DISPUTE


def carried(
    engine: BaseBackend,
    conflicts: TableLike,
    before: ir.Table | Data | None,
    as_of: date,
) -> ir.Table:
    """``conflicts`` with the column ``since``: the ISO day of the run that first found them.

    Args:
        conflicts: what fusion gives; its other columns are kept as they are.
        before: the conflicts of the run before; those that have no ``since``, as of an older
            lake, begin at ``as_of``, like those that went away and came back.
    """
    rows = as_table(conflicts)
    day = as_of.isoformat()
    if before is None or "since" not in (known := scan(engine, before)).columns:
        return rows.mutate(since=ibis.literal(day))
    known = known.select("entity", "attribute", known_since=known.since)
    joined = rows.left_join(known, ["entity", "attribute"])
    return joined.select(*rows.columns, since=ibis.coalesce(joined.known_since, ibis.literal(day)))


def read(table: pa.Table) -> list[Conflict]:
    """The rows of a conflicts table, in an order that does not depend on how it was written."""
    empty = pa.nulls(len(table), pa.string())
    names = ("entity", "attribute", "status", "value", "reason", "claims", "since")
    columns = [
        (table.column(name) if name in table.column_names else empty).to_pylist() for name in names
    ]
    return sorted(
        Conflict(entity, attribute, status, value, reason, _said(claims), since)
        for entity, attribute, status, value, reason, claims, since in zip(*columns, strict=True)
    )


def _said(claims: str) -> tuple[Said, ...]:
    return tuple(
        Said(c["dataset"], c["value"], c["as_of"], c["weight"]) for c in orjson.loads(claims)
    )


class Reader:
    """Tells which values of a subject mean the same, and against what each claim stands."""

    def __init__(self, subject: Subject) -> None:
        self._elements = {
            name: elements()[attribute.element] for name, attribute in subject.attributes.items()
        }
        self._gist = {
            name: lru_cache(_REMEMBERED)(element.gist) for name, element in self._elements.items()
        }

    def gists(self, conflict: Conflict) -> dict[str, str]:
        """Each value of a conflict, the served one among them → what those that mean the same
        have in common.
        """
        element, gist = self._elements[conflict.attribute], self._gist[conflict.attribute]
        values = (conflict.value, *(said.value for said in conflict.claims))
        found = {value: gist(value) for value in values}
        if conflict.status == Status.RULED:
            ruled = found[conflict.value]
            return {v: ruled if tells_less(element, g, ruled) else g for v, g in found.items()}
        more = finest(element, set(found.values()))
        return {value: more.get(gist, gist) for value, gist in found.items()}

    def _standard(self, conflict: Conflict, gists: Mapping[str, str]) -> str:
        """What the claims of a conflict are measured by: the served value, unless only one
        dataset says so and two or more agree on another that outweighs it. So a designated
        source that errs alone is seen to err, although its value is the one that counts.
        """
        if conflict.status == Status.RULED:
            return conflict.value
        served = gists[conflict.value]
        camps = _camps(conflict, gists)
        if len(camps.get(served, ())) != 1:
            return conflict.value
        mine = sum(said.weight for said in camps[served])
        rivals = [
            (round(sum(s.weight for s in camp), 6), gist)
            for gist, camp in camps.items()
            if gist != served and len(camp) > 1
        ]
        weight, gist = max(rivals, default=(0.0, ""))
        if weight <= mine:
            return conflict.value
        own = self._gist[conflict.attribute]
        said = max(camps[gist], key=lambda s: (own(s.value) == gist, len(s.value), s.value))
        return said.value

    def contested(self, conflict: Conflict) -> Iterator[tuple[Said, str]]:
        """The claims that do not say what the standard says, each with the standard."""
        gists = self.gists(conflict)
        standard = self._standard(conflict, gists)
        for said in conflict.claims:
            if gists[said.value] != gists[standard]:
                yield said, standard

    def doubt(self, conflict: Conflict) -> float:
        """How likely the served value is wrong, by the weights of all claims: from 0 to 1. What
        was ruled is not doubted, whatever the sources say.
        """
        if conflict.status == Status.RULED:
            return 0.0
        gists = self.gists(conflict)
        served, camps = gists[conflict.value], _camps(conflict, gists)
        scores = {g: sum(s.weight for s in camp) for g, camp in camps.items()}
        odds = {gist: exp(min(score, _HIGHEST)) for gist, score in scores.items()}
        return round(1 - odds.get(served, 0.0) / sum(odds.values()), 4) if odds else 0.0


def _camps(conflict: Conflict, gists: Mapping[str, str]) -> dict[str, list[Said]]:
    """Gist → those who say so."""
    camps: dict[str, list[Said]] = defaultdict(list)
    for said in conflict.claims:
        camps[gists[said.value]].append(said)
    return camps
