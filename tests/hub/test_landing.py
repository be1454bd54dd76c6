"""Landing: every row of a source stands in one version of the lake, or nothing of it does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.contracts import Contract
from connectors.base import ROW, Batch, Connector, SourceUnreachable, Unreadable
from connectors.registry import connect
from connectors.settings import restore
from core.lake import Lake, TableVersion
from hub.pipeline.landing import RAW, UNREADABLE, SourceEmpty, SourceTypeChanged, land

DATASET = "police.people"


def contract(*columns: str, allow_empty: bool = False) -> Contract:
    """A contract of columns; the item of column ``c`` is called ``item_c``."""
    items = [
        {"name": f"item_{c}", "column": c, "title": c, "element": "text", "level": 1,
         "sharing": "conditional"}
        for c in columns
    ]  # fmt: skip
    return Contract.model_validate(
        {
            "dataset": DATASET, "name": "n", "version": "1", "department": "police", "code": "c",
            "summary": "", "sharing": "conditional", "mode": "interface", "cycle": "daily",
            "digest": "0", "items": items, "allow_empty": allow_empty,
        }
    )  # fmt: skip


def source(folder: Path, **settings: str) -> Connector:
    return connect(restore({"dataset": DATASET, **settings}), folder)


class Said:
    """A source that says what it is told to, batch by batch, and may fail at the end."""

    def __init__(self, batches: Sequence[Batch], failure: Exception | None = None) -> None:
        self._batches = batches
        self._failure = failure

    def pull(self, columns: Sequence[str], since: str | None = None) -> Iterator[Batch]:  # noqa: ARG002
        yield from self._batches
        if self._failure is not None:
            raise self._failure


def batch(first: int, *values: object, kind: pa.DataType | None = None) -> Batch:
    """A batch of one column ``a`` whose rows are numbered from ``first``."""
    numbers = pa.array(range(first, first + len(values)), pa.int64())
    return Batch(pa.table({"a": pa.array(values, kind), ROW: numbers}))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_types_of_the_source_are_kept(tmp_path: Path, lake: Lake) -> None:
    moment = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
    columns = {
        "whole": pa.array([1, None], pa.int32()),
        "float": pa.array([0.1, -0.0], pa.float64()),
        "flag": pa.array([True, None], pa.bool_()),
        "day": pa.array([date(1949, 12, 31), None], pa.date32()),
        "moment": pa.array([moment, None], pa.timestamp("ns", "UTC")),
        "money": pa.array([Decimal("3500.10"), None], pa.decimal128(12, 2)),
        "text": pa.array(["王建国", ""], pa.string()),
        "word": pa.array(["a", None], pa.string()).dictionary_encode(),
        "big": pa.array([2**63, 0], pa.uint64()),
    }
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    landed = land(lake, contract(*columns), source(tmp_path, kind="parquet", path="x.parquet"), "r")
    table = lake.read(landed.table)
    assert table.column_names == [*(f"item_{c}" for c in columns), ROW, UNREADABLE, RAW]
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["item_whole"] == "int32"
    assert kinds["item_day"] == "date32[day]"
    assert kinds["item_money"] == "decimal128(12, 2)"
    assert kinds["item_moment"] == "timestamp[us, tz=UTC]"
    # What Delta has no type for becomes text.
    assert kinds["item_word"] == kinds["item_big"] == "string"
    first, second = sorted(table.to_pylist(), key=lambda row: row[ROW])
    assert (first["item_money"], first["item_moment"]) == (Decimal("3500.10"), moment)
    assert (first["item_text"], first["item_big"]) == ("王建国", str(2**63))
    assert (second["item_text"], second["item_whole"], second["item_word"]) == ("", None, None)


def test_only_the_columns_of_the_contract_are_kept(tmp_path: Path, lake: Lake) -> None:
    pq.write_table(pa.table({"a": ["x"], "secret": ["y"]}), tmp_path / "x.parquet")
    landed = land(lake, contract("a"), source(tmp_path, kind="parquet", path="x.parquet"), "r")
    assert lake.read(landed.table).to_pylist() == [
        {"item_a": "x", ROW: 1, UNREADABLE: None, RAW: None}
    ]


def test_rows_that_cannot_be_read_stand_in_the_same_version(tmp_path: Path, lake: Lake) -> None:
    lines = ['{"a": "one"}', "{broken", '{"a": "three"}', "[1]", '{"a": "five"}']
    (tmp_path / "x.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    landed = land(lake, contract("a"), source(tmp_path, kind="jsonl", path="x.jsonl"), "r")
    assert (landed.table.rows, landed.unreadable) == (5, 2)
    rows = {row[ROW]: row for row in lake.read(landed.table).to_pylist()}
    assert set(rows) == {1, 2, 3, 4, 5}
    assert [rows[n]["item_a"] for n in range(1, 6)] == ["one", None, "three", None, "five"]
    assert (rows[2][RAW], rows[4][RAW]) == ("{broken", "[1]")
    assert all((row[UNREADABLE] is None) == (number in {1, 3, 5}) for number, row in rows.items())


def test_equal_content_has_an_equal_digest(tmp_path: Path, lake: Lake) -> None:
    def digest(*values: str | None) -> str:
        rows = [json.dumps({"a": value}) for value in values]
        (tmp_path / "x.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
        connector = source(tmp_path, kind="jsonl", path="x.jsonl")
        return land(lake, contract("a"), connector, "r").digest

    assert digest("x", "y") == digest("x", "y")
    others = {digest("x", "z"), digest("y", "x"), digest("x"), digest("x", None), digest("x", "")}
    assert len({digest("x", "y"), *others}) == 6


def test_each_pull_is_a_version_of_its_own(lake: Lake) -> None:
    first = land(lake, contract("a"), Said([batch(1, "x")]), "run-1")
    second = land(lake, contract("a"), Said([batch(1, "y"), batch(2, "z")]), "run-2")
    assert (first.table.version, second.table.version) == (0, 1)
    assert lake.read(first.table).column("item_a").to_pylist() == ["x"]
    assert sorted(lake.read(second.table).column("item_a").to_pylist()) == ["y", "z"]


def test_a_column_that_can_be_read_in_the_type_it_began_with(lake: Lake) -> None:
    """A first batch of text takes in numbers; a first batch of numbers takes in their text."""
    words = land(lake, contract("a"), Said([batch(1, "x"), batch(2, 7)]), "r")
    assert sorted(lake.read(words.table).column("item_a").to_pylist()) == ["7", "x"]
    numbers = land(lake, contract("a"), Said([batch(1, 7), batch(2, "8")]), "r")
    assert sorted(lake.read(numbers.table).column("item_a").to_pylist()) == [7, 8]


def stands(lake: Lake, before: TableVersion) -> None:
    """Nothing came after what was there before."""
    assert lake.read(before).column("item_a").to_pylist() == ["x"]
    after = lake.write(before.table, lake.read(before))
    assert after.version == before.version + 1


@pytest.mark.parametrize("value", ["王建国", None])
def test_a_column_that_changes_its_type_midway_lands_nothing(lake: Lake, value: str) -> None:
    before = land(lake, contract("a"), Said([batch(1, "x")]), "run-1").table
    changing = Said(
        [batch(1, 7), batch(2, value or [1], kind=None if value else pa.list_(pa.int64()))]
    )
    with pytest.raises(SourceTypeChanged) as caught:
        land(lake, contract("a"), changing, "run-2")
    assert caught.value.fields == {"source": DATASET, "column": "a"}
    assert "王建国" not in str(caught.value)
    stands(lake, before)


def test_a_source_that_fails_midway_lands_nothing(lake: Lake) -> None:
    before = land(lake, contract("a"), Said([batch(1, "x")]), "run-1").table
    failure = SourceUnreachable(source=DATASET, reason="gone")
    with pytest.raises(SourceUnreachable) as caught:
        land(lake, contract("a"), Said([batch(1, "y"), batch(2, "z")], failure), "run-2")
    assert caught.value is failure
    stands(lake, before)


EMPTY: dict[str, list[Batch]] = {
    "no batch": [],
    "an empty batch": [batch(1, kind=pa.string())],
}


@pytest.mark.parametrize("kind", EMPTY)
def test_an_empty_source_is_refused_unless_the_contract_allows_it(lake: Lake, kind: str) -> None:
    with pytest.raises(SourceEmpty, match=DATASET):
        land(lake, contract("a"), Said(EMPTY[kind]), "r")
    landed = land(lake, contract("a", allow_empty=True), Said(EMPTY[kind]), "r")
    assert landed.table.rows == 0
    assert lake.read(landed.table).column_names == ["item_a", ROW, UNREADABLE, RAW]


def test_rows_that_are_all_unreadable_are_not_nothing(lake: Lake) -> None:
    bad = Batch(batch(1, kind=pa.string()).rows, (Unreadable(1, "row_broken", "{"),))
    landed = land(lake, contract("a"), Said([bad]), "r")
    assert (landed.table.rows, landed.unreadable) == (1, 1)
