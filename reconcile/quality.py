"""The gate: splits a landed table into fit rows and quarantined ones, with reasons.

Elements clean the values; a Great Expectations suite made from the contract judges them, in
stages, each on what the one before left standing:

1. ``landing``: how many rows came, beside the landing before.
2. ``row``: what a row says by itself, on every readable row: items that are missing or break
   the rules of their element, and the department's rules about single rows.
3. ``reference``: rows whose value another dataset must have. The gate looks, and puts what it
   found to the suite as a column.
4. ``duplicate``: rows that repeat another row, its key, or a value that must be unique. Which
   row is kept is decided on the whole table (:func:`reconcile.cleaning.outranked`) and put to
   the suite as a column.
5. ``table``: the department's rules about the table as a whole, on the rows that would be
   published.

Rows are judged batch by batch, and set aside on disk until it is known which repeat each other.
What is held of all rows at once is their references, and the items that must be unique, exist
elsewhere, or are asked for by a rule about the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from catalog.contracts import Contract
from core.errors import HubError
from core.forms import asked
from core.messages import Message, message
from core.types import Model
from reconcile.batches import BATCH_ROWS, batches
from reconcile.bound import Given, Unusable
from reconcile.cleaning import Column, Rows, in_order, method
from reconcile.counts import Counts, key, said
from reconcile.fingerprints import Fingerprint
from reconcile.frames import Frames
from reconcile.judging import Judging, Rest
from reconcile.rules import Severity, broken, check_of, checks, examples, own_rules
from reconcile.scores import Scores, Tally, scores
from reconcile.spill import Spill
from reconcile.suites import Suite, digest_of, library, one_line, run
from reconcile.verdict import Part, Verdict, fit, quarantined

if TYPE_CHECKING:
    import pyarrow.dataset as ds  # brings pandas


class RowsLost(HubError):
    """An invariant of the gate is broken: every landed row is either kept or quarantined."""

    code = "quality_rows_lost"


class Proof(Model):
    """How a verdict came about, so that it can be reproduced and compared.

    ``suite``: digest of the suite, which follows from the contract alone. ``library``: what ran
    it. ``cleaning``: :func:`reconcile.cleaning.method`; empty before there was such. ``as_of``, ``before``: what the run gave. ``fit``, ``quarantine``: digests of the rows.
    """

    suite: str
    library: str
    cleaning: str = ""
    as_of: date | None
    before: int | None
    fit: str
    quarantine: str


class RuleOutcome(Model):
    """What became of one rule. ``rows``: how many break it; of a rule about the whole table 0 or
    1. ``why``: message code, where it could not be asked.
    """

    item: str | None
    rule: str
    severity: Severity
    rows: int
    why: str | None = None


@dataclass(frozen=True)
class Gated:
    """A table after the gate.

    ``fit``: ``_row``, ``_record``, ``_as_of``, one column per item (canonical text, null where
    missing or set aside) and ``_flaws`` (JSON item → rule). ``quarantined``: ``_row``,
    ``_record``, ``reasons`` (JSON list of item and rule), ``original`` (JSON item → text as it
    came). Both by ascending ``_row``.
    ``suite``: the expectations. ``scores``: item or ``*`` → dimension → score
    (:mod:`reconcile.scores`). ``warnings``, ``reasons``: ``<item>.<rule>`` → rows that were
    counted only, and that were quarantined. ``rules``: each rule with what became of it, in the
    order of the suite. ``proof``: how to come to the same. ``counts``: what all of these numbers
    are made of.
    """

    fit: pa.Table
    quarantined: pa.Table
    suite: dict[str, Any]
    scores: Scores
    warnings: dict[str, int]
    reasons: dict[str, int]
    rules: list[RuleOutcome]
    proof: Proof
    counts: Counts


def gate(contract: Contract, landed: pa.Table, given: Given | None = None) -> Gated:
    """Splits ``landed`` into rows that are fit and rows that are not, in memory.

    Args:
        landed: ``_row``, a column per item of any type, and for rows that could not be read
            ``_unreadable`` (message code) and ``_raw`` (text).
        given: what the run gives to rules that ask for it.

    Raises:
        QualityStop: a rule of severity stop, or one about the whole table, does not hold.
        QualityRuleBroken: a rule of the contract cannot run.
    """
    with split(contract, landed, given) as found:
        kept, aside = found.fit().read_all(), found.quarantined().read_all()
        return Gated(
            fit=kept,
            quarantined=aside,
            suite=found.suite,
            scores=found.scores,
            warnings=found.warnings,
            reasons=found.reasons,
            rules=found.rules,
            proof=found.proof(),
            counts=found.counts,
        )


@contextmanager
def split(
    contract: Contract,
    landed: pa.Table | ds.Dataset,
    given: Given | None = None,
    spill: Path | None = None,
    batch_rows: int = BATCH_ROWS,
    rest: Rest | None = None,
) -> Iterator[Split]:
    """As :func:`gate`, with memory bounded by the batch: the rows are given as streams.

    Args:
        spill: folder for what is set aside; the system's, if none is named.
        rest: the other rows of the table, where they stand as they were judged before.

    Raises:
        As :func:`gate`.
        Unsettled: the rest does not stand.
    """
    given = given or Given()
    suite = Suite(contract, checks(contract))
    judging = Judging(suite, given, rest)
    with ExitStack() as stack:
        aside = stack.enter_context(Spill(spill))
        unread = stack.enter_context(Spill(spill))
        for batch in batches(landed, batch_rows, spill):
            judging.take(batch, aside, unread)
        verdict = judging.conclude(aside)
        yield Split(judging, verdict, aside, unread, rest)


class Split:
    """A table after the gate, to be read as two streams: first :meth:`fit`, then
    :meth:`quarantined`, each once.

    ``renewed``: where there is a rest, the fit rows that are not of it; after :meth:`fit`.
    """

    def __init__(
        self,
        judging: Judging,
        verdict: Verdict,
        aside: Spill,
        unread: Spill,
        rest: Rest | None,
    ) -> None:
        self._judging = judging
        self._verdict = verdict
        self._aside = aside
        self._unread = unread
        self._rest = rest
        self.renewed: pa.Table | None = None
        self._digests: dict[str, Fingerprint] = {}
        self.landed = judging.landed
        self.suite = judging.suite.document()
        self.counts = judging.counts(verdict)
        self.newest = judging.newest()
        self.scores = scores(
            Tally(judging.suite.contract, self.counts, self.newest, judging.given.as_of)
        )
        self.warnings, self.reasons = said(
            judging.suite.checks, self.counts, verdict.unmet, verdict.skipped
        )
        self.rules = list(self._outcomes())

    @property
    def readable(self) -> int:
        """The rows that could be read, over which scores are counted."""
        return self.counts["readable"]

    def fit(self) -> pa.RecordBatchReader:
        """The rows that are fit, by ascending ``_row``."""
        if self._rest is None:
            return self._stream("fit", self._parts(self._fit))
        self.renewed = pa.concat_tables(self._parts(self._fit))
        return self._stream("fit", _merged(self.renewed, self._rest.rows()))

    def quarantined(self) -> pa.RecordBatchReader:
        """The rows that are not, by ascending ``_row``."""
        return self._stream("quarantine", self._parts(self._quarantined))

    def proof(self) -> Proof:
        """How to come to the same; only after both streams were read.

        Raises:
            RowsLost: the rows of both are not those that landed.
        """
        counts = {name: print_.rows for name, print_ in self._digests.items()}
        if sum(counts.values()) != self.landed:
            raise RowsLost(
                dataset=self._judging.suite.contract.dataset,
                landed=self.landed,
                fit=counts.get("fit", 0),
                quarantined=counts.get("quarantine", 0),
            )
        given = self._judging.given
        return Proof(
            suite=digest_of(self.suite),
            library=library(),
            cleaning=method(),
            as_of=given.as_of,
            before=given.before,
            fit=self._digests["fit"].hexdigest(),
            quarantine=self._digests["quarantine"].hexdigest(),
        )

    def _parts(self, make: Callable[[Part, int], pa.Table]) -> Iterator[pa.Table]:
        for place in range(len(self._aside)):
            yield make(self._judging.part(self._aside, place), place)

    def _fit(self, part: Part, _: int) -> pa.Table:
        return fit(self._verdict, part)

    def _quarantined(self, part: Part, place: int) -> pa.Table:
        return quarantined(self._verdict, part, self._unread.read(place))

    def _stream(self, name: str, tables: Iterator[pa.Table]) -> pa.RecordBatchReader:
        printed = self._digests[name] = Fingerprint()
        first = next(tables)

        def printing() -> Iterator[pa.RecordBatch]:
            for table in chain([first], tables):
                printed.add(table)
                yield from table.to_batches()

        return pa.RecordBatchReader.from_batches(first.schema, printing())

    def _outcomes(self) -> Iterator[RuleOutcome]:
        verdict = self._verdict
        for place, check in enumerate(self._judging.suite.checks):
            yield RuleOutcome(
                item=check.item,
                rule=check.rule,
                severity=check.severity,
                rows=self.counts.get(key("failed", place), int(place in verdict.unmet)),
                why=verdict.skipped.get(place),
            )


def _merged(here: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Both by ascending ``_row``."""
    rows, done = here.column("_row").to_numpy(), 0
    for table in rest:
        if not len(table):
            continue
        until = int(np.searchsorted(rows, table.column("_row")[-1].as_py()))
        yield in_order(pa.concat_tables([table, here.slice(done, until - done)]))
        done = until
    yield here.slice(done)


