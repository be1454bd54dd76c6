"""Which mask an attribute has where a rule or agreement says ``default``."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from catalog.standards.base import Element
from catalog.standards.hiding import shows_no_more
from core.types import Level
from policies.enforcer import rank
from policies.models import REVEAL, SUPPRESS, Known


def default_mask(
    element: Element | None, level: Level, personal: bool, chosen: str | None = None
) -> str:
    """The mask that holds if nobody says otherwise. ``chosen``: what the department chose.

    By level: what is not sensitive (L1) or little (L2) and not personal is shown as it is, L3 in
    the usual form of its element, L4 not at all. Personal information is never shown as it is,
    whatever was chosen; a choice of what the element does not offer counts for none.
    """
    if element is None:
        return SUPPRESS
    is_personal = personal or element.personal
    if chosen is not None and element.offers(chosen) and not (is_personal and chosen == REVEAL):
        return chosen
    if level is Level.L4:
        return SUPPRESS
    return REVEAL if level <= Level.L2 and not is_personal else element.default_mask


def default_of(subject: str, attribute: str, known: Known) -> str:
    """The default mask of an attribute of a subject: of all that its items' departments chose,
    or their levels ask for, the one that shows least; none of it where that cannot be told. An
    item nobody registered hides it.
    """
    described = known.subjects[subject].attributes[attribute]
    element = known.elements.get(described.element)
    masks = {
        default_mask(element, max(level, described.level), described.personal, chosen)
        for level, chosen in _items(subject, attribute, known)
    }
    return least(masks or {SUPPRESS})


def least(masks: Collection[str]) -> str:
    """The mask of an element that shows nothing which another of them hides; ``suppress`` where
    there is none: ``month`` and ``keep:1:0`` each show what the other hides.
    """
    lowest = min(map(rank, masks))
    among = sorted(mask for mask in masks if rank(mask) == lowest)
    found = (mask for mask in among if all(shows_no_more(mask, other) for other in among))
    return next(found, SUPPRESS)


def _items(subject: str, attribute: str, known: Known) -> Iterator[tuple[Level, str | None]]:
    """Level and chosen mask of each item that feeds an attribute."""
    for dataset, fed in known.subjects[subject].feeds.items():
        if attribute not in fed:
            continue
        contract = known.contracts.get(dataset)
        found = contract.items if contract else ()
        item = next((item for item in found if item.name == fed[attribute]), None)
        yield (Level.L4, SUPPRESS) if item is None else (item.level, item.mask)
