"""Scores as they are kept and as they are read: per item, table and department, over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select

from hub.pipeline.states import DatasetState
from hub.workspace import Workspace
from reconcile.counts import TABLE
from reconcile.quality_models import QualityScore
from reconcile.scores import DIMENSIONS, Agreed, Counted, timeliness, with_agreement


def scored(
    workspace: Workspace,
    states: Mapping[str, DatasetState],
    agreed: Mapping[str, Agreed],
    as_of: date,
) -> Iterator[Counted]:
    """The scores of datasets on a day, beside what is golden of each subject. A table that did not
    change has still become older.
    """
    beside = [(workspace.subjects[name], found) for name, found in agreed.items()]
    for dataset, state in states.items():
        contract = workspace.contracts[dataset]
        found = {item: dict(of) for item, of in state.scores.items()}
        judged = state.proof is not None and state.proof.as_of == as_of
        aged = None if judged else timeliness(contract, state.newest, as_of)
        if aged is not None and TABLE in found:
            found[TABLE]["timeliness"] = aged
        with_agreement(found, dataset, beside)
        yield Counted(dataset, contract.department, state.readable, found)


@dataclass(frozen=True)
class Score:
    """The scores of an item, a table (item ``*``) or a department at one release; a dimension
    that does not apply is left out.
    """

    release: int
    counted_at: datetime
    about: str
    item: str
    rows: int
    scores: Mapping[str, float]

    def cells(self) -> list[float | None]:
        """One per dimension, in their usual order."""
        return [self.scores.get(dimension) for dimension in DIMENSIONS]


def of_dataset(connection: Connection, dataset: str) -> list[Score]:
    """All scores of a dataset's items and of the table, by release; the table first."""
    rows = connection.execute(
        select(QualityScore)
        .where(QualityScore.dataset == dataset)
        .order_by(QualityScore.release, QualityScore.item)
    ).all()
    found: dict[tuple[int, str], list[QualityScore]] = defaultdict(list)
    for row in rows:
        found[row.release, row.item].append(row)  # type: ignore[arg-type]
    return [
        Score(release, of[0].counted_at, dataset, item, of[0].rows,
              {each.dimension: each.score for each in of})
        for (release, item), of in found.items()
    ]  # fmt: skip


def of_department(connection: Connection, department: str) -> list[Score]:
    """The scores of a department by release: the mean over its tables, weighed by their rows. A
    table that a release did not take in counts as it was last.
    """
    rows = connection.execute(
        select(QualityScore)
        .where(QualityScore.department == department, QualityScore.item == TABLE)
        .order_by(QualityScore.release)
    ).all()
    held: dict[tuple[str, str], tuple[float, int]] = {}
    found: dict[int, Score] = {}
    for row in rows:
        held[row.dataset, row.dimension] = row.score, row.rows
        sizes = {dataset: size for (dataset, _), (_, size) in held.items()}
        found[row.release] = Score(
            row.release, row.counted_at, department, TABLE, sum(sizes.values()), _means(held)
        )
    return list(found.values())


def _means(held: Mapping[tuple[str, str], tuple[float, int]]) -> dict[str, float]:
    means = {}
    for dimension in DIMENSIONS:
        of = [found for (_, named), found in held.items() if named == dimension]
        weight = sum(max(1, rows) for _, rows in of)
        if of:
            means[dimension] = sum(score * max(1, rows) for score, rows in of) / weight
    return means


def latest(found: Iterable[Score]) -> list[Score]:
    """Those of the last release among them."""
    kept: Sequence[Score] = list(found)
    last = max((each.release for each in kept), default=0)
    return [each for each in kept if each.release == last]
