"""``hub corrections``: what departments are asked to put right, and what they say to it."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli.calling import MOST, Skip, asking
from hub.cli.evidence import EvidenceFile, read, typed, write
from hub.cli.output import headings, language, opened, out, table, tell
from hub.serving.notes import Call
from hub.serving.office import Office
from hub.stewardship.corrections import Answer, Corrections, Which
from hub.stewardship.report import report as make_report
from reconcile.corrections import State

Number = Annotated[int, typer.Argument(min=1, max=MOST, help="Number of the correction.")]
Dataset = Annotated[str | None, typer.Option(help="Only of this dataset.")]
Department = Annotated[str | None, typer.Option(help="Only of this department.")]


class Shown(StrEnum):
    """A state of corrections."""

    OPEN = "open"
    FIXED = "fixed"
    DISPUTED = "disputed"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class Verdict(StrEnum):
    """What is said to a correction."""

    FIXED = "fixed"
    DISPUTED = "disputed"
    REOPEN = "reopen"


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    asked = "--as police-keeper-01 --person chen --purpose data_governance --case JH-1"
    group = typer.Typer(no_args_is_help=True, help="What departments are asked to put right.")
    group.command("list", epilog=f"Example: `hub corrections list {asked}`")(list_)
    group.command(epilog=f"Example: `hub corrections show 1 {asked}`")(show)
    group.command(epilog=f"Example: `hub corrections answer 1 fixed {asked}`")(answer)
    group.command(epilog=f"Example: `hub corrections report --department police {asked}`")(report)
    app.add_typer(group, name="corrections")


@asking
def list_(
    call: Call,
    dataset: Dataset = None,
    department: Department = None,
    state: Annotated[
        list[Shown] | None, typer.Option(help="Only those in this state; else the unsettled.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
    skip: Skip = 0,
) -> None:
    """List corrections of the datasets that the client may answer for, those due first in front."""
    states = tuple(State(one.value) for one in state) if state else None
    with opened() as hub:
        found = Corrections(Office(hub)).list(call, Which(dataset, department, states, limit, skip))
    rows = found["corrections"]
    columns = ["correction", "dataset", "attribute", "error", "state", "due", "light",
               "escalation", "ruling", "entity"]  # fmt: skip
    title = tell("corrections_listed", shown=len(rows), total=found["total"])
    table(title, headings(*columns), [[row[name] for name in columns] for row in rows])


@asking
def show(
    call: Call,
    number: Number,
    evidence: Annotated[
        Path | None, typer.Option(help="Write the latest answer's evidence to this file.")
    ] = None,
) -> None:
    """Show a correction: the dataset's own value, the ruled one as the client may see it, answers."""
    with opened() as hub:
        corrections = Corrections(Office(hub))
        found = corrections.show(call, number)
        if evidence is not None:
            write(evidence, corrections.evidence(call, number)[1])
    out.print_json(json.dumps(found, ensure_ascii=False))


@asking
def answer(
    call: Call,
    number: Number,
    verdict: Annotated[Verdict, typer.Argument(help="What became of it.")],
    reason: Annotated[str, typer.Option(help="Why; with - read from standard input.")] = "",
    evidence: EvidenceFile = None,
) -> None:
    """Answer a correction: fixed, or disputed with a reason. A steward may reopen it."""
    file = None if evidence is None else read(evidence)
    said = Answer(verdict.value, typed() if reason == "-" else reason, file)
    with opened() as hub:
        found = Corrections(Office(hub)).answer(call, number, said)
    out.print(tell("corrections_answered", number=number, state=found["state"]))


@asking
def report(
    call: Call,
    department: Department = None,
) -> None:
    """Report per department: kinds of errors, the trend, answers in time, and what would help."""
    with opened() as hub:
        found = make_report(Office(hub), call, department)
    for one in found["departments"]:
        _print(one)


def _print(one: dict[str, Any]) -> None:
    share = one["answered_in_time"]
    told = "-" if share is None else f"{share:.0%}"
    counts = {name: one[name] for name in ("department", "tickets", "unsettled", "overdue")}
    out.print(tell("corrections_reported", share=told, **counts))
    columns = ["dataset", "attribute", "error", "tickets", "values", "rows"]
    if one["kinds"]:
        rows = [
            [*(kind[name] for name in columns), kind["advice"][language()]] for kind in one["kinds"]
        ]
        table(tell("corrections_kinds"), headings(*columns, "advice"), rows)
    if one["trend"]:
        months = [[m["month"], m["opened"], m["closed"]] for m in one["trend"]]
        table(tell("corrections_trend"), headings("month", "opened", "closed"), months)
