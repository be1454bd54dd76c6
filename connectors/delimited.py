"""Delimited text as batches, from any stream of bytes.

Lines are decoded, cut into records here and parsed by Arrow. The cutting decides what a row is:
a record that does not have the right number of fields, or whose quotes do not close, costs its
first line only, so that one stray quote never swallows the good rows after it.
"""

from __future__ import annotations

import csv
import io
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from connectors.base import BATCH_ROWS, Batch, Unreadable
from connectors.tables import numbered

BLOCK = 4 * 1024 * 1024
MAX_LINE = 16 * 1024 * 1024
# A quoted field that is still open after so many bytes is a stray quote.
MAX_RECORD = 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_BREAK = re.compile(rb"[\r\n]|\Z")


class LineTooLong(ValueError):
    """No line ends within ``MAX_LINE`` bytes: this is no text of lines."""


@dataclass(frozen=True)
class Layout:
    """How to read a stream.

    ``encoding``: one of ``settings.ENCODINGS``. ``width``: fields per record.
    ``columns``: (position, name) of the fields to keep. ``null``: the unquoted text that stands
    for a missing value, where there is one.
    """

    delimiter: str
    encoding: str
    width: int
    columns: tuple[tuple[int, str], ...]
    null: str | None = None


class Text(NamedTuple):
    """Whole lines as UTF-8, and where the lines begin that did not decode."""

    content: bytes
    bad: list[int]


@dataclass(frozen=True)
class Records:
    """Records as UTF-8, and why some cannot be used: place in the list → reason."""

    contents: list[bytes] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.contents)

    def slice(self, start: int, length: int) -> Records:
        """At most ``length`` records from ``start`` on."""
        stop = start + length
        faults = {place - start: why for place, why in self.faults.items() if start <= place < stop}
        return Records(self.contents[start:stop], faults)


def header(first: bytes, encoding: str, delimiter: str) -> list[str] | None:
    """The fields of the first record; None if it does not decode or its quotes do not close.

    Args:
        first: the beginning of the stream, whole lines.
    """
    text = decode(first.removeprefix(_BOM), encoding)
    start, blanks = 0, _blanks(delimiter)
    for line in text.content.splitlines(keepends=True):
        if line.strip(blanks):
            break
        start += len(line)
    found = _Grammar(delimiter).any.match(text.content, start)
    if found is None or (text.bad and text.bad[0] < found.end()):
        return None
    record = io.StringIO(found.group().decode("utf-8"), newline="")
    try:
        return next(csv.reader(record, delimiter=delimiter), None)
    except csv.Error:
        return None


def _blanks(delimiter: str) -> bytes:
    return b" \t\v\f\r\n".replace(delimiter.encode(), b"")


