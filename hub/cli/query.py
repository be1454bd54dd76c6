"""``hub query`` and ``hub check``: the API's answers on the command line."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any

import typer

from core.errors import BadInput
from core.messages import message
from hub.api.state import opened_state
from hub.cli.calling import MOST, Case, Client, Person, Purpose, day_option
from hub.cli.output import opened, out
from hub.identity import Caller
from hub.serving.desk import Desk, Request

Where = Annotated[
    list[str] | None,
    typer.Option(help="ATTRIBUTE=VALUE; with ATTRIBUTE=- the value is read from standard input."),
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(
        epilog="Example: `hub query resident --as grid-worker-01 --purpose grid_visit "
        "--case GD-1 --where resident_id=-`"
    )(query)
    app.command(
        epilog="Example: `hub check low_income --as benefit-clerk-01 --purpose low_income_check "
        "--case MZ-1 --where household_id=-`"
    )(check)


def query(  # noqa: PLR0913, PLR0917 - options of a command line
    subject: Annotated[str, typer.Argument(help="Of which subject.")],
    client: Client,
    purpose: Purpose,
    case: Case,
    where: Where = None,
    items: Annotated[str | None, typer.Option(help="Items wanted, with commas.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Records at most.")] = 20,
    release: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="As of this release, not the current one.")
    ] = None,
    on: Annotated[
        datetime | None,
        day_option("As of the release served on this day."),
    ] = None,
    person: Person = None,
) -> None:
    """Ask for golden records as a client would: decided, masked, logged, with a receipt."""
    wanted = None if items is None else tuple(items.split(","))
    day = None if on is None else on.date()
    request = Request(purpose, case, pairs(where, "--where"), wanted, limit, release, day)
    _print(lambda desk: desk.query(Caller(client, person), subject, request))


def check(
    name: Annotated[str, typer.Argument(help="Which check.")],
    client: Client,
    purpose: Purpose,
    case: Case,
    where: Where = None,
    person: Person = None,
) -> None:
    """Run a check as a client would: a verdict and its reasons, never the values."""
    request = Request(purpose, case, pairs(where, "--where"))
    _print(lambda desk: desk.check(Caller(client, person), name, request))


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Attribute → value of an option that is given as ATTRIBUTE=VALUE, any number of times; a
    value ``-`` is read from standard input, line by line.

    Raises:
        BadInput: one is not of that form.
    """
    found = {}
    for pair in given or []:
        attribute, separator, value = pair.partition("=")
        if not separator:
            raise BadInput(field=option, rule=message("rule_attribute_value"))
        found[attribute] = sys.stdin.readline().strip() if value == "-" else value
    return found


def answered(asked: Coroutine[Any, Any, dict[str, Any]]) -> None:
    """Prints an answer as JSON."""
    out.print_json(json.dumps(asyncio.run(asked), ensure_ascii=False))


def _print(ask: Callable[[Desk], Awaitable[dict[str, Any]]]) -> None:
    async def answer() -> dict[str, Any]:
        with opened() as hub:
            async with opened_state(hub) as state:
                return await ask(state.desk)

    answered(answer())
