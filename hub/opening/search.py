"""How far a table must be generalised until it may be released: k-anonymity and l-diversity.

A *class* is all rows that look alike in what may be known of a person from elsewhere. It holds if
it has at least k rows and, among them, at least l values of each sensitive column. Rows of classes
that do not hold are left out, if there are few; else one column is generalised by one step more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from catalog.subjects import Opening
from hub.opening.columns import Column, Role
from policies.models import SUPPRESS

Steps = dict[str, int]
"""Column → the rung of its ladder."""


@dataclass(frozen=True)
class Risk:
    """How likely a person is to be found. ``below_k``: share of rows in classes of fewer than k.
    Prosecutor: who knows that somebody is in the release; journalist: who knows only that he is
    in the register. Each the highest, and the average over rows, of 1 by class size.
    """

    below_k: float
    prosecutor_max: float
    prosecutor_avg: float
    journalist_max: float
    journalist_avg: float


@dataclass(frozen=True)
class Outcome:
    """What a step of generalisation comes to. ``left_out``: rows whose class does not hold."""

    steps: Mapping[str, int]
    rows: int
    left_out: int
    below_k: int
    classes: int
    smallest: int
    kept_classes: int
    kept_smallest: int


class Classes:
    """The classes of a table ``coded``, which has a column ``"<name> <rung>"`` of numbers per
    quasi-identifying column and rung, and one per sensitive column.
    """

    def __init__(
        self, engine: duckdb.DuckDBPyConnection, columns: Sequence[Column], opening: Opening
    ) -> None:
        self._engine = engine
        self._opening = opening
        self.quasi = [column for column in columns if column.role is Role.QUASI]
        self.sensitive = [
            column
            for column in columns
            if column.role is Role.SENSITIVE and column.ladder[0] != SUPPRESS
        ]

    def _holds(self) -> str:
        """What a class must come up to, as SQL over its rows."""
        wanted = [f"count(*) >= {self._opening.k}"]
        for column in self.sensitive:
            kinds = f'count(DISTINCT "{column.name}") + max(("{column.name}" IS NULL)::INT)'
            wanted.append(f"{kinds} >= {self._opening.diversity}")
        return " AND ".join(wanted)

    def kept(self, steps: Mapping[str, int]) -> str:
        """SQL for the rows whose class holds."""
        key = self._key(steps)
        if not key:
            return f"SELECT * FROM coded WHERE (SELECT {self._holds()} FROM coded)"  # noqa: S608
        same = " AND ".join(f"coded.{name} IS NOT DISTINCT FROM classes.{name}" for name in key)
        names = ", ".join(key)
        held = f"SELECT {names} FROM coded GROUP BY {names} HAVING {self._holds()}"  # noqa: S608
        return f"SELECT coded.* FROM coded JOIN ({held}) classes ON {same}"  # noqa: S608

    def _key(self, steps: Mapping[str, int]) -> list[str]:
        """The columns that make up a class."""
        return [f'"{column.name} {steps[column.name]}"' for column in self.quasi]

    def outcome(self, steps: Mapping[str, int]) -> Outcome:
        """What the table comes to if it is generalised so far."""
        group = f"GROUP BY {', '.join(self._key(steps))}" if self.quasi else ""
        found = self._engine.execute(
            f"""
            WITH classes AS (SELECT count(*) AS size, {self._holds()} AS holds FROM coded {group})
            SELECT coalesce(sum(size), 0)::BIGINT,
                   coalesce(sum(size) FILTER (NOT holds), 0)::BIGINT,
                   coalesce(sum(size) FILTER (size < {self._opening.k}), 0)::BIGINT,
                   count(*) FILTER (size > 0), coalesce(min(size), 0),
                   count(*) FILTER (holds), coalesce(min(size) FILTER (holds), 0)
            FROM classes
            """  # noqa: S608 - names of registered columns, and numbers
        ).fetchone()
        assert found is not None
        return Outcome(dict(steps), *found)

    def risk(self, outcome: Outcome, released: bool) -> Risk:
        """The risk of the whole table, or of what is released of it: since the hub holds the
        whole register, and classes are left out as a whole, the two kinds of attack meet classes
        of the same size.
        """
        rows = outcome.rows - outcome.left_out if released else outcome.rows
        classes = outcome.kept_classes if released else outcome.classes
        smallest = outcome.kept_smallest if released else outcome.smallest
        highest = 1 / smallest if smallest else 0.0
        average = classes / rows if rows else 0.0
        below = 0.0 if released or not rows else outcome.below_k / rows
        return Risk(below, *(round(value, 6) for value in (highest, average) * 2))


def bottom(classes: Classes) -> Steps:
    """Nothing generalised."""
    return {column.name: 0 for column in classes.quasi}


def search(classes: Classes, most_left_out: float) -> Outcome | None:
    """The least generalisation found by which at most that share of rows is left out; None if
    there is none. From the bottom, the column is generalised first that saves most rows; at the
    end, whatever turns out not to be needed is taken back.
    """
    found = classes.outcome(bottom(classes))
    while not _enough(found, most_left_out):
        tried = [
            classes.outcome({**found.steps, column.name: found.steps[column.name] + 1})
            for column in classes.quasi
            if found.steps[column.name] + 1 < len(column.ladder)
        ]
        if not tried:
            return None
        found = min(tried, key=lambda outcome: (outcome.left_out, _loss(classes, outcome)))
    return _taken_back(classes, found, most_left_out)


def _taken_back(classes: Classes, found: Outcome, most_left_out: float) -> Outcome:
    while True:
        tried = [
            outcome
            for column in classes.quasi
            if found.steps[column.name] > 0
            and _enough(
                outcome := classes.outcome(
                    {**found.steps, column.name: found.steps[column.name] - 1}
                ),
                most_left_out,
            )
        ]
        if not tried:
            return found
        found = min(tried, key=lambda outcome: (_loss(classes, outcome), outcome.left_out))


def _enough(outcome: Outcome, most_left_out: float) -> bool:
    return outcome.kept_classes > 0 and outcome.left_out <= most_left_out * outcome.rows


def _loss(classes: Classes, outcome: Outcome) -> float:
    """How much of the columns is lost: 0 none, 1 each."""
    return sum(
        outcome.steps[column.name] / (len(column.ladder) - 1)
        for column in classes.quasi
        if len(column.ladder) > 1
    )
