"""Which rows of a landing stand as they were judged when it landed before, so that only the others
need be judged.

A row stands if its like was fit before and nothing that decides about it is another. What a rule
says of a row by itself is the same for the same row. By whom a row is outranked depends on those it
shares its key, its content or a unique value with. Fit rows share none of these with each other:
all but one of them would have been quarantined. So those are judged anew that are new or changed,
that were quarantined, and that share something with any of these, as they are or as they were.
"""

# ruff: noqa: S608 - SQL is built from names of items: letters, digits and underscores
from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.contracts import Contract
from core.engine import view
from core.sql import EngineLimits, open_sql
from reconcile.batches import batches, in_row_order
from reconcile.bound import Given
from reconcile.cleaning import Numbers, clean, in_order, references
from reconcile.counts import Counts, key
from reconcile.judging import Judging, Rest
from reconcile.rules import checks, unique_items
from reconcile.spill import Spill
from reconcile.suites import Suite

if TYPE_CHECKING:
    import pyarrow.dataset as ds  # brings pandas

Rowed: TypeAlias = "pa.Table | ds.Dataset"

MOST_CHANGED = 0.1
"""With a larger share of rows to be judged, all are."""


@dataclass(frozen=True)
class Past:
    """A table as it was judged: what landed, what was fit, the rows (``_row``) that were not, and
    what was counted.
    """

    landed: Rowed
    fit: Rowed
    quarantined: pa.Array | pa.ChunkedArray
    counts: Counts


@dataclass(frozen=True)
class Standing:
    """What need not be judged of a table.

    ``again``: the landed rows to be judged. ``rest``: the others. ``gone``: the fit rows of before
    that are not of the rest; all of them are known once the rest's rows were read.
    """

    again: pa.Table
    rest: Rest
    gone: list[pa.Table]


def standing(
    contract: Contract, past: Past, landed: Rowed, given: Given, limits: EngineLimits
) -> Standing | None:
    """What stands of ``landed`` since ``past``; None where that is too little.

    Args:
        given: what was given to rules about single rows and references then, and is now.
    """
    if landed.schema != past.landed.schema or not past.counts["landed"]:
        return None
    with open_sql(limits) as engine:
        pairs = _paired(_hashed(engine, past.landed), _hashed(engine, landed))
        most = (len(pairs.now) + len(pairs.came)) * MOST_CHANGED
        was = np.union1d(pairs.gone, past.quarantined.to_numpy())
        if max(len(was), len(pairs.came)) > most:
            return None
        beside = [_taken(engine, past.landed, was), _taken(engine, landed, pairs.came)]
        was = np.union1d(was, _partners(contract, past.fit, beside))
        now = np.union1d(pairs.came, pairs.moved(np.intersect1d(was, pairs.was)))
        if max(len(was), len(now)) > most:
            return None
        judged = _alone(contract, _taken(engine, past.landed, was), given, limits.spill)
        again = _taken(engine, landed, now)
    gone: list[pa.Table] = []
    rest = _Unjudged(past.fit, pairs, was, gone)
    return Standing(
        again, Rest(_without(contract, past.counts, judged), rest.values, rest.rows), gone
    )


@dataclass(frozen=True)
class _Pairs:
    """Rows that are alike: where they were and where they are, both ascending. ``gone``, ``came``:
    the others.
    """

    was: Numbers
    now: Numbers
    gone: Numbers
    came: Numbers

    def moved(self, rows: Numbers) -> Numbers:
        """Where rows are now that stood at ``rows``."""
        found: Numbers = self.now[np.searchsorted(self.was, rows)]
        return found


def _hashed(engine: duckdb.DuckDBPyConnection, data: Rowed) -> tuple[Numbers, Any]:
    """Rows in ascending order, and a hash of what each says."""
    view(engine, "data", data)
    columns = ", ".join(f'"{name}"' for name in sorted(data.schema.names) if name != "_row")
    found = engine.sql(f"SELECT _row, hash({columns}) AS said FROM data").fetchnumpy()
    order = np.argsort(found["_row"])
    return found["_row"][order], found["said"][order]


def _paired(was: tuple[Numbers, Any], now: tuple[Numbers, Any]) -> _Pairs:
    (old, said), (new, says) = was, now
    if np.array_equal(old, new):
        same = said == says
        if len(same) - np.count_nonzero(same) <= len(same) * MOST_CHANGED:
            return _Pairs(old[same], new[same], old[~same], new[~same])
    # Of rows that say the same, none can be told from the others.
    (one, place), (other, at) = _single(said), _single(says)
    _, first, second = np.intersect1d(one, other, assume_unique=True, return_indices=True)
    left, right = place[first], at[second]
    order = np.argsort(left)
    left, right = left[order], right[order]
    kept = _ascending(right)
    left, right = left[kept], right[kept]
    return _Pairs(old[left], new[right], np.delete(old, left), np.delete(new, right))


