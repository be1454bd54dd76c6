from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import delimited
from connectors.base import (
    BATCH_ROWS,
    SourceMissing,
    SourceOutside,
    SourceSchemaChanged,
    SourceUnreadable,
)
from connectors.delimited import Layout
from tests.connectors.helpers import assert_numbered, batches_of, pull, tuples

HEADER = "姓名,证件号,地址"


def write(folder: Path, content: str | bytes, encoding: str = "utf-8") -> None:
    data = content if isinstance(content, bytes) else content.encode(encoding)
    (folder / "in.csv").write_bytes(data)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "big5"])
def test_reads_encodings_and_keeps_texts(tmp_path: Path, encoding: str) -> None:
    text = (
        '姓名,id,地址\r\n李雅,011010519491231002,\r\n\r\n   \r\n林一,00,"桂城, 一\r\n路 ""8"""\r\n'
    )
    write(tmp_path, text, encoding)
    rows, bad = pull(tmp_path, ["id", "姓名", "地址"], kind="csv", path="in.csv", encoding=encoding)
    assert rows == [
        ("011010519491231002", "李雅", ""),
        ("00", "林一", '桂城, 一\r\n路 "8"'),
    ]
    assert bad == []


def test_header_names_are_matched_without_blanks_and_marks(tmp_path: Path) -> None:
    write(tmp_path, b'\xef\xbb\xbf\r\n \xe5\xa7\x93\xe5\x90\x8d\t,"\xe3\x80\x80b\nc "\n1,2\n')
    rows, _ = pull(tmp_path, ["b\nc", "姓名"], kind="csv", path="in.csv")
    assert rows == [("2", "1")]


def test_delimiters_that_are_half_of_a_gbk_character(tmp_path: Path) -> None:
    # The second byte of 焅 is 0x7C, the delimiter.
    write(tmp_path, "姓名|证件号\n焅|1\n", "gbk")
    settings_ = {"kind": "csv", "path": "in.csv", "encoding": "gbk", "delimiter": "|"}
    assert pull(tmp_path, ["姓名"], **settings_)[0] == [("焅",)]


def test_empty_fields_of_a_tab_file_are_a_row(tmp_path: Path) -> None:
    write(tmp_path, "a\tb\n\t\n1\t2\n")
    rows, _ = pull(tmp_path, ["a", "b"], kind="csv", path="in.csv", delimiter="\t")
    assert rows == [("", ""), ("1", "2")]


def test_wrong_numbers_of_fields_keep_their_row_numbers(tmp_path: Path) -> None:
    write(tmp_path, "a,b\n1,2\n\n3\n4,5\n6,7,8\n9,10\n")
    rows, bad = pull(tmp_path, ["b"], kind="csv", path="in.csv")
    assert rows == [("2",), ("5",), ("10",)]
    assert [(one.row, one.reason, one.raw) for one in bad] == [
        (2, "row_fields", "3"),
        (4, "row_fields", "6,7,8"),
    ]


def test_a_stray_quote_costs_its_own_line_only(tmp_path: Path) -> None:
    write(tmp_path, 'a,b\n1,"x\n2,y\n3,"z"\n4,5" pipe\n5,"p"q\n6,"open\n7,w\n')
    rows, bad = pull(tmp_path, ["a", "b"], kind="csv", path="in.csv")
    assert rows == [("2", "y"), ("3", "z"), ("4", '5" pipe'), ("7", "w")]
    assert [(one.row, one.reason) for one in bad] == [
        (1, "row_quote"),
        (5, "row_quote"),
        (6, "row_quote"),
    ]


def test_a_quote_that_never_closes_does_not_hold_the_file_in_memory(tmp_path: Path) -> None:
    lines = "1,some words that fill the line up to a length\n" * 40_000
    write(tmp_path, f'a,b\n0,"never\n{lines}')
    rows, bad = pull(tmp_path, ["a"], kind="csv", path="in.csv")
    assert len(rows) == 40_000
    assert [(one.row, one.reason) for one in bad] == [(1, "row_quote")]


