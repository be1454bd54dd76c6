"""Rulings: made, seconded, refused, revoked and shown. Each change and its entry in the log are
one transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Row, select

from core.canonical import digest
from core.errors import BadInput, HubError, NotFound
from core.messages import message
from hub.identity import same_person
from hub.serving.access import About, Access, Call, regions
from hub.serving.notes import SubjectUnknown
from hub.serving.office import Office
from hub.stewardship import evidence
from hub.stewardship.consequences import follow, opposed, withdraw
from hub.stewardship.drafting import Draughtsman
from hub.stewardship.evidence import EvidenceMissing, File
from hub.stewardship.idle import idle
from hub.stewardship.reach import within
from hub.stewardship.requests import remember, repeated
from hub.stewardship.standing import weigh
from hub.stewardship.telling import in_full, in_short
from hub.stewardship.wishes import Enter, Merge, Never, Split, Wish, check_length, said
from reconcile import rulings
from reconcile.corrections import Book
from reconcile.models import Ruling, RulingEvent
from reconcile.rulings import RULINGS, Actor, Draft, Ledger, State

KEY = re.compile(r"[\x21-\x7e]{1,128}")
"""How a request may be named."""


class RulingUnknown(NotFound):
    """There is no ruling of that number, or the caller may not know of it."""

    code = "ruling_unknown"


class ReasonMissing(HubError):
    """A ruling says why."""

    code = "reason_missing"
    status = 400
    exit_code = 2


class SecondPersonNeeded(HubError):
    """What one person proposed, another one decides."""

    code = "second_person_needed"
    status = 403
    exit_code = 2


class Rulings:
    """What stewards may do with rulings. Every answer is a JSON-able body with a receipt."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def make(
        self,
        call: Call,
        subject: str,
        wish: Wish,
        file: File | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Rules, or proposes what needs a second person. The same request twice makes one.

        Raises:
            Forbidden, SubjectUnknown, PersonMissing: the caller may not.
            ReasonMissing, EvidenceMissing, EvidenceUnusable, EntityUnknown, ClaimMissing,
            RulingImpossible, BadInput: it cannot be.
            RulingExists, KeyReused: something else stands in its way.
        """
        access = self._enter(call, f"ruling_{wish.kind}", subject, wish)
        hub, workspace = self._office.hub, access.rules.workspace
        actor = Actor(access.client, access.person())
        request = digest({"subject": subject, "wish": said(wish), "file": _digest(file)})
        try:
            if key is not None and not KEY.fullmatch(key):
                rule = message("form_string_pattern_mismatch", pattern=KEY.pattern)
                raise BadInput(field="key", rule=rule)
            _check(wish, file)
            pen = Draughtsman(access, workspace.subjects[subject])
            draft = pen.draft(wish)
            ruled = _rows(draft)
            stance = [] if draft.sensitive else opposed(workspace, subject, ruled, pen)
        except HubError as error:
            access.fail(error)
        draft = replace(draft, key=key, body={**draft.body, "request": request})
        with access.change() as connection:
            rulings.lock(connection)
            number, made = repeated(connection, hub.keys, actor, draft), False
            if number is None:
                number, deferrals = weigh(connection, hub.keys, draft)
                made = number is None
                if number is None:
                    number = self._add(connection, draft, actor, file, deferrals)
                    follow(hub, connection, workspace, number, stance)
                else:
                    remember(connection, hub.keys, actor, draft, number)
            return self._told(connection, access, number, {"made": made}, pen.release)

    def approve(self, call: Call, number: int, reason: str = "") -> dict[str, Any]:
        """Brings into force what another person proposed.

        Raises:
            RulingUnknown, Forbidden, PersonMissing: the caller may not.
            SecondPersonNeeded: it is the caller's own.
            RulingMoved: it does not wait for that.
        """
        access, found = self._about(call, "ruling_approve", number, reason)
        hub, workspace = self._office.hub, access.rules.workspace
        try:
            _second(found, access)
            check_length(reason)
            pen = Draughtsman(access, workspace.subjects[found.subject])
            rows = _table(number, rulings.open_body(hub.keys, found)["rows"])
            stance = opposed(workspace, found.subject, rows, pen)
        except HubError as error:
            access.fail(error)
        return self._move(access, number, State.IN_FORCE, reason,
                          lambda link: follow(hub, link, workspace, number, stance))  # fmt: skip

    def refuse(self, call: Call, number: int, reason: str) -> dict[str, Any]:
        """Turns down what another person proposed.

        Raises:
            As :meth:`approve`; ReasonMissing.
        """
        access, found = self._about(call, "ruling_refuse", number, reason)
        try:
            _second(found, access)
            _because(reason)
        except HubError as error:
            access.fail(error)
        return self._move(access, number, State.REFUSED, reason)

    def revoke(self, call: Call, number: int, reason: str) -> dict[str, Any]:
        """Takes back a ruling; its tickets are withdrawn, and the next run is without it. Of one
        that has retired, the tickets are all that is left.

        Raises:
            RulingUnknown, Forbidden, PersonMissing: the caller may not.
            ReasonMissing: it is not said why.
            RulingMoved: it was refused, revoked or has expired.
        """
        access, _ = self._about(call, "ruling_revoke", number, reason)
        actor = Actor(access.client, access.person())
        try:
            _because(reason)
        except HubError as error:
            access.fail(error)
        return self._move(access, number, State.REVOKED, reason,
                          lambda link: withdraw(self._office.hub, link, number, actor))  # fmt: skip

    def list(
        self,
        call: Call,
        subject: str,
        state: State | None = None,
        limit: int = 50,
        skip: int = 0,
    ) -> dict[str, Any]:
        """Rulings about what the caller may steward, latest first and without the first ``skip``.
        ``idle``: in force, and nothing is left of what it is about.
        """
        access = self._office.subject(call, "ruling_list", subject, None, [state, limit, skip])
        with self._office.hub.engine.connect() as connection:
            found = rulings.standing(connection, state, Ruling.subject == subject)[::-1]
            inside = within(connection, access, subject, found)
        listed = [in_short(row) for row in found if row.number in inside]
        still = idle(self._office.hub, subject)
        shown = [{**row, "idle": row["ruling"] in still} for row in listed[skip : skip + limit]]
        body = {"subject": subject, "total": len(listed), "rulings": shown}
        return access.give(body, About(rows={"answered": len(shown)}))

    def show(self, call: Call, number: int) -> dict[str, Any]:
        """A ruling with its reason, its value masked for the caller, and all that became of it."""
        access, found = self._about(call, "ruling_show", number)
        with self._office.hub.engine.connect() as connection:
            where = regions(connection, found.subject, [found.entity] if found.entity else [])
            query = select(RulingEvent.__table__).where(RulingEvent.ruling == number)
            events = connection.execute(query.order_by(RulingEvent.id)).all()
        told = in_full(access, found, events, where.get(found.entity))
        return access.give(told, About(rows={"answered": 1}))

    def evidence(self, call: Call, number: int) -> tuple[str, bytes]:
        """Suffix and content of the file a ruling was made by, as it was handed in.

        Raises:
            RulingUnknown, Forbidden: the caller may not.
            EvidenceMissing: none was.
        """
        access, found = self._about(call, "ruling_evidence", number)
        keys = self._office.hub.keys
        kept = rulings.open_body(keys, found).get("evidence")
        with access.change() as connection:
            content = evidence.read(connection, keys, kept)
            access.give({}, About(rows={"bytes": len(content)}), connection)
        return (kept or {})["suffix"], content

    def _enter(self, call: Call, deed: str, subject: str, wish: Wish) -> Access:
        if isinstance(wish, (Merge, Never, Split)):
            return self._office.linking(call, deed, subject, said(wish))
        return self._office.named(call, deed, subject, (wish.attribute,), said(wish))

    def _about(
        self, call: Call, deed: str, number: int, content: Any = None
    ) -> tuple[Access, Row[Any]]:
        """Leave to do something with a ruling that is there and within reach."""
        unknown = RulingUnknown(kind="ruling", name=str(number))
        with self._office.hub.engine.connect() as connection:
            found = rulings.standing(connection, None, Ruling.number == number)
            if not found:
                self._office.missing(call, deed, f"ruling/{number}", unknown)
            row = found[0]
        try:
            if row.attribute is None:
                access = self._office.linking(call, deed, row.subject, [number, content])
            else:
                items = (row.attribute,)
                access = self._office.subject(call, deed, row.subject, items, [number, content])
        except SubjectUnknown as error:
            raise unknown from error
        with self._office.hub.engine.connect() as connection:
            if not within(connection, access, row.subject, found):
                access.fail(unknown)
        return access, row

    def _add(
        self,
        connection: Connection,
        draft: Draft,
        actor: Actor,
        file: File | None,
        deferrals: Sequence[int],
    ) -> int:
        keys, now = self._office.hub.keys, self._office.hub.clock.now()
        ledger = Ledger(connection, keys, now)
        for deferral in deferrals:
            ledger.move(deferral, State.RETIRED, actor)
        kept = None if file is None else evidence.keep(connection, keys, file)
        return ledger.add(replace(draft, body={**draft.body, "evidence": kept}), actor)

    def _move(
        self,
        access: Access,
        number: int,
        to: State,
        reason: str,
        then: Callable[[Connection], None] | None = None,
    ) -> dict[str, Any]:
        actor = Actor(access.client, access.person())
        with access.change() as connection:
            ledger = Ledger(connection, self._office.hub.keys, self._office.hub.clock.now())
            ledger.move(number, to, actor, reason.strip() or None)
            if then is not None:
                then(connection)
            return self._told(connection, access, number, {}, None)

    def _told(
        self,
        connection: Connection,
        access: Access,
        number: int,
        more: Mapping[str, Any],
        release: int | None,
    ) -> dict[str, Any]:
        (found,) = rulings.standing(connection, None, Ruling.number == number)
        book = Book(connection, self._office.hub.keys, self._office.hub.clock.now())
        tickets = [ticket.number for ticket in book.of_ruling(number)]
        digests = tuple(
            access.digest(f"{found.subject}/{found.attribute}", row["value"])
            for row in rulings.open_body(self._office.hub.keys, found)["rows"]
            if row["kind"] == "value"
        )
        body = {**in_short(found), **more, "corrections": tickets}
        return access.give(body, About(digests, {"ruling": number}, release), connection)


def _check(wish: Wish, file: File | None) -> None:
    _because(wish.reason)
    if isinstance(wish, Enter) and file is None:
        raise EvidenceMissing
    if file is not None:
        file.check()


def _because(reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing
    check_length(reason)


def _second(found: Row[Any], access: Access) -> None:
    # What does not wait for anybody is refused for that, whoever asks.
    if same_person(access.person(), found.person) and found.state == State.PROPOSED:
        raise SecondPersonNeeded(number=found.number)


def _digest(file: File | None) -> str | None:
    return None if file is None else digest(file.content.hex())


def _rows(draft: Draft) -> pa.Table:
    return _table(0, draft.body["rows"])


def _table(number: int, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{"number": number, **row} for row in rows], schema=RULINGS)
