"""YAML files: every mistake is named by file and line, and nothing that stands in one is a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.types import Model
from core.yamlfile import InvalidFile, InvalidFiles, load

TEXT = """\
# A comment.
title: one
items:
  - name: first
    size: 1
  - name: second
    size: many
"""


class Part(Model):
    name: str
    size: int


class Whole(Model):
    title: str
    items: tuple[Part, ...]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "whole.yaml"
    made.write_text(TEXT, "utf-8")
    return made


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ((), 2),
        (("title",), 2),
        (("items",), 3),
        (("items", 0), 4),
        (("items", 0, "size"), 5),
        (("items", 1, "size"), 7),
        # What is not there is pointed at by what would hold it.
        (("items", 1, "colour"), 6),
        (("items", 7), 3),
        (("nothing", "at", "all"), 2),
        (("title", "below"), 2),
    ],
)
def test_each_part_knows_its_line(file: Path, where: tuple[str | int, ...], line: int) -> None:
    assert load(file).line(where) == line


def test_a_broken_rule_names_file_line_field_and_rule(file: Path) -> None:
    with pytest.raises(InvalidFiles) as caught:
        load(file).parse(Whole)
    (mistake,) = caught.value.mistakes
    assert mistake.fields["file"] == str(file)
    assert mistake.fields["line"] == 7
    assert mistake.fields["field"] == "items.1.size"
    assert "whole number" in str(mistake.fields["rule"])


def test_all_broken_rules_are_told_in_both_languages(file: Path) -> None:
    file.write_text("titel: one\nitems:\n- {name: a}\n", "utf-8")
    with pytest.raises(InvalidFiles) as caught:
        load(file).parse(Whole)
    found = {(m.fields["field"], m.fields["line"]) for m in caught.value.mistakes}
    assert found == {("title", 1), ("titel", 1), ("items.0.size", 3)}
    for language, word in (("en", "line 3"), ("zh", "第 3 行")):
        words = caught.value.words(language)
        assert len(words.splitlines()) == 3
        assert word in words


def test_a_file_without_mistakes(file: Path) -> None:
    file.write_text(TEXT.replace("many", "2"), "utf-8")
    whole = load(file).parse(Whole)
    assert [part.name for part in whole.items] == ["first", "second"]


DAMAGES: dict[str, tuple[bytes, int, str]] = {
    "a key twice": (b"a: 1\nb: 2\na: 3\n", 3, "twice"),
    "a key twice further down": (b"a:\n  - b: 1\n    c: 2\n    b: 3\n", 4, "twice"),
    "not UTF-8": ("标题: 一\n".encode("gbk"), 1, "UTF-8"),
    "an open bracket": (b"a: 1\nb: [1, 2\n", 3, ""),
    "a tab": (b"a: 1\nb:\n\tc: 2\n", 3, ""),
    "two documents": (b"a: 1\n---\nb: 2\n", 2, ""),
    "an unknown tag": (b"a: 1\nb: !!python/object:os.system {}\n", 2, ""),
    "an alias of nothing": (b"a: 1\nb: *nothing\n", 2, ""),
    "a control character": (b"a: 1\nb: \x00\n", 2, ""),
    "a list as a key": (b"a: 1\n? [b, c]\n: 2\n", 2, ""),
    "a day that does not exist": (b"a: 1\nb: 2026-02-30\n", 2, ""),
    "a number that is none": (b"a: 1\nb: !!int many\n", 2, ""),
    "a thing that holds itself": (b"a: 1\nb: &b\n  - *b\n", 3, "itself"),
    "brackets without end": (b"[" * 1500, 1, "deeply"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_cannot_be_read_says_where(tmp_path: Path, damage: str) -> None:
    content, line, rule = DAMAGES[damage]
    file = tmp_path / "broken.yaml"
    file.write_bytes(content)
    with pytest.raises(InvalidFile) as caught:
        load(file)
    assert caught.value.fields["file"] == str(file)
    assert caught.value.fields["line"] == line
    assert rule in str(caught.value.fields["rule"])
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="does not exist"):
        load(tmp_path / "nowhere.yaml")


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"# Nothing but this.\n", b"[]\n", b"7\n", b"null\n"])
def test_a_file_that_says_nothing_is_no_document(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "empty.yaml"
    file.write_bytes(content)
    with pytest.raises(InvalidFiles) as caught:
        load(file).parse(Whole)
    assert caught.value.mistakes[0].fields["line"] == 1


yaml_like = st.one_of(
    st.binary(max_size=60),
    st.text("ab:-?!&*[]{},|>'\"#%@ \n\t0123456789.~<=", max_size=60).map(str.encode),
    st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(content=yaml_like)
def test_no_content_is_a_crash(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content)
    with pytest.raises((InvalidFile, InvalidFiles)) as caught:
        load(file).parse(Whole)
    mistakes = getattr(caught.value, "mistakes", [caught.value])
    last = content.count(b"\n") + content.count(b"\r") + 2
    assert all(1 <= mistake.fields["line"] <= last for mistake in mistakes)
