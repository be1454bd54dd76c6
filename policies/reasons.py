"""Reasons of a decision: messages, each of which speaks of an item, a purpose or a rule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from core.messages import Message, message

Reason: TypeAlias = Message
reason = message


def distinct(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Each reason once, in the order given."""
    seen: dict[tuple[str, tuple[tuple[str, object], ...]], Reason] = {}
    for found in reasons:
        seen.setdefault((found.code, tuple(found.fields.items())), found)
    return tuple(seen.values())
