"""What is to become of each column of a table that is opened, and how far it can be generalised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from catalog.contracts import Contract
from catalog.standards import elements
from catalog.standards.base import Element
from catalog.standards.several import SUFFIX
from catalog.subjects import Opening, Subject
from core.types import Audience, Level
from policies.audiences import audience_of, audience_of_item
from policies.models import REVEAL, SUPPRESS, Known

_DIRECT = frozenset({"resident_id", "person_name", "mobile", "plate"})
"""Elements by which a person is known at once."""

_LADDERS = {
    "date": ("month", "year"),
    "region_code": ("division:community", "division:town", "division:district"),
    "address": ("division:community", "division:town", "division:district"),
    "money": ("band:1000", "band:10000", "band:100000"),
    "integer": ("band:5", "band:10", "band:100"),
    "decimal": ("band:10", "band:50", "band:100"),
}
_AMOUNTS = frozenset({"money", "integer", "decimal", "date"})


class Role(StrEnum):
    """What a column is to whoever wants to find somebody: a name of persons; something known of
    them from elsewhere; something to be found out; or nothing about persons.
    """

    DIRECT = "direct"
    QUASI = "quasi"
    SENSITIVE = "sensitive"
    PLAIN = "plain"


@dataclass(frozen=True)
class Column:
    """One column. ``ladder``: masks, from what shows most to ``suppress``; of a role other than
    ``quasi`` the only one.
    """

    name: str
    element: str
    role: Role
    ladder: tuple[str, ...]


@dataclass(frozen=True)
class _Described:
    """An attribute or item, as far as it matters here. ``known``: records are found by it.
    ``chosen``: the masks that departments chose.
    """

    name: str
    element: str
    level: Level
    personal: bool
    key: bool
    known: bool
    chosen: frozenset[str]


def of_subject(subject: Subject, known: Known) -> tuple[Column, ...]:
    """The columns of a subject whose audience is the public."""
    described = [
        _Described(
            name=name,
            element=attribute.element,
            level=attribute.level,
            personal=attribute.personal or elements()[attribute.element].personal,
            key=attribute.key,
            known=name in subject.lookups,
            chosen=_chosen(subject, name, known),
        )
        for name, attribute in subject.attributes.items()
    ]
    public = {d.name for d in described if _is_public(subject.subject, d.name, known)}
    return _columns(described, public, subject.opening)


def of_dataset(contract: Contract) -> tuple[Column, ...]:
    """The columns of a table whose audience is the public."""
    described = [
        _Described(
            name=item.name,
            element=item.element,
            level=item.level,
            personal=elements()[item.element].personal,
            key=item.key,
            known=item.key or item.unique,
            chosen=frozenset({item.mask} if item.mask else ()),
        )
        for item in contract.items
    ]
    names = (item.name for item in contract.items)
    public = {n for n in names if audience_of_item(contract, n) is Audience.PUBLIC}
    return _columns(described, public, Opening())


def _is_public(subject: str, attribute: str, known: Known) -> bool:
    return audience_of(subject, attribute, known) is Audience.PUBLIC


def _chosen(subject: Subject, attribute: str, known: Known) -> frozenset[str]:
    fed = ((d, items[attribute]) for d, items in subject.feeds.items() if attribute in items)
    masks = (known.contracts[dataset].item(item).mask for dataset, item in fed)
    return frozenset(mask for mask in masks if mask)


def _columns(
    described: Sequence[_Described], public: Iterable[str], opening: Opening
) -> tuple[Column, ...]:
    shown = set(public)
    # Once anything of a row is about a person, all of it may help to find that person.
    about_persons = any(d.key and d.personal for d in described) or any(
        (d.personal or d.level >= Level.L3) and d.element not in _DIRECT
        for d in described
        if d.name in shown
    )
    return tuple(_column(d, about_persons, opening) for d in described if d.name in shown)


def _column(described: _Described, about_persons: bool, opening: Opening) -> Column:
    role = _role(described, about_persons, opening)
    ladder = _ladder(elements()[described.element], described.chosen)
    if role is Role.DIRECT or described.element.endswith(SUFFIX):
        # How like each other sets are is not counted, so that none is shown.
        ladder = (SUPPRESS,)
    elif role is Role.PLAIN:
        ladder = ladder[:1]
    elif role is Role.SENSITIVE:
        # An amount to the last digit would be as good as a name.
        exact = described.element in _AMOUNTS and ladder[0] == REVEAL
        ladder = ladder[1:2] if exact else ladder[:1]
    return Column(described.name, described.element, role, ladder)


def _role(described: _Described, about_persons: bool, opening: Opening) -> Role:
    if described.personal and (described.element in _DIRECT or described.known):
        return Role.DIRECT
    if not about_persons:
        return Role.PLAIN
    if described.known or described.element in _DIRECT:
        return Role.DIRECT
    named = opening.sensitive or ((described.name,) if described.level is Level.L4 else ())
    return Role.SENSITIVE if described.name in named else Role.QUASI


def _ladder(element: Element, chosen: frozenset[str]) -> tuple[str, ...]:
    """From the value as it is to nothing; what departments chose to hide stays hidden."""
    between = [mask for mask in _LADDERS.get(element.code, ()) if element.offers(mask)]
    ladder = (REVEAL, *between, SUPPRESS)
    hiding = chosen - {REVEAL}
    if not hiding:
        return ladder
    known = [ladder.index(mask) for mask in hiding if mask in ladder]
    if len(known) == len(hiding):
        return ladder[max(known) :]
    # A mask beside the ladder cannot be compared with its rungs: only nothing shows less.
    return (SUPPRESS,)
