"""What elements have in common whose values are codes of a short standard list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from catalog.standards.base import Comparison, Element, Invalid
from catalog.standards.hiding import forms, hide
from catalog.standards.spelling import compact
from core.types import Level


class Coded(Element):
    """An element of listed codes. ``words``: every spelling known (upper case, no blanks), the
    codes themselves among them → the standard's code.
    """

    level = Level.L2
    comparison: ClassVar[Comparison | None] = Comparison()
    masks = forms(partial=hide)
    default_mask = "partial"
    words: ClassVar[Mapping[str, str]]

    def clean_one(self, text: str) -> str:
        """The standard's code of a code or word."""
        found = self.words.get(compact(text).upper())
        if found is None:
            raise Invalid("flaw_code")
        return found


def spelled(listing: Mapping[str, str], codes: Iterable[str] = ()) -> dict[str, str]:
    """Code → its words, separated by blanks, turned into word → code. ``codes`` and the codes
    of the listing stand for themselves.
    """
    words = {word: code for code, text in listing.items() for word in text.split()}
    return words | {code: code for code in (*listing, *codes)}
