"""CSV, JSON lines and Parquet files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from charset_normalizer import from_bytes

from connectors import delimited
from connectors.base import (
    BATCH_ROWS,
    Batch,
    SourceMissing,
    SourceRefused,
    SourceSchemaChanged,
    SourceUnreadable,
)
from connectors.delimited import BLOCK, Layout, LineTooLong
from connectors.places import inside
from connectors.settings import ENCODINGS, CsvSource, JsonlSource, ParquetSource
from connectors.tables import Fault, batches, find, json_object, json_rows, numbered, parse_json

_SAMPLE = 64 * 1024
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_PLAUSIBLE = ["ascii", "utf_8", "gb18030", "big5", "utf_16", "utf_16_le", "utf_16_be"]


class CsvConnector:
    """Reads a CSV file; every column comes as string, a missing value as the empty string."""

    def __init__(self, settings: CsvSource, folder: Path) -> None:
        self._settings = settings
        self._folder = folder

    def pull(self, columns: Sequence[str], since: str | None = None) -> Iterator[Batch]:  # noqa: ARG002 (a file has no cursor)
        """All rows of the file, see :class:`connectors.base.Connector`."""
        settings = self._settings
        path = inside(self._folder, settings.path, settings.dataset)
        with _readable(settings.dataset):
            names = self._header(path, columns)
            check_encoding(path, settings.encoding, settings.dataset)
            places = find(columns, names, settings.dataset)
            layout = Layout(
                delimiter=settings.delimiter,
                encoding=settings.encoding,
                width=len(names),
                columns=tuple(zip(places, columns, strict=True)),
            )
            yield from delimited.read(blocks(path), layout, skip=1)

    def _header(self, path: Path, columns: Sequence[str]) -> list[str]:
        settings = self._settings
        first = next(delimited.aligned(blocks(path)), b"")
        if not first.strip():
            raise SourceUnreadable(source=settings.dataset, reason="because_empty")
        names = delimited.header(first, settings.encoding, settings.delimiter)
        if names is None or not _holds(names, columns):
            # Chinese text read in the wrong encoding often decodes, into other characters.
            for other in ENCODINGS:
                if _holds(delimited.header(first, other, settings.delimiter), columns):
                    raise _wrong_encoding(settings.dataset, settings.encoding, other)
        if names is None:
            check_encoding(path, settings.encoding, settings.dataset)
            raise SourceUnreadable(source=settings.dataset, reason="because_header")
        return names


def _holds(names: list[str] | None, columns: Sequence[str]) -> bool:
    try:
        find(columns, names or [], "")
    except (SourceSchemaChanged, SourceUnreadable):
        return False
    return True


class JsonlConnector:
    """Reads a file of JSON lines; every column comes as string."""

    def __init__(self, settings: JsonlSource, folder: Path) -> None:
        self._settings = settings
        self._folder = folder

    def pull(self, columns: Sequence[str], since: str | None = None) -> Iterator[Batch]:  # noqa: ARG002 (a file has no cursor)
        """All rows of the file, see :class:`connectors.base.Connector`."""
        source = self._settings.dataset
        path = inside(self._folder, self._settings.path, source)
        with _readable(source):
            check_encoding(path, "utf-8", source)
            groups = (_objects(piece) for piece in delimited.aligned(blocks(path)))
            yield from batches(json_rows(groups, columns, source), columns)


_BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(rb"[ \t]*(-?[0-9]+(?:\.[0-9]+|(?=[eE]))(?:[eE][+-]?[0-9]+)?)[ \t]*[,}]")


def _objects(lines: bytes) -> list[dict[str, object] | Fault]:
    # JSON texts hold no raw line breaks, so that a line is a row; splitting bytes keeps U+2028.
    return [_object(line) for line in lines.removeprefix(_BOM).splitlines() if line.strip()]


def _object(line: bytes) -> dict[str, object] | Fault:
    """The object of a line, by a parser that is faster, and rounds numbers; what it refuses, or may
    not have kept as it was written, is looked at with care.
    """
    try:
        value = orjson.loads(line)
    except ValueError:
        return _object_with_care(line)
    if type(value) is not dict:
        return _object_with_care(line)
    for name, one in value.items():
        kind = type(one)
        if kind is float:
            written = _written(line, name, one)
            if written is None:
                return _object_with_care(line)
            value[name] = written
        elif kind is dict or kind is list:
            return _object_with_care(line)
    return value


def _written(line: bytes, name: str, value: float) -> str | None:
    """A number as it is written in the line of a flat object; None where it is not found. Inside a
    text, a quote would follow a backslash.
    """
    before, found, rest = line.rpartition(orjson.dumps(name) + b":")
    number = _NUMBER.match(rest)
    if not found or before.endswith(b"\\") or number is None:
        return None
    text = number[1].decode()
    return text if float(text) == value else None


def _object_with_care(line: bytes) -> dict[str, object] | Fault:
    try:
        raw = line.decode("utf-8")
    except UnicodeDecodeError:
        return Fault("row_encoding", line.decode("utf-8", errors="replace"))
    try:
        return json_object(parse_json(raw), raw)
    except ValueError:
        return Fault("row_json", raw)


class ParquetConnector:
    """Reads a Parquet file, in its own types."""

    def __init__(self, settings: ParquetSource, folder: Path) -> None:
        self._settings = settings
        self._folder = folder

    def pull(self, columns: Sequence[str], since: str | None = None) -> Iterator[Batch]:  # noqa: ARG002 (a file has no cursor)
        """All rows of the file, see :class:`connectors.base.Connector`."""
        source = self._settings.dataset
        path = inside(self._folder, self._settings.path, source)
        with _readable(source), pq.ParquetFile(path) as file:
            present = file.schema_arrow.names
            kept = [present[place] for place in find(columns, present, source)]
            empty = pa.schema([file.schema_arrow.field(name) for name in kept]).empty_table()
            parts = (
                pa.Table.from_batches([part])
                for part in file.iter_batches(batch_size=BATCH_ROWS, columns=kept)
            )
            done = 0
            for part in chain([empty] if not file.metadata.num_rows else [], parts):
                table = part.select(kept).rename_columns(list(columns))
                yield Batch(numbered(table, np.arange(done + 1, done + 1 + len(table))))
                done += len(table)


def blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file in pieces of bounded size."""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def check_encoding(path: Path, encoding: str, source: str) -> None:
    """Looks whether a file as a whole is in ``encoding``; a few damaged lines do not count.

    Raises:
        SourceUnreadable: at least 5 lines, and more than 1 in 100, do not decode.
    """
    codec = "utf-8" if encoding == "utf-8-sig" else encoding
    lines = failed = 0
    sample = b""
    for piece in delimited.aligned(blocks(path)):
        lines += max(piece.count(b"\n"), piece.count(b"\r"))
        for line in _undecodable(piece, codec):
            failed += 1
            sample += line[: _SAMPLE - len(sample)]
    if failed >= 5 and failed * 100 > lines:
        with path.open("rb") as file:
            head = file.read(_SAMPLE)
        raise _wrong_encoding(source, encoding, _guess(head, sample))


