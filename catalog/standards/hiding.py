"""What masks are made of. A mask never shows more than its form says, however short a value is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

Value = str | int | float | bool
Mask = Callable[[str], str]

_COUNT = re.compile("0|[1-9][0-9]{0,12}")


@dataclass(frozen=True)
class Family:
    """Masks that differ by parameters, such as ``keep:3:4`` and ``keep:1:0``.

    ``usage``: how their names are written. ``make``: from the parameters to a mask, or None
    where they make no sense.
    """

    usage: str
    make: Callable[[Sequence[str]], Mask | None]


def forms(**masks: Mask) -> Mapping[str, Mask]:
    """The masks of an element by name."""
    return MappingProxyType(masks)


def series(**made: Family) -> Mapping[str, Family]:
    """The masks of an element that take parameters, by the first part of their names."""
    return MappingProxyType(made)


def counts(parameters: Sequence[str]) -> tuple[int, ...] | None:
    """Parameters as whole numbers; None if one is none. Each number has one spelling."""
    if not all(_COUNT.fullmatch(parameter) for parameter in parameters):
        return None
    return tuple(map(int, parameters))


def hide(value: str) -> str:
    """Every character as an asterisk."""
    return "*" * len(value)


def veil(_value: str) -> str:
    """Three asterisks, whatever the value: not even its length shows."""
    return "***"


def keep(value: str, head: int, tail: int) -> str:
    """The first ``head`` and the last ``tail`` characters; asterisks for those between. A value
    with nothing between is hidden altogether.
    """
    hidden = len(value) - head - tail
    if hidden <= 0:
        return hide(value)
    return value[:head] + "*" * hidden + value[len(value) - tail :]


def keep_ends(value: str) -> str:
    """At most two characters at either end, and never more than half of the value."""
    shown = min(2, len(value) // 4)
    return keep(value, shown, shown)


def keeping(usual: Mask, length: int | None = None) -> Family:
    """The family ``keep``: so many characters at the head and at the tail.

    At least a quarter of a value is hidden. Where all values have one ``length``, a mask that
    would show more does not exist; else, of a value too short for it only that shows which the
    ``usual`` mask shows too.
    """

    def make(parameters: Sequence[str]) -> Mask | None:
        found = counts(parameters)
        if found is None or len(found) != 2:
            return None
        head, tail = found
        if length is not None and 4 * (length - head - tail) < length:
            return None
        return partial(_kept, head=head, tail=tail, usual=usual)

    return Family("keep:<head>:<tail>", make)


def _kept(value: str, head: int, tail: int, usual: Mask) -> str:
    hidden = len(value) - head - tail
    if 4 * hidden >= len(value):
        return keep(value, head, tail)
    shown = keep(value, head, tail) if hidden > 0 else value
    return "".join(a if a == b else "*" for a, b in zip(shown, usual(value), strict=True))


LEVELS = ("province", "city", "district", "town", "community")
"""The levels of the administration, from the top."""


def generalised(levels: Mapping[str, Mask]) -> Family:
    """The family ``division``: a place as far down as a level of the administration."""

    def make(parameters: Sequence[str]) -> Mask | None:
        return levels.get(parameters[0]) if len(parameters) == 1 else None

    return Family(f"division:{'|'.join(levels)}", make)


def detail(mask: str) -> tuple[int, ...]:
    """How much a mask shows among those of its family: the more, the larger."""
    word, *parameters = mask.split(":")
    if word == "division" and parameters and parameters[0] in LEVELS:
        return (LEVELS.index(parameters[0]),)
    numbers = counts(parameters) or ()
    if word == "band":
        return (len(numbers), -sum(numbers))
    return (sum(numbers), *numbers)


def shows_no_more(mask: str, other: str) -> bool:
    """Whether a mask surely shows nothing that another of the same element and rank hides: it is
    the same, or differs by parameters that say so.
    """
    (word, *ours), (other_word, *theirs) = mask.split(":"), other.split(":")
    if mask == other:
        return True
    if word != other_word or not (ours and theirs):
        return False
    if word == "band":
        widths, finer = counts(ours) or (), counts(theirs) or ()
        if len(finer) == 1:
            return all(edge % finer[0] == 0 for edge in widths)
        return len(widths) > 1 and set(widths) <= set(finer)
    if word == "division":
        return detail(mask) <= detail(other)
    return all(a <= b for a, b in zip(counts(ours) or (), counts(theirs) or (), strict=True))
