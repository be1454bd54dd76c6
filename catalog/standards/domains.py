"""Values of one form as numbers: what encryption needs that keeps the form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Domain:
    """The values of one ``form``, numbered from 0 to before ``size``.

    ``number``: from such a value to its number. ``value``: from a number to a text; where the
    text is no value of the form after all, its number is passed over.
    """

    form: str
    size: int
    number: Callable[[str], int]
    value: Callable[[int], str]


def places(
    form: str, alphabets: Sequence[str], check: Callable[[str], str] | None = None
) -> Domain:
    """Values whose characters each come from an alphabet of their place. ``check``: from all of
    them to the check character that follows.
    """

    def number(value: str) -> int:
        total = 0
        for character, alphabet in zip(value, alphabets, strict=False):  # the check says nothing
            total = total * len(alphabet) + alphabet.index(character)
        return total

    def value(number: int) -> str:
        characters: list[str] = []
        for alphabet in reversed(alphabets):
            number, place = divmod(number, len(alphabet))
            characters.append(alphabet[place])
        text = "".join(reversed(characters))
        return text + check(text) if check else text

    return Domain(form, prod(map(len, alphabets)), number, value)
