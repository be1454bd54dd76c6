"""Puts a table to its suite, batch by batch and then as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.forms import asked
from reconcile.bound import Given, Unusable
from reconcile.cleaning import (
    Column,
    Flags,
    Identities,
    Identity,
    Numbers,
    Rows,
    clean,
    in_order,
    outranked,
)
from reconcile.counts import Counts, added, key, scored
from reconcile.frames import Frames
from reconcile.rules import (
    FLAW,
    KEY_DUPLICATE,
    MISSING,
    ROW_DUPLICATE,
    VALUE_DUPLICATE,
    Check,
    broken,
    mark_of,
    unique_items,
)
from reconcile.spill import Spill
from reconcile.suites import Outcome, Suite, run
from reconcile.verdict import Part, Verdict

REFERENCE_ABSENT = "reference_absent"
NOTHING_BEFORE = "nothing_before"
_MARKS = frozenset({MISSING, FLAW, ROW_DUPLICATE, KEY_DUPLICATE, VALUE_DUPLICATE})
_KINDS = ("original", "value", "flaw")


@dataclass(frozen=True)
class Rest:
    """Rows of a table that stand as they were judged before, all fit, beside those that are judged.

    ``counts``: of them. ``values``: ``_row`` and some columns of theirs, by ascending ``_row``.
    ``rows``: all columns, likewise.
    """

    counts: Counts
    values: Callable[[Sequence[str]], pa.Table]
    rows: Callable[[], Iterator[pa.Table]]


class Unsettled(Exception):
    """Rows that were to stand may not: all must be judged."""


class Judging:
    """The verdict on one table in the making: :meth:`take` each batch, then :meth:`conclude`."""

    def __init__(self, suite: Suite, given: Given, rest: Rest | None = None) -> None:
        self.suite = suite
        self.given = given
        self._rest = rest
        self._counts: dict[str, int] = {"landed": 0, "readable": 0}
        self._counts |= {key("given", item.name): 0 for item in suite.contract.items}
        self._expectations = suite.bound(given)
        self._identities = Identities(bool(suite.contract.key))
        self._identity: Identity | None = None
        self._starts: list[int] = []
        self._rows: list[Numbers] = []
        self._size = 0
        self._failing: dict[int, list[Numbers]] = defaultdict(list)
        self._judged: dict[int, int] = defaultdict(int)
        self._held: dict[str, list[pa.Array]] = {name: [] for name in self._asked_whole()}

    def take(self, landed: pa.Table, aside: Spill, unread: Spill) -> None:
        """Cleans and judges a batch, and sets it aside."""
        self._count("landed", landed.num_rows)
        lost = pc.is_valid(landed.column("_unreadable"))
        unreadable = landed.filter(lost).select(["_row", "_unreadable", "_raw"])
        self._count_values("unread", unreadable.column("_unreadable"))
        unread.add(unreadable)
        rows = clean(self.suite.contract, landed.filter(pc.invert(lost)))
        self._identities.add(rows)
        for name, held in self._held.items():
            held.append(rows.items[name].value)
        for name, column in rows.items.items():
            self._count(key("given", name), int(column.given.sum()))
            self._count_values(key("flaw", name), column.flaw)
        self._judge_rows(rows)
        self._starts.append(self._size)
        if self._rest is not None:
            self._rows.append(rows.row.to_numpy())
        self._size += len(rows)
        self._count("readable", len(rows))
        aside.add(_packed(rows))

    def conclude(self, aside: Spill) -> Verdict:
        """The verdict on the whole table.

        Raises:
            QualityStop: a rule of severity stop, or one about the whole table, does not hold.
            QualityRuleBroken: a rule cannot run.
            Unsettled: the rest does not stand as it was.
        """
        verdict = Verdict(self.suite.contract, self._size)
        for place in range(len(self.suite.checks)):
            if self._expectations[place] is None:
                verdict.skipped[place] = NOTHING_BEFORE
        self._identity = self._identities.settle(
            lambda place, rows: [
                column.take(rows) for column in _columns(aside.read(place), "original")
            ]
        )
        if not self.landed:
            return verdict
        frames = self._frames()
        self._ask(verdict, "landing", Frames.whole(self.landed, {}), None)
        for place, found in self._rows_found():
            self._hear(verdict, place, found)
        self._refer(verdict, frames)
        self._ask(verdict, "reference", frames, None)
        frames.marks |= self._duplicates(verdict, frames)
        self._ask(verdict, "duplicate", frames, None)
        fit = np.flatnonzero(~verdict.rejected)
        if self._rest is None:
            self._ask(verdict, "table", frames, fit)
        else:
            self._ask(verdict, "table", self._with_rest(frames, fit, self._rest), None)
        return verdict

    def alone(self) -> Counts:
        """What is counted of the rows by themselves, whatever else stands in the table: all but
        duplicates.
        """
        verdict, frames = Verdict(self.suite.contract, self._size), self._frames()
        for place, found in self._rows_found():
            verdict.failed[place] = _failing(found)
        self._refer(verdict, frames)
        for place in self._places("reference"):
            if place not in verdict.skipped:
                found = self._outcome(place, frames)
                verdict.failed[place] = _failing(found)
                self._judged[place] = found.judged
        return self._counted(verdict)

    def counts(self, verdict: Verdict) -> Counts:
        """What is counted of the table, the rest included."""
        counted = self._counted(verdict)
        return counted if self._rest is None else added(self._rest.counts, counted)

    @property
    def landed(self) -> int:
        """The rows of the table, the rest included."""
        return self._counts["landed"] + self._of_rest("landed")

    def newest(self) -> date | None:
        """The latest as-of day of all rows."""
        known = [] if self._identity is None else [pc.max(self._identity.as_of).as_py()]
        if self._rest is not None:
            known.append(pc.max(self._rest.values(["_as_of"]).column("_as_of")).as_py())
        latest = max((day for day in known if day is not None), default=None)
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

    def _outcome(self, place: int, frames: Frames, picked: Numbers | None = None) -> Outcome:
        check = self.suite.checks[place]
        if _is_clear(check, frames):
            return Outcome(True, np.zeros(0, np.int64), frames.size)
        try:
            return run(self._expectations[place], frames.of(check.faces, picked))
        except Unusable as error:
            raise broken(self.suite.contract, check.item, check.expectation, asked(error)) from None

    def _judge_rows(self, rows: Rows) -> None:
        """Runs the rules about single rows over a batch."""
        if not len(rows):
            return
        frames = Frames(rows)
        for place in self._places("row"):
            found = self._outcome(place, frames)
            self._judged[place] += found.judged
            self._failing[place].append(_failing(found) + self._size)

    def _rows_found(self) -> Iterator[tuple[int, Outcome]]:
        """What became of the rules about single rows, on all batches together."""
        for place in self._places("row"):
            failing = _joined(self._failing[place])
            judged = self._judged[place]
            yield place, Outcome(self._holds(place, len(failing), judged), failing, judged)

    def _holds(self, place: int, failing: int, judged: int) -> bool:
        """Whether so few rows fail a check, the rest included, that it holds."""
        failing += self._of_rest("failed", place)
        judged += self._of_rest("judged", place)
        mostly = float(self.suite.checks[place].arguments.get("mostly", 1))
        return not failing or (judged - failing) / judged >= mostly

    def _of_rest(self, *counted: object) -> int:
        return 0 if self._rest is None else self._rest.counts.get(key(*counted), 0)

    def _hear(self, verdict: Verdict, place: int, found: Outcome) -> None:
        check = self.suite.checks[place]
        if found.failing is not None:
            verdict.failed[place] = _failing(found)
        if found.holds:
            return
        by_rows = self._rest is not None and found.failing is not None
        if by_rows and (check.severity == "stop" or self._rejects_rest(place)):
            raise Unsettled
        verdict.hear(place, check, found.failing, found.judged)

    def _rejects_rest(self, place: int) -> bool:
        return self.suite.checks[place].severity == "reject" and bool(
            self._of_rest("failed", place)
        )

    def _ask(self, verdict: Verdict, stage: str, frames: Frames, picked: Numbers | None) -> None:
        """Runs the rules of a stage over the whole table."""
        for place in self._places(stage):
            if place in verdict.skipped:
                continue
            found = self._outcome(place, frames, picked)
            holds, judged = found.holds, found.judged
            if found.failing is None:
                judged = frames.size if picked is None else len(picked)
            elif stage == "reference":
                self._judged[place] = judged
                holds = self._holds(place, len(found.failing), judged)
            elif stage == "table" and self._rest is not None:
                # It may name any row.
                raise Unsettled
            self._hear(verdict, place, Outcome(holds, found.failing, judged))

    def _frames(self) -> Frames:
        return Frames.whole(self._size, {n: pa.concat_arrays(p) for n, p in self._held.items()})

    def _with_rest(self, frames: Frames, fit: Numbers, rest: Rest) -> Frames:
        """What rules about the table look at: the rest, and the rows that are fit."""
        asked = sorted(
            {n for place in self._places("table") for n in self.suite.checks[place].items}
        )
        here: dict[str, pa.Array] = {name: frames.values(name) for name in asked}
        mine = pa.table({"_row": _joined(self._rows), **here}).take(pa.array(fit))
        whole = in_order(pa.concat_tables([rest.values(asked), mine]))
        return Frames.whole(len(whole), {n: whole.column(n).combine_chunks() for n in asked})

    def _counted(self, verdict: Verdict) -> Counts:
        failed = {key("failed", place): len(rows) for place, rows in verdict.failed.items()}
        judged = {key("judged", place): count for place, count in self._judged.items()}
        checks = [(self.suite.checks[place], rows) for place, rows in verdict.failed.items()]
        return {**self._counts, **failed, **judged, **scored(self.suite.contract, checks)}

    def _count(self, name: str, rows: int) -> None:
        self._counts[name] = self._counts.get(name, 0) + rows

    def _count_values(self, head: str, values: pa.Array | pa.ChunkedArray) -> None:
        for found in values.drop_null().value_counts().to_pylist():
            self._count(key(head, found["values"]), found["counts"])

    def _refer(self, verdict: Verdict, frames: Frames) -> None:
        """Marks the rows whose value another dataset does not have."""
        for place in self._places("reference"):
            check = self.suite.checks[place]
            assert check.reference is not None
            there = self.given.references(*check.reference)
            if there is None:
                verdict.skipped[place] = REFERENCE_ABSENT
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


def _is_clear(check: Check, frames: Frames) -> bool:
    """Whether a check asks for marks of ours that no row bears: then it holds, and need not be
    run, which costs milliseconds however few the rows are.
    """
    if check.reference is None and check.rule not in _MARKS:
        return False
    marks = frames.marks[check.arguments["column"]]
    return bool(marks.all() if check.rule == MISSING else not marks.any())


def _failing(found: Outcome) -> Numbers:
    assert found.failing is not None
    failing: Numbers = np.sort(found.failing)
    return failing


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
