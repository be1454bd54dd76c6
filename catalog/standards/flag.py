"""Yes or no."""

from __future__ import annotations

from catalog.standards.base import MISSING, Comparison
from catalog.standards.coded import Coded, spelled
from core.types import Text


class Flag(Coded):
    """Either "1" yes, or "0" no."""

    code = "flag"
    title = Text(zh="是否", en="Yes or no")
    comparison = Comparison()
    missing = MISSING - {"无"}
    words = spelled(
        {
            "1": "是 有 对 真 正确 TRUE T YES Y √ ✓ ✔",
            "0": "否 无 没有 不是 非 错 假 FALSE F NO N × ✗ ✘ X",
        }
    )

    def typed(self, value: str) -> bool:
        """Whether it is yes."""
        return value == "1"
