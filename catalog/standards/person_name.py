"""Names of persons."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import pyarrow as pa

from catalog.standards.base import Agreement, Comparison, Element, Invalid
from catalog.standards.columns import matching
from catalog.standards.hiding import forms, hide, keep, keeping, series
from catalog.standards.likeness import in_order, plain, shape, skeleton
from catalog.standards.spelling import HAN, compact, folded, tidy
from core.types import Level, Text

LONGEST = 50

_CHINESE = re.compile(f"[{HAN}]+(?:·[{HAN}]+)*")
_HAN = re.compile(f"[{HAN}]")
_REMARK = re.compile(r"[(\[【〔<][^()\[\]【】〔〕<>]*[)\]】〕>]")
_MIDDLE_DOTS = re.compile(r"\s*[·•‧∙⋅・●․]+\s*")
_FULL_STOPS = re.compile(f"(?<=[{HAN}])\\s*[.。]+\\s*(?=[{HAN}])")
_PUNCTUATION = frozenset("·〇 .,'’-")
_TWO_CHARACTER_SURNAMES = (
    "欧阳 上官 司马 司徒 司空 诸葛 皇甫 尉迟 公孙 慕容 令狐 夏侯 东方 南宫 长孙 宇文 端木 独孤 "
    "百里 轩辕 澹台 公冶 宗政 濮阳 淳于 单于 太叔 申屠 仲孙 钟离 鲜于 闾丘 万俟 闻人 赫连 西门 "
    "东郭 南门 呼延 第五 拓跋 完颜 纳兰"
)
_COMPOUND = frozenset(_TWO_CHARACTER_SURNAMES.split())
# Characters that are read otherwise where they are a surname.
_SURNAME_SOUNDS = {
    "曾": "zeng", "单": "shan", "解": "xie", "仇": "qiu", "查": "zha", "区": "ou", "朴": "piao",
    "翟": "zhai", "盖": "ge", "缪": "miao", "乐": "yue", "覃": "qin", "召": "shao", "员": "yun",
    "黑": "he", "种": "chong", "洗": "xian", "隗": "wei", "薄": "bo",
}  # fmt: skip


def sound(name: str) -> str:
    """How a name sounds, tones left out: 张三丰 → "zhang san feng"; of letters roughly the
    consonants.
    """
    if not _HAN.search(name):
        return skeleton(name)
    name = plain(name).replace(" ", "")
    sounds = [_sound(character) for character in name]
    sounds[:1] = [_SURNAME_SOUNDS.get(name[0], sounds[0])]
    return " ".join(sounds)


@cache
def _sound(character: str) -> str:
    from pypinyin import lazy_pinyin  # loads its tables, which only linkage needs

    return str(lazy_pinyin(character)[0]).casefold()


def surname(name: str) -> str | None:
    """The surname of a Chinese name; None for names with a middle dot and in other scripts."""
    if "·" in name or not _CHINESE.fullmatch(name):
        return None
    return name[:2] if len(name) > 2 and name[:2] in _COMPOUND else name[:1]


def partial(name: str) -> str:
    """First and last character: 张*三; of two only the first: 张*."""
    return keep(name, 1, 1 if len(name) > 2 else 0)


class PersonName(Element):
    """A name as spoken of: no blanks in Chinese names, one kind of middle dot, no remarks."""

    code = "person_name"
    title = Text(zh="姓名", en="Name of a person")
    level = Level.L3
    personal = True
    comparison = Comparison(
        levels=(
            Agreement("exact", "equal"),
            Agreement("same_name", "equal", "plain"),
            Agreement("same_sound", "equal", "sound"),
            Agreement("other_order", "equal", "in_order"),
            Agreement("similar_shape", "edits", "shape", bound=1),
            Agreement("close", "edits", "plain", bound=1),
            Agreement("alike", "jaro_winkler", "plain", bound=0.88),
        ),
        features={
            "plain": plain,
            "sound": sound,
            "in_order": in_order,
            "shape": shape,
            "surname": surname,
        },
        blocking=("", "sound"),
        frequency=True,
        swaps="sound",
    )
    masks = forms(partial=partial, initial=lambda name: name[:1] + hide(name[1:]))
    families = series(keep=keeping(partial))
    default_mask = "partial"

    def clean_one(self, text: str) -> str:
        """The name without remarks in brackets such as (已故)."""
        name = compact(text)
        if not _CHINESE.fullmatch(name):
            name = _without_remarks(name)
        if not _CHINESE.fullmatch(name):
            text = _without_remarks(tidy(text))
            name = compact(text) if _HAN.search(text) else folded(text)
        if not _CHINESE.fullmatch(name):
            name = _MIDDLE_DOTS.sub("·", _FULL_STOPS.sub("·", name)).strip(" ·.,-'’")
            if not all(_may_stand(character) for character in name):
                raise Invalid("flaw_characters")
        if not 2 <= len(name) <= LONGEST:
            raise Invalid("flaw_length")
        return name

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Chinese names."""
        return matching(texts, f"[{HAN}]{{2}}[{HAN}]*(?:·[{HAN}]+)*|[{HAN}](?:·[{HAN}]+)+", LONGEST)


def _without_remarks(name: str) -> str:
    """Innermost brackets first, so that nested ones go too."""
    found = 1
    while found:
        name, found = _REMARK.subn("", name)
    return name


def _may_stand(character: str) -> bool:
    """Letters and marks of any script, the punctuation of names, and private-use characters:
    older registers write rare ideographs with them.
    """
    return character in _PUNCTUATION or unicodedata.category(character) in {
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Co",
    }  # fmt: skip
