"""Reasons of a decision, as values: a message code and what it speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from core.errors import Field
from core.messages import say


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of a denial: a message code and its fields."""

    code: str
    fields: Mapping[str, Field]

    def words(self, language: str) -> str:
        """The reason in ``language`` (``zh`` or ``en``)."""
        return say(self.code, language, **self.fields)


def reason(code: str, **fields: Field) -> Reason:
    """A reason whose fields do not change."""
    return Reason(code, MappingProxyType(fields))


def distinct(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Each reason once, in the order given."""
    seen: dict[tuple[str, tuple[tuple[str, Field], ...]], Reason] = {}
    for found in reasons:
        seen.setdefault((found.code, tuple(found.fields.items())), found)
    return tuple(seen.values())
