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

_BRACKETS = str.maketrans("[]【】〔〕", "（）（）（）")
_OTHER_BRACKETS = re.compile(r"[\[\]【】〔〕]")
_NO_BRACKETS = str.maketrans("", "", "（） ")


def gist(name: str) -> str:
    """The name without brackets and blanks, and with one word for limited companies."""
    return name.translate(_NO_BRACKETS).casefold().replace("有限责任公司", "有限公司") or name


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
            Agreement("close", "jaro_winkler", "gist", bound=0.92),
            Agreement("alike", "jaro_winkler", "gist", bound=0.85),
        ),
        features={"gist": lambda name: plain(gist(name)), "in_order": in_order},
        blocking=("gist",),
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
