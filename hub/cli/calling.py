"""Who asks, on the command line: the options of every command that is decided by the policy."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from core.clock import FIRST_DAY, LAST_DAY
from core.errors import BadInput
from core.messages import message
from hub.identity import Caller
from hub.serving.notes import Call

Client = Annotated[str, typer.Option("--as", help="The registered client that asks.")]
Purpose = Annotated[str, typer.Option(help="For which registered purpose.")]
Case = Annotated[str, typer.Option(help="The case number.")]
Person = Annotated[str | None, typer.Option(help="The account of the person who asks.")]
MOST = 2**31 - 1
"""The largest number that anything has."""
Skip = Annotated[int, typer.Option(min=0, max=MOST, help="How many of the first to leave out.")]

P = ParamSpec("P")


def day_option(words: str) -> Any:
    """An option that takes a day that may be asked about. ``words``: its help."""
    return typer.Option(formats=["%Y-%m-%d"], help=words, callback=_in_reach)


def _in_reach(param: typer.CallbackParam, value: datetime | None) -> datetime | None:
    if value is not None and not FIRST_DAY <= value.date() <= LAST_DAY:
        rule = message("rule_from_to", first=FIRST_DAY, last=LAST_DAY)
        raise BadInput(field=param.opts[0], rule=rule)
    return value


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
