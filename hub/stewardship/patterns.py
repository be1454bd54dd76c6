"""Groups of conflicts that are alike, and what a repair would do about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from core.engine import connect, scan
from core.errors import BadInput, HubError, NotFound
from core.messages import message
from hub.serving.access import About, repair_shown
from hub.serving.office import no_attribute
from hub.stewardship.material import MOST, Material
from hub.stewardship.sight import Shown, Sight
from reconcile.conflicts import (
    Basis,
    Change,
    Effect,
    Example,
    Group,
    Grouping,
    Repair,
    effect,
    grouped,
)


@dataclass(frozen=True)
class Which:
    """Which groups are wanted: of an attribute, of a dataset; ``proposed``: only those that a
    repair could settle; without the first ``skip``.
    """

    attribute: str | None = None
    dataset: str | None = None
    proposed: bool = False
    limit: int = 20
    skip: int = 0


class Patterns:
    """The groups of one subject, for one look at them."""

    def __init__(self, sight: Sight, material: Material) -> None:
        self._sight = sight
        self._material = material

    def search(self, wanted: Which) -> dict[str, Any]:
        """The groups, those that a repair could settle first: ``release, conflicts, sampled,
        contested, total, groups``. The answer is logged.

        Raises:
            BadInput: there is no such attribute or dataset, or nothing of it may be seen.
        """
        self._check(wanted)
        grouping, conflicts, sampled = self.grouping()
        chosen = [
            group
            for group in grouping.groups
            if wanted.attribute in (None, group.attribute)
            and wanted.dataset in (None, group.dataset)
            and (group.repair is not None or not wanted.proposed)
        ]
        shown = chosen[wanted.skip : wanted.skip + wanted.limit]
        self._sight.place(example.entity for group in shown for example in group.examples)
        body = {
            "subject": self._sight.subject.subject,
            "release": self._material.number,
            "conflicts": conflicts,
            "sampled": sampled,
            "contested": grouping.contested,
            "total": len(chosen),
            "groups": [self._tell(group) for group in shown],
        }
        rows = {"answered": len(shown)}
        return self._sight.give(body, About(rows=rows, release=self._material.number))

    def _check(self, wanted: Which) -> None:
        # The look is not confined to an attribute: groups keep their numbers.
        subject, attribute = self._sight.subject, wanted.attribute
        if attribute is not None and attribute not in subject.attributes:
            self._sight.fail(no_attribute(subject.subject, attribute))
        if attribute is not None and attribute not in self._sight.attributes:
            self._sight.fail(BadInput(field="attribute", rule=message("rule_nothing_seen")))
        if wanted.dataset is not None and wanted.dataset not in subject.feeds:
            rule = message("rule_feeds_not", dataset=wanted.dataset)
            self._sight.fail(BadInput(field="dataset", rule=rule))

    def grouping(self) -> tuple[Grouping, int, bool]:
        """All groups within reach, of how many conflicts, and whether those are a sample."""
        attributes = self._sight.attributes
        total = self._material.count(attributes)
        share = MOST / total if total > MOST else 1.0
        conflicts = self._material.conflicts(attributes, None, self._sight.reach)
        engine = connect(self._sight.hub.settings.limits)
        claims = self._claims(engine)
        if share < 1:
            # Ids are digests: those below a bound are as good as drawn by lot.
            bound = f"{int(share * 16**6):06x}"
            conflicts = [conflict for conflict in conflicts if conflict.entity < bound]
            claims = claims.filter(claims.entity < bound)
        try:
            made = grouped(engine, self._sight.subject, conflicts, claims)
        finally:
            engine.disconnect()
        return made, len(conflicts), share < 1

    def find(self, number: int) -> Repair:
        """The repair that is proposed for a group of this release.

        Raises:
            NotFound: there is no such group within reach.
            BadInput: no repair is proposed for it.
        """
        group = next((g for g in self.grouping()[0].groups if g.number == number), None)
        if group is None:
            self._sight.fail(NotFound(kind="group", name=number))
        if group.repair is None:
            self._sight.fail(BadInput(field="group", rule=message("rule_no_repair")))
        return Repair(group.dataset, group.attribute, group.repair)

    def preview(self, repair: Repair, rulings: pa.Table) -> dict[str, Any]:
        """What a repair would do: its counts, with some of the golden values that would change.
        The answer is logged.

        Args:
            rulings: those in force, resolved: they win over whatever a repair makes of a claim.
        """
        engine = connect(self._sight.hub.settings.limits)
        basis = Basis(self._claims(engine), self._material.day, self._material.sources, rulings)
        try:
            found = effect(engine, self._sight.subject, basis, repair)
        except HubError as error:
            self._sight.fail(error)
        finally:
            engine.disconnect()
        self._sight.place(change.entity for change in found.examples)
        body = {
            "subject": self._sight.subject.subject,
            "release": self._material.number,
            "dataset": repair.dataset,
            "attribute": repair.attribute,
            "repair": self._repair(repair.attribute, repair.repair),
            **_counts(found),
            "examples": [self._change(change) for change in found.examples],
        }
        rows = {"tried": found.tried, "answered": len(found.examples)}
        return self._sight.give(body, About(rows=rows, release=self._material.number))

    def _claims(self, engine: BaseBackend) -> ir.Table:
        """The claims within reach."""
        rows = scan(engine, self._material.claims)
        limited: dict[frozenset[str], list[str]] = {}
        for attribute in sorted(self._sight.attributes):
            reach = self._sight.reach(attribute)
            if reach is not None:
                limited.setdefault(reach, []).append(attribute)
        closed = [name for names in limited.values() for name in names]
        parts = [rows.filter(rows.attribute.notin(closed))] if closed else [rows]
        for reach, names in limited.items():
            inside = ibis.memtable(pa.table({"entity": pa.array(sorted(reach), pa.string())}))
            parts.append(rows.filter(rows.attribute.isin(names)).semi_join(inside, "entity"))
        return reduce(lambda left, right: left.union(right), parts)

    def _tell(self, group: Group) -> dict[str, Any]:
        contract = self._sight.workspace.contracts.get(group.dataset)
        return {
            "number": group.number,
            "attribute": group.attribute,
            "dataset": group.dataset,
            "department": None if contract is None else contract.department,
            "relation": group.relation,
            "said": self._of_nobody(group.attribute, group.said),
            "others": self._of_nobody(group.attribute, group.others),
            "factor": group.factor,
            "count": group.count,
            "disputed": group.disputed,
            "of_contested": group.of_contested,
            "of_claims": group.of_claims,
            "fits": group.fits,
            "repair": None if group.repair is None else self._repair(group.attribute, group.repair),
            "examples": [self._example(group.attribute, example) for example in group.examples],
        }

    def _example(self, attribute: str, example: Example) -> dict[str, Any]:
        return {
            "entity": example.entity,
            "says": self._sight.show(attribute, example.value, example.entity),
            "others": self._sight.show(attribute, example.standard, example.entity),
        }

    def _change(self, change: Change) -> dict[str, Any]:
        return {
            "entity": change.entity,
            "attribute": change.attribute,
            "before": self._sight.show(change.attribute, change.before, change.entity),
            "after": self._sight.show(change.attribute, change.after, change.entity),
        }

    def _repair(self, attribute: str, repair: Any) -> dict[str, Any]:
        return repair_shown(repair, lambda text: self._of_nobody(attribute, text))

    def _of_nobody(self, attribute: str, value: str | None) -> Shown | None:
        return None if value is None else self._sight.show(attribute, value, None)


def _counts(found: Effect) -> dict[str, int]:
    return {
        name: getattr(found, name)
        for name in (
            "claims", "entities", "tried", "changed", "vanished", "appeared", "settled", "unsettled",
        )
    }  # fmt: skip
