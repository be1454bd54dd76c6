"""How good a table is: a score from 0 to 1 per item and dimension, kept over time.

A dimension that does not apply has no score. The table as a whole stands under ``*``.

- completeness: the share of readable rows that give a value; of the table: of all cells.
- validity: the share of given values that their element accepts and no rule about the item alone
  refuses.
- uniqueness: the share of given values (of the table: of rows) that no rule against duplicates
  refuses.
- consistency: the share of rows that break no rule about several items or another dataset, or the
  share of the values claimed of entities that mean what the golden value of the release does:
  whichever is lower.
- timeliness: the share of rows that are as recent as a rule asks; of a table without such a rule
  about rows, how old its newest row is beside the days that a rule about the table allows, or else
  beside its update cycle: 1 up to one cycle, 1/2 at two, 1/3 at three.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import Connection, delete, insert

from catalog.contracts import Contract
from catalog.subjects import Subject
from core.sql import EngineLimits, open_sql
from reconcile.bound import RECENT_TABLE
from reconcile.counts import TABLE, Counts, key
from reconcile.quality_models import QualityScore

if TYPE_CHECKING:
    from core.lake import Stored  # brings pandas

DIMENSIONS = ("completeness", "validity", "uniqueness", "consistency", "timeliness")

Scores = dict[str, dict[str, float]]

_CYCLE_DAYS = {
    "real_time": 1, "daily": 1, "weekly": 7, "monthly": 31, "quarterly": 92,
    "half_yearly": 184, "yearly": 366,
}  # fmt: skip


@dataclass(frozen=True)
class Tally:
    """What scores are made of. ``newest``: the latest as-of day, ``as_of`` the day it is judged
    on.
    """

    contract: Contract
    counts: Counts
    newest: date | None
    as_of: date | None


def scores(tally: Tally) -> Scores:
    """Item or ``*`` → dimension → score."""
    found: Scores = {item.name: _item(tally, item.name) for item in tally.contract.items}
    found[TABLE] = _table(tally)
    return found


def _item(tally: Tally, item: str) -> dict[str, float]:
    given, rows = _given(tally, item), tally.counts["readable"]
    of = {"completeness": _share(given, rows)}
    invalid = _failing(tally, "validity", item)
    of["validity"] = _share(given - (invalid or 0), given)
    doubled = _failing(tally, "uniqueness", item)
    if doubled is not None:
        of["uniqueness"] = _share(given - doubled, given)
    for dimension in ("consistency", "timeliness"):
        bad = _failing(tally, dimension, item)
        if bad is not None:
            of[dimension] = _share(rows - bad, rows)
    return of


def _table(tally: Tally) -> dict[str, float]:
    names = [item.name for item in tally.contract.items]
    rows = tally.counts["readable"]
    given = sum(_given(tally, name) for name in names)
    valid = sum(_given(tally, name) - (_failing(tally, "validity", name) or 0) for name in names)
    of = {
        "completeness": _share(given, rows * len(names)),
        "validity": _share(valid, given),
    }
    for dimension in ("uniqueness", "consistency", "timeliness"):
        bad = _failing(tally, dimension, TABLE)
        if bad is not None:
            of[dimension] = _share(rows - bad, rows)
    aged = timeliness(tally.contract, tally.newest, tally.as_of)
    if aged is not None:
        of.setdefault("timeliness", aged)
    return of


def timeliness(contract: Contract, newest: date | None, as_of: date | None) -> float | None:
    """How recent a table is whose newest row is of the day ``newest``; None where nothing says
    how recent it should be.
    """
    asked = [r.arguments["days"] for r in contract.rules if r.expectation == RECENT_TABLE]
    days = min(asked, default=_CYCLE_DAYS.get(contract.cycle))
    if days is None or newest is None or as_of is None:
        return None
    return min(1.0, max(1, days) / max(1, (as_of - newest).days))


Agreed = Mapping[str, Mapping[str, tuple[int, int]]]
"""Dataset → attribute → how many of its claims mean what the golden value does, and how many there
are.
"""


def agreement(
    limits: EngineLimits, golden: Stored, before: Agreed | None = None
) -> dict[str, dict[str, tuple[int, int]]]:
    """How far each dataset agrees with golden values (``attribute, supporting, opposing``).

    Args:
        before: what was so before; ``golden`` is then what changed: the rows that went, told by
            the column ``was``, and those that came.
    """
    from core.engine import view  # brings Ibis and pandas

    times = "count(*)" if before is None else "sum(CASE WHEN was THEN -1 ELSE 1 END)::BIGINT"
    with open_sql(limits) as engine:
        view(engine, "golden", golden)
        alike = engine.execute(
            f"SELECT attribute, supporting, opposing, {times} FROM golden GROUP BY ALL"  # noqa: S608 - ours
        ).fetchall()
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for dataset, of in (before or {}).items():
        counts.update({(dataset, attribute): list(count) for attribute, count in of.items()})
    for attribute, supporting, opposing, number in alike:
        for side, agrees in ((supporting, True), (opposing, False)):
            for dataset in orjson.loads(side):
                counts[dataset, attribute][0] += number * agrees
                counts[dataset, attribute][1] += number
    found: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for (dataset, attribute), (right, claims) in sorted(counts.items()):
        if claims:
            found[dataset][attribute] = (right, claims)
    return dict(found)


def with_agreement(found: Scores, dataset: str, subjects: Iterable[tuple[Subject, Agreed]]) -> None:
    """Lowers ``consistency`` of a dataset's items and of the table to how far they agree with the
    golden values of the subjects they feed.
    """
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for subject, agreed in subjects:
        for attribute, item in subject.feeds.get(dataset, {}).items():
            for about in (item, TABLE):
                for place, count in enumerate(agreed.get(dataset, {}).get(attribute, (0, 0))):
                    counts[about][place] += count
    for about, (right, claims) in counts.items():
        if claims and about in found:
            by_rules = found[about].get("consistency", 1.0)
            found[about]["consistency"] = min(by_rules, right / claims)


def _given(tally: Tally, item: str) -> int:
    return tally.counts[key("given", item)]


def _failing(tally: Tally, dimension: str, about: str) -> int | None:
    """How many rows fail a check of this dimension; None where there is none."""
    return tally.counts.get(key("scored", dimension, about))


def _share(part: int, whole: int) -> float:
    return max(0, part) / whole if whole else 1.0


@dataclass(frozen=True)
class Counted:
    """The scores of one dataset after the gate. ``rows``: those the scores were counted over."""

    dataset: str
    department: str
    rows: int
    scores: Mapping[str, Mapping[str, float]]


def record_scores(
    connection: Connection, release: int, now: datetime, gated: Iterable[Counted]
) -> None:
    """Keeps the scores of the datasets that a release gated, in the caller's transaction. Scores
    that the release has already are replaced.
    """
    rows = [
        {
            "release": release, "dataset": each.dataset, "department": each.department,
            "item": item, "dimension": dimension, "score": score, "rows": each.rows,
            "counted_at": now,
        }
        for each in gated
        for item, of in each.scores.items()
        for dimension, score in of.items()
    ]  # fmt: skip
    connection.execute(delete(QualityScore).where(QualityScore.release == release))
    if rows:
        connection.execute(insert(QualityScore), rows)
