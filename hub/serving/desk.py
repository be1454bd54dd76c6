"""The desk: answers requests, each decided, masked and logged before anything is given.

Whatever the way out, an answer is made here: a refusal is logged like an answer, and where the
log cannot be written nothing is given (503).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.clock import today
from core.errors import BadInput, HubError
from core.messages import message
from hub.checks.evaluation import evaluate
from hub.identity import Caller
from hub.serving.board import Rules
from hub.serving.facts import Facts
from hub.serving.notes import Note
from hub.serving.reading import Found, Record
from hub.serving.steps import FilterMissing, Ground, Request, Steps, cells
from policies.decide import Denied, Grant, Reason
from policies.masking import MaskedRow, Masker
from policies.models import Action
from reconcile.releases import ReleaseMissing, ReleaseUnknown

__all__ = ["Desk", "Ground", "Request"]


class Desk:
    """Answers for all callers of one process. Every answer is a JSON-able body."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._steps = Steps(ground)

    async def query(self, caller: Caller, subject: str, request: Request) -> dict[str, Any]:
        """The records of ``subject`` that the caller may see, masked as the policy says.

        Raises:
            Forbidden, SubjectUnknown: the policy refuses.
            FilterMissing, ValueInvalid: the records asked for cannot be.
            AuditUnavailable: the log cannot be written, so nothing is given.
        """
        rules = self._ground.board.rules
        note = self._steps.note(rules, caller, Action.QUERY, subject, request)
        note, grant = await self._steps.decide(rules, note, subject, request.items)
        described = await self._steps.described(rules, note, subject)
        grant = await self._steps.confine(note, grant, described, request)
        where = await self._steps.clean(note, described, request.where)
        note = await self._steps.spend(note.of_grant(grant))
        try:
            release = await self._release(request)
            found = await self._ground.reader.find(grant, described, where, request.limit, release)
            if found.release is None:
                raise ReleaseMissing if release is None else ReleaseUnknown(release=release)
            shown = _mask(Masker(grant, described, self._ground.keys), found)
        except HubError as error:
            await self._steps.fail(note, error)
        note = replace(note, rows={"answered": len(shown)}, release=found.release)
        note = self._steps.naming(note, rules, described, [record for record, _ in shown])
        body = {
            "subject": subject,
            "release": found.release,
            "rows": [_render(row, rules) for _, row in shown],
        }
        return await self._steps.give(note, grant, body)

    async def _release(self, request: Request) -> int | None:
        """The release that is asked about; None for the current one, whichever that is."""
        if request.on is None:
            return request.release
        if request.release is not None:
            raise BadInput(field="on", rule=message("rule_release_or_day"))
        served = await self._ground.reader.served_on(request.on)
        if served is None:
            raise ReleaseUnknown(release=request.on.isoformat())
        return served

    async def check(self, caller: Caller, name: str, request: Request) -> dict[str, Any]:
        """What a check says about whom ``request.where`` names: a verdict with a reason per
        rule, never the values behind it.

        Raises:
            As :meth:`query`; CheckRefused: a member has not agreed to be checked.
        """
        rules = self._ground.board.rules
        note = self._steps.note(rules, caller, Action.CHECK, f"check/{name}", request)
        note, grant = await self._steps.decide(rules, note, f"check/{name}", None)
        check = rules.workspace.checks[name]
        described = rules.workspace.subjects[check.subject]
        if set(request.where) != {check.ask}:
            await self._steps.fail(note, FilterMissing(items=check.ask))
        where = await self._steps.clean(note, described, request.where)
        facts = Facts(rules.workspace, self._ground.reader, grant)
        note = await self._steps.spend(note.of_grant(grant))
        try:
            gathered = await facts.gather(check, where[check.ask][0])
            verdict = evaluate(check, gathered, today(self._ground.clock))
        except HubError as error:
            await self._steps.fail(note, error)
        counts = {"members": gathered.members, "records": gathered.records}
        note = replace(note, rows=counts, release=gathered.release)
        members = rules.workspace.subjects[check.members.subject]
        note = self._steps.naming(note, rules, members, facts.people)
        return await self._steps.give(
            note, grant, {"check": name, "release": gathered.release, **verdict}
        )

    async def datasets(self, caller: Caller, purpose: str) -> dict[str, Any]:
        """The catalog entries that the caller may know of."""
        rules = self._ground.board.rules
        note = self._steps.note(
            rules, caller, Action.DISCOVER, "catalog", Request(purpose, case="-")
        )
        await self._refuse_strangers(rules, note)
        visible = []
        for name, contract in rules.workspace.contracts.items():
            judged = await self._steps.judge(rules, note, f"dataset/{name}", None, quiet=True)
            if isinstance(judged.verdict, Grant):
                visible.append(
                    {
                        "dataset": name,
                        "code": contract.code,
                        "name": contract.name,
                        "department": contract.department,
                        "sharing": contract.sharing,
                        "condition": contract.condition,
                        "mode": contract.mode,
                        "cycle": contract.cycle,
                        "version": contract.version,
                        "items": [
                            {"name": item.name, "title": item.title, "element": item.element,
                             "level": item.level.name, "sharing": item.sharing}
                            for item in contract.items
                        ],
                    }
                )  # fmt: skip
        note = replace(note, rows={"answered": len(visible)})
        return await self._steps.give(note, None, {"datasets": visible})

    async def _refuse_strangers(self, rules: Rules, note: Note) -> None:
        """Refuses a client that is not registered, or not any more."""
        if note.who.client not in rules.policy.policies.clients:
            unknown = Reason("policy_client_unknown", {"client": note.who.client})
            await self._steps.refuse(note, Denied((unknown,)), note.subject)


def _mask(masker: Masker, found: Found) -> list[tuple[Record, MaskedRow]]:
    """Those of the records that may be seen, each with its masked row."""
    rows = []
    for record in found.records:
        row = masker.mask_row(cells(record), record.region, record.entity)
        if row is not None:
            rows.append((record, row))
    return rows


def _render(row: MaskedRow, rules: Rules) -> dict[str, Any]:
    """A masked row as JSON: item → value, mask, status, source department, as-of."""

    def department(dataset: str | None) -> str | None:
        contract = rules.workspace.contracts.get(dataset or "")
        return None if contract is None else contract.department

    return {
        name: {
            "value": cell.value,
            "mask": cell.mask,
            "status": cell.status,
            "source": department(cell.dataset),
            "as_of": cell.as_of,
        }
        for name, cell in row.cells.items()
    }
