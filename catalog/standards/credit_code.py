"""Unified social credit codes: GB 32100."""

from __future__ import annotations

import re
from operator import mul

import numpy as np
import pyarrow as pa

from catalog.standards.base import Comparison, Element, Invalid
from catalog.standards.columns import fixed_width, spread
from catalog.standards.domains import DIGITS, Domain, places
from catalog.standards.hiding import forms, keep, keeping, series
from catalog.standards.resident_id import is_resident_id
from catalog.standards.spelling import bare
from core.types import Level, Text

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_SHAPE = re.compile(f"[{_ALPHABET}]{{2}}[0-9]{{6}}[{_ALPHABET}]{{10}}")
_PLAIN_WEIGHTS = [pow(3, place, 31) for place in range(17)]
_WEIGHTS = np.array(_PLAIN_WEIGHTS, dtype=np.int64)
_VALUES = np.full(256, 255, dtype=np.int64)
_VALUES[np.frombuffer(_ALPHABET.encode(), np.uint8)] = np.arange(31)
_PLACES = {character: place for place, character in enumerate(_ALPHABET)}
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def _check(code: str) -> str:
    """The check character over the first 17."""
    places = map(_PLACES.__getitem__, code[:17])
    return _ALPHABET[-sum(map(mul, places, _PLAIN_WEIGHTS)) % 31]


def _organisation_checks(code: str) -> bool:
    """Whether characters 9–17 are an organisation code with a right check (GB 11714)."""
    weighed = zip(code[8:16], _ORGANISATION_WEIGHTS, strict=True)
    return code[16] == "0123456789X"[-sum(int(c, 36) * weight for c, weight in weighed) % 11]


_DOMAIN = places("credit_code", (*[_ALPHABET] * 2, *[DIGITS] * 6, *[_ALPHABET] * 9), _check)


class CreditCode(Element):
    """18 characters of the standard's alphabet with their check character."""

    code = "credit_code"
    title = Text(zh="统一社会信用代码", en="Unified social credit code")
    level = Level.L1
    comparison = Comparison(blocking=("",), checked=True)
    masks = forms(partial=lambda value: keep(value, 6, 4))
    families = series(keep=keeping(masks["partial"], 18))
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The code in upper case.

        The check of the organisation code inside is not a rule of its own: the outer check
        covers its characters. It only tells a code from the owner's resident number, which
        small businesses enter instead and of which one in 31 passes the outer check.
        """
        code = bare(text)
        if len(code) != 18:
            raise Invalid("flaw_length")
        if not _SHAPE.fullmatch(code):
            raise Invalid("flaw_characters")
        if _check(code) != code[17]:
            raise Invalid("flaw_check_digit")
        if is_resident_id(code) and not _organisation_checks(code):
            raise Invalid("flaw_resident_id")
        return code

    def domain(self, value: str) -> Domain:  # noqa: ARG002
        """All credit codes with a right check character."""
        return _DOMAIN

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Valid codes with a letter among the first 17 characters, or with a right organisation
        code in them: no resident numbers.
        """
        fits, content = fixed_width(texts, 18)
        values = _VALUES[content]
        passed = (values < 31).all(axis=1) & (values[:, 2:8] <= 9).all(axis=1)
        passed &= -(values[:, :17] @ _WEIGHTS) % 31 == values[:, 17]
        organisation = -(values[:, 8:16] @ np.array(_ORGANISATION_WEIGHTS)) % 11 == values[:, 16]
        passed &= (values[:, :17] > 9).any(axis=1) | organisation
        return spread(fits, passed)
