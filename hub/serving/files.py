"""Masked rows as files: CSV, Excel, Parquet and JSON lines, written row by row."""

from __future__ import annotations

import csv
import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from core.types import Status
from policies.masking import MaskedRow

DISPUTED = "_in_dispute"
"""The last column of every file: the items of a row whose value departments differ on."""

SHEET_ROWS = 1_048_575
"""Rows that a sheet holds beside its header."""

_BATCH = 2_000
_SHEET_TEXT = 32_767
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠\t\r\n]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")

Rows = Iterator[MaskedRow]


@contextmanager
def spool(home: Path) -> Iterator[Path]:
    """A folder of its own under the hub's ``home``, where a file is made before anybody gets it.
    What is opened there stays readable when the folder is gone.

    Raises:
        OSError: there is no room for it.
    """
    place = home.absolute() / "spool"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def digested(path: Path) -> tuple[BinaryIO, str]:
    """A file, opened at its beginning, and its SHA-256."""
    file = path.open("rb")
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return file, digest


def write(form: str, items: Sequence[str], rows: Rows, to: Path) -> None:
    """Writes rows of ``items`` to a file in ``form`` (:data:`FORMS`)."""
    FORMS[form](items, rows, to)


def harmless(text: str) -> str:
    """A text that no spreadsheet program takes for a formula: one that would be is led by an
    apostrophe. Numbers stay as they are.
    """
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _disputed(row: MaskedRow) -> str:
    return " ".join(n for n, cell in row.cells.items() if cell.status == Status.IN_DISPUTE)


def _texts(items: Sequence[str], row: MaskedRow) -> list[str | None]:
    texts: list[str | None] = []
    for item in items:
        value = row.cells[item].value
        known = str(value).lower() if isinstance(value, bool) else str(value)
        texts.append(None if value is None else known)
    return [*texts, _disputed(row)]


def _csv(items: Sequence[str], rows: Rows, to: Path) -> None:
    # Spreadsheet programs tell UTF-8 by the mark before it.
    with to.open("w", encoding="utf-8-sig", newline="") as file:
        out = csv.writer(file)
        out.writerow([*items, DISPUTED])
        for row in rows:
            out.writerow([harmless(text or "") for text in _texts(items, row)])


def _xlsx(items: Sequence[str], rows: Rows, to: Path) -> None:
    import openpyxl
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = openpyxl.Workbook(write_only=True)
    page = book.create_sheet("rows")

    def append(texts: Sequence[str | None]) -> None:
        made = []
        for text in texts:
            safe = ILLEGAL_CHARACTERS_RE.sub("\ufffd", text or "")[:_SHEET_TEXT]
            made.append(WriteOnlyCell(page, safe))
            # As text: what begins with "=" is a value, no formula.
            made[-1].data_type = "s"
        page.append(made)

    append([*items, DISPUTED])
    for row in rows:
        append(_texts(items, row))
    book.save(to)


def _parquet(items: Sequence[str], rows: Rows, to: Path) -> None:
    schema = pa.schema([(name, pa.string()) for name in (*items, DISPUTED)])
    with pq.ParquetWriter(to, schema) as out:
        for some in _batches(rows):
            columns = zip(*(_texts(items, row) for row in some), strict=True)
            out.write_table(pa.table([pa.array(c, pa.string()) for c in columns], schema=schema))


def _jsonl(items: Sequence[str], rows: Rows, to: Path) -> None:
    with to.open("wb") as out:
        for row in rows:
            values = {item: row.cells[item].value for item in items}
            out.write(orjson.dumps({**values, DISPUTED: _disputed(row)}) + b"\n")


def _batches(rows: Rows) -> Iterator[list[MaskedRow]]:
    held: list[MaskedRow] = []
    for row in rows:
        held.append(row)
        if len(held) == _BATCH:
            yield held
            held = []
    if held:
        yield held


FORMS: Mapping[str, Callable[[Sequence[str], Rows, Path], None]] = {
    "csv": _csv,
    "xlsx": _xlsx,
    "parquet": _parquet,
    "jsonl": _jsonl,
}
"""How to write each form."""
