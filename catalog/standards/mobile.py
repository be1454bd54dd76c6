"""Mobile telephone numbers of the mainland."""

from __future__ import annotations

import re

import pyarrow as pa

from catalog.standards.base import Agreement, Comparison, Element, Invalid
from catalog.standards.columns import matching
from catalog.standards.domains import DIGITS, Domain, places
from catalog.standards.hiding import forms, keep, keeping, series
from catalog.standards.spelling import bare
from core.types import Level, Text

_SHAPE = "1[3-9][0-9]{9}"
_DOMAIN = places("mobile", ("1", "3456789", *[DIGITS] * 9))
_PREFIXED = re.compile(rf"(?:(?:\+|00)?86)?0?({_SHAPE})")


class Mobile(Element):
    """Eleven digits, 1 and 3–9 first, without country code."""

    code = "mobile"
    title = Text(zh="手机号码", en="Mobile number")
    level = Level.L3
    personal = True
    comparison = Comparison(
        levels=(Agreement("exact", "equal"), Agreement("close", "edits", bound=1)),
        blocking=("",),
    )
    masks = forms(partial=lambda value: keep(value, 3, 4))
    families = series(keep=keeping(masks["partial"], 11))
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The number without prefix."""
        number = bare(text.removesuffix(".0"))
        found = _PREFIXED.fullmatch(number)
        if found:
            return found[1]
        if not (number.isascii() and number.isdigit()):
            raise Invalid("flaw_characters")
        raise Invalid("flaw_length" if len(number) != 11 else "flaw_pattern")

    def domain(self, value: str) -> Domain:  # noqa: ARG002
        """All mobile numbers."""
        return _DOMAIN

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Numbers of eleven digits."""
        return matching(texts, _SHAPE, 11)
