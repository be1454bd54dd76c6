"""The catalogue of user-facing text: both languages, the same fields, each code once."""

from __future__ import annotations

import importlib
import pkgutil
import string
from importlib import resources
from pathlib import Path

import pytest

import catalog
import connectors
import core
import hub
import policies
import reconcile
from core.errors import HubError
from core.messages import LANGUAGES, catalogue, say
from core.yamlfile import load

FILES = sorted(
    Path(str(file))
    for file in resources.files("core.messages").iterdir()
    if file.name[-5:] == ".yaml"
)


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def errors(base: type[HubError] = HubError) -> set[type[HubError]]:
    return {base}.union(*(errors(kind) for kind in base.__subclasses__()))


def test_each_code_stands_once() -> None:
    # A key that stands twice in a file is refused by the strict reader.
    codes = [code for file in FILES for code in load(file).data]
    assert len(codes) == len(set(codes)) == len(catalogue())


@pytest.mark.parametrize("code", sorted(catalogue()))
def test_both_languages_say_the_same_with_the_same_fields(code: str) -> None:
    texts = catalogue()[code]
    assert set(texts) == set(LANGUAGES) == {"zh", "en"}
    assert all(isinstance(text, str) and text.strip() for text in texts.values())
    assert fields(texts["zh"]) == fields(texts["en"])
    assert "" not in fields(texts["en"])


def test_the_chinese_is_chinese() -> None:
    without = [
        code
        for code, texts in catalogue().items()
        if not any("一" <= letter <= "鿿" for letter in texts["zh"])
    ]
    # These are names and fields.
    assert set(without) <= {"bad_input", "because_outside", "doctor_python"}


def test_every_error_has_words() -> None:
    for package in (catalog, connectors, core, hub, policies, reconcile):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # Spark's part cannot be loaded without Spark, and has no errors of its own.
            if not module.name.endswith(("__main__", "core.spark.engine")):
                importlib.import_module(module.name)
    assert {kind.code for kind in errors()} <= catalogue().keys()


def test_a_text_with_its_fields_filled_in() -> None:
    assert say("not_found", "en", kind="subject", name="ghost") == "There is no subject 'ghost'."
    assert "ghost" in say("not_found", "zh", kind="主题", name="ghost")


def test_a_text_without_its_fields_is_not_given() -> None:
    with pytest.raises(KeyError):
        say("not_found", "en", kind="subject")
    with pytest.raises(KeyError):
        say("no_such_code", "en")
