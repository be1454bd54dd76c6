"""Ethnicity: GB/T 3304."""

from __future__ import annotations

from catalog.standards.coded import Coded
from core.types import Text

_NAMES = (
    "汉 蒙古 回 藏 维吾尔 苗 彝 壮 布依 朝鲜 满 侗 瑶 白 土家 哈尼 哈萨克 傣 黎 傈僳 佤 畲 高山 "
    "拉祜 水 东乡 纳西 景颇 柯尔克孜 土 达斡尔 仫佬 羌 布朗 撒拉 毛南 仡佬 锡伯 阿昌 普米 塔吉克 "
    "怒 乌孜别克 俄罗斯 鄂温克 德昂 保安 裕固 京 塔塔尔 独龙 鄂伦春 赫哲 门巴 珞巴 基诺"
)


def _words() -> dict[str, str]:
    words = {"97": "97", "98": "98", "其他": "97", "其它": "97"}
    words |= {"外国血统": "98", "外国血统中国籍人士": "98", "外国血统中国籍": "98"}
    for number, name in enumerate(_NAMES.split(), start=1):
        code = f"{number:02d}"
        words |= {str(number): code, code: code, name: code, f"{name}族": code}
    return words


class Ethnicity(Coded):
    """Codes "01"–"56" for the ethnic groups of China, "97" others, "98" of foreign descent."""

    code = "ethnicity"
    title = Text(zh="民族", en="Ethnicity")
    words = _words()
