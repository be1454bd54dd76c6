"""What the gate's suite found, and what follows for each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from catalog.contracts import Contract
from core.errors import HubError
from reconcile.cleaning import Flags, Numbers, Rows, in_order
from reconcile.rules import FLAW, Check


class QualityStop(HubError):
    """A rule that must hold before anything is published does not. ``count``: rows that break
    it, or all rows looked at where it is about the table.
    """

    code = "quality_stop"
    status = 409


@dataclass
class Verdict:
    """What the suite has found so far.

    ``failed``: place of a check in the suite → positions of the rows that fail it, in ascending
    order. ``broken``: those of them that reject rows. ``skipped``: checks that could not be asked,
    and why (message code). ``unmet``: those that do not hold.
    """

    contract: Contract
    size: int
    rejected: Flags = field(init=False)
    failed: dict[int, Numbers] = field(default_factory=dict)
    broken: dict[int, Check] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)
    unmet: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rejected = np.zeros(self.size, bool)

    def hear(self, place: int, check: Check, failing: Numbers | None, looked_at: int) -> None:
        """Takes note of a check that does not hold.

        Raises:
            QualityStop: nothing may be published.
        """
        self.unmet.add(place)
        if check.severity == "warn":
            return
        if failing is None or check.severity == "stop":
            count = looked_at if failing is None else len(failing)
            raise QualityStop(dataset=self.contract.dataset, rule=check.name, count=count)
        self.broken[place] = check
        self.rejected[failing] = True


@dataclass(frozen=True)
class Part:
    """A batch of the table: its rows, their references, and where it begins."""

    rows: Rows
    record: pa.StringArray
    start: int

    @property
    def positions(self) -> slice:
        """Where its rows stand in the table."""
        return slice(self.start, self.start + len(self.rows))


def fit(verdict: Verdict, part: Part) -> pa.Table:
    """The rows of a batch that nothing rejects, cleaned; columns as in
    :class:`reconcile.quality.Gated`.
    """
    rows = part.rows
    flaws = [
        pc.binary_join_element_wise(f'"{name}":"', column.flaw, '"', "")
        for name, column in rows.items.items()
        if column.flaw.null_count < len(rows)
    ]
    listed = _listed(flaws, len(rows))
    noted = pc.binary_join_element_wise("{", listed, "}", "")
    columns = {
        "_row": rows.row,
        "_record": part.record,
        "_as_of": rows.as_of,
        **{name: column.value for name, column in rows.items.items()},
        "_flaws": pc.if_else(pc.equal(listed, ""), _nothing(), noted),
    }
    table = pa.table(columns)
    rejected = verdict.rejected[part.positions]
    return table.filter(pa.array(~rejected)) if rejected.any() else table


def quarantined(verdict: Verdict, part: Part, unreadable: pa.RecordBatch) -> pa.Table:
    """The rows of a batch that something rejects, and those that could not be read."""
    here = np.flatnonzero(verdict.rejected[part.positions])
    rejected = pa.array(here)
    originals = pa.table({n: c.original.take(rejected) for n, c in part.rows.items.items()})
    judged = pa.table(
        {
            "_row": part.rows.row.take(rejected),
            "_record": part.record.take(rejected),
            "reasons": _reasons(verdict, part, here),
            "original": _jsons(originals.to_pylist()),
        }
    )
    unread = pa.table(
        {
            "_row": unreadable.column("_row"),
            "_record": pa.nulls(unreadable.num_rows, pa.string()),
            "reasons": _jsons(
                [[{"item": None, "rule": r}] for r in unreadable.column("_unreadable").to_pylist()]
            ),
            "original": _jsons([{"_raw": raw} for raw in unreadable.column("_raw").to_pylist()]),
        }
    )
    return in_order(pa.concat_tables([judged, unread]))


def _reasons(verdict: Verdict, part: Part, rejected: Numbers) -> pa.StringArray:
    """For each rejected row, everything it is rejected for, in order of the suite."""
    reasons = []
    span = part.positions
    for place, check in sorted(verdict.broken.items()):
        failing = verdict.failed[place]
        first, last = np.searchsorted(failing, [span.start, span.stop])
        if first == last:
            continue
        fails = np.zeros(len(part.rows), bool)
        fails[failing[first:last] - span.start] = True
        if check.rule == FLAW and check.item:
            flaw = part.rows.items[check.item].flaw.take(pa.array(rejected))
            reason = pc.binary_join_element_wise(
                f'{{"item":"{check.item}","rule":"', flaw, '"}', ""
            )
        else:
            said = orjson.dumps({"item": check.item, "rule": check.rule}).decode()
            reason = pa.scalar(said)
        reasons.append(pc.if_else(pa.array(fails[rejected]), reason, _nothing()))
    return pc.binary_join_element_wise("[", _listed(reasons, len(rejected)), "]", "")


def _listed(parts: Sequence[pa.StringArray], size: int) -> pa.StringArray:
    """Texts side by side, joined by commas; nulls are left out, so a row may become empty."""
    led = [pc.binary_join_element_wise(",", part, "").fill_null("") for part in parts]
    joined = pc.binary_join_element_wise(pa.repeat("", size), *led, "")
    return pc.utf8_slice_codeunits(joined, 1)


def _nothing() -> pa.StringScalar:
    return pa.scalar(None, pa.string())


def _jsons(values: Sequence[Any]) -> pa.StringArray:
    return pa.array([orjson.dumps(value).decode() for value in values], pa.string())
