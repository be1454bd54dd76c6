"""The catalogue of user-facing text: both languages, the same fields, each code once."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import string
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

import catalog
import connectors
import core
import hub
import policies
import reconcile
from core.errors import BadInput, HubError
from core.messages import LANGUAGES, absent, catalogue, say
from core.yamlfile import load
from hub.cli.output import heading

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
    assert set(without) <= {
        "bad_input", "because_outside", "doctor_python", "rule_because", "rule_file_cause",
        "value_invalid",
    }  # fmt: skip


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


def test_a_message_is_said_in_the_language_of_its_reader_with_those_it_holds() -> None:
    none = absent("subject", "ghost")
    error = BadInput(field="--subject", rule=none)
    assert str(none) == "there is no subject 'ghost'"
    assert error.words("en") == "--subject: there is no subject 'ghost'"
    assert error.words("zh") == "--subject：没有主题 'ghost'"
    assert error.told("zh") == {"field": "--subject", "rule": "没有主题 'ghost'"}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for package in (catalog, connectors, core, hub, policies, reconcile):
        for folder in package.__path__:
            for file in sorted(Path(folder).rglob("*.py")):
                yield file, ast.parse(file.read_text("utf-8"))


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def test_messages_that_are_made_are_in_the_catalogue_with_their_fields() -> None:
    for file, tree in modules():
        for call in calls(tree, "message"):
            if isinstance(call.args[0], ast.JoinedStr):
                continue
            for code in ast.walk(call.args[0]):
                if isinstance(code, ast.Constant):
                    given = {keyword.arg for keyword in call.keywords}
                    assert None in given or given == fields(catalogue()[code.value]["en"]), (
                        f"{file}, line {call.lineno}: {code.value}"
                    )
        for call in calls(tree, "absent"):
            kind = call.args[0]
            assert isinstance(kind, ast.Constant)
            assert f"kind_{kind.value}" in catalogue()


def test_no_rule_is_said_in_one_language() -> None:
    """What an error says beside its own words is a message, or the code of one."""
    kinds = {kind.__name__ for kind in errors()}
    for file, tree in modules():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            for keyword in node.keywords if node.func.id in kinds else ():
                where = f"{file}, line {node.lineno}"
                if keyword.arg in ("rule", "reason", "why"):
                    assert not isinstance(keyword.value, ast.JoinedStr), where
                    if isinstance(keyword.value, ast.Constant):
                        assert keyword.value.value in catalogue(), where


def test_validators_say_what_they_ask_by_messages() -> None:
    """What pydantic shows of our own rules reaches people who gave something."""
    for file, tree in modules():
        for function in ast.walk(tree):
            decorated = isinstance(function, ast.FunctionDef) and any(
                "validator" in ast.unparse(decorator) for decorator in function.decorator_list
            )
            for call in calls(function, "ValueError") if decorated else ():
                assert ast.unparse(call.args[0]).startswith(("message(", "absent(")), (
                    f"{file}, line {call.lineno}"
                )


def headings(tree: ast.AST) -> Iterator[str]:
    """What is told to ``headings``: texts, and those of lists that are named in the same place."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            lists = {
                ast.unparse(node.targets[0]): node.value
                for node in ast.walk(function)
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)
            }
            for call in calls(function, "headings"):
                for given in call.args:
                    named = lists.get(ast.unparse(given).removeprefix("*"))
                    yield from (
                        node.value
                        for node in (given, *(named.elts if named else ()))
                        if isinstance(node, ast.Constant)
                    )


def test_every_heading_of_a_table_is_in_the_catalogue() -> None:
    found = {name for _, tree in modules() for name in headings(tree)}
    assert len(found) > 100
    for name in sorted(found):
        assert say(heading(name), "en").replace(" ", "_") == name.replace(" ", "_")
