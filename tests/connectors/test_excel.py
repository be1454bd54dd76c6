from __future__ import annotations

import random
from datetime import date, datetime, time
from pathlib import Path

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from connectors.base import SourceMissing, SourceSchemaChanged, SourceUnreadable
from tests.connectors.helpers import pull


def book(
    folder: Path, *rows: list[object], sheet: str = "台账"
) -> tuple[openpyxl.Workbook, Worksheet]:
    workbook = openpyxl.Workbook()
    active = workbook.active
    assert isinstance(active, Worksheet)
    active.title = sheet
    for row in rows:
        active.append(row)
    workbook.save(folder / "in.xlsx")
    return workbook, active


def test_cells_come_as_texts(tmp_path: Path) -> None:
    book(
        tmp_path,
        ["a", "b", "c", "d", "e"],
        ["110105194912310021", 12.0, 0.1, date(2020, 1, 2), True],
        [" 00 ", 12345678901, 1e-7, datetime(2020, 1, 2, 3, 4, 5), None],  # noqa: DTZ001 (a cell has no zone)
        [None, 0, -2.50, time(3, 4), False],
    )
    rows, bad = pull(tmp_path, ["a", "b", "c", "d", "e"], kind="excel", path="in.xlsx")
    assert rows == [
        ("110105194912310021", "12", "0.1", "2020-01-02", "true"),
        (" 00 ", "12345678901", "0.0000001", "2020-01-02T03:04:05", ""),
        ("", "0", "-2.5", "03:04:00", "false"),
    ]
    assert bad == []


def household_sheet(folder: Path) -> None:
    workbook, sheet = book(
        folder,
        ["2024年低保家庭台账"],
        ["家庭编号", "家庭成员", None, "合计", " 备注 "],
        [None, " 姓名", "身份证号", "合计", "说明"],
        ["F1", "甲", "1", 10, "x"],
        [None, "乙", "2", None, None],
        [None, None, None, None, None],
        ["F2", "丙", "3", 20, None],
    )
    for merged in ("A1:E1", "A2:A3", "B2:C2", "A4:A6", "D4:E4"):
        sheet.merge_cells(merged)
    workbook.save(folder / "in.xlsx")


def test_merged_two_row_headers_are_joined(tmp_path: Path) -> None:
    household_sheet(tmp_path)
    columns = ["家庭编号", "家庭成员/姓名", "家庭成员/身份证号", "合计", "备注/说明"]
    rows, _ = pull(
        tmp_path, columns, kind="excel", path="in.xlsx", sheet="台账", header_row=2, header_rows=2
    )
    assert rows == [
        ("F1", "甲", "1", "10", ""),
        ("F1", "乙", "2", "", ""),
        ("F2", "丙", "3", "20", ""),
    ]


def test_a_table_that_begins_inside_the_sheet(tmp_path: Path) -> None:
    workbook, sheet = book(tmp_path)
    sheet["C4"], sheet["D4"], sheet["C6"], sheet["D6"] = "a", "b", "1", "2"
    workbook.save(tmp_path / "in.xlsx")
    rows, _ = pull(tmp_path, ["b"], kind="excel", path="in.xlsx", header_row=4)
    assert rows == [("2",)]


def test_a_missing_sheet_or_column(tmp_path: Path) -> None:
    book(tmp_path, ["a"], ["1"])
    with pytest.raises(SourceMissing) as caught:
        pull(tmp_path, ["a"], kind="excel", path="in.xlsx", sheet="别的")
    assert caught.value.fields["sheet"] == "别的"
    with pytest.raises(SourceSchemaChanged) as changed:
        pull(tmp_path, ["a", "b"], kind="excel", path="in.xlsx")
    assert changed.value.fields["missing"] == "b"


def test_an_empty_sheet_has_no_header(tmp_path: Path) -> None:
    book(tmp_path)
    with pytest.raises(SourceUnreadable) as caught:
        pull(tmp_path, ["a"], kind="excel", path="in.xlsx")
    assert caught.value.fields["reason"] == "because_header"


def test_a_truncated_workbook(tmp_path: Path) -> None:
    household_sheet(tmp_path)
    content = (tmp_path / "in.xlsx").read_bytes()
    for size in (0, 10, len(content) // 2, len(content) - 30):
        (tmp_path / "in.xlsx").write_bytes(content[:size])
        with pytest.raises(SourceUnreadable) as caught:
            pull(tmp_path, ["家庭编号"], kind="excel", path="in.xlsx", header_row=2)
        assert caught.value.fields["reason"] == "because_damaged"


def test_a_damaged_workbook_never_gives_a_traceback(tmp_path: Path) -> None:
    household_sheet(tmp_path)
    content = (tmp_path / "in.xlsx").read_bytes()
    chance = random.Random(7)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (tmp_path / "in.xlsx").write_bytes(damaged)
        try:
            pull(tmp_path, ["合计"], kind="excel", path="in.xlsx", header_row=2)
        except (SourceUnreadable, SourceSchemaChanged, SourceMissing):
            continue
