"""One base for every error a user may meet.

An error carries a code, an HTTP status, an exit code and *fields*: names, paths, rules and
counts that are safe to show. It never carries a value taken from a person's record.
The words are in ``core/messages``, one entry per code.
"""

from __future__ import annotations

from typing import ClassVar

from core.messages import Message, catalogue, in_language, say

Field = str | int | float | Message


class HubError(Exception):
    """An expected failure that is reported in plain words, never as a traceback."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, **fields: Field) -> None:
        self.fields: dict[str, Field] = fields
        super().__init__(say(self.code, "en", **fields))

    def words(self, language: str) -> str:
        """The message in ``language`` (``zh`` or ``en``)."""
        return say(self.code, language, **self.fields)

    def told(self, language: str) -> dict[str, object]:
        """The fields as they are shown in ``language``."""
        return {name: in_language(field, language) for name, field in self.fields.items()}


class BadInput(HubError):
    """What the user gave breaks a rule: nothing was changed."""

    code = "bad_input"
    status = 400
    exit_code = 2


class NotFound(HubError):
    """The named thing does not exist, or the caller may not know that it does."""

    code = "not_found"
    status = 404
    exit_code = 2

    def words(self, language: str) -> str:
        """The message, with the kind of thing in the same language."""
        kind = f"kind_{self.fields.get('kind')}"
        named = {"kind": say(kind, language)} if kind in catalogue() else {}
        return say(self.code, language, **{**self.fields, **named})


class Unavailable(HubError):
    """The hub cannot answer safely now."""

    code = "unavailable"
    status = 503
