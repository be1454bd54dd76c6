"""What every request at the desk goes through: noted, decided, confined to what it may be searched
by, cleaned, and logged before anything is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, NoReturn

from catalog.standards import elements
from catalog.standards.base import Invalid
from catalog.standards.several import SEPARATOR
from catalog.subjects import Subject
from core.canonical import digest, encode
from core.clock import Clock
from core.errors import HubError
from core.keys import KeyRing
from core.messages import say
from hub.audit.appender import AsyncAppender
from hub.audit.entries import KeyedDigests
from hub.audit.log import AuditLog
from hub.identity import Caller
from hub.serving.board import Board, Rules
from hub.serving.circumstances import Circumstances, Judged
from hub.serving.notes import Call, Note, asking, begin, refusal, wanting
from hub.serving.persons import Namer
from hub.serving.reading import Reader, Record, is_findable
from policies.decide import Denied, Grant, Reason, confine
from policies.masking import Cell
from policies.models import Action


class FilterMissing(HubError):
    """A query must say which records it is about."""

    code = "filter_missing"
    status = 400
    exit_code = 2


class FilterSealed(HubError):
    """An item that may be seen, but by which sealed records cannot be found."""

    code = "filter_sealed"
    status = 400
    exit_code = 2


class ValueInvalid(HubError):
    """A value to search by breaks a rule of its element."""

    code = "value_invalid"
    status = 400
    exit_code = 2

    def words(self, language: str) -> str:
        """What the rule asks, in words; ``rule`` is its code."""
        rule = say(str(self.fields["rule"]), language)
        return say(self.code, language, item=self.fields["item"], rule=rule)


@dataclass(frozen=True)
class Request:
    """What every request says: why, and about what.

    ``where``: attribute → value. Values are personal: they go nowhere but into the search.
    ``items``: attributes wanted; None for all that may be had. ``limit``: records at most.
    ``release``: that of which to answer, or ``on``: the one that was served at the end of a day;
    neither: the current one.
    """

    purpose: str
    case: str
    where: Mapping[str, str] = field(default_factory=dict)
    items: tuple[str, ...] | None = None
    limit: int = 20
    release: int | None = None
    on: date | None = None


@dataclass(frozen=True)
class Ground:
    """What a desk stands on."""

    board: Board
    reader: Reader
    log: AuditLog
    appender: AsyncAppender
    keys: KeyRing
    clock: Clock
    circumstances: Circumstances


class Steps:
    """The steps of one process. A refusal is logged like an answer; where the log cannot be
    written nothing is given (503).
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._digests = KeyedDigests(ground.keys)

    def note(
        self, rules: Rules, caller: Caller, action: Action, subject: str, request: Request
    ) -> Note:
        """What will be logged of a request, as being about those whom ``request.where`` names."""
        content = encode({**vars(request), "action": action, "subject": subject})
        call = Call(caller, request.purpose, request.case)
        note = begin(rules, call, action, subject, self._digests.of("request", content.decode()))
        kind, _, name = subject.partition("/")
        check = rules.workspace.checks.get(name) if kind == "check" else None
        about = rules.workspace.subjects.get(check.subject if check else subject)
        # Named from the start: whoever is asked about is told of it also where it is refused.
        return replace(note, digests=asked_by(self._digests, about, request.where))

    async def decide(
        self, rules: Rules, note: Note, subject: str, items: Sequence[str] | None
    ) -> tuple[Note, Grant]:
        """What the policy grants, and the note with what that costs.

        Raises:
            Forbidden, SubjectUnknown: it refuses.
        """
        judged = await self.judge(rules, wanting(rules, note, subject, items), subject, items)
        if isinstance(judged.verdict, Denied):
            await self.refuse(judged.note, judged.verdict, subject)
        return judged.note, judged.verdict

    async def judge(
        self,
        rules: Rules,
        note: Note,
        subject: str,
        items: Sequence[str] | None,
        quiet: bool = False,
    ) -> Judged:
        """What the policy says, by all that must be known for it (:class:`Circumstances`)."""
        circumstances, ask = self._ground.circumstances, asking(note, subject, items, self._now())
        found = circumstances.at_once(rules, ask, note)
        if found is None:
            # It looks things up, and is not to keep the others waiting.
            found = await asyncio.to_thread(circumstances.judge, rules, ask, note, quiet)
        return found

    async def spend(self, note: Note) -> Note:
        """Spends what the answer will cost, before anything is read for it.

        Raises:
            Forbidden: it cannot be had any more; that is logged.
        """
        if note.debt is None:
            return note
        note, denied = await asyncio.to_thread(self._ground.circumstances.settle, note)
        if denied is not None:
            await self.refuse(note, denied, note.subject)
        return note

    def _now(self) -> datetime:
        return self._ground.clock.now()

    async def described(self, rules: Rules, note: Note, name: str) -> Subject:
        """The subject of that name.

        Raises:
            SubjectUnknown: there is none, though the policy speaks of it, as of a check.
        """
        found = rules.workspace.subjects.get(name)
        if found is None:
            unknown = Reason("policy_subject_unknown", {"subject": name})
            await self.refuse(note, Denied((unknown,), hidden=True), name)
        return found

    async def refuse(self, note: Note, denied: Denied, name: str) -> NoReturn:
        """Logs a refusal, and says so."""
        await self._ground.appender.append(note.refused(denied))
        raise refusal(denied, name)

    async def confine(self, note: Note, grant: Grant, subject: Subject, request: Request) -> Grant:
        """The grant over those records that may be searched by what the request names."""
        findable = {name for name in grant.filters if is_findable(subject, name)}
        if not request.where:
            await self.fail(note, FilterMissing(items=" / ".join(sorted(findable))))
        for attribute in request.where:
            if attribute in grant.filters and attribute not in findable:
                await self.fail(note, FilterSealed(item=attribute))
        confined = confine(grant, request.where)
        if isinstance(confined, Denied):
            await self.refuse(note, confined, subject.subject)
        return confined

    async def clean(
        self, note: Note, subject: Subject, where: Mapping[str, str]
    ) -> dict[str, list[str]]:
        """The values to search by in canonical form.

        Raises:
            ValueInvalid: one breaks a rule of its element.
        """
        try:
            return clean(subject, where)
        except HubError as error:
            await self.fail(note, error)

    def naming(self, note: Note, rules: Rules, subject: Subject, shown: Sequence[Record]) -> Note:
        """The note with digests of all whom an answer is about, so that each of them can be told
        of it, by whatever the records were found.
        """
        named = Namer(self._digests, rules.workspace.subjects).name(note.digests, subject, shown)
        rows = {**note.rows, "persons": named.persons}
        return replace(note, digests=named.digests, rows=rows)

    async def fail(self, note: Note, error: HubError) -> NoReturn:
        """Logs that a permitted request came to nothing, and says so."""
        await self._ground.appender.append(note.failed(error))
        raise error

    async def give(self, note: Note, grant: Grant | None, body: dict[str, Any]) -> dict[str, Any]:
        """Logs the answer, durably, and only then lets it go with its receipt."""
        appended = await self._ground.appender.append(note.answered(grant))
        receipt = self._ground.log.receipt(appended, digest(body))
        return {**body, "receipt": receipt.model_dump(mode="json")}


