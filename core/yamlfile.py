"""YAML files whose every mistake can be named by file, line, field and rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from core.errors import HubError
from core.forms import rule_of
from core.messages import Message, message

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
Rule: TypeAlias = Message | str
"""What is asked of a part of a file."""


class InvalidFile(HubError):
    """A file that describes something breaks a rule."""

    code = "invalid_file"
    status = 400
    exit_code = 2

    def __init__(self, file: Path, line: int, field: str, rule: Rule) -> None:
        super().__init__(file=str(file), line=line, field=field or "-", rule=rule)
        self.file, self.line, self.field, self.rule = file, line, field, rule


class InvalidFiles(HubError):
    """All the mistakes found in a folder, so that one pass mends them all."""

    code = "bad_input"
    status = 400
    exit_code = 2

    def __init__(self, mistakes: Sequence[HubError]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(field=f"{len(mistakes)}", rule=message("rule_mistakes"))

    def words(self, language: str) -> str:
        """One line per mistake."""
        return "\n".join(mistake.words(language) for mistake in self.mistakes)


class YamlFile:
    """A parsed file that remembers on which line each part stands."""

    def __init__(self, path: Path, data: Any, node: yaml.Node | None) -> None:
        self.path = path
        self.data = data
        self._node = node

    def line(self, where: Sequence[str | int]) -> int:
        """The 1-based line of the part at ``where``, or of the deepest part that exists."""
        node, line = self._node, 1
        if node is None:
            return line
        line = node.start_mark.line + 1
        for step in where:
            found = _child(node, step)
            if found is None:
                break
            line, node = found[0], found[1]
        return line

    def mistake(self, where: Sequence[str | int], rule: Rule) -> InvalidFile:
        """An error that points at ``where``."""
        return InvalidFile(self.path, self.line(where), ".".join(map(str, where)), rule)

    def parse(self, model: type[M]) -> M:
        """The file as a ``model``.

        Raises:
            InvalidFiles: one mistake per rule broken.
        """
        return self.parse_with(model.model_validate)

    def parse_with(self, parse: Callable[[Any], T]) -> T:
        """The file as whatever ``parse`` makes of its data by pydantic.

        Raises:
            InvalidFiles: one mistake per rule broken.
        """
        try:
            return parse(self.data)
        except ValidationError as error:
            raise InvalidFiles(
                [self.mistake(e["loc"], rule_of(e)) for e in error.errors()]
            ) from error


def _child(node: yaml.Node, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item.start_mark.line + 1, item
    return None


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, which plain YAML lets the last one win silently, a part
    that holds itself, and values that are not of the kind they look like (``2026-02-30``).
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._open: list[str | None] = []

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent) and anchor in self._open:
            raise _Wrong(message("rule_yaml_itself"), event.start_mark)
        self._open.append(anchor)
        try:
            return super().compose_node(parent, index)
        finally:
            self._open.pop()

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            kind = node.tag.rpartition(":")[2]
            raise _Wrong(message("rule_yaml_kind", kind=kind), node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _Wrong(message("rule_yaml_key"), key.start_mark)
            if key.value in seen:
                raise _Wrong(message("rule_yaml_twice", key=key.value), key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Wrong(yaml.MarkedYAMLError):
    """A rule of ours is broken."""

    def __init__(self, rule: Message, mark: Any) -> None:
        super().__init__(None, None, str(rule), mark)
        self.rule = rule


def _problem(error: yaml.MarkedYAMLError) -> Message:
    if isinstance(error, _Wrong):
        return error.rule
    return message("rule_yaml", problem=error.problem or "-")


def load(path: Path) -> YamlFile:
    """Reads a YAML file in UTF-8.

    Raises:
        InvalidFile: it cannot be read, is not UTF-8, or is not YAML.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise InvalidFile(path, 1, "", message("rule_file_missing")) from error
    except UnicodeDecodeError as error:
        raise InvalidFile(path, 1, "", message("rule_file_utf8")) from error
    except OSError as error:
        raise InvalidFile(path, 1, "", message("rule_file_unreadable")) from error
    node, data = _parse(path, text)
    return YamlFile(path, data, node)


def _parse(path: Path, text: str) -> tuple[yaml.Node | None, Any]:
    try:
        loader = _StrictLoader(text)
        node = loader.get_single_node()
        return node, None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidFile(path, line, "", _problem(error)) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InvalidFile(path, line, "", message("rule_yaml_character")) from error
    except RecursionError as error:
        raise InvalidFile(path, 1, "", message("rule_yaml_nested")) from error
