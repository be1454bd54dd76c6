"""The way in for whatever is no query: each request decided, its values masked, its answer logged
first.

Rulings and their entries in the log are one transaction: what is not logged did not happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from sqlalchemy import ColumnElement, Connection, select

from catalog.subjects import Subject
from core.canonical import digest
from core.errors import HubError
from hub.app import Hub
from hub.audit.entries import KeyedDigests
from hub.audit.writing import AuditUnavailable
from hub.identity import canonical_account
from hub.serving.board import Rules
from hub.serving.circumstances import Circumstances
from hub.serving.notes import Call, Note, refusal
from policies.decide import Denied, Grant, confine
from policies.masking import Cell, MaskedCell, Masker
from policies.models import SUPPRESS
from reconcile.models import GoldenRecord

__all__ = ["About", "Access", "Call", "PersonMissing", "View"]


class PersonMissing(HubError):
    """A ruling or an answer is somebody's: the token, or ``--person``, must say whose."""

    code = "person_missing"
    status = 403
    exit_code = 2


@dataclass(frozen=True)
class About:
    """What the log is told of an answer beside who asked and why, and whom the request named: more
    keyed digests, counts, and the release that was read. ``parts``: of a long answer, the digests of the persons shown, each
    part to be an entry of its own before that of the answer.
    """

    digests: tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    release: int | None = None
    parts: tuple[tuple[str, ...], ...] = ()


class View:
    """Values of a subject as one caller may see them. Without a grant, all are suppressed."""

    def __init__(self, hub: Hub, subject: Subject, grant: Grant | None) -> None:
        self._grant = grant
        self._masker = None if grant is None else Masker(grant, subject, hub.keys)

    def show(self, attribute: str, value: str | None, region: str | None) -> MaskedCell:
        """What may be seen of a value of a record that lies in ``region``.

        Raises:
            MaskFailed: the value is not of its element's canonical form.
        """
        row = self._masker and self._masker.mask_row({attribute: Cell(value)}, region)
        hidden = MaskedCell(None, SUPPRESS)
        return row.cells.get(attribute, hidden) if row else hidden

    def reaches(self, region: str | None) -> bool:
        """Whether records that lie in ``region`` are within reach, with whatever attribute."""
        scopes = () if self._grant is None else self._grant.scopes
        return any(scope.contains(region) for scope in scopes)

    def covers(self, region: str | None, attributes: Iterable[str] | None = None) -> bool:
        """Whether all of ``attributes`` (None: all that leave was given for) are open in records
        that lie in ``region``.
        """
        tiers = () if self._grant is None else self._grant.tiers
        granted = {name for tier in tiers for name in tier.masks}
        inside = {n for tier in tiers if tier.scope.contains(region) for n in tier.masks}
        wanted = granted if attributes is None else set(attributes)
        return bool(inside) and wanted <= inside


