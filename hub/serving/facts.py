"""Gathering the facts of a check from golden records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from catalog.standards import elements
from catalog.standards.several import SEPARATOR
from catalog.subjects import Subject
from core.errors import HubError, Unavailable
from core.messages import message
from core.types import Status
from hub.checks.definition import Check, Fact
from hub.checks.evaluation import Gathered, GatheredFact, Source
from hub.checks.expressions import compile_expression
from hub.serving.reading import Reader, Record
from hub.workspace import Workspace
from policies.decide import Grant


class CheckNobody(HubError):
    """Nobody is found by what was asked, within the caller's reach."""

    code = "check_nobody"
    status = 404
    exit_code = 2


class Facts:
    """Reads what one check needs, under the grant to run it. ``people``: those whom it was about,
    once they are gathered.
    """

    def __init__(self, workspace: Workspace, reader: Reader, grant: Grant) -> None:
        self._workspace = workspace
        self._reader = reader
        self._grant = grant
        self._made: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        self._releases: set[int | None] = set()
        self.people: Sequence[Record] = ()

    async def gather(self, check: Check, value: str) -> Gathered:
        """All facts about those whom the canonical ``value`` of ``check.ask`` names.

        Raises:
            CheckNobody: there is no such record in the grant's scope, or it has no members.
            CheckTooLarge: there are more records than one check reads.
            Unavailable: a release was published between two readings.
        """
        subjects = self._workspace.subjects
        asked = subjects[check.subject]
        self._made = await self._reader.coverage()
        found = await self._reader.find(self._grant, asked, {check.ask: [value]}, 1)
        self._releases = {found.release}
        if not found.records:
            raise CheckNobody
        members = await self._members(check, value)
        if not members:
            raise CheckNobody
        self.people = members
        records: dict[str, Sequence[Record]] = {}
        for name, fact in check.facts.items():
            records[name] = await self._records(check, fact, members)
        if len(self._releases) > 1:
            raise Unavailable(reason=message("cause_published"))
        facts = {name: self._fact(check, fact, records[name]) for name, fact in check.facts.items()}
        return Gathered(
            release=found.release,
            members=len(members),
            records=len(members) + sum(map(len, records.values())),
            authorisations=[_value(m, check.authorisation) for m in members],
            facts=facts,
        )

    async def _members(self, check: Check, value: str) -> list[Record]:
        subject = self._workspace.subjects[check.members.subject]
        found = await self._reader.related(self._grant, subject, check.members.by, [value])
        self._releases.add(found.release)
        return [r for r in found.records if _picked(r, subject, check.members.where)]

    async def _records(
        self, check: Check, fact: Fact, members: Sequence[Record]
    ) -> Sequence[Record]:
        if fact.of == "members":
            subject = self._workspace.subjects[check.members.subject]
            return [m for m in members if _picked(m, subject, fact.where)]
        subject = self._workspace.subjects[fact.of]
        texts = (_value(member, fact.key) for member in members)
        keys = [value for text in texts if text is not None for value in text.split(SEPARATOR)]
        assert fact.match is not None
        found = await self._reader.related(self._grant, subject, fact.match, keys)
        self._releases.add(found.release)
        return [r for r in found.records if _picked(r, subject, fact.where)]

    def _fact(self, check: Check, fact: Fact, records: Sequence[Record]) -> GatheredFact:
        name = check.members.subject if fact.of == "members" else fact.of
        subject = self._workspace.subjects[name]
        counted = fact.attribute or fact.match or check.members.by
        cells = [c for r in records if counted and (c := r.cells.get(counted))]
        numbers = [] if fact.attribute is None else _numbers(subject, fact.attribute, cells)
        return GatheredFact(
            value=_combine(fact, numbers, len(records)),
            missing=fact.attribute is not None and len(numbers) < len(records),
            disputed=any(cell["status"] == Status.IN_DISPUTE for cell in cells),
            available=self._available(subject, fact),
            sources=self._sources(cells),
        )

    def _available(self, subject: Subject, fact: Fact) -> bool:
        """Whether any table that could tell went into the release."""
        wanted = fact.attribute or fact.match
        feeds = {d for d, items in subject.feeds.items() if wanted is None or wanted in items}
        subjects, datasets = self._made
        return subject.subject in subjects and bool(feeds & datasets)

    def _sources(self, cells: Sequence[Any]) -> list[Source]:
        contracts = self._workspace.contracts
        newest: dict[str, str | None] = {}
        for cell in cells:
            if cell["dataset"] is None:  # as ruled, or as nobody lists it as a whole
                continue
            department = contracts[cell["dataset"]].department
            newest[department] = max(newest.get(department) or "", cell["as_of"] or "") or None
        return [Source(name, as_of) for name, as_of in sorted(newest.items())]


def _value(record: Record, attribute: str | None) -> str | None:
    cell = record.cells.get(attribute or "")
    return None if cell is None else cell["value"]


def _picked(record: Record, subject: Subject, where: str | None) -> bool:
    if where is None:
        return True
    item = {
        name: None if (value := _value(record, name)) is None
        else elements()[attribute.element].typed(value)
        for name, attribute in subject.attributes.items()
    }  # fmt: skip
    try:
        return compile_expression(where).holds({"item": item})
    except ValueError:
        # What cannot be ruled out stays in: a check never overlooks a record for lack of data.
        return True


def _numbers(subject: Subject, attribute: str, cells: Sequence[Any]) -> list[float]:
    element = elements()[subject.attributes[attribute].element]
    return [float(element.typed(c["value"])) for c in cells if c["value"] is not None]


def _combine(fact: Fact, numbers: Sequence[float], records: int) -> float:
    if fact.how == "count":
        return float(records)
    if fact.how == "max":
        return max(numbers, default=0.0)
    return float(sum(numbers))
