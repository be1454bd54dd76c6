"""What is wrong with the form of something given, in words: pydantic's own are in English alone,
and some of them repeat what was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.messages import Message, catalogue, message


def rule_of(mistake: Mapping[str, Any]) -> Message | str:
    """The rule that one of pydantic's errors says is broken, never with the value given."""
    if mistake["type"] == "value_error":
        return asked(mistake["ctx"]["error"])
    code = f"form_{mistake['type']}"
    if code not in catalogue():
        code = "form_other"
    context = {
        name: str(field).replace(" or ", ", ") if name == "expected" else field
        for name, field in mistake.get("ctx", {}).items()
    }
    return message(code, **context)


def asked(error: ValueError) -> Message | str:
    """What one of our own validators asks, whose error carries a message."""
    said = error.args[0] if error.args else None
    return said if isinstance(said, Message) else str(error)
