"""Puts a table to its suite, batch by batch and then as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reconcile.bound import Given, Unusable
from reconcile.cleaning import (
    Column,
    Flags,
    Identities,
    Identity,
    Numbers,
    Rows,
    clean,
    outranked,
    present,
)
from reconcile.rules import (
    FLAW,
    KEY_DUPLICATE,
    ROW_DUPLICATE,
    VALUE_DUPLICATE,
    Face,
    broken,
    mark_of,
    unique_items,
)
from reconcile.spill import Spill
from reconcile.suites import Outcome, Suite, run
from reconcile.verdict import Part, Verdict

REFERENCE_ABSENT = "reference_absent"
NOTHING_BEFORE = "nothing_before"
_KINDS = ("original", "value", "flaw")


class Frames:
    """Columns of cleaned rows in the forms that expectations ask for."""

    def __init__(self, rows: Rows) -> None:
        self._items: Mapping[str, pa.Array] = {n: c.value for n, c in rows.items.items()}
        self.size = len(rows)
        self.marks: dict[str, Flags] = {}
        for name, column in rows.items.items():
            self.marks[name] = column.given
            self.marks[mark_of(FLAW, name)] = present(column.flaw)

    @classmethod
    def whole(cls, size: int, items: Mapping[str, pa.Array]) -> Frames:
        """Of all rows of a table, of which only some items are held."""
        made = cls(Rows(pa.nulls(0, pa.int64()), pa.nulls(0), pa.nulls(0), {}))
        made.size, made._items = size, items
        return made

    def of(self, faces: Sequence[tuple[str, Face]], rows: Numbers | None) -> Any:
        """A pandas frame of the named columns and rows (None: all), indexed by position."""
        import pandas as pd

        picked = np.arange(self.size) if rows is None else rows
        if not faces:
            return pd.DataFrame(index=picked)
        columns = pa.table({name: self._column(name, face) for name, face in faces})
        if rows is not None:
            columns = columns.take(pa.array(rows))
        frame: pd.DataFrame = columns.to_pandas()
        return frame.set_axis(picked, axis=0)

    def values(self, item: str) -> pa.StringArray:
        """The canonical text of an item."""
        return self._items[item]

    def _column(self, name: str, face: Face) -> pa.Array:
        if face == "mark":
            return pa.array(np.where(self.marks[name], 1.0, np.nan))
        value = self._items[name]
        if face == "number":
            return value.cast(pa.float64())
        if face == "date":
            # Great Expectations compares dates with bounds in nanoseconds only, which reach from
            # 1677 to 2262, further than the element does.
            return value.cast(pa.date32()).cast(pa.timestamp("ns"))
        return value


class Judging:
    """The verdict on one table in the making: :meth:`take` each batch, then :meth:`conclude`."""

    def __init__(self, suite: Suite, given: Given) -> None:
        self.suite = suite
        self.given = given
        self.landed = 0
        self.given_values: dict[str, int] = {item.name: 0 for item in suite.contract.items}
        self._expectations = suite.bound(given)
        self._identities = Identities(bool(suite.contract.key))
        self._identity: Identity | None = None
        self._starts: list[int] = []
        self._size = 0
        self._failing: dict[int, list[Numbers]] = defaultdict(list)
        self._judged: dict[int, int] = defaultdict(int)
        self._flaws: dict[tuple[str, str], int] = defaultdict(int)
        self._unread: list[pa.StringArray] = []
        self._held: dict[str, list[pa.Array]] = {name: [] for name in self._asked_whole()}

    def take(self, landed: pa.Table, aside: Spill, unread: Spill) -> None:
        """Cleans and judges a batch, and sets it aside."""
        self.landed += landed.num_rows
        lost = pc.is_valid(landed.column("_unreadable"))
        unreadable = landed.filter(lost).select(["_row", "_unreadable", "_raw"])
        self._unread.append(unreadable.column("_unreadable").combine_chunks())
        unread.add(unreadable)
        rows = clean(self.suite.contract, landed.filter(pc.invert(lost)))
        self._identities.add(rows)
        for name, held in self._held.items():
            held.append(rows.items[name].value)
        for name, column in rows.items.items():
            self.given_values[name] += int(column.given.sum())
            for flaw in column.flaw.drop_null().value_counts().to_pylist():
                self._flaws[name, flaw["values"]] += flaw["counts"]
        self._judge_rows(rows)
        self._starts.append(self._size)
        self._size += len(rows)
        aside.add(_packed(rows))

    def conclude(self, aside: Spill) -> Verdict:
        """The verdict on the whole table.

        Raises:
            QualityStop: a rule of severity stop, or one about the whole table, does not hold.
            QualityRuleBroken: a rule cannot run.
        """
        verdict = Verdict(self.suite.contract, self._size, dict(self._flaws))
        for codes in self._unread:
            verdict.unread(codes)
        for place, check in enumerate(self.suite.checks):
            if self._expectations[place] is None:
                verdict.skip(place, check, NOTHING_BEFORE)
        self._identity = self._identities.settle(
            lambda place, rows: [
                column.take(rows) for column in _columns(aside.read(place), "original")
            ]
        )
        if not self.landed:
            return verdict
        frames = Frames.whole(self._size, {n: pa.concat_arrays(p) for n, p in self._held.items()})
        self._ask(verdict, "landing", Frames.whole(self.landed, {}), None)
        self._hear_rows(verdict)
        self._refer(verdict, frames)
        self._ask(verdict, "reference", frames, None)
        frames.marks |= self._duplicates(verdict, frames)
        self._ask(verdict, "duplicate", frames, None)
        self._ask(verdict, "table", frames, np.flatnonzero(~verdict.rejected))
        return verdict

    def newest(self) -> date | None:
        """The latest as-of day of all rows."""
        latest = None if self._identity is None else pc.max(self._identity.as_of).as_py()
        try:
            return None if latest is None else date.fromisoformat(latest)
        except ValueError:
            return None

    def part(self, aside: Spill, place: int) -> Part:
        """A batch that was set aside, with the references of its rows."""
        assert self._identity is not None
        batch = aside.read(place)
        record = self._identity.record.slice(self._starts[place], len(batch))
        kinds = [_columns(batch, kind) for kind in _KINDS]
        names = [item.name for item in self.suite.contract.items]
        items = {n: Column(*cells) for n, *cells in zip(names, *kinds, strict=True)}
        as_of = self._identity.as_of.slice(self._starts[place], len(batch))
        rows = Rows(batch.column("_row"), record, as_of, items)
        return Part(rows, record, self._starts[place])

    def _asked_whole(self) -> set[str]:
        """The items of which all values are held at once."""
        asked = set(unique_items(self.suite.contract))
        for check in self.suite.checks:
            if check.stage in ("reference", "table"):
                asked |= set(check.items)
        return asked

    def _places(self, *stages: str) -> list[int]:
        return [
            place
            for place, check in enumerate(self.suite.checks)
            if check.stage in stages and self._expectations[place] is not None
        ]

    def _outcome(self, place: int, frame: Any) -> Outcome:
        check = self.suite.checks[place]
        try:
            return run(self._expectations[place], frame)
        except Unusable as error:
            raise broken(self.suite.contract, check.item, check.expectation, error) from None

    def _judge_rows(self, rows: Rows) -> None:
        """Runs the rules about single rows over a batch."""
        if not len(rows):
            return
        frames = Frames(rows)
        for faces, group in groupby(
            self._places("row"), key=lambda place: self.suite.checks[place].faces
        ):
            frame = frames.of(faces, None)
            for place in group:
                found = self._outcome(place, frame)
                assert found.failing is not None
                self._judged[place] += found.judged
                self._failing[place].append(np.sort(found.failing) + self._size)

    def _hear_rows(self, verdict: Verdict) -> None:
        for place in self._places("row"):
            failing = _joined(self._failing[place])
            judged = self._judged[place]
            mostly = float(self.suite.checks[place].arguments.get("mostly", 1))
            holds = not len(failing) or (judged - len(failing)) / judged >= mostly
            self._hear(verdict, place, Outcome(holds, failing, judged))

    def _hear(self, verdict: Verdict, place: int, found: Outcome) -> None:
        check = self.suite.checks[place]
        if found.failing is not None:
            verdict.failed[place] = np.sort(found.failing)
        if not found.holds:
            verdict.hear(place, check, found.failing, found.judged)

    def _ask(self, verdict: Verdict, stage: str, frames: Frames, picked: Numbers | None) -> None:
        """Runs the rules of a stage over the whole table."""
        for place in self._places(stage):
            check = self.suite.checks[place]
            if place in verdict.skipped:
                continue
            frame = frames.of(check.faces, picked)
            found = self._outcome(place, frame)
            judged = found.judged if found.failing is not None else len(frame)
            self._hear(verdict, place, Outcome(found.holds, found.failing, judged))

    def _refer(self, verdict: Verdict, frames: Frames) -> None:
        """Marks the rows whose value another dataset does not have."""
        for place in self._places("reference"):
            check = self.suite.checks[place]
            assert check.reference is not None
            there = self.given.references(*check.reference)
            if there is None:
                verdict.skip(place, check, REFERENCE_ABSENT)
                continue
            [item] = check.items
            values = frames.values(item)
            known = pc.is_in(values, value_set=there.drop_null())
            [(mark, _)] = check.faces
            lost = pc.and_(pc.is_valid(values), pc.invert(known))
            frames.marks[mark] = lost.to_numpy(zero_copy_only=False)

    def _duplicates(self, verdict: Verdict, frames: Frames) -> dict[str, Flags]:
        """The marks of rows that repeat others. A row that loses by one rule is no longer
        preferred by the next.
        """
        contract, rows = self.suite.contract, self._identity
        assert rows is not None
        marks = {mark_of(ROW_DUPLICATE): rows.copy > 1}
        unfit = verdict.rejected | (rows.copy > 1)
        if contract.key:
            marks[mark_of(KEY_DUPLICATE)] = outranked(rows.record, rows, unfit)
            unfit = unfit | marks[mark_of(KEY_DUPLICATE)]
        for name in unique_items(contract):
            mark = mark_of(VALUE_DUPLICATE, name)
            marks[mark] = outranked(frames.values(name), rows, unfit)
            unfit = unfit | marks[mark]
        return marks


def _joined(parts: Sequence[Numbers]) -> Numbers:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _packed(rows: Rows) -> pa.Table:
    columns = {"_row": rows.row}
    for kind in _KINDS:
        columns |= {f"{kind}.{n}": getattr(c, kind) for n, c in rows.items.items()}
    return pa.table(columns)


def _columns(batch: pa.RecordBatch, kind: str) -> list[pa.StringArray]:
    return [
        column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        if name.startswith(f"{kind}.")
    ]
