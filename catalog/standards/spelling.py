"""How text is written before any element looks at it: one width, one blank, nothing invisible."""

from __future__ import annotations

import re
import unicodedata

# Ideographs that NFKC leaves alone, and the zero 〇 that stands in numbers and names; for use
# inside a character class of `re` as of Arrow's RE2.
HAN = (
    "\u3007\u3400-\u4dbf\u4e00-\u9fff"
    "\U00020000-\U0002a6df\U0002a700-\U0002ebe0\U00030000-\U000323af"
)

_WRITTEN_BETWEEN = str.maketrans("", "", "()'`‘’_.•‧∙⋅・●‐‑–—−")
LETTER = re.compile(r"[^\W\d_]")
_BLANK_BESIDE_HAN = re.compile(f"(?<=[{HAN}]) | (?=[{HAN}])")
_CHINESE_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"〇": 0}


def tidy(text: str) -> str:
    """``text`` in NFKC (full-width letters and digits become plain ones) without characters that
    cannot be seen, such as byte-order marks.
    """
    if not text.isprintable():
        text = "".join(c for c in text if c.isspace() or not _invisible(c))
    return unicodedata.normalize("NFKC", text)


def _invisible(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs"}


def compact(text: str) -> str:
    """``text`` tidied, without any blanks."""
    text = "".join(tidy(text).split())
    # Without the blank, an accent may meet its letter.
    return unicodedata.normalize("NFKC", text)


def bare(text: str) -> str:
    """``text`` compact, in upper case, without the hyphens, dots, quotes and brackets that
    people write between the groups of a number.
    """
    text = compact(text).upper().replace("-", "").replace("·", "")
    return text if text.isalnum() else text.translate(_WRITTEN_BETWEEN)


def folded(text: str) -> str:
    """``text`` tidied, each run of blanks as one space."""
    return " ".join(tidy(text).split())


def closed(text: str) -> str:
    """``text`` folded, without blanks beside Chinese characters; those between words stay."""
    text = folded(text)
    return _BLANK_BESIDE_HAN.sub("", text) if " " in text else text


def arabic(numeral: str) -> str:
    """A Chinese numeral below one thousand, or a row of digits, in Arabic digits: 二十三 → 23,
    五〇一 → 501. What is neither comes back unchanged.
    """
    if all(c in _CHINESE_DIGITS for c in numeral):
        return "".join(str(_CHINESE_DIGITS[c]) for c in numeral)
    total, digit = 0, 0
    for c in numeral:
        if c in _CHINESE_DIGITS:
            digit = _CHINESE_DIGITS[c]
        elif c in "十百":
            total += (digit or 1) * (10 if c == "十" else 100)
            digit = 0
        else:
            return numeral
    return str(total + digit)
