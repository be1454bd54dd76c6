"""Relation to the head of the household: GB/T 4761."""

from __future__ import annotations

from catalog.standards.coded import Coded, spelled
from core.types import Text

_IN_LAW = frozenset({"28", "38"})


class HouseholdRelation(Coded):
    """Two digits, the first of which is the kind: 0 self, 1 spouse, 2 son, 3 daughter,
    4 grandchild, 5 parent, 6 grandparent, 7 brother or sister, 8 and 9 others.
    """

    code = "household_relation"
    title = Text(zh="与户主关系", en="Relation to the head of the household")
    comparison = None
    words = spelled(
        {
            "01": "02 本人 户主 户主本人",
            "10": "配偶 夫妻",
            "11": "夫 丈夫",
            "12": "妻 妻子",
            "20": "子 儿子",
            "21": "独生子",
            "22": "长子",
            "23": "次子 二子",
            "24": "三子",
            "27": "养子 继子 养子或继子",
            "28": "女婿",
            "30": "女 女儿",
            "31": "独生女",
            "32": "长女",
            "33": "次女 二女",
            "34": "三女",
            "37": "养女 继女 养女或继女",
            "38": "儿媳 媳妇 儿媳妇",
            "40": "孙 孙子女 孙辈 孙子、孙女或外孙子、外孙女",
            "41": "孙子",
            "42": "孙女",
            "43": "外孙子 外孙",
            "44": "外孙女",
            "50": "父母",
            "51": "父 父亲",
            "52": "母 母亲",
            "53": "公公",
            "54": "婆婆",
            "55": "岳父",
            "56": "岳母",
            "57": "继父 养父 继父或养父",
            "58": "继母 养母 继母或养母",
            "60": "祖父母 外祖父母 祖父母或外祖父母",
            "61": "祖父 爷爷",
            "62": "祖母 奶奶",
            "63": "外祖父 外公",
            "64": "外祖母 外婆",
            "70": "兄弟姐妹",
            "71": "兄 哥哥",
            "72": "嫂 嫂子",
            "73": "弟 弟弟",
            "74": "弟媳",
            "75": "姐姐 姐",
            "76": "姐夫",
            "77": "妹妹 妹",
            "78": "妹夫",
            "80": "其他 其它 其他关系",
            "97": "其他亲属",
            "99": "非亲属",
        },
        codes=[f"{n}" for n in range(20, 100)],
    )

    def gist(self, value: str) -> str:
        """The kind of relation, such as son for eldest son; in-laws are kinds of their own."""
        if value in _IN_LAW:
            return value
        return value if value[0] in "056789" else f"{value[0]}0"
