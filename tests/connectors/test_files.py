from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import files, tables
from connectors.base import (
    BATCH_ROWS,
    SourceOutside,
    SourceRefused,
    SourceSchemaChanged,
    SourceUnreadable,
)
from connectors.places import reveal
from connectors.settings import Secret
from tests.connectors.helpers import assert_numbered, batches_of, pull, tuples


def test_json_lines_as_texts(tmp_path: Path) -> None:
    lines = [
        '\ufeff{"a": "张三", "b": 110105194912310021, "c": 3500.00}',
        "",
        '{"a": null, "b": true, "c": {"x": [1, "二"]}}',
        '{"b": "\u2028"}',
    ]
    (tmp_path / "in.jsonl").write_text("\r\n".join(lines), "utf-8", newline="")
    rows, bad = pull(tmp_path, ["a", "b", "c"], kind="jsonl", path="in.jsonl")
    assert rows == [
        ("张三", "110105194912310021", "3500.00"),
        (None, "true", '{"x": [1, "二"]}'),
        (None, "\u2028", None),
    ]
    assert bad == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": 1', "row_json"),
        (b"[1]", "row_json"),
        (b"NaN", "row_json"),
        (b'{"a": Infinity}', "row_json"),
        (b'{"a": "\\ud800"}', "row_json"),
        (b'{"a": ' + b"[" * 100_000, "row_json"),
        (b'{"a": ' + b"9" * 5000 + b"}", "row_json"),
        (b'{"a": "\xd5\xc5"}', "row_encoding"),
    ],
)
def test_lines_that_are_no_json_object(tmp_path: Path, line: bytes, reason: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"a": 1}\n' + line + b'\n{"a": 3}\n')
    rows, bad = pull(tmp_path, ["a"], kind="jsonl", path="in.jsonl")
    assert rows == [("1",), ("3",)]
    assert [(one.row, one.reason) for one in bad] == [(2, reason)]


def test_json_lines_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes('{"a": "张三丰在佛山市南海区"}\n'.encode("gbk") * 20)
    with pytest.raises(SourceUnreadable) as caught:
        pull(tmp_path, ["a"], kind="jsonl", path="in.jsonl")
    assert caught.value.fields["guess"] == "gb18030"


def test_a_json_column_that_no_row_has(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('x\n{"a": 1}\n{"c": 1}\n', "utf-8")
    with pytest.raises(SourceSchemaChanged) as caught:
        pull(tmp_path, ["a", "b", "c"], kind="jsonl", path="in.jsonl")
    assert caught.value.fields["missing"] == "b"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.dictionaries(st.sampled_from(["a", "b"]), JSON), max_size=6))
def test_json_texts_mean_what_was_written(objects: list[dict[str, Any]]) -> None:
    complete = [{"a": None, "b": None} | one for one in objects]
    raws = [json.dumps(one) for one in complete]
    group = [tables.json_object(tables.parse_json(raw), raw) for raw in raws]
    found = list(tables.batches(tables.json_rows([group], ["a", "b"], "x"), ["a", "b"]))
    assert assert_numbered(found) == len(objects)
    for one, row in zip(complete, tuples(found), strict=True):
        for value, text in zip((one["a"], one["b"]), row, strict=True):
            assert value == (text if isinstance(value, str | None) else json.loads(text))