def aligned(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that end where lines end.

    Raises:
        LineTooLong: a line has no end.
    """
    carry = b""
    for block in blocks:
        content = carry + block
        cut = max(content.rfind(b"\n"), content.rfind(b"\r")) + 1
        carry = content[cut:]
        if len(carry) > MAX_LINE:
            raise LineTooLong
        if cut:
            yield content[:cut]
    if carry:
        yield carry


def decode(lines: bytes, encoding: str) -> Text:
    """Whole lines as UTF-8. Where a line does not decode, its bad bytes become U+FFFD."""
    codec = "utf-8" if encoding == "utf-8-sig" else encoding
    try:
        text = lines.decode(codec)
    except UnicodeDecodeError:
        return _decode_lines(lines, codec)
    return Text(lines if codec == "utf-8" else text.encode("utf-8"), [])


def _decode_lines(lines: bytes, codec: str) -> Text:
    content = bytearray()
    bad = []
    for line in lines.splitlines(keepends=True):
        # Apart from its break, which a half character at the end would otherwise take along.
        body = line.rstrip(b"\r\n")
        try:
            text = body.decode(codec)
        except UnicodeDecodeError:
            bad.append(len(content))
            text = body.decode(codec, errors="replace")
        content += text.encode("utf-8") + line[len(body) :]
    return Text(bytes(content), bad)


@dataclass(frozen=True)
class Parsed:
    """Records that Arrow parsed, and those that have not the right number of fields: place among
    all → the record.
    """

    rows: pa.Table
    wrong: dict[int, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows) + len(self.wrong)

    def slice(self, start: int, length: int) -> Parsed:
        """At most ``length`` records from ``start`` on."""
        stop = start + length
        wrong = {place - start: one for place, one in self.wrong.items() if start <= place < stop}
        before = sum(place < start for place in self.wrong)
        size = min(stop, len(self)) - start - len(wrong)
        return Parsed(self.rows.slice(start - before, size), wrong)


class _Grammar:
    """What a record looks like. A quoted field is closed by a quote that stands before a
    delimiter or a line break; a quote inside an unquoted field is a character like any other.
    """

    def __init__(self, delimiter: str, width: int = 1) -> None:
        d = re.escape(delimiter).encode()
        quoted = rb'"[^"]*+(?:""[^"]*+)*+'
        cell = rb'(?:%s"(?=[%s\r\n]|\Z)|[^"%s\r\n][^%s\r\n]*+|)' % (quoted, d, d, d)
        end = rb"(?=[\r\n]|\Z)"
        self.exact = re.compile(rb"%s(?:%s%s){%d}%s" % (cell, d, cell, width - 1, end))
        self.any = re.compile(rb"%s(?:%s%s)*+%s" % (cell, d, cell, end))
        self.open = re.compile(rb"(?:%s%s)*+%s\Z" % (cell, d, quoted))


class _Cutter:
    """Cuts decoded text into records."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._grammar = _Grammar(layout.delimiter, layout.width)
        self._blanks = _blanks(layout.delimiter)

    def cut(self, texts: Iterable[Text]) -> Iterator[Records | Parsed]:
        """All records, blank lines left out, some per text; parsed where no more is amiss than the
        number of fields of some.
        """
        rest = Text(b"", [])
        for text in texts:
            moved = [*rest.bad, *(place + len(rest.content) for place in text.bad)]
            found, rest = self._cut(Text(rest.content + text.content, moved), final=False)
            yield found
        if rest.content:
            yield self._cut(rest, final=True)[0]

    def _cut(self, text: Text, *, final: bool) -> tuple[Records | Parsed, Text]:
        """The records of a text, and what may only be the beginning of one."""
        parsed = None if text.bad else self._parsed(text.content)
        if parsed is not None:
            return parsed, Text(b"", [])
        found = Records()
        content, place, end = text.content, 0, len(text.content)
        while place < end:
            match = self._grammar.exact.match(content, place)
            if match is not None:
                stop = match.end()
            elif not final and self._is_open(content, place):
                break
            else:
                stop = _line_end(content, place)
            record = content[place:stop]
            if record.strip(self._blanks):
                if _any_between(text.bad, place, stop):
                    found.faults[len(found.contents)] = "row_encoding"
                elif match is None:
                    found.faults[len(found.contents)] = self._why(record)
                found.contents.append(record)
            place = stop + 1
        return found, Text(content[place:], [b - place for b in text.bad if b >= place])

    def _parsed(self, text: bytes) -> Parsed | None:
        """The quick way for text whose quotes are right; None if it is not that simple. Of a single
        column Arrow does not tell a blank line from a row.
        """
        if self._layout.width == 1 or not _quotes_are_right(text, self._layout.delimiter):
            return None
        failed: list[arrow_csv.InvalidRow] = []
        try:
            rows = _parse(text, self._layout, failed)
        except pa.ArrowInvalid:
            return None
        wrong: dict[int, bytes] = {}
        blank = 0
        for one in failed:
            record = one.text.encode("utf-8")
            if one.number is None or b"\n" in record or b"\r" in record:
                # Only the first line of such a record is lost.
                return None
            if record.strip(self._blanks):
                # Lines are counted from 1, and the first is the empty one of ours.
                wrong[one.number - 2 - blank] = record
            else:
                blank += 1
        return Parsed(rows, wrong)

    def _is_open(self, content: bytes, place: int) -> bool:
        if len(content) - place >= MAX_RECORD:
            return False
        return self._grammar.open.match(content, place) is not None

    def _why(self, record: bytes) -> str:
        return "row_fields" if self._grammar.any.fullmatch(record) else "row_quote"


def _line_end(content: bytes, place: int) -> int:
    found = _BREAK.search(content, place)
    return found.start() if found else len(content)


def _any_between(places: list[int], start: int, stop: int) -> bool:
    index = bisect_left(places, start)
    return index < len(places) and places[index] < stop


def read(blocks: Iterable[bytes], layout: Layout, skip: int = 0) -> Iterator[Batch]:
    """All rows of a stream of bytes, every field as string; at least one batch.

    Args:
        blocks: the stream in pieces of any size.
        skip: records at the beginning that are no rows, such as a header.

    Raises:
        LineTooLong: a line has no end.
    """
    pieces = (decode(piece, layout.encoding) for piece in aligned(_without_bom(blocks)))
    done = 0
    for found in _Cutter(layout).cut(pieces):
        start = min(skip, len(found))
        skip -= start
        for place in range(start, len(found), BATCH_ROWS):
            part = found.slice(place, BATCH_ROWS)
            yield _batch(part, layout, done + 1)
            done += len(part)
    if not done:
        yield _batch(Records(), layout, 1)


def _without_bom(blocks: Iterable[bytes]) -> Iterator[bytes]:
    stream = iter(blocks)
    first = b""
    for block in stream:
        first += block
        if len(first) >= len(_BOM):
            break
    return chain([first.removeprefix(_BOM)], stream)


def _batch(records: Records | Parsed, layout: Layout, first: int) -> Batch:
    if isinstance(records, Parsed):
        rows = records.rows
        amiss = [(place, "row_fields", record) for place, record in records.wrong.items()]
    else:
        contents, faults = records.contents, records.faults
        good = [record for place, record in enumerate(contents) if place not in faults]
        rows = _parse(b"\n".join(good), layout)
        amiss = [(place, why, contents[place]) for place, why in faults.items()]
    numbers = np.arange(first, first + len(records))
    if amiss:
        numbers = np.delete(numbers, [place for place, _, _ in amiss])
    bad = tuple(Unreadable(first + place, why, raw.decode("utf-8")) for place, why, raw in amiss)
    return Batch(numbered(rows, numbers), bad)


def _quotes_are_right(text: bytes, delimiter: str) -> bool:
    """Whether every second quote closes a field (or is half of a doubled quote), and the others
    open one: then Arrow, which is laxer, finds the same records as the grammar.
    """
    characters = np.frombuffer(text, np.uint8)
    quotes = np.flatnonzero(characters == ord('"'))
    if len(quotes) == 0:
        return True
    edge = np.zeros(256, np.bool_)
    edge[list(b'"\r\n' + delimiter.encode())] = True
    opening, closing = quotes[::2], quotes[1::2]
    before = characters[opening[opening > 0] - 1]
    after = characters[closing[closing < len(characters) - 1] + 1]
    return len(opening) == len(closing) and bool(edge[before].all() and edge[after].all())


def _parse(
    records: bytes, layout: Layout, failed: list[arrow_csv.InvalidRow] | None = None
) -> pa.Table:
    """The fields of records. Those of another width join ``failed``, if it is given.

    Raises:
        pa.ArrowInvalid: it is not, and there are some.
    """

    def skip(row: arrow_csv.InvalidRow) -> str:
        if failed is None:
            return "error"
        failed.append(row)
        return "skip"

    # The empty line in front keeps Arrow from taking a first character U+FEFF for a mark.
    content = b"\n" + records
    names = [str(position) for position in range(layout.width)]
    kept = [str(position) for position, _ in layout.columns]
    table = arrow_csv.read_csv(
        pa.BufferReader(content),
        read_options=arrow_csv.ReadOptions(
            # Only a single thread counts lines.
            column_names=names,
            skip_rows=1,
            block_size=len(content) + 1,
            use_threads=failed is None,
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=layout.delimiter, newlines_in_values=True, invalid_row_handler=skip
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=kept,
            null_values=[] if layout.null is None else [layout.null],
            strings_can_be_null=layout.null is not None,
            quoted_strings_can_be_null=False,
        ),
    )
    return table.rename_columns([name for _, name in layout.columns])
