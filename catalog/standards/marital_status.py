"""Marital status: GB/T 2261.2."""

from __future__ import annotations

from catalog.standards.coded import Coded, spelled
from core.types import Text


class MaritalStatus(Coded):
    """One of "10" never married, "20" married ("21" first time, "22" again, "23" to the same
    person again), "30" widowed, "40" divorced, "90" not stated. One-digit codes are of older
    systems.
    """

    code = "marital_status"
    title = Text(zh="婚姻状况", en="Marital status")
    comparison = None
    words = spelled(
        {
            "10": "1 未婚 未结婚 从未结婚",
            "20": "2 已婚 结婚 有配偶",
            "21": "初婚 初婚有配偶",
            "22": "再婚 再婚有配偶",
            "23": "复婚 复婚有配偶",
            "30": "3 丧偶 丧偶未再婚",
            "40": "4 离婚 离异 已离婚 离婚未再婚 离异未再婚",
            "90": "9 未说明的婚姻状况 未说明 其他 其它",
        }
    )

    def gist(self, value: str) -> str:
        """All kinds of being married are one."""
        return "20" if value.startswith("2") else value
