"""Rows in the department's own form. Quarantined ones, to be sent back: its columns in their order,
the text as it came, and in words why each row was not taken. And fit ones that it is asked about.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.contracts import Contract
from connectors.settings import CsvSource, ExcelSource, SourceSettings
from core.errors import BadInput
from core.messages import message, say
from hub.app import Hub
from hub.operator import operator_entry
from hub.quality.manifests import Held, held
from hub.quality.wording import Wording
from reconcile.cleaning import clean

_BATCH = 10_000
_SHEET_ROWS = 1_048_576
_SHEET_TEXT = 32_767


@dataclass(frozen=True)
class Returned:
    """What was written."""

    file: Path
    rows: int
    release: int


@dataclass(frozen=True)
class Sheet:
    """Rows to write: the header, and each row's cells. The last columns are ours: number of the
    row in the source, the text of a row that could not be read, and the reasons.
    """

    header: list[str]
    rows: Callable[[], Iterator[list[str | None]]]
    source: SourceSettings | None


def give_back(
    hub: Hub, dataset: str, to: Path, release: int | None = None, language: str = "zh"
) -> Returned:
    """Writes the quarantined rows of a dataset; audited before anything is written.

    Args:
        to: a file, whose suffix says in which form; or a folder: then the form is the source's.

    Raises:
        BadInput: another suffix, no such folder, or the file cannot be written.
        NotFound: the release has no such dataset.
    """
    found = held(hub, release)
    _, state = found.of(dataset)
    if to.is_dir():
        to /= f"{dataset}.quarantine{suffix_of(found, dataset)}"
    if to.suffix not in _WRITERS:
        raise BadInput(
            field="--to", rule=message("rule_file_ends", suffixes=".csv, .xlsx, .jsonl, .parquet")
        )
    if not to.parent.is_dir():
        raise BadInput(field="--to", rule=message("rule_folder_missing", folder=to.parent))
    check_size(found, dataset, to.suffix)
    rows = state.quarantine.rows
    entry = operator_entry(
        "quality_rows", f"dataset/{dataset}", {"rows": rows}, release=found.number
    )
    hub.audit.append([entry])
    part = to.with_name(f"{to.name}.part")
    try:
        write(found, dataset, to.suffix, language, part)
        part.replace(to)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BadInput(
            field="--to", rule=message("rule_not_written_because", file=to, cause=error.strerror)
        ) from error
    return Returned(to, rows, found.number)


def suffix_of(found: Held, dataset: str) -> str:
    """The ending of files in the form of a dataset's source."""
    source = found.workspace.sources.get(dataset)
    return _SUFFIXES.get(source.kind if source else "", ".csv")


def check_size(found: Held, dataset: str, suffix: str) -> None:
    """Does nothing where the quarantined rows of a dataset fit into a file.

    Raises:
        BadInput: they do not.
    """
    if suffix == ".xlsx" and found.of(dataset)[1].quarantine.rows >= _SHEET_ROWS:
        raise BadInput(field="--to", rule=message("rule_sheet_full"))


def write(found: Held, dataset: str, suffix: str, language: str, to: Path) -> None:
    """Writes the quarantined rows of a dataset to a file, in the form that ``suffix`` says.

    Raises:
        OSError: it cannot be written.
    """
    _WRITERS[suffix](_sheet(found, found.of(dataset)[0], language), to)


def listed(
    found: Held, dataset: str, language: str, after: int, limit: int
) -> list[dict[str, object]]:
    """Quarantined rows whose number is greater than ``after``, at most ``limit``: number, reasons
    in words, and the original texts by the source's own columns.
    """
    contract, state = found.of(dataset)
    wording = Wording(contract, language)
    rows = (
        found.hub.lake.dataset(state.quarantine)
        .to_table(filter=pc.field("_row") > after)
        .sort_by("_row")
        .slice(0, limit)
        .to_pylist()
    )
    return [
        {
            "row": row["_row"],
            "reasons": wording.reasons(row["reasons"]),
            "codes": json.loads(row["reasons"]),
            "original": _named(contract, json.loads(row["original"])),
        }
        for row in rows
    ]