def same_rules(contract: Contract, proof: Proof, past: Given, given: Given) -> bool:
    """Whether rules say the same of a single row as they did when ``proof`` was given.

    Args:
        past: what was given then.
    """
    suite = Suite(contract, checks(contract))
    alone = [check.arguments for check in suite.checks if check.stage in ("row", "reference")]
    then = (proof.library, proof.cleaning, proof.suite)
    return then == (library(), method(), digest_of(suite.document())) and all(
        past.bind(arguments) == given.bind(arguments) for arguments in alone
    )


def check_rules(contract: Contract) -> list[Message]:
    """What is wrong with the department's rules of a contract, one message per rule that could
    not run: an expectation that is not offered, wrong arguments, or the wrong kind of item.
    Each rule is tried on a made-up table of three rows.
    """
    wrong = []
    frames = Frames(_made_up(contract))
    given = Given(as_of=date(2026, 1, 1), before=3)
    for item, rule in own_rules(contract):
        try:
            check = check_of(contract, item, rule)
            [expectation] = Suite(contract, [check]).bound(given)
            if check.stage != "reference":
                run(expectation, frames.of(check.faces, None))
        except Unusable as error:
            # The words of the cause are about made-up values, so they can be told.
            cause = one_line(error.__cause__)
            why = message("rule_because", rule=asked(error), cause=cause)
            found = broken(contract, item.name if item else None, rule.expectation, why)
            wrong.append(Message(found.code, found.fields))
        except HubError as error:
            wrong.append(Message(error.code, error.fields))
    return wrong


def _made_up(contract: Contract) -> Rows:
    nothing = pa.nulls(3, pa.string())
    items = {}
    for item in contract.items:
        value = pa.array(examples(item.element), pa.string())
        items[item.name] = Column(value, value, nothing)
    return Rows(pa.array([1, 2, 3]), nothing, nothing, items)
