"""Second persons: what waits for them, and what they say to it.

Whoever may ask the same, in the same department, may approve: so nobody learns by approving what
they could not have asked for themselves, and the one who approves knows the work.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from core.clock import CHINA
from hub.conditions import approvals, register
from hub.conditions.approvals import HOLDS, ApprovalOwn, ApprovalUnknown, State
from hub.conditions.models import Approval
from hub.identity import same_person
from hub.serving.access import About, Access, Call
from hub.serving.circumstances import PRESUMED
from hub.serving.office import Office
from policies.conditions import Context
from policies.decide import Ask, Denied, Grant, decide
from policies.models import Action


class Approvals:
    """What a client may do with requests that wait. Every answer is a JSON-able body with a
    receipt.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._hub = office.hub

    def list(self, call: Call) -> dict[str, Any]:
        """The requests that wait, of the caller's department, for the purpose of the call, which
        the caller may ask as well. Of whom or what they ask about, there is a digest alone.
        """
        access = self._office.itself(call, "approval_list")
        now = self._hub.clock.now()
        with self._hub.engine.connect() as connection:
            waiting = approvals.waiting(connection, access.department, call.purpose, now)
            found = [row for row in waiting if self._may(connection, access, row)]
        body = {"approvals": [_told(row) for row in found]}
        return access.give(body, About(rows={"answered": len(found)}))

    def approve(self, call: Call, number: int) -> dict[str, Any]:
        """Says yes: the first person may repeat the request once, within the hour.

        Raises:
            PersonMissing: nobody stands behind the client.
            ApprovalUnknown, ApprovalOwn: it is not for the caller to say.
        """
        return self._say(call, number, State.APPROVED)

    def refuse(self, call: Call, number: int) -> dict[str, Any]:
        """Says no.

        Raises:
            As :meth:`approve`.
        """
        return self._say(call, number, State.REFUSED)

    def _say(self, call: Call, number: int, state: State) -> dict[str, Any]:
        deed = "approval_approve" if state is State.APPROVED else "approval_refuse"
        access = self._office.itself(call, deed, number)
        person, now = access.person(), self._hub.clock.now()
        with access.change() as connection:
            waiting = approvals.waiting(connection, access.department, call.purpose, now)
            row = next((row for row in waiting if row.number == number), None)
            if row is None:
                raise ApprovalUnknown(number=number)
            if same_person(row.person, person):
                raise ApprovalOwn(number=number)
            if not self._may(connection, access, row):
                raise ApprovalUnknown(number=number)
            approvals.decide(connection, number, state, (access.client, person), now)
            until = None if state is State.REFUSED else (now + HOLDS).astimezone(CHINA).isoformat()
            body = {"approval": number, "state": state.value, "until": until}
            logged = access.over(row.subject, row.items)
            return logged.give(body, About(rows={"approval": number}), connection)

    def _may(self, connection: Connection, access: Access, row: Approval) -> bool:
        """Whether the caller could ask the same, of all the records that the first person could,
        if somebody approved it.
        """
        person = access.call.caller.person
        if person and same_person(row.person, person):
            return False
        about = (row.case, row.purpose)
        case = register.standing(
            connection, row.department, row.client, about, self._subject(access, row)
        )
        zones = access.rules.workspace.zones
        own = self._granted(access, row, access.client, case, zones.of(access.call.caller.address))
        every = frozenset(zone.id for zone in zones.zones)
        theirs = self._granted(access, row, row.client, case, every)
        if isinstance(own, Denied) or isinstance(theirs, Denied):
            return False
        return all(any(o.covers(scope) for o in own.scopes) for scope in theirs.scopes)

    def _subject(self, access: Access, row: Approval) -> str:
        name = row.subject.removeprefix("check/")
        check = access.rules.workspace.checks.get(name) if name != row.subject else None
        return row.subject if check is None else check.subject

    def _granted(
        self,
        access: Access,
        row: Approval,
        client: str,
        case: register.Standing,
        zones: frozenset[str],
    ) -> Grant | Denied:
        """What would be granted of a request to a client, if somebody approved it."""
        asked = Ask(
            client_id=client,
            action=Action(row.action),
            subject=row.subject,
            items=tuple(row.items) or None,
            purpose=row.purpose,
            now=self._hub.clock.now(),
            context=Context(zones, PRESUMED, case.is_open, case.entities),
        )
        return decide(access.rules.policy, asked)


def _told(row: Approval) -> dict[str, Any]:
    return {
        "approval": row.number,
        "asked_at": row.asked_at.isoformat(),
        "expires_at": row.expires_at.isoformat(),
        "client": row.client,
        "person": row.person,
        "action": row.action,
        "deed": row.deed,
        "subject": row.subject,
        "purpose": row.purpose,
        "case": row.case,
        "items": row.items,
        "scope": row.scope,
        "digest": row.digest.hex(),
    }
