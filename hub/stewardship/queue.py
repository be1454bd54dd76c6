"""The queue of stewards: what differs, ordered by what matters, and why it stands where it does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection

from catalog.standards import elements
from core.clock import today
from core.messages import LANGUAGES, say
from core.types import Status
from hub.serving.access import About
from hub.stewardship.material import Material
from hub.stewardship.sight import Shown, Sight
from hub.stewardship.stakes import stakes, uses
from policies.models import REVEAL
from reconcile.conflicts import Conflict, Points, days_since, points
from reconcile.conflicts.relations import relation
from reconcile.models import Ruling
from reconcile.rulings import State, deferred, standing


@dataclass(frozen=True)
class Search:
    """Which conflicts are wanted. ``status`` None: those in dispute, then the decided ones.
    ``group``: those with a claim in a group of this release. ``deferred``: also what was put off
    to a later day. ``skip``: how many of the first to leave out.
    """

    attribute: str | None = None
    status: str | None = None
    group: int | None = None
    deferred: bool = False
    limit: int = 20
    skip: int = 0

    @property
    def end(self) -> int:
        """How many of the first are needed."""
        return self.skip + self.limit


@dataclass(frozen=True)
class Placed:
    """A conflict in its place."""

    conflict: Conflict
    points: Points
    days: int
    deferred: bool
    proposed: int | None

    @property
    def place(self) -> tuple[Any, ...]:
        """By what it is ordered: put off last, in dispute first, then by points."""
        conflict = self.conflict
        settled = not conflict.in_dispute
        return (
            self.deferred, settled, -self.points.total, conflict.attribute, conflict.entity,
        )  # fmt: skip


class Queue:
    """The conflicts of one subject, for one look at them."""

    def __init__(self, sight: Sight, material: Material) -> None:
        self._sight = sight
        self._material = material
        self._today = today(sight.hub.clock)
        self._uses = uses(sight.workspace, sight.subject, self._today)
        self._stakes = stakes(sight.subject, self._uses)
        with sight.hub.engine.connect() as connection:
            name = sight.subject.subject
            self._deferred = deferred(connection, name, self._today)
            self._proposed = proposals(connection, name)

    def search(self, wanted: Search, members: Iterable[tuple[str, str]] | None) -> dict[str, Any]:
        """The conflicts that matter most: ``release, total, in_dispute, deferred, conflicts``.
        The answer is logged.

        Args:
            members: only these (entity, attribute).
        """
        placed, total = self._placed(wanted, None if members is None else frozenset(members))
        awake = [one for one in placed if wanted.deferred or not one.deferred]
        shown = sorted(awake, key=lambda one: one.place)[wanted.skip : wanted.end]
        self._sight.place(one.conflict.entity for one in shown)
        body = {
            "subject": self._sight.subject.subject,
            "release": self._material.number,
            "total": total,
            "in_dispute": sum(one.conflict.in_dispute for one in placed if not one.deferred),
            "deferred": sum(one.deferred for one in placed),
            "conflicts": self.told(shown),
        }
        about = About(rows={"answered": len(shown)}, release=self._material.number)
        return self._sight.give(body, about)

    def told(self, placed: Sequence[Placed]) -> list[dict[str, Any]]:
        """Conflicts as part of an answer."""
        keys = self._material.keys({p.conflict.entity for p in placed}, self._sight.attributes)
        return [self._tell(one, keys.get(one.conflict.entity)) for one in placed]

    def place(self, conflict: Conflict) -> Placed:
        """Where a conflict stands."""
        days = days_since(conflict.since, self._today)
        item = (conflict.entity, conflict.attribute)
        stake = self._stakes[conflict.attribute]
        return Placed(
            conflict=conflict,
            points=points(stake, days, self._material.reader.doubt(conflict)),
            days=days,
            deferred=item in self._deferred,
            proposed=self._proposed.get(item),
        )

    def _placed(
        self, wanted: Search, members: frozenset[tuple[str, str]] | None
    ) -> tuple[list[Placed], int]:
        """The conflicts to choose from, and how many there are in all. Decided ones are read
        only where those in dispute are not enough.
        """
        attributes = self._attributes(wanted.attribute)
        reach = self._sight.reach
        whole = all(reach(attribute) is None for attribute in attributes)
        first = wanted.status or Status.IN_DISPUTE.value
        found = self._chosen(self._material.conflicts(attributes, first, reach), members)
        total = len(found)
        if wanted.status is None:
            awake = sum(not one.deferred for one in found)
            if awake < wanted.end or members is not None or not whole:
                rest = self._material.decided(attributes, reach)
                found += self._chosen(rest, members)
                total = len(found)
            else:
                total = self._material.count(attributes)
        return found, total

    def _chosen(
        self, conflicts: Iterable[Conflict], members: frozenset[tuple[str, str]] | None
    ) -> list[Placed]:
        return [
            self.place(conflict)
            for conflict in conflicts
            if members is None or (conflict.entity, conflict.attribute) in members
        ]

    def _attributes(self, attribute: str | None) -> list[str]:
        if attribute is None:
            return sorted(self._sight.attributes)
        return [attribute] if attribute in self._sight.attributes else []

    def _tell(self, placed: Placed, key: tuple[str, str] | None) -> dict[str, Any]:
        conflict = placed.conflict
        entity, attribute = conflict.entity, conflict.attribute
        return {
            "entity": entity,
            "key": None if key is None else {"attribute": key[0], **self._show(*key, entity)},
            "attribute": attribute,
            "status": conflict.status,
            "served": self._show(attribute, conflict.value, entity),
            "claims": self._claims(conflict),
            "reason": reason(conflict.reason),
            "since": conflict.since,
            "points": _told(placed.points),
            "because": {
                **self._uses[attribute].told(),
                "level": self._sight.subject.attributes[attribute].level.name,
                "days": placed.days,
                "doubt": self._material.reader.doubt(conflict),
            },
            "deferred": placed.deferred,
            "proposed_ruling": placed.proposed,
        }

    def _claims(self, conflict: Conflict) -> list[dict[str, Any]]:
        """Who says what, those for the served value first. What a claim weighs is not told where
        it depends on the kind of the entity: another attribute tells that, which may be closed; nor
        where it depends on a value that is not shown as it is.
        """
        gists = self._material.reader.gists(conflict)
        attribute = conflict.attribute
        element = elements()[self._sight.subject.attributes[attribute].element]
        against = dict(self._material.reader.contested(conflict))
        weighs = attribute not in self._material.by_kind
        alike = attribute not in self._material.by_value
        told: list[dict[str, Any]] = []
        for said in conflict.claims:
            standard = against.get(said)
            how = None if standard is None else relation(element, said.value, standard)[0]
            contract = self._sight.workspace.contracts.get(said.dataset)
            shown = self._show(attribute, said.value, conflict.entity)
            weight = said.weight if weighs and (alike or shown["mask"] == REVEAL) else None
            told.append(
                {
                    "department": None if contract is None else contract.department,
                    "dataset": said.dataset,
                    **shown,
                    "as_of": said.as_of,
                    "weight": weight,
                    "supports": gists[said.value] == gists[conflict.value],
                    "relation": how,
                }
            )
        return sorted(
            told, key=lambda one: (not one["supports"], -(one["weight"] or 0), one["dataset"])
        )

    def _show(self, attribute: str, value: str | None, entity: str) -> Shown:
        return self._sight.show(attribute, value, entity)


def proposals(connection: Connection, subject: str) -> dict[tuple[str, str], int]:
    """Entity and attribute → the ruling that waits for a second person."""
    found = standing(connection, State.PROPOSED, Ruling.subject == subject)
    return {(row.entity or "", row.attribute or ""): row.number for row in found}


def reason(text: str) -> dict[str, Any]:
    """The reason of a decision: its code, and its words in each language."""
    fields = orjson.loads(text)
    code = fields.pop("code")
    return {"code": code, **{language: say(code, language, **fields) for language in LANGUAGES}}


def _told(found: Points) -> dict[str, float]:
    return {
        "total": found.total,
        "decisions": found.decisions,
        "sensitivity": found.sensitivity,
        "age": found.age,
        "doubt": found.doubt,
    }