def _single(values: Any) -> tuple[Any, Numbers]:
    """The values that occur once, and where."""
    found, places, counts = np.unique(values, return_index=True, return_counts=True)
    return found[counts == 1], places[counts == 1]


def _ascending(values: Numbers) -> Numbers:
    """The places of a longest run of ascending values among distinct ones: what moved past others
    is left out.
    """
    if np.all(values[:-1] < values[1:]):
        return np.arange(len(values))
    ends: list[int] = []
    lengths = np.empty(len(values), np.int64)
    for place, value in enumerate(values.tolist()):
        length = bisect_left(ends, value)
        ends[length : length + 1] = [value]
        lengths[place] = length
    kept: list[int] = []
    wanted = len(ends) - 1
    for place in range(len(values) - 1, -1, -1):
        if lengths[place] == wanted and (not kept or values[place] < values[kept[-1]]):
            kept.append(place)
            wanted -= 1
    return np.array(kept[::-1], np.int64)


def _taken(engine: duckdb.DuckDBPyConnection, data: Rowed, rows: Numbers) -> pa.Table:
    if isinstance(data, pa.Table):
        return data.filter(pc.is_in(data.column("_row"), value_set=pa.array(rows)))
    view(engine, "data", data)
    engine.register("wanted", pa.table({"_row": rows}))
    return engine.sql("SELECT * FROM data SEMI JOIN wanted USING (_row)").to_arrow_table()


def _partners(contract: Contract, fit: Rowed, beside: Sequence[pa.Table]) -> Numbers:
    """The fit rows that share their key, their content or a unique value with others."""
    names = unique_items(contract)
    shared: dict[str, list[pa.Array]] = {name: [] for name in ("_record", *names)}
    for table in beside:
        rows = clean(contract, table.filter(pc.is_null(table.column("_unreadable"))))
        shared["_record"].append(references(rows, keyed=bool(contract.key)))
        for name in names:
            shared[name].append(rows.items[name].value)
    held = _columns(fit, ["_row", *shared])
    found = pa.repeat(False, len(held))
    for name, values in shared.items():
        known = pa.concat_arrays(values).drop_null()
        found = pc.or_(found, pc.is_in(held.column(name).combine_chunks(), value_set=known))
    partners: Numbers = held.column("_row").filter(found).to_numpy()
    return partners


def _alone(contract: Contract, rows: pa.Table, given: Given, spill: Path | None) -> Counts:
    judging = Judging(Suite(contract, checks(contract)), given)
    with Spill(spill) as aside, Spill(spill) as unread:
        for batch in batches(rows):
            judging.take(batch, aside, unread)
    return judging.alone()


def _without(contract: Contract, counts: Counts, judged: Counts) -> Counts:
    """The counts of the rest: none of it is a duplicate, or it would not have been fit."""
    places = [p for p, check in enumerate(checks(contract)) if check.stage == "duplicate"]
    duplicates = {key("failed", place) for place in places}
    return {
        name: 0
        if name in duplicates or name.startswith(key("scored", "uniqueness", ""))
        else count - judged.get(name, 0)
        for name, count in counts.items()
    }


@dataclass(frozen=True)
class _Unjudged:
    """The fit rows of before but those that stood at ``again``, where they stand now."""

    fit: Rowed
    pairs: _Pairs
    again: Numbers
    gone: list[pa.Table]

    def values(self, columns: Sequence[str]) -> pa.Table:
        held = in_order(_columns(self.fit, ["_row", *columns]))
        return self._now(held.filter(self._stays(held)))

    def rows(self) -> Iterator[pa.Table]:
        for batch in in_row_order(self.fit):
            table = pa.Table.from_batches([batch])
            stays = self._stays(table)
            self.gone.append(table.filter(pc.invert(stays)))
            yield self._now(table.filter(stays))

    def _stays(self, table: pa.Table) -> pa.BooleanArray:
        rows = table.column("_row").combine_chunks()
        return pc.invert(pc.is_in(rows, value_set=pa.array(self.again)))

    def _now(self, table: pa.Table) -> pa.Table:
        moved = pa.array(self.pairs.moved(table.column("_row").to_numpy()))
        return table.set_column(table.schema.get_field_index("_row"), "_row", moved)


def _columns(data: Rowed, names: list[str]) -> pa.Table:
    return data.select(names) if isinstance(data, pa.Table) else data.to_table(columns=names)