def test_lines_that_do_not_decode_are_set_aside_alone(tmp_path: Path) -> None:
    lines = [f"张三,{number},一\n".encode("gbk") for number in range(1000)]
    lines[6] = b'\xd5\xc5\xff,6,"\xd2\xbb"\n'
    lines[9] = b'x,9,"\xd2\n,"\n'
    write(tmp_path, (HEADER + "\n").encode("gbk") + b"".join(lines))
    rows, bad = pull(tmp_path, ["证件号"], kind="csv", path="in.csv", encoding="gbk")
    assert [one.row for one in bad] == [7, 10]
    assert {one.reason for one in bad} == {"row_encoding"}
    assert bad[0].raw == '张�,6,"一"'
    assert len(rows) == 998


@pytest.mark.parametrize(
    ("written", "declared", "guess"),
    [("gbk", "utf-8", "gb18030"), ("utf-8", "gbk", "utf-8"), ("utf-16", "utf-8", "utf-16")],
)
@pytest.mark.parametrize("header", [HEADER, "a,b,c"])
def test_another_encoding_is_named(
    tmp_path: Path, header: str, written: str, declared: str, guess: str
) -> None:
    write(tmp_path, header + "\n" + "张三丰,440605,佛山市南海区桂城街道\n" * 20, written)
    with pytest.raises(SourceUnreadable) as caught:
        pull(tmp_path, header.split(","), kind="csv", path="in.csv", encoding=declared)
    assert caught.value.fields["reason"] == "because_encoding"
    named = {str(caught.value.fields["guess"]), str(caught.value.fields["encoding"])}
    assert declared in named
    assert caught.value.fields["guess"] in (guess, "gbk" if guess == "gb18030" else guess)
    assert "三丰" not in str(caught.value)


def test_missing_columns_stop_before_the_first_batch(tmp_path: Path) -> None:
    write(tmp_path, "姓名,证件号\n张三,1\n")
    with pytest.raises(SourceSchemaChanged) as caught:
        pull(tmp_path, ["地址", "姓名", "电话"], kind="csv", path="in.csv")
    assert caught.value.fields["missing"] == "地址, 电话"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "because_empty"),
        (b"\n\n", "because_empty"),
        (b'"a,b\n1,2\n', "because_header"),
        (b"\xff\xfe,b\n1,2\n", "because_header"),
        (b"a,a\n1,2\n", "because_column_twice"),
    ],
)
def test_a_file_without_a_usable_header(tmp_path: Path, content: bytes, reason: str) -> None:
    write(tmp_path, content)
    with pytest.raises(SourceUnreadable) as caught:
        pull(tmp_path, ["a"], kind="csv", path="in.csv")
    assert caught.value.fields["reason"] == reason


def test_a_file_without_line_ends_is_refused(tmp_path: Path) -> None:
    write(tmp_path, b"a,b\n" + b"x" * (delimited.MAX_LINE + delimited.BLOCK + 1))
    with pytest.raises(SourceUnreadable) as caught:
        pull(tmp_path, ["a"], kind="csv", path="in.csv")
    assert caught.value.fields["reason"] == "because_line"


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    write(tmp_path, "a,b\n")
    (batch,) = batches_of(tmp_path, ["b"], kind="csv", path="in.csv")
    assert batch.rows.num_rows == 0
    assert batch.rows.column_names == ["b", "_row"]


def test_batches_are_bounded(tmp_path: Path) -> None:
    write(tmp_path, "a\n" + "".join(f"{number}\n" for number in range(2 * BATCH_ROWS + 7)))
    batches = batches_of(tmp_path, ["a"], kind="csv", path="in.csv")
    assert max(len(batch.rows) for batch in batches) <= BATCH_ROWS
    assert assert_numbered(batches) == 2 * BATCH_ROWS + 7
    assert tuples(batches)[-1] == (str(2 * BATCH_ROWS + 6),)


def test_files_are_taken_from_the_data_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "secret.csv").write_text("a\n1\n")
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    (folder / "out").symlink_to(tmp_path)
    for path in ("link.csv", "out/secret.csv"):
        with pytest.raises(SourceOutside):
            pull(folder, ["a"], kind="csv", path=path)
    for path in ("loop.csv", "none.csv", "out"):
        with pytest.raises((SourceMissing, SourceOutside)):
            pull(folder, ["a"], kind="csv", path=path)