class Access:
    """Leave to do one thing for one caller. Whoever has one may do it; whatever comes of it goes
    through :meth:`give` or :meth:`fail`.
    """

    def __init__(self, hub: Hub, rules: Rules, call: Call, grant: Grant, note: Note) -> None:
        self.hub = hub
        self.rules = rules
        self.call = call
        self.grant = grant
        self._note = note.of_grant(grant)
        described = rules.workspace.subjects.get(grant.subject)
        self.view = None if described is None else View(hub, described, grant)

    def over(self, subject: str, items: Mapping[str, str]) -> Access:
        """The same leave, logged as being about several things."""
        made = copy(self)
        made._note = replace(self._note, subject=subject, items=items)
        return made

    @property
    def client(self) -> str:
        """Under which client things are done."""
        return self.call.caller.client

    @property
    def department(self) -> str:
        """The department of the client."""
        return self.grant.client.department

    def is_own(self, dataset: str) -> bool:
        """Whether a table is the caller's department's own, whose values it sent itself. All
        others see values as the masks of the subject allow, and none of single rows.
        """
        return self.rules.workspace.contracts[dataset].department == self.department

    def person(self) -> str:
        """Whose decision it is.

        Raises:
            PersonMissing: nobody stands behind the client.
        """
        person = self.call.caller.person
        if person is None or not canonical_account(person):
            self.fail(PersonMissing())
        return person

    def digest(self, kind: str, value: str) -> str:
        """What may stand in the log for a value of ``<subject>/<attribute>``."""
        return KeyedDigests(self.hub.keys).of(kind, value)

    def spent(self, circumstances: Circumstances) -> Access:
        """The same leave, with what an answer costs spent: before anything is read for it.

        Raises:
            Forbidden: it cannot be had any more; that is logged.
        """
        note, denied = circumstances.settle(self._note)
        if denied is not None:
            self.refuse(denied)
        made = copy(self)
        made._note = note
        return made

    def confined(self, attributes: Iterable[str]) -> Access:
        """The same leave over only those records that may be searched by the attributes.

        Raises:
            Forbidden: by one of them, none may; that is logged.
        """
        found = confine(self.grant, attributes)
        if isinstance(found, Denied):
            self.refuse(found)
        return self.under(found)

    def under(self, grant: Grant) -> Access:
        """The same leave under a narrower grant."""
        return Access(self.hub, self.rules, self.call, grant, self._note)

    def refuse(self, denied: Denied) -> NoReturn:
        """Logs a refusal for what turned out later, and says so."""
        self.hub.audit.append([self._note.refused(denied)])
        raise refusal(denied, self.grant.subject)

    def fail(self, error: HubError) -> NoReturn:
        """Logs that a permitted request came to nothing, and says so."""
        self.hub.audit.append([self._note.failed(error)])
        raise error

    @contextmanager
    def change(self) -> Iterator[Connection]:
        """A transaction; where it fails in plain words, that is logged."""
        try:
            with self.hub.engine.begin() as connection:
                yield connection
        except AuditUnavailable:
            raise
        except HubError as error:
            self.fail(error)

    def give(
        self,
        body: Mapping[str, Any],
        about: About | None = None,
        connection: Connection | None = None,
    ) -> dict[str, Any]:
        """The answer with its receipt, logged: durably when this returns or, given a
        ``connection``, when its transaction commits; until then the answer may not leave.

        Raises:
            AuditUnavailable: the log cannot be written, so nothing is given.
        """
        told = about or About()
        # Whom the request named is named first: of those shown, the last places tell.
        named = tuple(one for one in self._note.digests if one not in told.digests)
        note = replace(
            self._note, digests=(*named, *told.digests), rows=told.rows, release=told.release
        )
        parts = [
            replace(note, digests=part, rows={"persons": len(part)}).answered(self.grant, "part")
            for part in told.parts
        ]
        entries = [*parts, note.answered(self.grant)]
        *_, appended = self.hub.audit.append(entries, connection)
        receipt = self.hub.audit.receipt(appended, digest(body))
        return {**body, "receipt": receipt.model_dump(mode="json")}


def repair_shown(repair: Mapping[str, Any], show: Callable[[str], Any]) -> dict[str, Any]:
    """A repair as it may be seen: who may not see the values it maps sees how many."""
    if repair["kind"] != "recode":
        return dict(repair)
    pairs = [[show(old), show(new)] for old, new in sorted(repair["mapping"].items())]
    return {"kind": repair["kind"], "mapping": pairs}


def regions(connection: Connection, subject: str, entities: Iterable[str]) -> dict[str, str | None]:
    """The region that each of the entities lies in; those that are not served are left out."""
    return _regions(connection, subject, entities, GoldenRecord.closed.is_(None))


def last_regions(
    connection: Connection, subject: str, entities: Iterable[str]
) -> dict[str, str | None]:
    """As :func:`regions`; those that are not served any more lie where they lay last."""
    return _regions(connection, subject, entities)


def _regions(
    connection: Connection, subject: str, entities: Iterable[str], *more: ColumnElement[bool]
) -> dict[str, str | None]:
    query = select(GoldenRecord.entity, GoldenRecord.region).where(
        GoldenRecord.subject == subject, GoldenRecord.entity.in_(list(entities)), *more
    )
    rows = connection.execute(query.order_by(GoldenRecord.opened))
    return {row.entity: row.region for row in rows}
