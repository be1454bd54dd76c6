"""``hub export``: what a release was made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hub.cli.output import opened, out, tell
from hub.exports import Kind, export


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(
        name="export",
        epilog="Examples: `hub export golden resident --to golden.parquet`; "
        "`hub export quarantine resident --to rows.csv`",
    )(export_)


def export_(
    kind: Annotated[Kind, typer.Argument(help="What to export.")],
    subject: Annotated[str, typer.Argument(help="Of which subject.")],
    to: Annotated[Path, typer.Option(help="File to write: .csv, .parquet or .jsonl.")],
) -> None:
    """Write what the current release was made of to a file. The export is audited first.

    The file holds values unmasked: it is for the hub's operators and stewards.
    """
    with opened() as hub:
        found = export(hub, kind, subject, to)
    out.print(tell("exported", rows=found.rows, file=to, release=found.release))