def as_sent(found: Held, dataset: str, record: str) -> dict[str, object] | None:
    """The fit row that claims call ``record``, for tables whose rows no key names: its number, and
    the original texts by the source's own columns. None where there is no such row any more.

    Raises:
        NotFound: the release has no such dataset.
    """
    contract, state = found.of(dataset)
    lake = found.hub.lake
    fit = lake.dataset(state.fit).to_table(["_row"], filter=pc.field("_record") == record)
    if not fit.num_rows:
        return None
    number = fit.column("_row")[0]
    landed = lake.dataset(state.landing).to_table(filter=pc.field("_row") == number)
    items = clean(contract, landed).items
    original = {name: column.original[0].as_py() for name, column in items.items()}
    return {"row": number.as_py(), "original": _named(contract, original)}


def _named(contract: Contract, original: Mapping[str, str | None]) -> dict[str, str | None]:
    columns = {item.name: item.column for item in contract.items}
    return {columns.get(name, "_raw"): text for name, text in original.items()}


def _sheet(found: Held, contract: Contract, language: str) -> Sheet:
    _, state = found.of(contract.dataset)
    wording = Wording(contract, language)
    names = [item.name for item in contract.items]
    unread = any("." not in reason for reason in state.reasons)
    ours = ["rows_number", *(["rows_raw"] if unread else []), "rows_reasons"]

    def rows() -> Iterator[list[str | None]]:
        # A version of the lake may be several files, read in any order.
        table = found.hub.lake.read(state.quarantine).sort_by("_row")
        for batch in table.to_batches(max_chunksize=_BATCH):
            for row in batch.to_pylist():
                original = json.loads(row["original"])
                raw = [original.get("_raw")] if unread else []
                cells = [original.get(name) for name in names]
                yield [*cells, str(row["_row"]), *raw, wording.reasons(row["reasons"])]

    header = [item.column for item in contract.items]
    header += [say(code, language) for code in ours]
    return Sheet(header, rows, found.workspace.sources.get(contract.dataset))


def _csv(sheet: Sheet, to: Path) -> None:
    source = sheet.source
    encoding, delimiter = "utf-8-sig", ","
    if isinstance(source, CsvSource):
        encoding, delimiter = source.encoding, source.delimiter
    # A row that could not be read may hold what the encoding does not have.
    with to.open("w", encoding=encoding, errors="backslashreplace", newline="") as file:
        out = csv.writer(file, delimiter=delimiter)
        out.writerow(sheet.header)
        out.writerows([cell or "" for cell in row] for row in sheet.rows())


def _xlsx(sheet: Sheet, to: Path) -> None:
    import openpyxl
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    source = sheet.source
    book = openpyxl.Workbook(write_only=True)
    page = book.create_sheet((source.sheet if isinstance(source, ExcelSource) else None) or "rows")

    def write(cells: list[str | None]) -> None:
        made = []
        for cell in cells:
            text = ILLEGAL_CHARACTERS_RE.sub("\ufffd", cell or "")[:_SHEET_TEXT]
            made.append(WriteOnlyCell(page, text))
            # As text: what begins with "=" is a value of the department, no formula.
            made[-1].data_type = "s"
        page.append(made)

    for line in _headers(sheet):
        write(line)
    for row in sheet.rows():
        write(row)
    book.save(to)


def _headers(sheet: Sheet) -> list[list[str | None]]:
    """The header in as many rows as the source has it."""
    if not isinstance(sheet.source, ExcelSource) or sheet.source.header_rows == 1:
        return [list(sheet.header)]
    pairs = [name.partition("/") for name in sheet.header]
    return [[upper for upper, _, _ in pairs], [lower or upper for upper, _, lower in pairs]]


def _jsonl(sheet: Sheet, to: Path) -> None:
    with to.open("w", encoding="utf-8") as out:
        for row in sheet.rows():
            out.write(json.dumps(dict(zip(sheet.header, row, strict=True)), ensure_ascii=False))
            out.write("\n")


def _parquet(sheet: Sheet, to: Path) -> None:
    schema = pa.schema([(name, pa.string()) for name in sheet.header])
    with pq.ParquetWriter(to, schema) as out:
        held_rows: list[list[str | None]] = []
        for row in sheet.rows():
            held_rows.append(row)
            if len(held_rows) == _BATCH:
                out.write_table(_table(held_rows, schema))
                held_rows = []
        out.write_table(_table(held_rows, schema))


def _table(rows: list[list[str | None]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=schema)


_SUFFIXES = {"csv": ".csv", "excel": ".xlsx", "jsonl": ".jsonl", "parquet": ".parquet"}
_WRITERS: Mapping[str, Callable[[Sheet, Path], None]] = {
    ".csv": _csv,
    ".xlsx": _xlsx,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