TEXT = st.text(st.sampled_from('ab1,;"\r\n\t 张三丰　'), max_size=8)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(1, 4))
    return draw(st.lists(st.lists(TEXT, min_size=width, max_size=width), min_size=1, max_size=8))


def as_csv(table: list[list[str]], quoting: int) -> str:
    text = io.StringIO(newline="")
    names = [f"c{number}" for number in range(len(table[0]))]
    # A lone blank field is only told from a blank line by its quotes.
    style = quoting if len(names) > 1 else csv.QUOTE_ALL
    csv.writer(text, quoting=style).writerows([names, *table])  # type: ignore[arg-type]
    return text.getvalue()


def pieces(content: bytes, seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    while content:
        size = chance.choice([1, 2, 5, 40])
        yield content[:size]
        content = content[size:]


def layout(width: int, encoding: str) -> Layout:
    columns = tuple((number, f"c{number}") for number in range(width))
    return Layout(delimiter=",", encoding=encoding, width=width, columns=columns)


QUOTING = st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
ENCODING = st.sampled_from(["utf-8", "utf-8-sig", "gbk", "gb18030"])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(tables(), QUOTING, ENCODING, st.integers(0, 99))
def test_any_table_comes_back_equal(
    table: list[list[str]], quoting: int, encoding: str, seed: int
) -> None:
    content = as_csv(table, quoting).encode(encoding)
    batches = list(delimited.read(pieces(content, seed), layout(len(table[0]), encoding), skip=1))
    assert tuples(batches) == [tuple(row) for row in table]
    assert assert_numbered(batches) == len(table)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(tables(), QUOTING, ENCODING)
def test_a_damaged_line_changes_nothing_before_it(
    table: list[list[str]], quoting: int, encoding: str
) -> None:
    content = as_csv(table, quoting).encode(encoding) + b"\xff\n"
    batches = list(delimited.read([content], layout(len(table[0]), encoding), skip=1))
    assert tuples(batches) == [tuple(row) for row in table]
    assert [one.reason for batch in batches for one in batch.unreadable] == ["row_encoding"]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(tables(), QUOTING, ENCODING, st.randoms(use_true_random=False))
def test_damage_never_loses_a_row_number(
    table: list[list[str]], quoting: int, encoding: str, chance: random.Random
) -> None:
    content = bytearray(as_csv(table, quoting).encode(encoding))
    for _ in range(chance.randint(1, 5)):
        place = chance.randrange(len(content))
        content[place : place + chance.randint(0, 1)] = bytes([chance.choice(b'\xff\x81",\n\ra')])
    shape = layout(len(table[0]), encoding)
    whole = list(delimited.read([bytes(content)], shape, skip=1))
    parts = list(delimited.read(pieces(bytes(content), 1), shape, skip=1))
    assert assert_numbered(whole) == assert_numbered(parts)
    assert tuples(whole) == tuples(parts)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.sampled_from(["x", '"', ",", "张", ""]), max_size=6), max_size=8))
def test_lines_without_an_open_quote_are_a_row_each(lines: list[list[str]]) -> None:
    texts = ["".join(line) for line in lines]
    balanced = [text for text in texts if text.strip() and '"' not in text]
    content = "".join(f"{text}\n" for text in balanced).encode()
    assert assert_numbered(list(delimited.read([content], layout(2, "utf-8")))) == len(balanced)


RAGGED = st.lists(st.sampled_from(["x", '"y,"', '"z\n"', '"张"""', ",", "\n", " ", "\r\n"]))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(RAGGED, max_size=6))
def test_quick_parsing_finds_the_records_of_the_grammar(lines: list[list[str]]) -> None:
    content = "".join("".join(line) + "\n" for line in lines).encode()
    found = []
    # A line that does not decode makes all of them go through the grammar.
    for end in (b"", b"\xff\n"):
        batches = list(delimited.read([content + end], layout(2, "utf-8")))
        bad = [one for batch in batches for one in batch.unreadable if one.raw != "\ufffd"]
        found.append((tuples(batches), bad))
    assert found[0] == found[1]
