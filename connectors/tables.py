"""Batches out of what the readers find: missing columns, row numbers, values as texts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from connectors.base import (
    BATCH_ROWS,
    ROW,
    Batch,
    SourceSchemaChanged,
    SourceUnreadable,
    Unreadable,
)


@dataclass(frozen=True)
class Fault:
    """A row that could not be parsed and has no number yet."""

    reason: str
    raw: str


Row = Sequence[str | None] | Fault


def find(asked: Sequence[str], present: Sequence[str], source: str) -> list[int]:
    """Where the asked columns stand among ``present``; byte-order marks and blanks around a
    name do not count.

    Raises:
        SourceSchemaChanged: some are not there.
        SourceUnreadable: one stands there twice.
    """
    names = [_bare(name) for name in present]
    wanted = [_bare(name) for name in asked]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise SourceSchemaChanged(source=source, missing=", ".join(missing))
    for name in wanted:
        if names.count(name) > 1:
            raise SourceUnreadable(source=source, reason="because_column_twice", column=name)
    return [names.index(name) for name in wanted]


def _bare(name: str) -> str:
    return name.replace("\ufeff", "").strip()


def numbered(table: pa.Table, numbers: np.ndarray) -> pa.Table:
    """``table`` with the rows' numbers as its last column."""
    return table.append_column(ROW, pa.array(numbers, pa.int64()))


def batches(groups: Iterable[Sequence[Row]], columns: Sequence[str]) -> Iterator[Batch]:
    """Numbers rows of texts one after the other and yields them in bounded batches, at least
    one. A row has one text per column, in their order.
    """
    done = 0
    for group in groups:
        for start in range(0, len(group), BATCH_ROWS):
            part = group[start : start + BATCH_ROWS]
            yield _batch(part, columns, done + 1)
            done += len(part)
    if not done:
        yield _batch([], columns, 1)


def _batch(rows: Sequence[Row], columns: Sequence[str], first: int) -> Batch:
    good: list[Sequence[str | None]] = []
    numbers: list[int] = []
    bad: list[Unreadable] = []
    for number, row in enumerate(rows, first):
        if isinstance(row, Fault):
            bad.append(Unreadable(number, row.reason, row.raw))
        else:
            good.append(row)
            numbers.append(number)
    values = zip(*good, strict=True) if good else [()] * len(columns)
    table = pa.table([pa.array(of, pa.string()) for of in values], names=list(columns))
    return Batch(numbered(table, np.array(numbers, np.int64)), tuple(bad))


def json_rows(
    groups: Iterable[Sequence[dict[str, Any] | Fault]], columns: Sequence[str], source: str
) -> Iterator[list[Row]]:
    """JSON objects as rows of texts; a key that an object lacks is null.

    Raises:
        SourceSchemaChanged: no object of the first group that has any holds a column.
    """
    checked = False
    for group in groups:
        objects = [entry for entry in group if not isinstance(entry, Fault)]
        if objects and not checked:
            present = dict.fromkeys(key for entry in objects for key in entry)
            find(columns, [key for key in present if key in columns], source)
            checked = True
        yield [
            entry if isinstance(entry, Fault) else _texts(map(entry.get, columns))
            for entry in group
        ]


def _texts(values: Iterable[Any]) -> tuple[str | None, ...]:
    return tuple([v if v is None or type(v) is str else json_text(v) for v in values])


def parse_json(text: str) -> Any:
    """JSON with numbers as they are written: integers exact, the others as texts.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return json.loads(text, parse_float=str, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def json_object(value: Any, raw: str) -> dict[str, Any] | Fault:
    """``value`` if it is an object whose texts are whole characters; ``raw`` is its text."""
    if not isinstance(value, dict):
        return Fault("row_json", raw)
    if "\\u" in raw:
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            return Fault("row_json", raw)
    return value


def json_text(value: Any) -> str | None:
    """A JSON value as text: null stays, lists and objects are JSON again."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
