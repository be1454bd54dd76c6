"""Names of enterprises, offices and other organisations."""

from __future__ import annotations

import re

import pyarrow as pa

from catalog.standards.base import Agreement, Comparison, Element, Invalid
from catalog.standards.columns import matching
from catalog.standards.hiding import forms, keep, keeping, series
from catalog.standards.likeness import in_order, plain
from catalog.standards.spelling import HAN, LETTER, closed
from core.types import Level, Text

LONGEST = 200

_HAN = re.compile(f"[{HAN}]")
_BRACKETS = str.maketrans("[]【】〔〕", "（）（）（）")
_OTHER_BRACKETS = re.compile(r"[\[\]【】〔〕]")
_NO_BRACKETS = str.maketrans("", "", "（） ")

_PROVINCES = (
    "北京 天津 河北 山西 内蒙古 辽宁 吉林 黑龙江 上海 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 "
    "广西 海南 重庆 四川 贵州 云南 西藏 陕西 甘肃 青海 宁夏 新疆 香港 澳门 台湾"
)
_PLACE = re.compile(
    f"^(?:(?:{'|'.join(_PROVINCES.split())})(?:省|市|(?:[{HAN}]{{1,3}})?自治区|特别行政区)?)?"
    f"(?:[{HAN}]{{2,7}}?(?:市|地区|自治州|盟))?(?:[{HAN}]{{1,7}}?(?:区|县|旗))?"
    f"(?:[{HAN}]{{1,7}}?(?:镇|乡|街道))?"
)
_FORM = re.compile("(?:集团)?(?:股份|控股)?(?:有限)?(?:责任)?(?<!分)公司$")
# As they stand when points and accents are gone.
_FORMS = (
    "ltd limited llc llp lp plc inc incorporated corp corporation co company cos and pty pte sdn bhd "
    "gmbh mbh ag kg kgaa ohg ug se sa sas sarl srl spa sl bv nv ab oy oyj as asa aps kk"
)
_FORMS_AFTER = re.compile(f"(?: (?:{_FORMS.replace(' ', '|')}))+$")
_SPELT = re.compile(r"\b(\w) (?=\w\b)")


def gist(name: str) -> str:
    """The name without brackets and blanks, and with one word for limited companies."""
    return name.translate(_NO_BRACKETS).casefold().replace("有限责任公司", "有限公司") or name


def core(name: str) -> str:
    """What sets a name apart from others: without the place before it and the legal form after
    it, 佛山市南海区恒鑫贸易有限公司 → 恒鑫贸易, ``Acme Trading Co., Ltd.`` → ``acme trading``. Of names
    that are nothing else, all.
    """
    if _HAN.search(name):
        whole = plain(gist(name)).replace(" ", "")
        rest = _PLACE.sub("", _FORM.sub("", whole), count=1)
    else:
        whole = _SPELT.sub(r"\1", plain(name))
        rest = _FORMS_AFTER.sub("", whole.removeprefix("the "))
    return rest if len(rest) > 1 else whole


class OrganisationName(Element):
    """A name with full-width brackets and no blanks beside Chinese characters."""

    code = "organisation_name"
    title = Text(zh="单位名称", en="Name of an organisation")
    level = Level.L1
    comparison = Comparison(
        levels=(
            Agreement("exact", "equal"),
            Agreement("same_name", "equal", "gist"),
            Agreement("same_words", "equal", "in_order"),
            Agreement("same_core", "equal", "core"),
            Agreement("close", "jaro_winkler", "core", bound=0.92),
            Agreement("alike", "jaro_winkler", "core", bound=0.85),
        ),
        features={"gist": lambda name: plain(gist(name)), "in_order": in_order, "core": core},
        blocking=("core",),
        frequency=True,
    )
    masks = forms(partial=lambda name: keep(name, min(2, len(name) // 2), 0))
    families = series(keep=keeping(masks["partial"]))
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The name, two characters at least, one of them a letter or ideograph."""
        name = closed(text).replace("(", "（").replace(")", "）")
        if _OTHER_BRACKETS.search(name):
            name = name.translate(_BRACKETS)
        if not 2 <= len(name) <= LONGEST:
            raise Invalid("flaw_length")
        if "*" in name or not LETTER.search(name):
            raise Invalid("flaw_characters")
        return name

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Names of ideographs and brackets only."""
        return matching(texts, f"[{HAN}]{{2}}[{HAN}（）]*", LONGEST)

    def gist(self, value: str) -> str:
        """The name without brackets and blanks, and with one word for limited companies."""
        return gist(value)

    def tells(self, gist: str) -> tuple[str, ...]:
        """The name; and of one in Chinese, without its place, its legal form, both."""
        if not _HAN.search(gist):
            return (gist,)
        short = _PLACE.sub("", gist, count=1)
        less = (short, _FORM.sub("", gist), _FORM.sub("", short))
        return gist, *dict.fromkeys(name for name in less if 1 < len(name) < len(gist))
