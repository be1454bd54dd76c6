"""Who asks, on the command line: the options of every command that is decided by the policy."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from hub.identity import Caller
from hub.serving.notes import Call

Client = Annotated[str, typer.Option("--as", help="The registered client that asks.")]
Purpose = Annotated[str, typer.Option(help="For which registered purpose.")]
Case = Annotated[str, typer.Option(help="The case number.")]
Person = Annotated[str | None, typer.Option(help="The account of the person who asks.")]
Skip = Annotated[int, typer.Option(min=0, help="How many of the first to leave out.")]

P = ParamSpec("P")


def calling(client: str, person: str | None, purpose: str, case: str) -> Call:
    """The call of a command's options."""
    return Call(Caller(client, person), purpose, case)


def asking(command: Callable[Concatenate[Call, P], None]) -> Callable[..., None]:
    """A command with the options ``--as``, ``--purpose``, ``--case`` and ``--person`` in place of
    its first parameter, the call that they make.
    """

    @wraps(command)
    def asked(client: str, purpose: str, case: str, person: str | None, **rest: Any) -> None:
        command(calling(client, person, purpose, case), **rest)  # type: ignore[call-arg]

    options = {"client": Client, "purpose": Purpose, "case": Case, "person": Person}
    hints = get_type_hints(command, include_extras=True) | options
    own = list(inspect.signature(command).parameters.values())[1:]
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if name == "person" else inspect.Parameter.empty,
        )
        for name in options
    ]
    parameters += [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
    asked.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [each.replace(annotation=hints[each.name]) for each in parameters]
    )
    asked.__annotations__ = {each.name: hints[each.name] for each in parameters}
    return asked
