"""Statistics: counts of records by what the caller sees of them, small counts withheld."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from catalog.standards import elements
from catalog.standards.base import Invalid
from catalog.subjects import Subject
from core.errors import BadInput, HubError
from core.messages import message
from hub.audit.entries import KeyedDigests
from hub.serving.access import About, Access
from hub.serving.bulk import Bulk, Selection, newest
from hub.serving.disclosure import MOST_CELLS, TooFine, publishable
from hub.serving.notes import Call
from hub.serving.office import Office
from hub.serving.persons import numbered
from hub.serving.steps import ValueInvalid, asked_by, cells
from policies.decide import Denied, Grant, Reason, Tier
from policies.masking import Cell, MaskedRow, Masker
from policies.models import REVEAL, Action
from reconcile.releases import is_sealed

COARSE = frozenset({"year", "month", "band", "division"})
"""Masks (by their first word) that leave a coarser value: one may count by what they show. Others
hide it, or stand for it: counting by those would tell how often a hidden value occurs.
"""

MOST_DIMENSIONS = 3
_Groups = Counter[tuple[Hashable, ...]]


@dataclass(frozen=True)
class Question:
    """``by``: attributes to count by. ``where``: attribute → the value, as the caller sees it,
    that is to be counted alone. Together they are at most three.
    """

    by: tuple[str, ...]
    where: Mapping[str, str] = field(default_factory=dict)

    @property
    def items(self) -> tuple[str, ...]:
        """All attributes concerned."""
        return tuple(dict.fromkeys(chain(self.by, self.where)))


class Statistics:
    """Counts for all callers of a process, from any thread."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._hub = office.hub

    def count(self, call: Call, subject: str, question: Question) -> dict[str, Any]:
        """How many records there are per value, or combination of values, of ``question.by``.

        Whoever may ``query`` items may count by them: no group tells more than its records would,
        one by one. Records are counted only where all items may be seen.

        Raises:
            Forbidden, SubjectUnknown: the policy refuses, or shows an item only under a mask that
                hides it.
            TooFine, BadInput, ValueInvalid: what was asked cannot be.
            AuditUnavailable: the log cannot be written, so nothing is given.
        """
        items = question.items
        said = {"items": items, "by": question.by, "where": question.where}
        access = self._naming(subject, question).sharing(call, Action.QUERY, "count", subject, said)
        if not question.by or len(items) > MOST_DIMENSIONS:
            access.fail(BadInput(field="by", rule=message("rule_count_by")))
        described = access.rules.workspace.subjects[subject]
        access = access.under(_countable(access, items))
        try:
            wanted = _wanted(access.grant, described, question.where)
        except HubError as error:
            access.fail(error)
        access = access.spent(self._office.circumstances)
        try:
            release, counted = self._counted(access, described, items)
            shown = publishable(counted, len(items), described.small_count)
        except HubError as error:
            access.fail(error)
        groups = [
            {"values": dict(zip(question.by, cell, strict=False)), "count": count}
            for cell, count in sorted(shown.items(), key=lambda found: _order(found[0]))
            if all(cell[items.index(name)] == value for name, value in wanted.items())
        ]
        answer = {
            "subject": subject,
            "release": release,
            "by": list(question.by),
            "masks": {name: access.grant.tiers[0].masks[name] for name in items},
            "small_count": described.small_count,
            "groups": groups,
        }
        rows = {"counted": counted.total(), "groups": len(groups), "persons": 0}
        return access.give(answer, About(rows=rows, release=release))

    def _naming(self, subject: str, question: Question) -> Office:
        """The door for whom the question names by a person's number; other values name nobody."""
        known = self._office.rules.workspace.subjects.get(subject)
        numbers = () if known is None else numbered(known)
        where = {name: value for name, value in question.where.items() if name in numbers}
        return self._office.naming(asked_by(KeyedDigests(self._hub.keys), known, where))

    def _counted(
        self, access: Access, subject: Subject, items: tuple[str, ...]
    ) -> tuple[int, _Groups]:
        groups: _Groups = Counter()
        masker = Masker(access.grant, subject, self._hub.keys)
        plain = not any(is_sealed(subject.attributes[name]) for name in items)
        # One snapshot: the release named is the one that was read, whatever is published.
        with self._hub.engine.connect().execution_options(
            isolation_level="REPEATABLE READ"
        ) as connection:
            bulk = Bulk(connection, self._hub.keys)
            selection = Selection(subject, newest(connection))
            found = (
                _in_database(bulk, access.grant, selection, masker, items)
                if plain
                else _one_by_one(bulk, access.grant, selection, masker)
            )
            for row, count in found:
                groups[tuple(row.cells[name].value for name in items)] += count
                if len(groups) > MOST_CELLS:
                    raise TooFine(most=MOST_CELLS)
        return selection.release, groups


