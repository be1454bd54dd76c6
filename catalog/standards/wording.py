"""Identifiers of a department's own, short codes, and free text."""

from __future__ import annotations

from functools import cache

import pyarrow as pa

from catalog.standards.base import Agreement, Comparison, Element, Invalid
from catalog.standards.columns import matching
from catalog.standards.domains import DIGITS, LETTERS, Domain, places
from catalog.standards.hiding import forms, hide, keep, keep_ends, keeping, series
from catalog.standards.likeness import in_order, plain
from catalog.standards.spelling import HAN, folded, tidy
from core.types import Level, Text

LONGEST_IDENTIFIER = 128
LONGEST_CODE = 64


_SHAPES = str.maketrans(DIGITS + LETTERS, "0" * 10 + "A" * 26)
_ALPHABETS = {"0": DIGITS, "A": LETTERS}
FEWEST = 1_000_000
"""In a smaller domain, encryption could be undone by trying."""


def _luhn(front: str) -> str:
    """The check digit of a number of a bank card (ISO/IEC 7812)."""
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(front)))
    return str(-sum(value - 9 * (value > 9) for value in doubled) % 10)


def _is_card(value: str) -> bool:
    is_number = 13 <= len(value) <= 19 and value.isascii() and value.isdigit()
    return is_number and _luhn(value[:-1]) == value[-1]


@cache
def _cards(length: int) -> Domain:
    return places(f"card:{length}", [DIGITS] * (length - 1), _luhn)


def _alike(shape: str, value: str) -> Domain:
    """``shape``: the value with 0 for digits and A for capital letters."""
    signs = zip(shape, value, strict=True)
    return places(f"like:{shape}", [_ALPHABETS.get(kind, sign) for kind, sign in signs])


def _short(text: str, longest: int) -> str:
    value = folded(text)
    if not value:
        raise Invalid("flaw_characters")
    if len(value) > longest:
        raise Invalid("flaw_length")
    return value


class Identifier(Element):
    """A number or name by which a department knows a thing, in upper case."""

    code = "identifier"
    title = Text(zh="标识号", en="Identifier")
    level = Level.L3
    comparison = Comparison(
        levels=(
            Agreement("exact", "equal"),
            Agreement("same_signs", "equal", "bare"),
            Agreement("close", "edits", "bare", bound=1),
            Agreement("alike", "jaro_winkler", "bare", bound=0.9),
        ),
        features={"bare": lambda value: plain(value).replace(" ", "")},
        blocking=("",),
        gathers=True,
    )
    masks = forms(partial=keep_ends)
    families = series(keep=keeping(keep_ends))
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The identifier in upper case, with single blanks."""
        return _short(tidy(text).upper(), LONGEST_IDENTIFIER)

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Identifiers of digits, capital letters, ideographs and simple marks."""
        return matching(texts, f"[0-9A-Z{HAN}_./()#:-]+", LONGEST_IDENTIFIER)

    def domain(self, value: str) -> Domain | None:
        """Identifiers with digits and capital letters in the same places, and the rest the same;
        of numbers of bank cards, numbers that pass the same check. None below a million.
        """
        if _is_card(value):
            return _cards(len(value))
        domain = _alike(value.translate(_SHAPES), value)
        return domain if domain.size >= FEWEST else None


class Code(Element):
    """A short code of a list that the hub does not know."""

    code = "code"
    title = Text(zh="代码", en="Code")
    level = Level.L2
    comparison = Comparison()
    masks = forms(partial=hide)
    families = series(keep=keeping(hide))
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The code, with single blanks."""
        return _short(text, LONGEST_CODE)

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Codes of digits, letters, ideographs and simple marks."""
        return matching(texts, f"[0-9A-Za-z{HAN}_./()#:-]+", LONGEST_CODE)


class FreeText(Element):
    """Text of any length."""

    code = "text"
    title = Text(zh="文本", en="Text")
    level = Level.L4
    comparison = Comparison(
        levels=(
            Agreement("exact", "equal"),
            Agreement("same_words", "equal", "in_order"),
            Agreement("close", "edits", "plain", bound=1),
            Agreement("alike", "jaro_winkler", "plain", bound=0.9),
            Agreement("rather_alike", "jaro_winkler", "in_order", bound=0.8),
        ),
        features={"plain": plain, "in_order": in_order},
        blocking=("",),
        frequency=True,
    )
    masks = forms(partial=lambda value: keep(value, 1, 0))
    families = series(keep=keeping(masks["partial"]))
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The text with each run of blanks and line ends as one space."""
        value = folded(text)
        if not value:
            raise Invalid("flaw_characters")
        return value
