"""What is wrong with the form of a request, in words: pydantic's own are in English alone, and
some of them repeat what was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.messages import catalogue, say


def rule_of(mistake: Mapping[str, Any], language: str) -> str:
    """The rule that one of pydantic's errors says is broken, never with the value given."""
    if mistake["type"] == "value_error":
        # Of our own validators, which say what they ask.
        return str(mistake["ctx"]["error"])
    code = f"form_{mistake['type']}"
    if code not in catalogue():
        code = "form_other"
    return say(code, language, **mistake.get("ctx", {}))
