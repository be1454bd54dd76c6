from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from connectors import settings
from connectors.base import SourceError
from connectors.settings import CsvSource, RestSource, SourceSettings, SqlSource
from core.messages import LANGUAGES, catalogue
from core.yamlfile import InvalidFiles, load


def parse(tmp_path: Path, text: str) -> SourceSettings:
    file = tmp_path / "source.yaml"
    file.write_text(text, "utf-8")
    return settings.parse(load(file))


def test_a_file_becomes_settings_of_its_kind(tmp_path: Path) -> None:
    found = parse(tmp_path, "dataset: police.residents\nkind: csv\npath: in/r.csv\nencoding: GBK\n")
    assert found == CsvSource(
        dataset="police.residents", kind="csv", path="in/r.csv", encoding="gbk"
    )


def test_the_union_is_told_apart_by_kind() -> None:
    given = {"dataset": "a.b", "kind": "rest", "url": {"secret": "env:URL"}}
    assert isinstance(TypeAdapter(SourceSettings).validate_python(given), RestSource)


def test_mistakes_name_line_and_field(tmp_path: Path) -> None:
    with pytest.raises(InvalidFiles) as caught:
        parse(tmp_path, "dataset: a.b\nkind: csv\npath: ../r.csv\nwidth: 3\n")
    lines = {(m.fields["line"], m.fields["field"]) for m in caught.value.mistakes}
    assert lines == {(3, "path"), (4, "width")}


@pytest.mark.parametrize("text", ["kind: ftp\n", "- 1\n", "", "kind: [csv]\n"])
def test_an_unknown_kind_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidFiles, match="mistakes"):
        parse(tmp_path, text)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../x.csv", "a/../../x.csv", "C:\\x.csv", "C:/x.csv", "a\\b.csv", "", "."],
)
def test_paths_stay_in_the_data_folder(path: str) -> None:
    with pytest.raises(ValidationError, match="a path is relative"):
        CsvSource(dataset="a.b", kind="csv", path=path)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://hub:hunter2@db/registry",
        "postgresql://db/registry",
        "sqlite:/var/lib/x.db",
        "sqlite:../x.db",
        {"secret": "hunter2"},
        {"secret": "file:../../hunter2"},
        {"secret": "file:/hunter2"},
        {"secret": "env:"},
        {"secret": "env:HUNTER 2"},
        {"secret": 2},
        {},
        7,
    ],
)
def test_a_database_address_is_a_reference_or_a_local_sqlite_file(url: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        SqlSource.model_validate({"dataset": "a.b", "kind": "sql", "url": url, "table": "t"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://hub:hunter2@host/rows",
        "http://hub@host/rows",
        "https://host/rows?access_token=hunter2",
        "https://host/rows?apiKey=hunter2",
        "ftp://host/hunter2",
        "http:///hunter2",
        "http://[hunter2",
    ],
)
def test_a_web_address_holds_no_credentials(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RestSource.model_validate({"dataset": "a.b", "kind": "rest", "url": url})
    assert "hunter2" not in str(caught.value)


def test_a_token_is_a_reference() -> None:
    given = {"dataset": "a.b", "kind": "rest", "url": "http://host/rows", "token": "hunter2"}
    with pytest.raises(ValidationError, match="a secret is given as a reference") as caught:
        RestSource.model_validate(given)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("extra", [{}, {"table": "t", "query": "SELECT 1"}])
def test_sql_reads_a_table_or_a_query(extra: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="either 'table' or 'query'"):
        SqlSource.model_validate({"dataset": "a.b", "kind": "sql", "url": "sqlite:x.db", **extra})


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "nonsense", "hz"])
def test_only_encodings_that_keep_line_breaks(encoding: str) -> None:
    with pytest.raises(ValidationError, match="it is one of utf-8"):
        CsvSource(dataset="a.b", kind="csv", path="x.csv", encoding=encoding)


@pytest.mark.parametrize("delimiter", ["", '"', "\n", "，", ",,"])
def test_a_delimiter_is_one_plain_character(delimiter: str) -> None:
    with pytest.raises(ValidationError, match="the delimiter is one ASCII character"):
        CsvSource(dataset="a.b", kind="csv", path="x.csv", delimiter=delimiter)


def test_every_reason_has_words_in_both_languages() -> None:
    codes = [code for code in catalogue() if code.startswith(("because_", "row_", "source_"))]
    assert len(codes) > 20
    assert all(set(catalogue()[code]) == set(LANGUAGES) for code in codes)


def test_an_error_speaks_one_language_at_a_time() -> None:
    class Cut(SourceError):
        code = "source_unreadable"

    error = Cut(source="police.residents", reason="because_damaged")
    assert "damaged" in str(error)
    assert "损坏" in error.words("zh")
    assert "damaged" not in error.words("zh")
