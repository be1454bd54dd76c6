"""``hub open``: tables for the public."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import BadInput
from core.messages import message
from hub.app import Hub
from hub.cli.calling import MOST, Case, Client, Person, Purpose, calling
from hub.cli.output import headings, opened, out, table, tell
from hub.cli.sharing import copy
from hub.opening.releasing import OpenData
from hub.serving.office import Office

Table = Annotated[str, typer.Argument(help="Which subject or dataset.")]
Number = Annotated[int, typer.Argument(min=1, max=MOST, help="Which of its releases.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="Tables for the public: checked, then released.")
    asked = "--as data-office-01 --person li --purpose data_governance --case KF-1"
    group.command(epilog=f"Example: `hub open check resident {asked}`")(check)
    group.command(epilog=f"Example: `hub open release resident {asked}`")(release)
    group.command(epilog=f"Example: `hub open approve resident 1 {asked}`")(approve)
    group.command(name="list", epilog=f"Example: `hub open list {asked}`")(list_)
    group.command(epilog=f"Example: `hub open get resident 1 --to open.csv {asked}`")(get)
    app.add_typer(group, name="open")


def check(name: Table, client: Client, purpose: Purpose, case: Case, person: Person = None) -> None:
    """Show how a table could be opened, and the risk before and after. Nothing is released."""
    with opened() as hub:
        answer = _data(hub).check(calling(client, person, purpose, case), name)
    _report(answer)
    if not answer["holds"]:
        raise typer.Exit(1)


def release(
    name: Table,
    client: Client,
    purpose: Purpose,
    case: Case,
    person: Person = None,
    form: Annotated[str, typer.Option("--format", help="csv or parquet.")] = "csv",
) -> None:
    """Make a release of a table for the public; it waits for a second person."""
    with opened() as hub:
        answer = _data(hub).propose(calling(client, person, purpose, case), name, form)
    _report(answer)
    fields = {n: answer[n] for n in ("number", "released_rows", "sha256")}
    out.print(tell("opening_proposed", table=name, **fields))


def approve(
    name: Table,
    number: Number,
    client: Client,
    purpose: Purpose,
    case: Case,
    person: Person = None,
) -> None:
    """Approve what another person proposed: from now on it is the public's."""
    with opened() as hub:
        answer = _data(hub).approve(calling(client, person, purpose, case), name, number)
    out.print(tell("opening_released", table=name, number=number, sha256=answer["sha256"]))


def list_(client: Client, purpose: Purpose, case: Case, person: Person = None) -> None:
    """List the releases there are; those that wait, for who may approve them."""
    with opened() as hub:
        answer = _data(hub).listed(calling(client, person, purpose, case))
    columns = ["table", "number", "state", "release", "released_rows", "k", "file", "sha256"]
    table(
        "",
        headings(*columns),
        ([each[column] for column in columns] for each in answer["releases"]),
    )


def get(  # noqa: PLR0913, PLR0917 - options of a command line
    name: Table,
    number: Number,
    client: Client,
    purpose: Purpose,
    case: Case,
    to: Annotated[Path, typer.Option(help="File to write.")],
    person: Person = None,
) -> None:
    """Write an approved release to a file."""
    if not to.parent.is_dir():
        raise BadInput(field="--to", rule=message("rule_folder_missing", folder=to.parent))
    with opened() as hub:
        call = calling(client, person, purpose, case)
        manifest, content = _data(hub).file(call, name, number)
        with content:
            copy(content, to)
    out.print(tell("opening_written", table=name, number=manifest["number"], file=to))


def _data(hub: Hub) -> OpenData:
    return OpenData(Office(hub))


def _report(answer: dict[str, Any]) -> None:
    said = "opening_holds" if answer["holds"] else "opening_holds_not"
    if not answer["about_persons"]:
        said = "opening_holds_nobody"
    words = {name: answer[name] for name in ("table", "k", "diversity", "rows")}
    out.print(tell(said, **words, left_out=answer["left_out"] or 0))
    table(
        "",
        headings("item", "role", "mask", "ladder"),
        (
            [c["name"], c["role"], c["mask"] or "-", " > ".join(c["ladder"])]
            for c in answer["columns"]
        ),
    )
    if not answer["about_persons"]:
        return
    before, after = answer["risk_before"], answer["risk_after"] or {}
    table(
        tell("opening_risk"),
        headings("risk", "before", "after"),
        (
            [name, f"{value:.4f}", f"{after[name]:.4f}" if after else "-"]
            for name, value in before.items()
        ),
    )