NUMBERS = st.sampled_from(
    ["0", "-0", "-0.0", "1.50", "3710.0", "1e5", "1E-7", "2.5e+3", "01", "1.", ".5", "1e", "NaN",
     "18446744073709551615", "18446744073709551616", "-9223372036854775809", "1e400"]
)  # fmt: skip
TEXTS = st.sampled_from(
    ['"x"', '""', '": 3.5, x"', '"a\\": 3.5,"', '"\\\\"', '"\\ud800"', '"\\u00e9"', '"b\x01"', '"张": 1.5',
     "null", "true", "[1.5, 2]", '{"b": 2.50}', "{}", '"1.50"']
)  # fmt: skip
BLANK = st.sampled_from(["", " ", "\t", "\f"])
MEMBERS = st.tuples(
    st.sampled_from(['"a"', '"b"', '"c\\\\"', "a"]), BLANK, NUMBERS | TEXTS, BLANK
).map(lambda parts: "{}:{}{}{}".format(*parts))
LINES = st.one_of(
    st.lists(MEMBERS, max_size=4).map(lambda members: "{" + ",".join(members) + "}"),
    st.lists(MEMBERS, max_size=2).map(lambda members: "{" + ",".join(members)),
    NUMBERS | TEXTS | BLANK,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(lines=st.lists(LINES, min_size=1, max_size=3), torn=st.booleans())
def test_quickly_parsed_lines_are_what_careful_parsing_makes_of_them(
    lines: list[str], torn: bool
) -> None:
    content = "\n".join(lines).encode("utf-8")[: -2 if torn else None]
    whole = [line for line in content.splitlines() if line.strip()]
    columns = ["a", "b", "c\\"]
    kept = [
        [
            one
            if isinstance(one, tables.Fault)
            else [tables.json_text(one.get(c)) for c in columns]
            for one in found
        ]
        for found in (files._objects(content), [files._object_with_care(line) for line in whole])
    ]
    assert kept[0] == kept[1]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    table = pa.table({"b": [1, None], " a": ["x", "y"], "d": [date(2020, 1, 2), None]})
    pq.write_table(table, tmp_path / "in.parquet")
    (batch,) = batches_of(tmp_path, ["a", "d", "b"], kind="parquet", path="in.parquet")
    assert [str(field.type) for field in batch.rows.schema] == [
        "string", "date32[day]", "int64", "int64",
    ]  # fmt: skip
    assert tuples([batch]) == [("x", date(2020, 1, 2), 1), ("y", None, None)]


@pytest.mark.parametrize("rows", [0, BATCH_ROWS + 3])
def test_parquet_comes_in_bounded_batches(tmp_path: Path, rows: int) -> None:
    pq.write_table(pa.table({"a": pa.array(range(rows))}), tmp_path / "in.parquet")
    batches = batches_of(tmp_path, ["a"], kind="parquet", path="in.parquet")
    assert assert_numbered(batches) == rows
    assert max(len(batch.rows) for batch in batches) <= BATCH_ROWS


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    file = tmp_path / "in.parquet"
    pq.write_table(pa.table({"a": [str(n) * 50 for n in range(1000)]}), file)
    content = file.read_bytes()
    for damaged in (b"", content[: len(content) // 2], content[:4] + b"\xff" * 400 + content[404:]):
        file.write_bytes(damaged)
        with pytest.raises(SourceUnreadable) as caught:
            pull(tmp_path, ["a"], kind="parquet", path="in.parquet")
        assert caught.value.fields["reason"] == "because_damaged"


def test_a_parquet_column_is_missing(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "in.parquet")
    with pytest.raises(SourceSchemaChanged):
        pull(tmp_path, ["a", "b"], kind="parquet", path="in.parquet")


def test_secrets_are_read_when_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("abc\n")
    monkeypatch.setenv("MARKET_TOKEN", "def")
    assert reveal(Secret(secret="file:token"), tmp_path, "a.b") == "abc"
    assert reveal(Secret(secret="env:MARKET_TOKEN"), tmp_path, "a.b") == "def"


@pytest.mark.parametrize("reference", ["file:none", "file:blank", "file:binary", "env:NOT_SET"])
def test_a_missing_secret_is_named(tmp_path: Path, reference: str) -> None:
    (tmp_path / "blank").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(SourceRefused) as caught:
        reveal(Secret(secret=reference), tmp_path, "a.b")
    assert reference in str(caught.value)


def test_a_secret_does_not_come_from_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "token").write_text("abc")
    (folder / "link").symlink_to(tmp_path / "token")
    with pytest.raises(SourceOutside):
        reveal(Secret(secret="file:link"), folder, "a.b")
