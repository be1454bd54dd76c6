"""The one catalogue of user-facing text, in Chinese and English.

Each ``*.yaml`` file beside this one maps a code to ``{zh: ..., en: ...}``; the texts are
``str.format`` templates over the fields given.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

LANGUAGES = ("zh", "en")


@cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Every message: code → language → template. A code may stand in one file only."""
    texts: dict[str, Mapping[str, str]] = {}
    for file in resources.files(__package__).iterdir():
        if file.name.endswith(".yaml"):
            for code, languages in yaml.safe_load(file.read_text("utf-8")).items():
                if code in texts:
                    raise ValueError(f"message {code!r} is defined twice")
                texts[code] = languages
    return texts


@dataclass(frozen=True)
class Message:
    """A text of the catalogue that is said once its reader is known. Its fields may be messages."""

    code: str
    fields: Mapping[str, object]

    def words(self, language: str) -> str:
        """The text in ``language`` (``zh`` or ``en``)."""
        return say(self.code, language, **self.fields)

    def __str__(self) -> str:
        return self.words("en")


def message(code: str, **fields: object) -> Message:
    """The message of ``code`` with its fields."""
    return Message(code, fields)


def absent(kind: str, name: object) -> Message:
    """That there is nothing of a kind (``kind_...``) under a name."""
    return message("rule_none", kind=message(f"kind_{kind}"), name=name)


def say(code: str, language: str, **fields: object) -> str:
    """The text of ``code`` in ``language``, with ``fields`` filled in.

    Raises:
        KeyError: no such code, or a field that the template needs is missing.
    """
    told = {name: in_language(field, language) for name, field in fields.items()}
    return catalogue()[code][language].format(**told)


def spoken() -> str:
    """The language of this process, be its settings right or wrong: ``zh`` or ``en``."""
    return "zh" if os.environ.get("HUB_LANGUAGE") == "zh" else "en"


def in_language(field: object, language: str) -> object:
    """``field`` itself, or the words of a message."""
    return field.words(language) if isinstance(field, Message) else field