def clean(subject: Subject, where: Mapping[str, str]) -> dict[str, list[str]]:
    """Values to search by or to compare, in canonical form: one, or the members of a set.

    Raises:
        ValueInvalid: one breaks a rule of its element.
    """
    cleaned = {}
    for attribute, value in where.items():
        element = elements()[subject.attributes[attribute].element]
        try:
            cleaned[attribute] = element.clean_one(value.strip()).split(SEPARATOR)
        except Invalid as error:
            # The cause is cut off: its words may hold the value.
            raise ValueInvalid(item=attribute, rule=error.rule) from None
    return cleaned


def asked_by(
    digests: KeyedDigests, subject: Subject | None, where: Mapping[str, str]
) -> tuple[str, ...]:
    """What the log holds of the values that a request asks by: of those that can be read, since
    whoever asks wrongly, or for what there is not, is told so or refused later.
    """
    found = []
    for attribute, value in where.items():
        if subject is None or attribute not in subject.attributes:
            continue
        try:
            cleaned = clean(subject, {attribute: value})
        except ValueInvalid:
            continue
        kind = f"{subject.subject}/{attribute}"
        found += [digests.of(kind, canonical) for canonical in cleaned[attribute]]
    return tuple(found)


def cells(record: Record) -> dict[str, Cell]:
    """A record as masking takes it."""
    return {
        name: Cell(c["value"], c["status"], c["dataset"], c["as_of"])
        for name, c in record.cells.items()
    }