def _undecodable(piece: bytes, codec: str) -> list[bytes]:
    try:
        piece.decode(codec)
    except UnicodeDecodeError:
        return [line for line in piece.splitlines(keepends=True) if not _decodes(line, codec)]
    return []


def _decodes(line: bytes, codec: str) -> bool:
    try:
        line.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _guess(head: bytes, sample: bytes) -> str:
    # In UTF-16 lines cannot be told apart by bytes; its mark at the beginning tells.
    content = head if head.startswith(_UTF16) else sample
    best = from_bytes(content, cp_isolation=_PLAUSIBLE).best()
    return best.encoding.replace("_", "-") if best else "?"


def _wrong_encoding(source: str, declared: str, guess: str) -> SourceUnreadable:
    return SourceUnreadable(
        source=source, reason="because_encoding", encoding=declared, guess=guess
    )


@contextmanager
def _readable(source: str) -> Iterator[None]:
    """Turns what the readers raise into errors of a source."""
    try:
        yield
    except LineTooLong:
        raise SourceUnreadable(source=source, reason="because_line") from None
    except PermissionError:
        raise SourceRefused(source=source, reason="because_permission") from None
    except FileNotFoundError:
        raise SourceMissing(source=source, reason="because_vanished") from None
    except (pa.ArrowException, OSError):
        raise SourceUnreadable(source=source, reason="because_damaged") from None
