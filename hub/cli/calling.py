"""Who asks, on the command line: the options of every command that is decided by the policy."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.identity import Caller
from hub.serving.notes import Call

Client = Annotated[str, typer.Option("--as", help="The registered client that asks.")]
Purpose = Annotated[str, typer.Option(help="For which registered purpose.")]
Case = Annotated[str, typer.Option(help="The case number.")]
Person = Annotated[str | None, typer.Option(help="The account of the person who asks.")]


def calling(client: str, person: str | None, purpose: str, case: str) -> Call:
    """The call of a command's options."""
    return Call(Caller(client, person), purpose, case)
