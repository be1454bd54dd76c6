"""Possible matches: records that may be somebody who is known, and wait for a steward's word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow.compute as pc

from hub.stewardship.material import Material, among
from hub.stewardship.sight import Sight
from reconcile.conflicts import Points, Stake, points
from reconcile.linkage.ledger import doubts
from reconcile.linkage.records import RELATED, columns

_EVEN = 0.5


@dataclass(frozen=True)
class Match:
    """A record, the entity it is in, and the one it may be as well. ``explanation``: attribute →
    how alike the two are in it.
    """

    dataset: str
    record: str
    entity: str
    other: str
    method: str
    score: float
    explanation: Mapping[str, str]
    points: Points


class Matches:
    """The possible matches of a subject that are still open."""

    def __init__(self, sight: Sight, material: Material, stakes: Mapping[str, Stake]) -> None:
        self._sight = sight
        self._material = material
        subject = sight.subject
        self._made_of = frozenset(
            part.name
            for related in columns(subject).related
            for part in (related.own, *related.gathering)
        )
        who = subject.keys or tuple(subject.attributes)
        # Who somebody is bears on every decision about them.
        self._stake = Stake(
            max(stakes[name].decisions for name in who),
            max(int(attribute.level) for attribute in subject.attributes.values()),
        )

    def search(self) -> list[Match]:
        """All within reach, those that matter most first."""
        who = self._sight.subject.keys or tuple(self._sight.subject.attributes)
        reach = self._sight.reach(who[0])
        found = [
            match
            for match in self._open()
            if reach is None or (match.entity in reach and match.other in reach)
        ]
        return sorted(found, key=lambda m: (-m.points.total, m.dataset, m.record, m.other))

    def about(self, entity: str) -> list[Match]:
        """Those that an entity or one of its records is part of."""
        return [match for match in self.search() if entity in (match.entity, match.other)]

    def told(self, matches: Sequence[Match]) -> list[dict[str, Any]]:
        """Matches as part of an answer: both sides of each, attribute by attribute."""
        people = {entity for match in matches for entity in (match.entity, match.other)}
        self._sight.place(people)
        known: dict[str, dict[str, str]] = defaultdict(dict)
        for row in self._material.golden({match.other for match in matches}):
            known[row["entity"]][row["attribute"]] = row["value"]
        said = self._said(matches)
        return [
            self._tell(match, said[match.dataset, match.record], known[match.other])
            for match in matches
        ]

    def _open(self) -> Iterable[Match]:
        ledger = self._material.judgements
        if ledger is None:
            return
        open_ones = doubts(ledger, limits=self._sight.hub.settings.limits)
        records = pc.field("record").isin(open_ones.column("record").combine_chunks())
        others = pc.field("entity").isin(open_ones.column("entity").combine_chunks())
        links = self._material.links.to_table(
            columns=["dataset", "record", "entity"], filter=records | others
        ).to_pylist()
        home = {(row["dataset"], row["record"]): row["entity"] for row in links}
        served = {row["entity"] for row in links}
        for row in open_ones.to_pylist():
            entity = home.get((row["dataset"], row["record"]))
            if entity is None or row["entity"] == entity or row["entity"] not in served:
                continue
            yield Match(
                dataset=row["dataset"],
                record=row["record"],
                entity=entity,
                other=row["entity"],
                method=row["method"],
                score=row["score"],
                explanation=orjson.loads(row["explanation"] or "{}"),
                points=points(self._stake, 0, _EVEN - abs(_EVEN - row["score"])),
            )

    def _said(self, matches: Sequence[Match]) -> dict[tuple[str, str], dict[str, str]]:
        """Record → what it says of each attribute."""
        said: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        wanted = among("entity", {match.entity for match in matches})
        wanted &= among("record", {match.record for match in matches})
        columns = ["dataset", "record", "attribute", "value"]
        for row in self._material.claims.to_table(columns=columns, filter=wanted).to_pylist():
            said[row["dataset"], row["record"]][row["attribute"]] = row["value"]
        return said

    def _tell(
        self, match: Match, said: Mapping[str, str], known: Mapping[str, str]
    ) -> dict[str, Any]:
        show, names = self._sight.show, self._sight.subject.attributes
        contract = self._sight.workspace.contracts.get(match.dataset)
        return {
            "dataset": match.dataset,
            "department": None if contract is None else contract.department,
            "entity": match.entity,
            "other": match.other,
            "method": match.method,
            "score": match.score,
            "points": match.points.total,
            "related": self._related(match),
            "attributes": [
                {
                    "attribute": name,
                    "record": show(name, said.get(name), match.entity),
                    "other": show(name, known.get(name), match.other),
                    "likeness": match.explanation.get(name),
                }
                for name in names
                if name in self._sight.attributes and (name in said or name in known)
            ],
        }

    def _related(self, match: Match) -> str | None:
        """Whether others of the two are in common: told to whom all that this is made of, names
        and what gathers people, is open of both.
        """
        both, found = {match.entity, match.other}, match.explanation.get(RELATED)
        if not self._made_of or not self._made_of <= self._sight.attributes:
            return None
        reaches = map(self._sight.reach, self._made_of)
        return found if all(reach is None or both <= reach for reach in reaches) else None
