"""The lake: versions that stay, writes that are whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from core.lake import Lake, LakeVersionMissing, LakeWriteFailed, TableVersion

NAME = "landing/police.people"


def rows(*values: str) -> pa.Table:
    return pa.table({"value": pa.array(values, pa.string())})


def values(lake: Lake, ref: TableVersion) -> list[str]:
    return sorted(lake.read(ref).column("value").to_pylist())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_every_version_can_be_read(lake: Lake) -> None:
    first = lake.write(NAME, rows("a", "b"))
    second = lake.write(NAME, rows("c"))
    assert (first.version, first.rows, second.version, second.rows) == (0, 2, 1, 1)
    assert values(lake, first) == ["a", "b"]
    assert values(lake, second) == ["c"]


def test_a_snapshot_may_have_other_columns_than_the_last(lake: Lake) -> None:
    first = lake.write(NAME, rows("a"))
    second = lake.write(NAME, pa.table({"number": [1, 2]}))
    assert lake.read(first).column_names == ["value"]
    assert lake.read(second).to_pylist() == [{"number": 1}, {"number": 2}]


def test_only_the_columns_asked_for(lake: Lake) -> None:
    ref = lake.write(NAME, pa.table({"a": [1], "b": [2]}))
    assert lake.read(ref, ["b"]).to_pylist() == [{"b": 2}]


def test_no_rows_are_a_version_too(lake: Lake) -> None:
    ref = lake.write(NAME, rows())
    assert ref.rows == 0
    assert lake.read(ref).column_names == ["value"]


def test_rows_come_as_a_stream(lake: Lake) -> None:
    table = rows(*"abcdef")
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(2))
    assert lake.write(NAME, reader).rows == 6


def test_a_ledger_keeps_what_it_had(lake: Lake) -> None:
    first = lake.write("judgements/x", rows("a"), mode="append")
    second = lake.write("judgements/x", rows("b", "c"), mode="append")
    assert values(lake, first) == ["a"]
    assert values(lake, second) == ["a", "b", "c"]
    assert second.rows == 3


def test_a_ledger_may_gain_a_column(lake: Lake) -> None:
    lake.write("judgements/x", rows("a"), mode="append")
    wider = pa.table({"value": ["b"], "more": ["x"]})
    ref = lake.write("judgements/x", wider, mode="append")
    found = {row["value"]: row["more"] for row in lake.read(ref).to_pylist()}
    assert found == {"a": None, "b": "x"}


def test_a_ledger_goes_on_from_the_version_that_is_named(lake: Lake) -> None:
    first = lake.extend(None, "judgements/x", rows("a"))
    lake.extend(first, "judgements/x", rows("lost"))
    second = lake.extend(first, "judgements/x", rows("b"))
    assert [len(lake.read(version)) for version in (first, second)] == [1, 2]
    assert sorted(lake.read(second).column(0).to_pylist()) == sorted(
        [*rows("a").column(0).to_pylist(), *rows("b").column(0).to_pylist()]
    )
    assert second.rows == 2
    again = lake.extend(None, "judgements/x", rows("c"))
    assert lake.read(again).column(0).to_pylist() == rows("c").column(0).to_pylist()
    with pytest.raises(LakeVersionMissing):
        lake.extend(TableVersion(table="none", version=0, rows=0), "none", rows("a"))


def test_a_version_that_is_not_there(lake: Lake) -> None:
    ref = lake.write(NAME, rows("a"))
    for missing in (
        TableVersion(table=NAME, version=7, rows=1),
        TableVersion(table="landing/ghost", version=0, rows=1),
    ):
        with pytest.raises(LakeVersionMissing, match=missing.table):
            lake.read(missing)
    assert values(lake, ref) == ["a"]


def test_a_write_that_breaks_off_leaves_the_old_version(lake: Lake) -> None:
    before = lake.write(NAME, rows("a"))

    def broken() -> Iterator[pa.RecordBatch]:
        yield from rows("b", "c").to_batches()
        raise OSError("the source went away")

    reader = pa.RecordBatchReader.from_batches(rows().schema, broken())
    with pytest.raises(LakeWriteFailed, match=NAME):
        lake.write(NAME, reader)
    assert values(lake, before) == ["a"]
    after = lake.write(NAME, rows("d"))
    assert after.version == before.version + 1
    assert values(lake, after) == ["d"]


@pytest.mark.parametrize("mode", ["overwrite", "append"])
def test_a_store_that_refuses(tmp_path: Path, lake: Lake, mode: str) -> None:
    before = lake.write("fit/a", rows("a"))
    (tmp_path / "lake/landing").write_text("A file where a folder should be.", "utf-8")
    with pytest.raises(LakeWriteFailed, match=NAME) as caught:
        lake.write(NAME, rows("b"), mode=mode)
    assert caught.value.status == 503
    assert values(lake, before) == ["a"]


def test_a_store_under_a_file(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("", "utf-8")
    with pytest.raises(LakeWriteFailed):
        Lake(str(tmp_path / "lake")).write(NAME, rows("a"))


def test_a_slash_at_the_end_of_the_root_is_no_other_place(tmp_path: Path) -> None:
    ref = Lake(f"{tmp_path}/lake/").write(NAME, rows("a"))
    assert values(Lake(f"{tmp_path}/lake"), ref) == ["a"]
