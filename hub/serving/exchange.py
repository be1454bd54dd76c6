"""Exchange in bulk: a file of masked rows for another department's system.

The file is made first, where nobody sees it, then the answer is logged with the file's digest,
and only then does a byte leave: the log says what was given, not what was about to be, and a
failure half-way leaves no half of a file with anybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from catalog.subjects import Subject
from core.errors import BadInput, HubError, Unavailable
from core.messages import message
from hub.audit.entries import KeyedDigests
from hub.serving.access import About, Access
from hub.serving.bulk import Bulk, Page, Selection, newest
from hub.serving.files import FORMS, SHEET_ROWS, digested, spool, write
from hub.serving.notes import Call
from hub.serving.office import Office
from hub.serving.persons import Namer
from hub.serving.reading import Record, is_findable
from hub.serving.steps import FilterSealed, asked_by, cells, clean
from policies.masking import MaskedRow, Masker
from policies.models import Action

_PERSONS = 1_000
"""Records whose persons one entry of the log names."""


@dataclass(frozen=True)
class Order:
    """What is ordered: ``items`` (None: all that may be had) of the records that ``where``
    (attribute → value) and ``region`` (a code: it and all below) select, in ``form``
    (:data:`hub.serving.files.FORMS`). ``after``: what the last file said of the next.
    """

    form: str
    items: tuple[str, ...] | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class Delivery:
    """``answer``: what is said of the file, with its receipt. ``file`` has no name any more:
    closed, it is gone.
    """

    answer: dict[str, Any]
    file: BinaryIO


@dataclass
class _Told:
    """What is learnt while rows go by: places, persons, counts."""

    rows: int = 0
    place: bytes | None = None
    parts: list[tuple[str, ...]] = field(default_factory=list)


class Exchange:
    """Makes files for all callers of a process, from any thread."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._hub = office.hub

    def deliver(self, call: Call, subject: str, order: Order) -> Delivery:
        """A file of the rows that the caller may have in bulk, each under the same masks as
        anywhere; logged before this returns.

        Raises:
            Forbidden, SubjectUnknown: the policy refuses.
            FilterSealed, ValueInvalid, BadInput: what was asked cannot be.
            AuditUnavailable: the log cannot be written, so nothing is given.
        """
        if order.form not in FORMS:
            raise BadInput(field="format", rule=message("rule_one_of", names=", ".join(FORMS)))
        known = self._office.rules.workspace.subjects.get(subject)
        office = self._office.naming(asked_by(KeyedDigests(self._hub.keys), known, order.where))
        access = office.sharing(call, Action.EXCHANGE, "exchange", subject, vars(order))
        described = access.rules.workspace.subjects[subject]
        access = _confine(access, described, order).spent(self._office.circumstances)
        try:
            with spool(self._hub.settings.home) as folder:
                answer, about, file = self._make(access, described, order, folder)
        except HubError as error:
            access.fail(error)
        except OSError:
            access.fail(Unavailable(reason=message("cause_file_not_written")))
        try:
            return Delivery(access.give(answer, about), file)
        except BaseException:
            file.close()
            raise

    def _make(
        self, access: Access, subject: Subject, order: Order, folder: Path
    ) -> tuple[dict[str, Any], About, BinaryIO]:
        where, told = clean(subject, order.where), _Told()
        release, place = _continued(order.after)
        most = self._hub.settings.exchange_rows
        most = min(most, SHEET_ROWS) if order.form == "xlsx" else most
        masker = Masker(access.grant, subject, self._hub.keys)
        items = [n for n in subject.attributes if any(n in t.masks for t in access.grant.tiers)]
        path = folder / "rows"
        # One snapshot: the release named is the one that was read, whatever is published.
        with self._hub.engine.connect().execution_options(
            isolation_level="REPEATABLE READ"
        ) as connection:
            release = release or newest(connection)
            selection = Selection(subject, release, where, _regions(access, order))
            page = Page(self._secret(access, subject), most + 1, place)
            found = Bulk(connection, self._hub.keys).page(access.grant, selection, page)
            named = _naming(access, subject, found, told, most)
            write(order.form, items, _masked(masker, named, told), path)
        file, digest = digested(path)
        following = None if told.place is None else f"{release}.{told.place.hex()}"
        answer = {
            "subject": subject.subject,
            "release": release,
            "format": order.form,
            "rows": told.rows,
            "most": most,
            "next": following,
            "masks": access.grant.masks,
            "sha256": digest,
        }
        # The file's own digest is no value: the log holds it, so that a file can be recognised.
        # Who is in it stands in the parts: whom the order named may not be.
        rows = {"answered": told.rows, "persons": 0}
        about = About((digest,), rows, release, tuple(told.parts))
        return answer, about, file

    def _secret(self, access: Access, subject: Subject) -> bytes:
        use = f"{access.department}/{access.grant.purpose}/{subject.subject}"
        return self._hub.keys.derive(f"exchange-order/{use}")


def _confine(access: Access, subject: Subject, order: Order) -> Access:
    """The leave over those records that may be searched by what was ordered."""
    searched = dict.fromkeys(order.where)
    if order.region is not None:
        if subject.region is None:
            access.fail(
                BadInput(field="region", rule=message("rule_no_regions", subject=subject.subject))
            )
        searched[subject.region] = None
    access = access.confined(searched)
    for name in order.where:
        if not is_findable(subject, name):
            access.fail(FilterSealed(item=name))
    return access


def _regions(access: Access, order: Order) -> frozenset[str] | None:
    if order.region is None:
        return None
    return access.rules.workspace.known.regions.subtree(order.region)


def _continued(after: str | None) -> tuple[int | None, bytes | None]:
    """Release and place of where the last file ended."""
    if after is None:
        return None, None
    release, _, place = after.partition(".")
    try:
        return int(release), bytes.fromhex(place)
    except ValueError:
        raise BadInput(field="after", rule=message("rule_after_next")) from None


def _naming(
    access: Access,
    subject: Subject,
    found: Iterator[tuple[bytes, Record]],
    told: _Told,
    most: int,
) -> Iterator[Record]:
    """The records, while the persons they are about are noted for the log. The place of the last
    one is told if there are more.
    """
    namer = Namer(KeyedDigests(access.hub.keys), access.rules.workspace.subjects)
    held: list[Record] = []
    last: bytes | None = None
    for place, record in found:
        if told.rows == most:
            told.place = last
            break
        told.rows, last = told.rows + 1, place
        held.append(record)
        if len(held) == _PERSONS:
            told.parts.append(_persons(namer, subject, held))
            held = []
        yield record
    if held:
        told.parts.append(_persons(namer, subject, held))


def _persons(namer: Namer, subject: Subject, records: Sequence[Record]) -> tuple[str, ...]:
    named = namer.name((), subject, records)
    return named.digests[-named.persons :] if named.persons else ()


def _masked(masker: Masker, records: Iterator[Record], told: _Told) -> Iterator[MaskedRow]:
    for record in records:
        row = masker.mask_row(cells(record), record.region, record.entity)
        if row is None:
            # The scope as SQL and as Python are one; if ever not, nothing is shown.
            told.rows -= 1
            continue
        yield row
