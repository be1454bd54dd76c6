"""``hub demo``: a workspace that brings its own data, from nothing to audited answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog="Example: `hub demo examples/city --residents 20000 --seed 7`")(demo)


def demo(
    folder: Annotated[Path, typer.Argument(help="A workspace with a demo.yaml.")],
    residents: Annotated[int, typer.Option(min=100, help="How many people to make.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Which of all possible cities.")] = 7,
) -> None:
    """Build a sample city, run the main job on it, and show what comes out.

    Prints what was pulled, kept, quarantined, linked and published; how often each golden
    attribute is right, where the truth is known; the same record as different callers see it;
    checks; and whether the audit log holds.
    """
    # Imported here, because it brings the whole hub with it.
    from hub.cli.demonstration import Demonstration

    Demonstration(folder, residents, seed).run()
