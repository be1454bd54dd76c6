"""Administrative divisions and grids: their codes and their names."""

from __future__ import annotations

import re
from functools import partial

import pyarrow as pa

from catalog.standards.base import Agreement, Comparison, Element, Invalid
from catalog.standards.columns import matching
from catalog.standards.hiding import forms, generalised, hide, keep, keeping, series
from catalog.standards.likeness import plain
from catalog.standards.spelling import HAN, closed, compact
from core.types import Level, Text

_CODE = "[1-9][0-9]{5}(?:[0-9]{3}(?:[0-9]{3}(?:[0-9]{1,3})?)?)?"
_COMPILED = re.compile(_CODE)
_EMPTY_LEVELS = re.compile("(?:000)+$")


_LEVELS = {"province": 2, "city": 4, "district": 6, "town": 9, "community": 12}


def _kept(code: str, digits: int) -> str:
    return code[:digits] + hide(code[digits:])


class RegionCode(Element):
    """Digits 2+2+2 for a district, +3 for a town, +3 for a community, up to 3 more for a grid.
    The codes are not looked up: abolished ones stay valid.
    """

    code = "region_code"
    title = Text(zh="行政区划或网格代码", en="Code of a division or grid")
    level = Level.L1
    comparison = Comparison(
        levels=(
            Agreement("exact", "equal"),
            Agreement("same_town", "equal", "town"),
            Agreement("same_district", "equal", "district"),
        ),
        features={"town": lambda code: code[:9], "district": lambda code: code[:6]},
    )
    masks = forms(partial=lambda value: _kept(value, 4), division=lambda value: _kept(value, 6))
    families = series(
        division=generalised({name: partial(_kept, digits=end) for name, end in _LEVELS.items()})
    )
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The code as it stands; zeros that fill up levels are kept."""
        code = compact(text).removesuffix(".0")
        if not (code.isascii() and code.isdigit()):
            raise Invalid("flaw_characters")
        if not _COMPILED.fullmatch(code):
            raise Invalid("flaw_pattern" if 6 <= len(code) <= 15 else "flaw_length")
        return code

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Codes in digits."""
        return matching(texts, _CODE, 15)

    def gist(self, value: str) -> str:
        """The code without zeros for levels that it does not go down to."""
        return value[:6] + _EMPTY_LEVELS.sub("", value[6:])


class PlaceName(Element):
    """The name of a division, community or grid, or another place."""

    code = "place_name"
    title = Text(zh="地名", en="Name of a place")
    level = Level.L1
    comparison = Comparison(
        levels=(
            Agreement("exact", "equal"),
            Agreement("same_name", "equal", "plain"),
            Agreement("close", "edits", "plain", bound=1),
            Agreement("alike", "jaro_winkler", "plain", bound=0.88),
        ),
        features={"plain": plain},
        frequency=True,
    )
    masks = forms(partial=lambda value: keep(value, 1, 0))
    families = series(keep=keeping(masks["partial"]))
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The name without blanks beside Chinese characters."""
        name = closed(text)
        if not name or "*" in name:
            raise Invalid("flaw_characters")
        if len(name) > 100:
            raise Invalid("flaw_length")
        return name

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Names of ideographs only."""
        return matching(texts, f"[{HAN}]+", 100)

    def gist(self, value: str) -> str:
        """The name without any blanks."""
        return value.replace(" ", "")
