"""Landed rows cleaned by their elements, and which rows of a table say the same thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from importlib.resources import files

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.contracts import Contract
from catalog.standards import elements
from catalog.standards.base import as_text
from catalog.standards.several import SetOf

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Column:
    """One item: three string arrays of equal length.

    ``original``: the text that came. ``value``: canonical text, null where missing or invalid.
    ``flaw``: null, or the rule that the original breaks; of several values in a row some may
    break one while the others are the value.
    """

    original: pa.StringArray
    value: pa.StringArray
    flaw: pa.StringArray

    @property
    def given(self) -> Flags:
        """Where something came, valid or not."""
        return present(self.value) | present(self.flaw)


@dataclass(frozen=True)
class Rows:
    """Readable rows, cleaned; everything has one entry per row.

    ``record``: the key items joined, null where one is missing or the contract has no key.
    """

    row: pa.Int64Array
    record: pa.StringArray
    as_of: pa.StringArray
    items: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.row)


@cache
def method() -> str:
    """A digest of the code that cleans: another one may make other values of the same text."""
    sources = [f for f in files("catalog.standards").iterdir() if f.name.endswith(".py")]
    sources.append(files("reconcile").joinpath("cleaning.py"))
    texts = [f.read_bytes() for f in sorted(sources, key=lambda f: f.name)]
    return blake2b(b"".join(texts), digest_size=16).hexdigest()


def clean(contract: Contract, landed: pa.Table) -> Rows:
    """Cleans every item of ``landed``, whose columns are ``_row`` and the contract's items."""
    items = {}
    for item in contract.items:
        original = as_text(landed.column(item.name))
        element = elements()[item.element]
        if isinstance(element, SetOf):
            cleaned = element.clean_parts(original, item.separator)
        else:
            cleaned = element.clean(original)
        items[item.name] = Column(original, cleaned.values, cleaned.flaws)
    nothing = _nothing(landed.num_rows)
    return Rows(
        row=landed.column("_row").combine_chunks(),
        record=_joined([items[name].value for name in contract.key]) if contract.key else nothing,
        as_of=items[contract.as_of].value if contract.as_of else nothing,
        items=items,
    )


@dataclass(frozen=True)
class Identity:
    """What tells the readable rows of a whole table apart; one entry per row, by ``_row``.

    ``record``: the stable reference of the row inside its dataset, null where a part of the key
    is missing. ``content``: a digest of the original texts; null where the row's key is its
    alone, since nothing can repeat it. ``copy``: 1 for the first row of that content, 2 for the
    second, …
    """

    record: pa.StringArray
    as_of: pa.StringArray
    content: pa.StringArray
    copy: Numbers


Originals = Callable[[int, pa.Array], Sequence[pa.StringArray]]
"""The original texts of some rows of a batch (its place, positions in it), item by item."""


@dataclass
class Identities:
    """Gathers what tells rows apart, batch by batch."""

    keyed: bool
    _records: list[pa.StringArray] = field(default_factory=list)
    _as_of: list[pa.StringArray] = field(default_factory=list)

    def add(self, rows: Rows) -> None:
        """Takes the next batch, whose rows come after those of the one before."""
        self._records.append(rows.record)
        self._as_of.append(rows.as_of)

    def settle(self, originals: Originals) -> Identity:
        """What tells all rows apart. Texts are only looked at where keys do not tell."""
        record = _whole(self._records)
        asked = _shared(record) if self.keyed else np.ones(len(record), bool)
        contents, start = [], 0
        for place, batch in enumerate(self._records):
            here = asked[start : start + len(batch)]
            start += len(batch)
            contents.append(_digests(place, here, originals))
        content = _whole(contents)
        copy = _numbered(content)
        if not self.keyed:
            record = _numbered_content(content, pa.array(copy).cast(pa.string()))
        return Identity(record, _whole(self._as_of), content, copy)


def references(rows: Rows, *, keyed: bool) -> pa.StringArray:
    """By what rows are referred to where they are fit: without a key, the first of their content
    alone may be.
    """
    if keyed:
        return rows.record
    content = _digested([column.original for column in rows.items.values()])
    return _numbered_content(content, pa.repeat("1", len(rows)))


def _numbered_content(content: pa.StringArray, copy: pa.StringArray) -> pa.StringArray:
    return pc.binary_join_element_wise(content, copy, "-")