def _in_database(
    bulk: Bulk, grant: Grant, selection: Selection, masker: Masker, items: tuple[str, ...]
) -> Iterator[tuple[MaskedRow, int]]:
    """Combinations of values that stand in the clear, counted by the database, then masked."""
    region, entity = _inside(grant)
    for values, count in bulk.counts(grant, selection, items):
        combined = dict(zip(items, map(Cell, values), strict=True))
        row = masker.mask_row(combined, region, entity)
        if row is not None:
            yield row, count


def _one_by_one(
    bulk: Bulk, grant: Grant, selection: Selection, masker: Masker
) -> Iterator[tuple[MaskedRow, int]]:
    """Records that are opened and masked, some thousand at a time."""
    for record in bulk.records(grant, selection):
        row = masker.mask_row(cells(record), record.region, record.entity)
        if row is not None:
            yield row, 1


def _inside(grant: Grant) -> tuple[str | None, str | None]:
    """A region and an entity inside the scope of a grant of one tier."""
    (scope,) = grant.scopes
    return next(iter(scope.codes or ()), None), next(iter(scope.entities or ()), None)


def _countable(access: Access, items: tuple[str, ...]) -> Grant:
    """The grant over the records in which all the items may be counted by: one tier, the widest
    that there is, so that one value is not shown in two forms.

    Raises:
        Forbidden: an item may nowhere be counted by; that is logged.
    """
    grant = access.grant
    tiers = [t for t in grant.tiers if all(_may_count(t.masks.get(name)) for name in items)]
    if not tiers:
        subject = grant.subject
        hidden = [n for n in items if not any(_may_count(t.masks.get(n)) for t in grant.tiers)]
        access.refuse(
            Denied(
                tuple(
                    Reason("policy_count_closed", {"item": name, "subject": subject})
                    for name in hidden or items
                )
            )
        )
    widest = next((t for t in tiers if all(t.scope.covers(o.scope) for o in tiers)), tiers[0])
    masks = {name: widest.masks[name] for name in items}
    return replace(grant, tiers=(Tier(widest.scope, masks),))


def _may_count(mask: str | None) -> bool:
    return mask is not None and (mask == REVEAL or mask.partition(":")[0] in COARSE)


def _wanted(grant: Grant, subject: Subject, where: Mapping[str, str]) -> dict[str, Hashable]:
    """The values to count alone, as the caller sees them: cleaned where it sees them as they are.

    Raises:
        ValueInvalid: one breaks a rule of its element.
    """
    wanted: dict[str, Hashable] = {}
    for name, value in where.items():
        element = elements()[subject.attributes[name].element]
        if grant.tiers[0].masks[name] != REVEAL:
            wanted[name] = value
            continue
        try:
            wanted[name] = element.typed(element.clean_one(value.strip()))
        except Invalid as error:
            raise ValueInvalid(item=name, rule=error.rule) from None
    return wanted


def _order(cell: tuple[Hashable, ...]) -> tuple[str, ...]:
    return tuple("" if value is None else str(value) for value in cell)
