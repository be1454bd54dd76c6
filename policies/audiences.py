"""Audiences: what the departments that feed an attribute say of whom it is for, as lines.

An audience closes: an agreement or a rule must still open what is not for everybody. Of several
items that feed one attribute, each closes it to those it is not for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from catalog.contracts import Contract, Item
from catalog.subjects import Attribute, Subject
from core.types import Audience, Level, Sharing
from policies.masks import default_of
from policies.models import (
    ANY,
    REVEAL,
    SUPPRESS,
    Action,
    Agreement,
    Effect,
    Known,
    Line,
    Reach,
    below,
    outsiders,
)

_READING = (Action.LOOKUP, Action.VERIFY, Action.QUERY, Action.EXCHANGE, Action.STEWARD)
_FOLLOWS = {
    Sharing.UNCONDITIONAL: Audience.DEPARTMENTS,
    Sharing.CONDITIONAL: Audience.TIED,
    Sharing.NOT_SHARED: Audience.DEPARTMENT,
}
_NARROWING = tuple(Audience)


def audience_of_item(contract: Contract, item: str) -> Audience:
    """For whom an item of a table is: what its department says, else what follows from the
    sharing attribute. KeyError if there is no such item.
    """
    return _audience(contract.item(item))


def audience_of(subject: str, attribute: str, known: Known) -> Audience:
    """For whom an attribute is: the narrowest of the items that feed it. Nobody but a department
    itself, where nothing feeds it, or what is not registered.
    """
    found = [
        Audience.DEPARTMENT if item is None else _audience(item)
        for _, _, item in feeding(known.subjects[subject], attribute, known)
    ]
    return max(found, key=_NARROWING.index, default=Audience.DEPARTMENT)


def lines(agreements: Iterable[Agreement], known: Known) -> Iterator[Line]:
    """What the sharing attributes (Order 809, Art. 14) and the audiences say of each attribute.

    Not shared closes it to all but the department that keeps it, and so does the audience
    ``department``; ``tied`` closes it to whoever has no agreement about it in force with its
    department; ``leaders`` to whoever speaks for no leader of that rank. What is closed closes
    the checks that read it too, but those that the item names. What is unconditional is
    open to every department if it is not personal and at most L2 or, under the default mask, if
    every department that feeds it says so. All else needs a rule or agreement.
    """
    agreed = tuple(agreements)
    for name, subject in known.subjects.items():
        for attribute in subject.attributes:
            target = f"{name}/{attribute}"
            for closed in _closed(subject, attribute, agreed, known):
                for action in _READING:
                    yield closed.line(target, target, action)
            mask = _open_to_all(subject, attribute, known)
            if mask is not None:
                source = f"sharing:{target}"
                opens = (ANY, Action.QUERY, target, ANY, Reach.ALL, mask, Effect.ALLOW)
                yield Line(source, *opens)
    for check, reads in known.checks.items():
        for name, attribute in sorted(reads):
            for closed in _closed_check(check, (name, attribute), agreed, known):
                yield closed.line(f"{name}/{attribute}", f"check/{check}", Action.CHECK)


def feeding(
    subject: Subject, attribute: str, known: Known
) -> Iterator[tuple[str, str, Item | None]]:
    """Dataset, name of the item and item of every feed of an attribute; None where it is not
    registered. Whether an entity is listed is told by whose the rows of the listing tables are,
    so by the items that say so.
    """
    for dataset, items in subject.feeds.items():
        names = {items[attribute]} if attribute in items else set()
        if dataset in _listing(subject, attribute):
            keys = {items[key] for key in subject.keys if key in items}
            names |= keys or set(items.values())
        contract = known.contracts.get(dataset)
        found = {item.name: item for item in contract.items} if contract else {}
        for name in sorted(names):
            yield dataset, name, found.get(name)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a check reads: an attribute, and an item of a table that feeds it. ``closed``: for
    whom alone the item is, if its department says so. ``named``: the item names the check.
    """

    subject: str
    attribute: str
    dataset: str
    item: str
    closed: Audience | None
    named: bool


def readings(check: str, known: Known) -> Iterator[Reading]:
    """All that a registered check reads."""
    for subject, attribute in sorted(known.checks[check]):
        for dataset, _, item in feeding(known.subjects[subject], attribute, known):
            if item is not None:
                said = _audience(item) if _closes(item) else None
                yield Reading(subject, attribute, dataset, item.name, said, check in item.checks)


