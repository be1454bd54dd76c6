"""``hub cases`` and ``hub approvals``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from core.errors import BadInput
from core.messages import message
from hub.cli.calling import MOST, Case, Client, Person, Purpose, calling
from hub.cli.output import headings, opened, out, table, tell
from hub.serving.approving import Approvals
from hub.serving.cases import Cases, Named
from hub.serving.office import Office

Number = Annotated[int, typer.Argument(metavar="N", min=1, max=MOST, help="Number of the request.")]


def add_to(app: typer.Typer) -> None:
    """Adds ``hub cases`` and ``hub approvals``."""
    asked = "--as grid-worker-01 --purpose grid_visit --case GD-1"
    cases = typer.Typer(no_args_is_help=True, help="Cases of one's own department.")
    cases.command(name="open", epilog=f"Example: `hub cases open {asked}`")(open_)
    cases.command(epilog=f"Example: `hub cases close {asked}`")(close)
    cases.command(name="list", epilog=f"Example: `hub cases list {asked}`")(list_)
    app.add_typer(cases, name="cases")
    group = typer.Typer(no_args_is_help=True, help="Requests that wait for a second person.")
    group.command(name="list", epilog=f"Example: `hub approvals list {asked}`")(list_approvals)
    group.command(epilog=f"Example: `hub approvals approve 3 --person li {asked}`")(approve)
    group.command(epilog=f"Example: `hub approvals refuse 3 --person li {asked}`")(refuse)
    app.add_typer(group, name="approvals")


def open_(
    client: Client,
    purpose: Purpose,
    case: Case,
    person: Person = None,
    about: Annotated[
        str | None,
        typer.Option(help="SUBJECT/ATTRIBUTE of the values on standard input, one a line."),
    ] = None,
    own: Annotated[bool, typer.Option("--own", help="For this client alone.")] = False,
) -> None:
    """Register the case of --case for the client's department, before anybody asks in it."""
    named = _named(about)
    with opened() as hub:
        call = calling(client, person, purpose, case)
        done = Cases(Office(hub)).open(call, named, own)
    out.print(tell("cases_opened", number=done["case"], named=done["named"]))


def close(client: Client, purpose: Purpose, case: Case, person: Person = None) -> None:
    """Close the case of --case: nobody asks in it any more."""
    with opened() as hub:
        done = Cases(Office(hub)).close(calling(client, person, purpose, case))
    out.print(tell("cases_closed", number=done["case"]))


def list_(
    client: Client,
    purpose: Purpose,
    case: Case,
    person: Person = None,
    closed: Annotated[bool, typer.Option("--closed", help="Those that are closed, too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
) -> None:
    """List the cases of the client's department, the latest first."""
    with opened() as hub:
        call = calling(client, person, purpose, case)
        found = Cases(Office(hub)).list(call, closed, limit)["cases"]
    columns = ["case", "purpose", "client", "opened_at", "closed_at"]
    lines = [
        [*(one[c] for c in columns), ", ".join(f"{n} {s}" for s, n in one["about"].items())]
        for one in found
    ]
    table(tell("cases_listed", shown=len(found)), headings(*columns, "about"), lines)


def list_approvals(client: Client, purpose: Purpose, case: Case, person: Person = None) -> None:
    """List the requests that the client could approve."""
    with opened() as hub:
        call = calling(client, person, purpose, case)
        found = Approvals(Office(hub)).list(call)["approvals"]
    columns = ["approval", "client", "person", "deed", "subject", "case", "scope", "asked_at"]
    lines = [
        [*(one[c] for c in columns), ", ".join(f"{i}={m}" for i, m in one["items"].items())]
        for one in found
    ]
    table(tell("approvals_listed", shown=len(found)), headings(*columns, "items"), lines)


def approve(
    number: Number, client: Client, purpose: Purpose, case: Case, person: Person = None
) -> None:
    """Approve somebody else's request: it is answered once, if repeated within the hour."""
    with opened() as hub:
        done = Approvals(Office(hub)).approve(calling(client, person, purpose, case), number)
    out.print(tell("approvals_approved", number=number, until=done["until"]))


def refuse(
    number: Number, client: Client, purpose: Purpose, case: Case, person: Person = None
) -> None:
    """Refuse somebody else's request."""
    with opened() as hub:
        Approvals(Office(hub)).refuse(calling(client, person, purpose, case), number)
    out.print(tell("approvals_refused", number=number))


def _named(about: str | None) -> list[Named]:
    """Whom a case is about: values stand on standard input, never among the arguments."""
    if about is None:
        return []
    subject, slash, attribute = about.partition("/")
    if not slash:
        raise BadInput(field="--about", rule=message("rule_subject_attribute"))
    lines = (line.strip() for line in sys.stdin)
    return [Named(subject, attribute, line) for line in lines if line]
