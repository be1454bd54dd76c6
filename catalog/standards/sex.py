"""Sex: GB/T 2261.1."""

from __future__ import annotations

from catalog.standards.base import Comparison
from catalog.standards.coded import Coded, spelled
from core.types import Text


class Sex(Coded):
    """One of "1" male, "2" female, "0" unknown, "9" not stated."""

    code = "sex"
    title = Text(zh="性别", en="Sex")
    comparison = Comparison(unknown=frozenset("09"))
    words = spelled(
        {
            "0": "未知的性别 UNKNOWN 00",
            "1": "男 男性 男士 先生 M MALE 01",
            "2": "女 女性 女士 F FEMALE 02",
            "9": "未说明的性别 未说明 09",
        }
    )