@dataclass(frozen=True, slots=True)
class _Closed:
    """A group to which something is closed, why (``sharing`` or ``audience``), and when."""

    group: str
    why: str
    valid_from: date | None = None
    valid_to: date | None = None

    def line(self, attribute: str, target: str, action: Action) -> Line:
        return Line(
            id=f"{self.why}:{attribute}",
            group=self.group,
            action=action,
            object=target,
            purpose=ANY,
            scope=Reach.ANY,
            mask=ANY,
            effect=Effect.DENY,
            valid_from=self.valid_from,
            valid_to=self.valid_to,
        )


def _audience(item: Item) -> Audience:
    return item.audience or _FOLLOWS[item.sharing]


def _closes(item: Item) -> bool:
    narrow = (Audience.TIED, Audience.LEADERS, Audience.DEPARTMENT)
    return item.sharing is Sharing.NOT_SHARED or item.audience in narrow


def _listing(subject: Subject, attribute: str) -> tuple[str, ...]:
    """The tables of which an attribute says who stands in them."""
    listing = subject.listing
    return listing.datasets if listing is not None and listing.attribute == attribute else ()


def _closed_check(
    check: str, read: tuple[str, str], agreements: Iterable[Agreement], known: Known
) -> Iterator[_Closed]:
    """To whom an attribute that a check reads closes it: to everyone, if it is of nothing."""
    name, attribute = read
    subject = known.subjects.get(name)
    if subject is None:
        yield _Closed(ANY, "sharing")
    else:
        yield from _closed(subject, attribute, agreements, known, check)


def _closed(
    subject: Subject,
    attribute: str,
    agreements: Iterable[Agreement],
    known: Known,
    check: str | None = None,
) -> Iterator[_Closed]:
    """To whom an attribute is closed, or a ``check`` that reads it. A feed nobody registered
    closes it to everyone, and so does it if nothing feeds it; two departments that both keep it
    close it to each other.
    """
    feeds = tuple(feeding(subject, attribute, known))
    if not feeds:
        yield _Closed(ANY, "sharing")
    for dataset, _, item in feeds:
        if item is None:
            yield _Closed(ANY, "sharing")
            continue
        if check in item.checks:
            continue
        department = known.contracts[dataset].department
        if item.sharing is Sharing.NOT_SHARED:
            yield _Closed(outsiders([department]), "sharing")
        if item.audience is Audience.DEPARTMENT:
            yield _Closed(outsiders([department]), "audience")
        elif item.audience is Audience.LEADERS:
            # Without a rank, it is for nobody below the highest.
            yield _Closed(below(item.leader_rank or 1), "audience")
        elif item.audience is Audience.TIED:
            about = (
                agreement
                for agreement in agreements
                if agreement.provider == department
                and agreement.subject == subject.subject
                and attribute in agreement.items
            )
            yield from _closed_to_strangers(department, about)


def _closed_to_strangers(department: str, agreements: Iterable[Agreement]) -> Iterator[_Closed]:
    """Closed to departments that have no agreement, and to the others while none is in force."""
    tied: dict[str, list[tuple[date, date]]] = {}
    for agreement in agreements:
        if agreement.consumer != department:
            times = tied.setdefault(agreement.consumer, [])
            times.append((agreement.valid_from, agreement.valid_to))
    yield _Closed(outsiders([department, *tied]), "audience")
    for consumer, times in tied.items():
        for since, until in _gaps(times):
            yield _Closed(consumer, "audience", since, until)


def _gaps(times: Iterable[tuple[date, date]]) -> Iterator[tuple[date | None, date | None]]:
    """The times outside all of some times, first and last days included; None: no bound."""
    since: date | None = None
    for first, last in sorted(times):
        if (since is None or first > since) and first > date.min:
            yield since, first - timedelta(days=1)
        if last == date.max:
            return
        since = max(since or date.min, last + timedelta(days=1))
    yield since, None


def _open_to_all(subject: Subject, attribute: str, known: Known) -> str | None:
    """The mask under which an attribute is open to every department; None if it is not. That
    items are open does not open in which tables somebody stands.
    """
    found = [item for _, _, item in feeding(subject, attribute, known)]
    items = [item for item in found if item is not None]
    if not items or len(items) < len(found) or _listing(subject, attribute):
        return None
    wide = (Audience.PUBLIC, Audience.DEPARTMENTS)
    if not all(i.sharing is Sharing.UNCONDITIONAL and _audience(i) in wide for i in items):
        return None
    if all(item.audience is not None for item in items):
        mask = default_of(subject.subject, attribute, known)
        return None if mask == SUPPRESS else mask
    described = subject.attributes[attribute]
    low = max(described.level, *(item.level for item in items)) <= Level.L2
    return REVEAL if low and not _personal(described, known) else None


def _personal(attribute: Attribute, known: Known) -> bool:
    element = known.elements.get(attribute.element)
    return attribute.personal or element is None or element.personal
