"""``hub verify``, ``hub exchange``, ``hub statistics``: the other ways out, as a client has them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from core.errors import BadInput
from core.messages import message
from hub.api.state import opened_state
from hub.cli.calling import Case, Client, Person, Purpose, calling
from hub.cli.output import headings, opened, out, table, tell
from hub.cli.query import Where, answered, pairs
from hub.serving.exchange import Exchange, Order
from hub.serving.office import Office
from hub.serving.statistics import Question, Statistics
from hub.serving.verify import Claims, Verifier

Subject = Annotated[str, typer.Argument(help="Of which subject.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(
        epilog="Example: `hub verify resident --as benefit-clerk-01 --purpose low_income_check "
        "--case MZ-1 --where resident_id=- --claim name=-`"
    )(verify)
    app.command(
        epilog="Example: `hub exchange enterprise --as tax-keeper-01 --purpose data_governance "
        "--case JH-1 --to enterprises.csv`"
    )(exchange)
    app.command(
        epilog="Example: `hub statistics resident --as auditor-01 --purpose audit_review "
        "--case SJ-1 --by life_status --by birth_date`"
    )(statistics)


def verify(  # noqa: PLR0913, PLR0917 - options of a command line
    subject: Subject,
    client: Client,
    purpose: Purpose,
    case: Case,
    where: Where = None,
    claim: Annotated[
        list[str] | None,
        typer.Option(help="ATTRIBUTE=VALUE; with ATTRIBUTE=- the value is read, after those of "
                     "--where, from standard input."),
    ] = None,
    person: Person = None,
) -> None:  # fmt: skip
    """Ask whether something is so: yes or no, never the value."""
    caller = calling(client, person, purpose, case).caller
    known = pairs(where, "--where")
    request = Claims(purpose, case, known, claims=pairs(claim, "--claim"))

    async def ask() -> dict[str, Any]:
        with opened() as hub:
            async with opened_state(hub) as state:
                return await Verifier(state.ground).verify(caller, subject, request)

    answered(ask())


def exchange(  # noqa: PLR0913, PLR0917 - options of a command line
    subject: Subject,
    client: Client,
    purpose: Purpose,
    case: Case,
    to: Annotated[Path, typer.Option(help="File to write: .csv, .xlsx, .parquet or .jsonl.")],
    items: Annotated[str | None, typer.Option(help="Items wanted, with commas.")] = None,
    where: Where = None,
    region: Annotated[str | None, typer.Option(help="Code of a region: it and all below.")] = None,
    after: Annotated[str | None, typer.Option(help="What the last file said of the next.")] = None,
    person: Person = None,
) -> None:
    """Write masked rows to a file, as many as one file may have. Logged first."""
    wanted = None if items is None else tuple(items.split(","))
    order = Order(to.suffix.removeprefix("."), wanted, pairs(where, "--where"), region, after)
    if not to.parent.is_dir():
        raise BadInput(field="--to", rule=message("rule_folder_missing", folder=to.parent))
    with opened() as hub:
        call = calling(client, person, purpose, case)
        delivery = Exchange(Office(hub)).deliver(call, subject, order)
        with delivery.file:
            copy(delivery.file, to)
    answer = delivery.answer
    out.print(
        tell("exchange_written", file=to, **{n: answer[n] for n in ("rows", "release", "sha256")})
    )
    table("", headings("item", "mask"), answer["masks"].items())
    if answer["next"] is not None:
        out.print(tell("exchange_more", most=answer["most"], next=answer["next"]))


def statistics(  # noqa: PLR0913, PLR0917 - options of a command line
    subject: Subject,
    client: Client,
    purpose: Purpose,
    case: Case,
    by: Annotated[list[str], typer.Option(help="Count by this item; up to three times.")],
    where: Where = None,
    person: Person = None,
) -> None:
    """Count records by items, as far as the caller sees them; small counts are withheld."""
    question = Question(tuple(by), pairs(where, "--where"))
    with opened() as hub:
        call = calling(client, person, purpose, case)
        answer = Statistics(Office(hub)).count(call, subject, question)
    table(
        tell(
            "statistics_counted",
            subject=subject,
            release=answer["release"],
            least=answer["small_count"],
        ),
        [*(f"{name} ({answer['masks'][name]})" for name in answer["by"]), *headings("count")],
        (
            [*(_shown(group["values"][name]) for name in answer["by"]), group["count"]]
            for group in answer["groups"]
        ),
    )


def copy(content: BinaryIO, to: Path) -> None:
    """The whole file or none: what stood there before stays until the new one is complete."""
    part = to.with_name(f"{to.name}.part")
    try:
        with part.open("wb") as file:
            shutil.copyfileobj(content, file)
        part.replace(to)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BadInput(
            field="--to", rule=message("rule_not_written_because", file=to, cause=error.strerror)
        ) from error


def _shown(value: object) -> str:
    return "-" if value is None else str(value)
