"""The one catalogue of user-facing text, in Chinese and English.

Each ``*.yaml`` file beside this one maps a code to ``{zh: ..., en: ...}``; the texts are
``str.format`` templates over the fields given.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def say(code: str, language: str, **fields: object) -> str:
    """The text of ``code`` in ``language``, with ``fields`` filled in.

    Raises:
        KeyError: no such code, or a field that the template needs is missing.
    """
    return catalogue()[code][language].format(**fields)
