"""Writing tables by a thread of their own: in parts, in order, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from core.lake import Lake, LakeVersionMissing, LakeWriteFailed, TableVersion
from hub.pipeline.writing import Writer

SCHEMA = pa.schema({"n": pa.int64()})
MANY = 500  # batches; far more than may wait to be written


def rows(start: int, batches: int = MANY, broken: bool = False) -> pa.RecordBatchReader:
    def made() -> Iterator[pa.RecordBatch]:
        for place in range(batches):
            yield pa.record_batch([pa.array([start + place])], schema=SCHEMA)
        if broken:
            raise ValueError("no more")

    return pa.RecordBatchReader.from_batches(SCHEMA, made())


def held(lake: Lake, version: TableVersion) -> list[int]:
    return sorted(lake.read(version).column("n").to_pylist())


def test_a_table_holds_all_its_parts_and_nothing_of_before(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.write("a", rows(-5, 1))
    with Writer(lake, {"run": "r"}) as writer:
        for start in (0, MANY):
            writer.write("a", rows(start))
            writer.write("b", rows(start, 1))
        assert held(lake, writer.version("a")) == list(range(2 * MANY))
        assert held(lake, writer.version("b")) == [0, MANY]
    assert writer.version("a").rows == 2 * MANY


def test_rows_that_break_off_are_no_version(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    with pytest.raises(ValueError, match="no more"), Writer(lake, {}) as writer:
        writer.write("a", rows(0, broken=True))
    with pytest.raises(LakeVersionMissing):
        lake.read(TableVersion(table="a", version=0, rows=0))


def test_a_store_that_refuses_is_told_and_nobody_waits(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("in the way")
    with Writer(Lake(str(tmp_path)), {}) as writer:
        writer.write("a", rows(0))
        with pytest.raises(LakeWriteFailed):
            writer.version("a")
        with pytest.raises(LakeWriteFailed):
            writer.write("a", rows(0))