def _whole(parts: Sequence[pa.StringArray]) -> pa.StringArray:
    return pa.concat_arrays(parts) if parts else _nothing(0)


def in_order(table: pa.Table) -> pa.Table:
    """The table by ascending ``_row``."""
    row = table.column("_row").to_numpy()
    return table if np.all(row[:-1] <= row[1:]) else table.sort_by("_row")


def present(values: pa.Array) -> Flags:
    """Where ``values`` are not null."""
    flags: Flags = values.is_valid().to_numpy(zero_copy_only=False)
    return flags


def outranked(values: pa.StringArray, rows: Identity, unfit: Flags) -> Flags:
    """Which rows have the same value as a row that is preferred to them.

    Of rows that share a value, one that is not ``unfit`` is preferred; then the latest as-of;
    then the smallest digest of content, or reference where that is null, which is arbitrary but
    the same in every order the rows may come in. Nulls share nothing. Further copies of a row
    are left out: their first copy stands for them.
    """
    codes = _codes(values)
    codes[rows.copy > 1] = -1
    candidates = np.flatnonzero(_repeated(codes))
    where = pa.array(candidates)
    taken = pa.table(
        {
            "value": codes[candidates],
            "unfit": unfit[candidates].astype(np.int8),
            "as_of": rows.as_of.take(where),
            "content": rows.content.take(where),
            "record": rows.record.take(where),
        }
    )
    keys = [
        (key, "descending" if key == "as_of" else "ascending", "at_end")
        for key in taken.column_names
    ]
    order = pc.sort_indices(taken, keys)
    ranked = candidates[order.to_numpy()]
    lost = np.zeros(len(codes), bool)
    lost[ranked[1:]] = codes[ranked[1:]] == codes[ranked[:-1]]
    return lost


def _codes(values: pa.StringArray) -> Numbers:
    """A number per distinct value; -1 for null."""
    codes: Numbers = values.dictionary_encode().indices.fill_null(-1).to_numpy().astype(np.int64)
    return codes


def _repeated(codes: Numbers) -> Flags:
    """Where a code stands more than once; never for null."""
    known = codes >= 0
    repeated: Flags = known & (np.bincount(codes[known], minlength=len(codes) + 1)[codes] > 1)
    return repeated


def _shared(records: pa.StringArray) -> Flags:
    """Which rows may be copies of others: their key is incomplete or not theirs alone."""
    codes = _codes(records)
    return (codes < 0) | _repeated(codes)


def _numbered(values: pa.StringArray) -> Numbers:
    """Which occurrence of its value each entry is, counted from 1; for null 1."""
    codes = _codes(values)
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(codes) else order
    lengths = np.diff(np.r_[starts, len(codes)])
    numbers = np.empty(len(codes), np.int64)
    numbers[order] = np.arange(1, len(codes) + 1) - np.repeat(starts, lengths)
    return np.where(codes < 0, 1, numbers)


def _digests(place: int, asked: Flags, originals: Originals) -> pa.StringArray:
    """A digest of each row of a batch that is asked for; null for the others."""
    nothing = _nothing(len(asked))
    if not asked.any():
        return nothing
    digests = _digested(originals(place, pa.array(np.flatnonzero(asked))))
    return pc.replace_with_mask(nothing, pa.array(asked), digests)


def _digested(columns: Sequence[pa.StringArray]) -> pa.StringArray:
    texts = _unambiguous(columns).to_pylist()
    return pa.array([blake2b(text, digest_size=16).hexdigest() for text in texts], pa.string())


def _unambiguous(columns: Sequence[pa.StringArray]) -> pa.BinaryArray:
    """Rows as bytes, each text led by its length (``-`` for null): no two rows look alike."""
    parts = []
    for column in columns:
        parts.append(pc.binary_length(column).cast(pa.string()).fill_null("-"))
        parts.append(column.fill_null(""))
    return pc.binary_join_element_wise(*parts, ":").cast(pa.binary())


def _joined(keys: Sequence[pa.StringArray]) -> pa.StringArray:
    """The parts of a key joined by ``|``, which is escaped inside a part; null if one is."""
    if len(keys) == 1:
        return keys[0]
    escaped = [
        pc.replace_substring(pc.replace_substring(key, "\\", "\\\\"), "|", "\\|") for key in keys
    ]
    return pc.binary_join_element_wise(*escaped, "|", null_handling="emit_null")


def _nothing(size: int) -> pa.StringArray:
    return pa.nulls(size, pa.string())
