"""Corrections as departments and stewards meet them: listed, shown, answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import Connection, Row, select

from core.clock import CHINA, today
from core.errors import BadInput, HubError, NotFound
from core.messages import message
from hub.quality.manifests import held
from hub.quality.rows import as_sent
from hub.serving.access import About, Access, Call, last_regions, regions
from hub.serving.notes import SubjectUnknown
from hub.serving.office import Office
from hub.stewardship import evidence
from hub.stewardship.evidence import File
from hub.stewardship.material import Material
from hub.stewardship.rulings import ReasonMissing
from hub.stewardship.wishes import check_length
from reconcile import corrections, rulings
from reconcile.corrections import UNSETTLED, Book, Escalation, State
from reconcile.models import Correction, CorrectionEvent, Ruling
from reconcile.rulings import HUB, Actor, Ledger

Verdict = Literal["fixed", "disputed", "reopen"]
_STATES: Mapping[str, State] = {
    "fixed": State.FIXED,
    "disputed": State.DISPUTED,
    "reopen": State.OPEN,
}


class CorrectionUnknown(NotFound):
    """There is no ticket of that number, or the caller may not know of it."""

    code = "correction_unknown"


@dataclass(frozen=True)
class Which:
    """Which tickets are wanted. ``states`` None: those that are not settled. ``skip``: how
    many of the first to leave out.
    """

    dataset: str | None = None
    department: str | None = None
    states: tuple[State, ...] | None = None
    limit: int = 50
    skip: int = 0


@dataclass(frozen=True)
class Answer:
    """What is said to a ticket: by the department that it is ``fixed`` or ``disputed``; by a
    steward that a dispute or a fix does not hold (``reopen``).
    """

    verdict: Verdict
    reason: str = ""
    file: File | None = None


class Corrections:
    """What may be done with tickets. Every answer is a JSON-able body with a receipt."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def list(self, call: Call, wanted: Which) -> dict[str, Any]:
        """Tickets of the datasets that are open to the caller, those due first in front.

        Raises:
            NotFound: no such department has a dataset.
            SubjectUnknown, Forbidden: no dataset is.
            BadInput: the dataset is not the department's.
        """
        names = datasets(self._office, call, "correction_list", wanted)
        said = [wanted.states, wanted.limit, wanted.skip, wanted.dataset, wanted.department]
        access, found = self._office.datasets(call, "correction_list", names, said)
        _check(access, wanted)
        states = UNSETTLED if wanted.states is None else wanted.states
        with self._office.hub.engine.connect() as connection:
            tickets = self._book(connection).tickets(
                Correction.dataset.in_(found), states=frozenset(states)
            )
        day = today(self._office.hub.clock)
        tickets.sort(key=lambda ticket: (ticket.due, ticket.number))
        shown = [told(ticket, day) for ticket in tickets[wanted.skip : wanted.skip + wanted.limit]]
        body = {"datasets": list(found), "total": len(tickets), "corrections": shown}
        return access.give(body, About(rows={"answered": len(shown)}))

    def show(self, call: Call, number: int) -> dict[str, Any]:
        """A ticket: to the dataset's own department the record and value as it sent them, and of
        a table without a key the row; what was ruled masked as the caller may see it, and all
        answers.

        Raises:
            CorrectionUnknown, Forbidden: the caller may not.
        """
        access, ticket = self._about(call, "correction_show", number, None)
        keys = self._office.hub.keys
        body = corrections.open_ticket(keys, ticket)
        with self._office.hub.engine.connect() as connection:
            where = regions(connection, ticket.subject, [ticket.entity] if ticket.entity else [])
            events = connection.execute(
                select(CorrectionEvent.__table__)
                .where(CorrectionEvent.correction == number)
                .order_by(CorrectionEvent.id)
            ).all()
        own = access.is_own(ticket.dataset)
        release, row = self._row(access, ticket, body.get("record")) if own else (None, None)
        view = self._office.view(call, ticket.subject)
        cell = view.show(ticket.attribute, body.get("ruled"), where.get(ticket.entity))
        shown = {
            **told(ticket, today(self._office.hub.clock)),
            "record": body.get("record") if own else None,
            "said": body.get("said") if own else None,
            "row": row and row["row"],
            "original": row and row["original"],
            "ruled": {"value": cell.value, "mask": cell.mask},
            "repair": body.get("repair"),
            "events": [self._event(event) for event in events],
        }
        return access.give(shown, About(rows={"answered": 1}, release=release))

    def answer(self, call: Call, number: int, answer: Answer) -> dict[str, Any]:
        """Says what became of a ticket. A repair whose source is fixed ends with the answer: the
        next pull is read as it comes, and opens the ticket again if it is not.

        Raises:
            CorrectionUnknown, Forbidden, PersonMissing: the caller may not.
            ReasonMissing, EvidenceUnusable: the answer is not whole.
            CorrectionMoved: the ticket does not wait for it.
        """
        access, ticket = self._about(call, f"correction_{answer.verdict}", number, answer)
        actor = Actor(access.client, access.person())
        to = _STATES[answer.verdict]
        try:
            if to is not State.FIXED and not answer.reason.strip():
                raise ReasonMissing
            check_length(answer.reason)
            if answer.file is not None:
                answer.file.check()
        except HubError as error:
            access.fail(error)
        keys, now = self._office.hub.keys, self._office.hub.clock.now()
        with access.change() as connection:
            rulings.lock(connection)
            kept = None
            if answer.file is not None:
                kept = evidence.keep(connection, keys, answer.file)
            body = {"reason": answer.reason.strip() or None, "evidence": kept}
            Book(connection, keys, now).move(number, to, actor, body)
            if ticket.entity is None and to is State.FIXED:
                _end(connection, Ledger(connection, keys, now), ticket.ruling)
            (moved,) = self._book(connection).tickets(Correction.number == number)
            answered = told(moved, today(self._office.hub.clock))
            return access.give(answered, About(rows={"correction": number}), connection)

    def evidence(self, call: Call, number: int) -> tuple[str, bytes]:
        """Suffix and content of the latest file that came with an answer.

        Raises:
            CorrectionUnknown, Forbidden: the caller may not.
            EvidenceMissing: none did.
        """
        access, _ = self._about(call, "correction_evidence", number, None)
        keys = self._office.hub.keys
        with access.change() as connection:
            query = select(CorrectionEvent.__table__).where(CorrectionEvent.correction == number)
            events = connection.execute(query.order_by(CorrectionEvent.id.desc())).all()
            given = (corrections.open_answer(keys, event).get("evidence") for event in events)
            kept = next((found for found in given if found), None)
            content = evidence.read(connection, keys, kept)
            access.give({}, About(rows={"bytes": len(content)}), connection)
        return (kept or {})["suffix"], content

    def _row(
        self, access: Access, ticket: Row[Any], record: str | None
    ) -> tuple[int | None, dict[str, object] | None]:
        """The row that a ticket is about as the current release has it, and which release that
        is: for whoever sees quarantined rows as they were sent as well.
        """
        hub, dataset = self._office.hub, ticket.dataset
        contract = self._office.rules.workspace.contracts[dataset]
        if record is None or contract.key:
            return None, None
        try:
            found = held(hub)
            row = as_sent(found, dataset, record)
            if row is None:
                # Whatever else changes in a row without a key makes another record of it.
                now = Material(hub, ticket.subject).record(dataset, ticket.entity, ticket.attribute)
                row = None if now is None else as_sent(found, dataset, now)
        except NotFound:
            return None, None
        except HubError as error:
            access.fail(error)
        return found.number, row

    def _about(
        self, call: Call, deed: str, number: int, answer: Answer | None
    ) -> tuple[Access, Row[Any]]:
        unknown = CorrectionUnknown(kind="correction", name=str(number))
        with self._office.hub.engine.connect() as connection:
            found = self._book(connection).tickets(Correction.number == number)
        if not found:
            self._office.missing(call, deed, f"correction/{number}", unknown)
        ticket = found[0]
        said = None if answer is None else [answer.verdict, answer.reason]
        try:
            if answer is not None and answer.verdict == "reopen":
                items = (ticket.attribute,)
                access = self._office.subject(call, deed, ticket.subject, items, said)
                if not self._within(access, ticket):
                    access.fail(unknown)
                return access, ticket
            return self._office.dataset(call, deed, ticket.dataset, [number, said]), ticket
        except SubjectUnknown as error:
            raise unknown from error

    def _within(self, access: Access, ticket: Row[Any]) -> bool:
        """Whether a ticket is about something that the steward could have ruled on."""
        entities = [ticket.entity] if ticket.entity else []
        with self._office.hub.engine.connect() as connection:
            where = last_regions(connection, ticket.subject, entities)
        return access.view is not None and access.view.covers(where.get(ticket.entity))

    def _event(self, event: Row[Any]) -> dict[str, Any]:
        said = corrections.open_answer(self._office.hub.keys, event)
        given = said.get("evidence")
        return {
            "state": event.state,
            "client": event.client,
            "person": event.person,
            "release": event.release,
            "at": event.made_at.isoformat(timespec="seconds"),
            "reason": said.get("reason"),
            "evidence": given and {k: given[k] for k in ("suffix", "size", "digest")},
        }

    def _book(self, connection: Any) -> Book:
        return Book(connection, self._office.hub.keys, self._office.hub.clock.now())


