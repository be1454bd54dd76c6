"""Sets of values: what an attribute holds of which an entity may have several."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import ClassVar

import pyarrow as pa

from catalog.standards.base import Cleaned, Element, Invalid, as_text
from catalog.standards.hiding import Mask, Value
from catalog.standards.spelling import tidy

SUFFIX = "[]"
"""Ends the code of a set's element: ``mobile[]`` are sets of ``mobile``."""
SEPARATOR = "；"
"""Between the members of a set. Values are in NFKC, in which this sign does not occur."""


def joined(members: Iterable[str]) -> str:
    """A set in canonical form: its distinct members, sorted."""
    return SEPARATOR.join(sorted(set(members)))


def each(show: Callable[[str], Value]) -> Mask:
    """A mask of single values, applied to every member of a set."""

    def shown(value: str) -> str:
        return SEPARATOR.join(str(show(member)) for member in value.split(SEPARATOR))

    return shown


class SetOf(Element):
    """Sets of values of the element ``member``; :func:`set_of` makes one. They are hidden, and
    mean the same, member by member. Records are not linked by them.
    """

    member: ClassVar[Element]

    def clean_one(self, text: str) -> str:
        """The members, each in canonical form, joined.

        Raises:
            Invalid: one of them breaks a rule.
        """
        value, flaw = self._gathered(text.split(SEPARATOR))
        if flaw is not None:
            raise Invalid(flaw)
        if value is None:
            raise Invalid("flaw_characters")
        return value

    def clean_parts(self, values: pa.Array, separator: str | None) -> Cleaned:
        """Cleans a column of texts that each hold several values, told apart by ``separator``
        in any width; None: as lists in JSON. Of a text that has parts which break a rule the
        others stand, and the first such rule is its flaw.
        """
        encoded = as_text(values).dictionary_encode()
        found = [self._gathered(_parts(text, separator)) for text in encoded.dictionary.to_pylist()]
        cleaned, flaws = ([pair[side] for pair in found] for side in (0, 1))
        return Cleaned(
            pa.array(cleaned, pa.string()).take(encoded.indices),
            pa.array(flaws, pa.string()).take(encoded.indices),
        )

    def _gathered(self, parts: Iterable[str]) -> tuple[str | None, str | None]:
        """The set of those parts that say something and are right, and what the first of the
        others breaks.
        """
        examined = [self.member.examine(part) for part in parts]
        flaw = next((flaw for _, flaw in examined if flaw is not None), None)
        return joined(value for value, _ in examined if value is not None) or None, flaw

    def mask(self, name: str) -> Mask | None:
        """The mask of that name of a single value, applied to every member."""
        of_one = self.member.mask(name)
        return None if of_one is None else each(of_one)

    @property
    def keeps_form(self) -> bool:
        """Whether single values have encryption that keeps their form."""
        return self.member.keeps_form

    def _gist(self, value: str) -> str:
        return joined(map(self.member.gist, value.split(SEPARATOR)))


def _parts(text: str, separator: str | None) -> list[str]:
    if separator is not None:
        return tidy(text).split(tidy(separator))
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return [text]
    return [str(part) for part in listed if part is not None] if type(listed) is list else [text]


def set_of(member: Element) -> SetOf:
    """The element of sets of such values."""
    same = ("title", "level", "personal", "families", "default_mask", "missing")
    said = {name: getattr(member, name) for name in same}
    said |= {"code": member.code + SUFFIX, "member": member}
    said["masks"] = {name: each(mask) for name, mask in member.masks.items()}
    if type(member).gist is not Element.gist:
        said["gist"] = SetOf._gist
    made = type(f"SetOf{type(member).__name__}", (SetOf,), said)()
    assert isinstance(made, SetOf)
    return made
