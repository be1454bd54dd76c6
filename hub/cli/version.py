"""``hub version``."""

from __future__ import annotations

import typer

import hub
from hub import schema


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog="Example: `hub version`")(version)


def version() -> None:
    """Print the version of the hub and of the schema it needs."""
    print(f"hub {hub.VERSION} (schema {schema.newest()})")
