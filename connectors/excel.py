"""Excel workbooks: title rows, merged and two-row headers, every cell as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    WorksheetNotFound,
)

from connectors.base import BATCH_ROWS, Batch, SourceMissing, SourceRefused, SourceUnreadable
from connectors.places import inside
from connectors.settings import ExcelSource
from connectors.tables import Row, batches, find


class ExcelConnector:
    """Reads one sheet of a workbook. Blank rows are left out; a cell that is merged downwards
    counts in every row that it covers.
    """

    def __init__(self, settings: ExcelSource, folder: Path) -> None:
        self._settings = settings
        self._folder = folder

    def pull(self, columns: Sequence[str], since: str | None = None) -> Iterator[Batch]:  # noqa: ARG002 (a file has no cursor)
        """All rows of the sheet, see :class:`connectors.base.Connector`."""
        settings = self._settings
        path = inside(self._folder, settings.path, settings.dataset)
        first = settings.header_row - 1
        header = range(first, first + settings.header_rows)
        grid = _filled(self._sheet(path), header)
        head = [next(grid, []) for _ in range(header.stop)]
        names = _names(head[first:])
        if not any(names):
            raise SourceUnreadable(source=settings.dataset, reason="because_header")
        places = find(columns, names, settings.dataset)
        yield from batches(_groups(grid, places), columns)

    def _sheet(self, path: Path) -> CalamineSheet:
        source, name = self._settings.dataset, self._settings.sheet
        try:
            with CalamineWorkbook.from_path(path) as book:
                if name is None:
                    return book.get_sheet_by_index(0)
                return book.get_sheet_by_name(name)
        except PasswordError:
            raise SourceRefused(source=source, reason="because_locked") from None
        except WorksheetNotFound:
            sheet = name or "1"
            raise SourceMissing(source=source, reason="because_no_sheet", sheet=sheet) from None
        except PermissionError:
            raise SourceRefused(source=source, reason="because_permission") from None
        except (CalamineError, OSError, ValueError):
            raise SourceUnreadable(source=source, reason="because_damaged") from None


def _names(head: Sequence[Sequence[str]]) -> list[str]:
    upper, lower = head[0], head[-1]
    return [
        above.strip() if not below.strip() else _joined(above.strip(), below.strip())
        for above, below in zip(upper, lower, strict=False)
    ]


def _joined(above: str, below: str) -> str:
    return below if above in ("", below) else f"{above}/{below}"


def _groups(grid: Iterator[list[str]], places: Sequence[int]) -> Iterator[list[Row]]:
    while rows := list(islice(grid, BATCH_ROWS)):
        yield [[row[place] for place in places] for row in rows]


class _Merge(NamedTuple):
    """A merged range, 0-based, its last row and column included."""

    top: int
    left: int
    bottom: int
    right: int


def _filled(sheet: CalamineSheet, header: range) -> Iterator[list[str]]:
    """The sheet's rows from A1 on as texts, blank ones below the header left out. Merged cells
    are filled: everywhere in the header, only downwards below it.
    """
    left = sheet.start[1] if sheet.start else 0
    merges = _merges(sheet)
    values: dict[_Merge, str] = {}
    for number, cells in enumerate(sheet.iter_rows()):
        row = [""] * left + [cell_text(cell) for cell in cells]
        blank = not any(cell.strip() for cell in row)
        for merge in merges.get(number, ()):
            if number == merge.top:
                values[merge] = row[merge.left]
            if number in header:
                row[merge.left : merge.right + 1] = [values[merge]] * (merge.right + 1 - merge.left)
            elif merge.top >= header.stop:
                row[merge.left] = values[merge]
        if number < header.stop or not blank:
            yield row


def _merges(sheet: CalamineSheet) -> dict[int, list[_Merge]]:
    """Row → the merged ranges that cover it, as far as the sheet has cells."""
    found: dict[int, list[_Merge]] = {}
    if sheet.end is None:
        return found
    last_row, last_column = sheet.end
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        if top <= last_row and left <= last_column:
            merge = _Merge(top, left, min(bottom, last_row), min(right, last_column))
            for row in range(merge.top, merge.bottom + 1):
                found.setdefault(row, []).append(merge)
    return found


def cell_text(cell: Any) -> str:
    """A cell as text: whole numbers without a point, dates as ISO days, flags as true or false."""
    match cell:
        case str():
            return cell
        case bool():
            return "true" if cell else "false"
        case float():
            return str(int(cell)) if cell.is_integer() else format(Decimal(repr(cell)), "f")
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case datetime() | date() | time():
            return cell.isoformat()
        case _:
            return str(cell)
