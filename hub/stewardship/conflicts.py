"""What stewards and operators can ask about conflicts: the list, one of them, groups, previews."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.clock import today
from core.errors import BadInput, HubError, NotFound
from core.messages import message
from hub.serving.access import About
from hub.stewardship.drafting import repair_of
from hub.stewardship.matches import Matches
from hub.stewardship.material import Material
from hub.stewardship.patterns import Patterns, Which
from hub.stewardship.queue import Queue, Search
from hub.stewardship.sight import Look, Sight
from hub.stewardship.stakes import stakes, uses
from hub.stewardship.wishes import Reading, Recode
from policies.models import REVEAL
from reconcile.conflicts import Repair
from reconcile.models import Ruling
from reconcile.rulings import in_force, resolved, standing

Enter = Callable[[Look], Sight]
"""How somebody is let in to look."""


class ConflictUnknown(NotFound):
    """The sources do not differ about an entity, or the caller may not know of it."""

    code = "conflict_unknown"


@dataclass(frozen=True)
class Preview:
    """A repair to try: that of a group of this release, or one that is given: how the claims of
    ``dataset`` about ``attribute`` are read.
    """

    group: int | None = None
    dataset: str | None = None
    attribute: str | None = None
    repair: Reading | None = None

    def content(self) -> dict[str, Any]:
        """All it says, as JSON."""
        repair = None if self.repair is None else self.repair.model_dump(mode="json")
        return {**vars(self), "repair": repair}


class Conflicts:
    """Answers about the conflicts of a release, each logged before it is given."""

    def __init__(self, enter: Enter) -> None:
        self._enter = enter

    def search(self, subject: str, wanted: Search) -> dict[str, Any]:
        """The conflicts that matter most (:meth:`hub.stewardship.queue.Queue.search`).

        Raises:
            SubjectUnknown, Forbidden, NotFound: there is nothing for the caller to see.
            BadInput: no such attribute.
        """
        named = None if wanted.attribute is None else (wanted.attribute,)
        sight = self._enter(Look("list_conflicts", subject, named, vars(wanted)))
        material = _material(sight)
        members = None
        if wanted.group is not None:
            found = Patterns(sight, material).grouping()[0].members
            members = [item for item, groups in found.items() if wanted.group in groups]
            if not members:
                sight.fail(NotFound(kind="group", name=wanted.group))
        return Queue(sight, material).search(wanted, members)

    def matches(self, subject: str, limit: int, skip: int = 0) -> dict[str, Any]:
        """The possible matches of records that matter most: ``total, matches``.

        Raises:
            As :meth:`search`.
        """
        sight = self._enter(
            Look("list_matches", subject, None, {"limit": limit, "skip": skip}, links=True)
        )
        material = _material(sight)
        matches = self._matches(sight, material)
        found = matches.search()
        shown = found[skip : skip + limit]
        body = {
            "subject": subject,
            "release": material.number,
            "total": len(found),
            "matches": matches.told(shown),
        }
        return sight.give(body, About(rows={"answered": len(shown)}, release=material.number))

    def show(self, subject: str, entity: str, attribute: str | None) -> dict[str, Any]:
        """All conflicts and possible matches of one entity – or its conflict about one attribute
        –, with how reliable each source is and what was ruled before.

        Raises:
            As :meth:`search`; ConflictUnknown: the sources of the entity do not differ.
        """
        named = None if attribute is None else (attribute,)
        content = {"entity": entity, "attribute": attribute}
        sight = self._enter(Look("show_conflict", subject, named, content, entity=entity))
        material = _material(sight)
        wanted = sight.attributes & (sight.attributes if attribute is None else {attribute})
        conflicts = [
            conflict
            for conflict in material.of(entity, wanted)
            if (reach := sight.reach(conflict.attribute)) is None or entity in reach
        ]
        matches = self._matches(sight, material)
        open_ones = matches.about(entity) if sight.links and attribute is None else []
        if not conflicts and not open_ones:
            sight.fail(ConflictUnknown())
        sight.place([entity])
        queue = Queue(sight, material)
        told = queue.told(sorted((queue.place(c) for c in conflicts), key=lambda one: one.place))
        for conflict in told:
            _add_reliability(conflict, material)
        body = {
            "subject": subject,
            "release": material.number,
            "entity": entity,
            "conflicts": told,
            "matches": matches.told(open_ones),
            "rulings": _rulings(sight, entity, wanted),
        }
        rows = {"conflicts": len(told), "matches": len(open_ones)}
        return sight.give(body, About(rows=rows, release=material.number))

    def groups(self, subject: str, wanted: Which) -> dict[str, Any]:
        """Conflicts that are alike (:meth:`hub.stewardship.patterns.Patterns.search`).

        Raises:
            As :meth:`search`; BadInput: no such dataset.
        """
        sight = self._enter(Look("group_conflicts", subject, None, vars(wanted)))
        return Patterns(sight, _material(sight)).search(wanted)

    def preview(self, subject: str, wanted: Preview) -> dict[str, Any]:
        """What a repair would change (:meth:`hub.stewardship.patterns.Patterns.preview`).

        Raises:
            As :meth:`search`; ClaimMissing, RulingImpossible, BadInput: a repair that is none.
        """
        named = None if wanted.attribute is None else (wanted.attribute,)
        sight = self._enter(Look("preview_repair", subject, named, wanted.content()))
        own = (wanted.dataset, wanted.attribute, wanted.repair)
        if wanted.group is not None and own != (None, None, None):
            sight.fail(BadInput(field="group", rule=message("rule_group_alone")))
        material = _material(sight)
        patterns = Patterns(sight, material)
        given = _own(sight, wanted) if wanted.group is None else patterns.find(wanted.group)
        with sight.hub.engine.connect() as connection:
            ruled = in_force(connection, sight.hub.keys, subject)
        return patterns.preview(given, resolved(ruled, material.links))

    @staticmethod
    def _matches(sight: Sight, material: Material) -> Matches:
        used = uses(sight.workspace, sight.subject, today(sight.hub.clock))
        return Matches(sight, material, stakes(sight.subject, used))


def proposed_repair(sight: Sight, group: int) -> Repair:
    """The repair proposed for a group of the current release, for a ruling to be made of it.

    Raises:
        NotFound, BadInput: there is none.
    """
    return Patterns(sight, _material(sight)).find(group)


def _material(sight: Sight) -> Material:
    """What the current release holds of the subject; that there is none is logged."""
    try:
        return Material(sight.hub, sight.subject.subject)
    except HubError as error:
        sight.fail(error)


def _own(sight: Sight, wanted: Preview) -> Repair:
    """The repair that is given."""
    if wanted.dataset is None or wanted.attribute is None or wanted.repair is None:
        sight.fail(BadInput(field="group", rule=message("rule_group_or_repair")))
    if wanted.attribute not in sight.attributes:
        sight.fail(BadInput(field="attribute", rule=message("rule_nothing_seen")))
    # How many claims a value of one's own choosing meets tells what a mask hides.
    seen = sight.show(wanted.attribute, None, None)["mask"] == REVEAL
    if isinstance(wanted.repair, Recode) and not seen:
        sight.fail(BadInput(field="repair", rule=message("rule_masked_for_you")))
    try:
        return repair_of(sight.subject, wanted.dataset, wanted.attribute, wanted.repair)
    except HubError as error:
        sight.fail(error)


def _add_reliability(conflict: dict[str, Any], material: Material) -> None:
    """Beside each claim, how often its dataset is right about the attribute, and whom it copies."""
    known = {
        row["dataset"]: row
        for row in material.sources.to_pylist()
        if row["attribute"] == conflict["attribute"] and row.get("kind") is None
    }
    for claim in conflict["claims"]:
        source = known.get(claim["dataset"], {})
        claim["reliability"] = source.get("reliability")
        claim["copies_from"] = source.get("copies_from")


def _rulings(sight: Sight, entity: str, attributes: Any) -> list[dict[str, Any]]:
    """What was ruled about the entity, without values and reasons."""
    name = sight.subject.subject
    with sight.hub.engine.connect() as connection:
        about = (Ruling.subject == name, Ruling.entity == entity)
        found = standing(connection, None, *about)
    return [
        {
            "number": row.number,
            "kind": row.kind,
            "attribute": row.attribute,
            "state": row.state,
            "since": row.since.isoformat(),
            "by": row.person,
            "until": None if row.until is None else row.until.isoformat(),
        }
        for row in found
        if row.attribute is None or row.attribute in attributes
    ]
