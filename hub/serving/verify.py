"""Verifying: whether what somebody claims is so. The answer is yes or no, never a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from catalog.standards import elements
from catalog.standards.hiding import Value
from catalog.standards.several import SEPARATOR, SUFFIX, joined
from catalog.subjects import Subject
from core.errors import HubError
from core.types import Status
from hub.identity import Caller
from hub.serving.reading import Record
from hub.serving.steps import FilterMissing, Ground, Request, Steps, cells
from policies.decide import Grant
from policies.masking import Cell, MaskedCell, Masker
from policies.models import REVEAL, SUPPRESS, Action
from reconcile.releases import ReleaseMissing


class Finding(StrEnum):
    """What is said to one claim. ``unknown``: nothing is on record, or not exactly one record is
    meant, or none within reach: it is not told which. ``in_dispute``: departments differ and it
    is close, so that neither yes nor no would be fair.
    """

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    IN_DISPUTE = "in_dispute"


@dataclass(frozen=True)
class Claims(Request):
    """A request to verify. ``claims``: attribute → what is said to be its value."""

    claims: Mapping[str, str] = field(default_factory=dict)


class Verifier:
    """Verifies for all callers of one process."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._steps = Steps(ground)

    async def verify(self, caller: Caller, subject: str, request: Claims) -> dict[str, Any]:
        """A finding per claim about the one record that ``request.where`` names.

        Values are compared as the mask of the rule shows them: under ``reveal`` by what their
        element takes to mean the same, under ``year`` by the year alone, and so on. Of a set, it
        is so if all that is claimed is among its members.

        Raises:
            Forbidden, SubjectUnknown: the policy refuses.
            FilterMissing, ValueInvalid: what was asked cannot be.
            AuditUnavailable: the log cannot be written, so nothing is given.
        """
        rules = self._ground.board.rules
        note = self._steps.note(rules, caller, Action.VERIFY, subject, request)
        note, grant = await self._steps.decide(rules, note, subject, tuple(request.claims))
        described = await self._steps.described(rules, note, subject)
        if not request.claims:
            await self._steps.fail(note, FilterMissing(items="claims"))
        grant = await self._steps.confine(note, grant, described, request)
        where = await self._steps.clean(note, described, request.where)
        claims = await self._steps.clean(note, described, request.claims)
        said = {name: joined(values) for name, values in claims.items()}
        note = await self._steps.spend(note.of_grant(grant))
        try:
            found = await self._ground.reader.find(grant, described, where, 2)
            if found.release is None:
                raise ReleaseMissing
            record = found.records[0] if len(found.records) == 1 else None
            findings = self._compare(grant, described, record, said)
        except HubError as error:
            await self._steps.fail(note, error)
        note = replace(note, rows=Counter(findings.values()), release=found.release)
        shown = [record] if record is not None else []
        note = self._steps.naming(note, rules, described, shown)
        body = {"subject": subject, "release": found.release, "findings": findings}
        return await self._steps.give(note, grant, body)

    def _compare(
        self, grant: Grant, subject: Subject, record: Record | None, claims: Mapping[str, str]
    ) -> dict[str, str]:
        findings: dict[str, str] = dict.fromkeys(claims, Finding.UNKNOWN.value)
        if record is None:
            return findings
        masker = Masker(grant, subject, self._ground.keys)
        held = masker.mask_row(cells(record), record.region, record.entity)
        claimed = {name: Cell(value) for name, value in claims.items()}
        said = masker.mask_row(claimed, record.region, record.entity)
        if held is None or said is None:
            return findings
        for name in claims:
            kind = subject.attributes[name].element
            findings[name] = _finding(kind, held.cells[name], said.cells[name]).value
        return findings


def _is_in(element: str, said: Value | None, held: Value) -> bool:
    """Whether a value is that one; of sets, whether all members are among those."""
    if not element.endswith(SUFFIX):
        return said == held
    return set(str(said).split(SEPARATOR)) <= set(str(held).split(SEPARATOR))


def _finding(element: str, held: MaskedCell, said: MaskedCell) -> Finding:
    """What a masked value says to a claim under the same mask."""
    if held.mask == SUPPRESS or held.value is None:
        return Finding.UNKNOWN
    if held.status == Status.IN_DISPUTE:
        return Finding.IN_DISPUTE
    same = _is_in(element, said.value, held.value)
    if not same and held.mask == REVEAL and isinstance(held.value, str):
        gist = elements()[element].gist
        same = _is_in(element, gist(str(said.value)), gist(held.value))
    return Finding.YES if same else Finding.NO