def datasets(office: Office, call: Call, deed: str, wanted: Which) -> Sequence[str]:
    """The registered datasets that a request is about.

    Raises:
        NotFound: it names a department that has none; that is logged.
    """
    contracts, department = office.rules.workspace.contracts, wanted.department
    names = [n for n, c in contracts.items() if department in (None, c.department)]
    if department is not None and not names:
        missing = NotFound(kind="department", name=department)
        office.missing(call, deed, f"department/{department}", missing)
    return names if wanted.dataset is None else (wanted.dataset,)


def _check(access: Access, wanted: Which) -> None:
    # Whose a dataset is, is told to whom it is open.
    contract = access.rules.workspace.contracts.get(wanted.dataset or "")
    if wanted.department is not None and contract and contract.department != wanted.department:
        rule = message("rule_not_of_department", department=wanted.department)
        access.fail(BadInput(field="dataset", rule=rule))


def _end(connection: Connection, ledger: Ledger, repair: int) -> None:
    """Ends a repair, if it has not ended when the department called it fixed before."""
    if rulings.standing(connection, rulings.State.IN_FORCE, Ruling.number == repair):
        ledger.move(repair, rulings.State.RETIRED, HUB)


def told(ticket: Row[Any], day: date) -> dict[str, Any]:
    """A ticket without its values: where it stands, its light, and who is told of it."""
    since = ticket.since.astimezone(CHINA).date()
    waiting = ticket.state == State.OPEN
    return {
        "correction": ticket.number,
        "ruling": ticket.ruling,
        "subject": ticket.subject,
        "dataset": ticket.dataset,
        "department": ticket.department,
        "entity": ticket.entity,
        "attribute": ticket.attribute,
        "error": ticket.error,
        "state": ticket.state,
        "opened_at": ticket.opened_at.isoformat(timespec="seconds"),
        "due": ticket.due.isoformat(),
        "light": corrections.light(ticket.due, day if waiting else since),
        "escalation": corrections.escalation(ticket.due, day) if waiting else Escalation.NONE,
    }
