"""Number plates of vehicles."""

from __future__ import annotations

import re

import pyarrow as pa

from catalog.standards.base import Comparison, Element, Invalid
from catalog.standards.columns import matching
from catalog.standards.domains import DIGITS, Domain, places
from catalog.standards.hiding import forms, keep, keeping, series
from catalog.standards.spelling import bare
from core.types import Level, Text

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_PROVINCE, _LETTER_OR_DIGIT, _CLOSING = f"[{_PROVINCES}]", "[0-9A-HJ-NP-Z]", "学警挂港澳试超领"
# Ordinary plates, those with a closing word (police, learners, trailers, …), and those of new
# energy: small cars have their letter first, large ones last.
_SHAPE = (
    f"{_PROVINCE}[A-HJ-Z](?:{_LETTER_OR_DIGIT}{{5}}|{_LETTER_OR_DIGIT}{{4}}[{_CLOSING}]"
    f"|[A-HJK]{_LETTER_OR_DIGIT}[0-9]{{4}}|[0-9]{{5}}[A-HJK])"
)
_COMPILED = re.compile(_SHAPE)


_LETTERS, _SIGNS = "ABCDEFGHJKLMNPQRSTUVWXYZ", DIGITS + "ABCDEFGHJKLMNPQRSTUVWXYZ"
_FRONT, _ENERGY = (_PROVINCES, "ABCDEFGHJKLMNOPQRSTUVWXYZ"), "ABCDEFGHJK"
_ORDINARY = places("ordinary", (*_FRONT, *[_SIGNS] * 5))
_CLOSED = places("closed", (*_FRONT, *[_SIGNS] * 4, _CLOSING))
_SMALL = places("small", (*_FRONT, _ENERGY, _SIGNS, *[DIGITS] * 4))
_LARGE = places("large", (*_FRONT, *[DIGITS] * 5, _ENERGY))


class Plate(Element):
    """A plate without dots and blanks, letters in upper case."""

    code = "plate"
    title = Text(zh="号牌号码", en="Number plate")
    level = Level.L3
    personal = True
    comparison = Comparison(blocking=("",))
    masks = forms(partial=lambda value: keep(value, 3, 1))
    families = series(keep=keeping(masks["partial"]))
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The plate, seven characters or, of new energy, eight."""
        plate = bare(text)
        if not _COMPILED.fullmatch(plate):
            raise Invalid("flaw_pattern")
        return plate

    def domain(self, value: str) -> Domain:
        """All plates of the same kind."""
        if len(value) == 7:
            return _CLOSED if value[-1] in _CLOSING else _ORDINARY
        return _SMALL if value[2] in _ENERGY else _LARGE

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Plates in canonical form."""
        return matching(texts, _SHAPE, 8)
