"""The lake: versions that stay, writes that are whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine import connect, scan, view
from core.lake import Lake, LakeVersionMissing, LakeWriteFailed, Layers, TableVersion, Under
from core.sql import EngineLimits

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


def test_old_versions_stay_however_many_come_after(lake: Lake, tmp_path: Path) -> None:
    written = []
    for number in range(35):
        written.append(lake.write(NAME, rows(str(number))))
        if number % 10 == 5:
            written.append(lake.extend(written[-2], NAME, rows("more")))
        # As if half a year had passed since: Delta goes by the age of its files.
        for file in (tmp_path / "lake" / NAME / "_delta_log").iterdir():
            os.utime(file, (0, 0))
    for number, version in enumerate(written):
        assert lake.read(version).num_rows == version.rows, number
    first, last = values(lake, written[0]), values(lake, written[-1])
    assert (first, last) == (["0"], ["34"])


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


def test_what_a_version_consists_of_is_asked_for_once(lake: Lake, tmp_path: Path) -> None:
    refs = [lake.write(NAME, rows("a")), lake.write(NAME, rows("b"))]
    assert values(lake, refs[0]) == ["a"]
    (tmp_path / "lake" / NAME / "_delta_log").rename(tmp_path / "aside")
    assert values(lake, refs[0]) == ["a"]
    for reader, ref in ((lake, refs[1]), (Lake(str(tmp_path / "lake")), refs[0])):
        with pytest.raises(LakeVersionMissing):
            reader.read(ref)


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


def keyed(rows: Mapping[str, Sequence[int]]) -> pa.Table:
    """Rows ``entity, value``: so many values of each entity."""
    pairs = [(entity, value) for entity, values in rows.items() for value in values]
    return pa.table(
        {
            "entity": pa.array([entity for entity, _ in pairs], pa.string()),
            "value": pa.array([value for _, value in pairs], pa.int64()),
        }
    )


Rows = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.integers(0, 9), max_size=3))


@given(below=Rows, above=Rows, gone=st.sets(st.sampled_from("abcdefg")))
@settings(max_examples=25, deadline=None)
def test_a_version_over_another_reads_as_one(
    below: dict[str, list[int]], above: dict[str, list[int]], gone: set[str]
) -> None:
    with TemporaryDirectory() as folder:
        lake = Lake(folder)
        held = lake.write("people", keyed(below))
        left = lake.write("left", pa.table({"entity": pa.array(sorted(gone), pa.string())}))
        count = sum(len(values) for entity, values in below.items() if entity in gone)
        under = Under(held=held, left=left, key="entity", gone=count)
        ref = lake.overlay(under, "people", keyed(above))
        stays = {entity: values for entity, values in below.items() if entity not in gone}
        wanted = sorted(pa.concat_tables([keyed(stays), keyed(above)]).to_pylist(), key=str)
        told = TableVersion.model_validate_json(ref.model_dump_json())
        rows = lake.open(told)
        assert isinstance(rows, Layers)
        assert ref.rows == rows.count_rows() == len(wanted)
        assert sorted(lake.read(told).to_pylist(), key=str) == wanted
        some = pc.field("value") > 4
        large = [row for row in wanted if row["value"] > 4]
        assert rows.count_rows(filter=some) == len(large)
        found = rows.to_table(columns=["value"], filter=some)
        assert sorted(found.to_pydict()["value"]) == sorted(row["value"] for row in large)
        engine = connect(EngineLimits())
        view(engine.con, "rows", rows)
        ways = (
            engine.con.sql("SELECT entity, value FROM rows").to_arrow_table(),
            engine.to_pyarrow(scan(engine, rows)),
        )
        engine.disconnect()
        assert all(sorted(way.to_pylist(), key=str) == wanted for way in ways)
        assert sorted(lake.read(held).to_pylist(), key=str) == sorted(
            keyed(below).to_pylist(), key=str
        )


def test_a_version_over_another_is_not_read_by_itself(lake: Lake) -> None:
    held = lake.write("people", keyed({"a": [1]}))
    left = lake.write("left", pa.table({"entity": ["a"]}))
    under = Under(held=held, left=left, key="entity", gone=1)
    ref = lake.overlay(under, "people", keyed({"a": [2]}))
    with pytest.raises(TypeError, match="lies over another"):
        lake.dataset(ref)
    lost = under.model_copy(update={"held": held.model_copy(update={"version": 7})})
    with pytest.raises(LakeVersionMissing):
        lake.read(ref.model_copy(update={"over": lost}))
