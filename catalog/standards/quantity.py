"""Numbers: amounts of money, whole numbers, decimals."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from itertools import pairwise

import pyarrow as pa

from catalog.standards.base import Comparison, Element, Invalid
from catalog.standards.columns import matching
from catalog.standards.hiding import Family, Mask, counts, forms, series, veil
from catalog.standards.spelling import compact
from core.types import Level, Text

# Up to here a float keeps hundredths.
_WHOLE_DIGITS, _FRACTION_DIGITS = 13, 12
_LARGEST = Decimal("9999999999999.99")
_HUNDREDTH = Decimal("0.01")
_FINEST = Decimal(1).scaleb(-_FRACTION_DIGITS)
_PLUS = {"", "+"}
_MULTIPLES = {
    "百": 10**2, "千": 10**3, "万": 10**4, "百万": 10**6, "千万": 10**7, "亿": 10**8,
}  # fmt: skip
_NUMBER = re.compile(
    r"(?:人民币|RMB|CNY)?¥?(?P<sign>[+−—–-]?)"
    r"(?P<digits>(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]*)?(?:E[+-]?[0-9]{1,3})?)"
    r"(?P<multiple>百万|千万|[百千万亿]?)(?P<unit>(?:[^0-9.,E+-].*)?)"
)
_SIMPLE = re.compile(f"[0-9]{{1,{_WHOLE_DIGITS}}}(?:[.][0-9]{{1,2}})?")
_YUAN = frozenset({"", "元", "元整", "元正", "圆", "圆整", "人民币", "元人民币", "RMB", "CNY"})
# Units a column counts in anyway. Others, such as 亩 or 公里, cannot be dropped without a
# change of the amount.
_UNITS = "M2 M 平方米 平米 平方 米 元 人 口 户 个 间 套 层 栋 辆 台 件 次 岁 年 月 天 日 名 位 家"
_BASE_UNITS = frozenset({"", *_UNITS.split()})
# Edges of the bands amounts are shown in: 0, 1000, 2000, 5000, 10000, …
_EDGES = [0] + [step * 10**power for power in range(3, _WHOLE_DIGITS + 1) for step in (1, 2, 5)]


def _read(text: str, units: frozenset[str]) -> Decimal:
    """The number that ``text`` writes, its multiple (万, 亿) applied.

    Raises:
        Invalid: it is no number, or too large, or in another unit.
    """
    found = _NUMBER.fullmatch(compact(text).upper())
    if found is None or found["unit"] not in units:
        raise Invalid("flaw_number")
    value = Decimal(found["digits"].replace(",", ""))
    if found["multiple"]:
        value *= _MULTIPLES[found["multiple"]]
    if value > _LARGEST:
        raise Invalid("flaw_number")
    return value if found["sign"] in _PLUS else -value


def _plain(value: Decimal) -> str:
    """Without exponent and without a sign before zero."""
    return f"{value or abs(value):f}"


def band(amount: str) -> str:
    """The band an amount of money lies in, such as 2000-5000: lower edge in, upper edge out."""
    value = Decimal(amount)
    if value < 0:
        return "<0"
    place = bisect_right(_EDGES, value)
    return f"{_EDGES[place - 1]}-{_EDGES[place]}"


def _of_width(amount: str, width: int) -> str:
    value = Decimal(amount)
    if value < 0:
        return "<0"
    edge = int(value) // width * width
    return f"{edge}-{edge + width}"


def _between(amount: str, edges: Sequence[int]) -> str:
    place = bisect_right(edges, Decimal(amount))
    if place == 0:
        return f"<{edges[0]}"
    return f">={edges[-1]}" if place == len(edges) else f"{edges[place - 1]}-{edges[place]}"


def bands(narrowest: int) -> Family:
    """The family ``band``: bands of one width, or between several edges, lower edge in; none of
    them narrower than ``narrowest``.
    """

    def make(parameters: Sequence[str]) -> Mask | None:
        edges = counts(parameters)
        if not edges:
            return None
        if len(edges) == 1:
            return partial(_of_width, width=edges[0]) if edges[0] >= narrowest else None
        apart = all(b - a >= narrowest for a, b in pairwise(edges))
        return partial(_between, edges=edges) if apart else None

    return Family("band:<width>|<edge>:<edge>…", make)


class Money(Element):
    """An amount in yuan with two decimals, such as 3500.00."""

    code = "money"
    title = Text(zh="金额（元）", en="Amount of money (yuan)")
    level = Level.L3
    masks = forms(partial=band, band=band)
    families = series(band=bands(100))
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The amount rounded to hundredths; 万 and the like are multiplied out."""
        if _SIMPLE.fullmatch(text):
            yuan, _, hundredths = text.partition(".")
            return f"{int(yuan)}.{hundredths:0<2}"
        return _plain(_read(text, _YUAN).quantize(_HUNDREDTH, ROUND_HALF_UP))

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Amounts with two decimals, not below zero."""
        return matching(texts, r"(?:0|[1-9][0-9]*)\.[0-9]{2}", _WHOLE_DIGITS + 3)

    def typed(self, value: str) -> float:
        """Yuan."""
        return float(value)


class Integer(Element):
    """A whole number."""

    code = "integer"
    title = Text(zh="整数", en="Whole number")
    level = Level.L2
    masks = forms(partial=veil)
    families = series(band=bands(10))
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """Digits, after a minus where it is below zero."""
        value = _read(text, _BASE_UNITS)
        if value != value.to_integral_value():
            raise Invalid("flaw_whole_number")
        return _plain(value.to_integral_value())

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Digits without leading zeros."""
        return matching(texts, "0|-?[1-9][0-9]*", _WHOLE_DIGITS)

    def typed(self, value: str) -> int:
        """The number."""
        return int(value)


class DecimalNumber(Element):
    """A number with decimals, without zeros at its end; its unit is that of the column."""

    code = "decimal"
    title = Text(zh="数值", en="Number with decimals")
    level = Level.L2
    comparison = Comparison()
    masks = forms(partial=veil)
    families = series(band=bands(10))
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The number, of at most twelve decimals; ㎡ and other base units are stripped."""
        value = _read(text, _BASE_UNITS)
        plain = _plain(value)
        if len(plain.partition(".")[2]) > _FRACTION_DIGITS:
            plain = _plain(value.quantize(_FINEST))
        return plain.rstrip("0").rstrip(".") if "." in plain else plain

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Numbers that end in another digit than zero, or have no decimals."""
        return matching(texts, r"-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9]|0|-?[1-9][0-9]*", _WHOLE_DIGITS)

    def typed(self, value: str) -> float:
        """The number."""
        return float(value)
