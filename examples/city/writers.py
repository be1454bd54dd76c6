"""Files and databases in the formats that departments hand over."""

from __future__ import annotations

import csv
import sqlite3
import zipfile
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import orjson
import psycopg
import pyarrow as pa
from holdings import Holding
from identifiers import Column
from psycopg import sql
from pyarrow import parquet

_SHEET = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    "<sheetData>{rows}</sheetData><mergeCells>{merged}</mergeCells></worksheet>"
)
_BOOK = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
    "</Types>",
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/>'
    "</Relationships>",
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
    '<sheets><sheet name="名册" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/>'
    "</Relationships>",
}


def write_csv(holding: Holding, file: Path, encoding: str) -> None:
    """Comma-separated; torn rows have a field too many or too few, in turn."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [list(row) for row in zip(*holding.columns.values(), strict=True)]
    for number, at in enumerate(holding.torn.tolist()):
        rows[at] = [*rows[at], "备注"] if number % 2 == 0 else rows[at][:4]
    with file.open("w", encoding=encoding, newline="") as out:
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(holding.columns)
        writer.writerows(rows)


def write_jsonl(holding: Holding, file: Path) -> None:
    """One JSON object per line; torn lines end in the middle."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [orjson.dumps(row) for row in rows_of(holding)]
    for at in holding.torn.tolist():
        lines[at] = lines[at][: lines[at].rindex(b",")]
    file.write_bytes(b"\n".join(lines) + b"\n")


def write_json(holding: Holding, file: Path) -> None:
    """One JSON list of objects."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(orjson.dumps(list(rows_of(holding))))


def write_parquet(columns: dict[str, Column], file: Path) -> None:
    """Columns with the types they have."""
    file.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: pa.array(cells, from_pandas=False) for name, cells in columns.items()}
    parquet.write_table(pa.table(arrays), file)


def write_sqlite(holding: Holding, file: Path, table: str) -> None:
    """A table of texts, numbered by its key ``row_no``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    names = list(holding.columns)
    marks = ", ".join("?" * (len(names) + 1))
    numbered = zip(range(1, holding.rows + 1), *holding.columns.values(), strict=True)
    connection = sqlite3.connect(file)
    with connection:
        texts = ", ".join(f"{name} TEXT" for name in names)
        connection.execute(f"CREATE TABLE {table} (row_no INTEGER PRIMARY KEY, {texts})")
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", numbered)  # noqa: S608 -- the table's name is this program's
    connection.close()


def write_excel(holding: Holding, file: Path, title: str, footer: str) -> None:
    """A sheet as offices make them: a merged title, a header of two rows whose upper cells are
    merged over their group (headers are ``group/name``), the rows, and a closing line.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    groups, names = zip(*(name.split("/") for name in holding.columns), strict=True)
    width, merged, start = len(names), [f"A1:{_letter(len(names))}1"], 1
    for _, members in groupby(groups):
        end = start + len(list(members)) - 1
        if end > start:
            merged.append(f"{_letter(start)}2:{_letter(end)}2")
        start = end + 1
    upper = [group if i == 0 or groups[i - 1] != group else None for i, group in enumerate(groups)]
    blank = [None] * (width - 1)
    body = zip(*holding.columns.values(), strict=True)
    rows = [[title, *blank], upper, names, *body, [footer, *blank]]
    sheet = _SHEET.format(
        rows="".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows),
        merged="".join(f'<mergeCell ref="{area}"/>' for area in merged),
    )
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
        # A fixed date keeps the bytes the same for the same content.
        for name, text in (_BOOK | {"xl/worksheets/sheet1.xml": sheet}).items():
            entry = zipfile.ZipInfo(name, date_time=(2026, 6, 30, 0, 0, 0))
            book.writestr(entry, text, zipfile.ZIP_DEFLATED)


def write_postgres(url: str, tables: dict[str, tuple[Holding, str]]) -> None:
    """Makes tables anew and fills them. ``tables``: name → holding and definition of columns."""
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain) as connection:
        for table, (holding, definition) in tables.items():
            name = sql.Identifier(table)
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name))
            create = sql.SQL("CREATE TABLE {} ({})")
            connection.execute(create.format(name, sql.SQL(definition)))
            columns = sql.SQL(", ").join(map(sql.Identifier, holding.columns))
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(name, columns)
            with connection.cursor().copy(statement) as copy:
                for row in zip(
                    *(cells.tolist() for cells in holding.columns.values()), strict=True
                ):
                    copy.write_row(row)


def rows_of(holding: Holding) -> list[dict[str, object]]:
    """The rows as objects."""
    names = list(holding.columns)
    cells = [column.tolist() for column in holding.columns.values()]
    return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]


def _letter(column: int) -> str:
    return chr(ord("A") + column - 1)


def _cell(value: object) -> str:
    if value is None:
        return "<c/>"
    return f'<c t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'
