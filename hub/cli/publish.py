"""``hub run``: from the departments' tables to a release."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from core.clock import FIRST_DAY, today
from core.errors import BadInput
from core.messages import message
from hub.app import Hub
from hub.cli.calling import day_option
from hub.cli.output import err, headings, language, opened, table, tell
from hub.pipeline.workflow import Order, Pipeline, Report

FURTHEST = timedelta(days=366)
"""A day of judgement further off is a slip of the keyboard, and would be published."""


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        epilog="Examples: `hub run`; `hub run --subject resident`; `hub run --dataset police.residents`"
    )(run)


def run(
    subject: Annotated[str | None, typer.Option(help="Only this subject and its tables.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Pull only this table; others as last published.")
    ] = None,
    whole: Annotated[
        bool, typer.Option(help="Pull and make everything whole, not only what changed.")
    ] = False,
    as_of: Annotated[
        datetime | None,
        day_option("The day on which values are judged; today."),
    ] = None,
) -> None:
    """Pull, gate, link, fuse and publish.

    A run that was cut off is resumed first. Ends with 1 if a source, a gate or a store failed:
    then nothing is published, and what was published before stands.
    """
    with opened() as hub:
        now = today(hub.clock)
        day = as_of.date() if as_of else now
        if day > now + FURTHEST:
            raise BadInput(
                field="--as-of", rule=message("rule_from_to", first=FIRST_DAY, last=now + FURTHEST)
            )
        order = Order(
            revision=hub.revision().number, as_of=day, subject=subject, dataset=dataset, whole=whole
        )
        report = run_pipeline(hub, order)
    print_report(report)
    if report.failure is not None:
        err.print(report.failure["words"][language()])
        raise typer.Exit(report.failure["exit_code"])


def run_pipeline(hub: Hub, order: Order) -> Report:
    """Runs with progress on the error stream: bars on a terminal, else one line per step."""
    if not err.is_terminal:
        return Pipeline(hub, _Lines()).run(order)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
    ) as progress:
        return Pipeline(hub, _Bars(progress)).run(order)


class _Lines:
    """One line when a step begins and one when it ends."""

    def plan(self, steps: Sequence[str]) -> None:
        err.print(f"steps: {len(steps)}")

    def begin(self, step: str) -> None:
        err.print(f"begin {step}")

    def end(self, step: str, seconds: float) -> None:
        err.print(f"end {step} {seconds:.2f}s")


class _Bars:
    """A bar over all steps, naming the one at hand."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("prepare", total=None)

    def plan(self, steps: Sequence[str]) -> None:
        self._progress.update(self._task, total=len(steps) + 1)

    def begin(self, step: str) -> None:
        self._progress.update(self._task, description=step)

    def end(self, step: str, seconds: float) -> None:  # noqa: ARG002 - the bar shows the time
        self._progress.advance(self._task)


def print_report(report: Report) -> None:
    """The tables that a run ends in."""
    seconds = report.seconds
    table(
        tell("run_datasets"),
        headings("dataset", "rows in", "kept", "quarantined", "pull", "pull s", "gate", "gate s"),
        (
            [
                name,
                state.landing.rows,
                state.fit.rows,
                state.quarantine.rows,
                *_extent(report, f"pull {name}"),
                *_extent(report, f"gate {name}"),
            ]
            for name, state in report.datasets.items()
        ),
    )
    table(
        tell("run_subjects"),
        headings("subject", "records", "by key", "by model", "alone", "entities", "conflicts",
         "in dispute", "link", "link s", "fuse", "fuse s"),
        (
            [
                name,
                state.links.rows,
                state.linked_by.get("key", 0),
                state.linked_by.get("model", 0),
                state.linked_by.get("alone", 0),
                state.entities,
                state.conflicts.rows,
                state.conflicts_by.get("in_dispute", 0),
                *_extent(report, f"link {name}"),
                *_extent(report, f"fuse {name}"),
            ]
            for name, state in report.subjects.items()
        ),
    )  # fmt: skip
    if report.release is not None:
        table(
            tell("run_published", release=report.release, seconds=f"{seconds['publish']:.1f}"),
            headings("subject", "new", "changed", "gone"),
            ([n, o["opened"], o["changed"], o["closed"]] for n, o in report.outcomes.items()),
        )


def _extent(report: Report, step: str) -> tuple[str, float]:
    """How much a step had to do, and the seconds it took."""
    return report.extents[step].value, report.seconds[step]
