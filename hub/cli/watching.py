"""``hub findings``, and of ``hub audit``: ``watch``, ``digest`` and ``subject``."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from core.clock import CHINA
from hub.cli.calling import MOST, Case, Client, Person, Purpose, calling, day_option
from hub.cli.output import err, headings, language, opened, out, table, tell
from hub.operator import operator_entry
from hub.serving.office import Office
from hub.watching.findings import Findings
from hub.watching.kin import reference
from hub.watching.ledger import State, Which
from hub.watching.view import MOST_ENTRIES, OwnView
from hub.watching.watch import Watcher

Number = Annotated[int, typer.Argument(metavar="N", min=1, max=MOST, help="Number of the finding.")]
Words = Annotated[str, typer.Option(help="What is said; with - read from standard input.")]
AsJson = Annotated[bool, typer.Option("--json", help="The whole answer, with its receipt.")]


class Closing(StrEnum):
    """As what a finding is closed."""

    JUSTIFIED = "justified"
    MISUSE = "misuse"
    FALSE_ALARM = "false_alarm"


def add_to(app: typer.Typer) -> None:
    """Adds ``hub findings``."""
    asked = "--as auditor-01 --person zhou --purpose audit_review --case SJ-1"
    group = typer.Typer(no_args_is_help=True, help="What watching the trail found.")
    group.command(name="list", epilog=f"Example: `hub findings list {asked}`")(list_)
    group.command(epilog=f"Example: `hub findings show 3 {asked}`")(show)
    group.command(epilog=f"Example: `hub findings note 3 --words - {asked}`")(note)
    group.command(epilog=f"Example: `hub findings close 3 justified --words - {asked}`")(close)
    app.add_typer(group, name="findings")


def add_to_audit(group: typer.Typer) -> None:
    """Adds the commands of ``hub audit``."""
    group.command(epilog="Examples: `hub audit watch`; `hub audit watch --since 2026-11-01`")(watch)
    group.command(epilog="Example: `hub audit digest`, with the number on standard input")(digest)
    group.command(
        epilog="Example: `hub audit subject --as citizen-service --purpose own_view --case Z-1`, "
        "with the number on standard input"
    )(subject)


def list_(  # noqa: PLR0913, PLR0917 - options of a command line
    client: Client,
    purpose: Purpose,
    case: Case,
    person: Person = None,
    state: Annotated[
        list[State] | None, typer.Option(help="Only in this state; default: not closed.")
    ] = None,
    rule: Annotated[str | None, typer.Option(help="Only of this rule.")] = None,
    of: Annotated[str | None, typer.Option(help="Only about this client.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
) -> None:
    """List findings, the latest first."""
    states = frozenset(state or (State.OPEN, State.LOOKING))
    with opened() as hub:
        call = calling(client, person, purpose, case)
        found = Findings(Office(hub)).list(call, Which(states, rule, of, limit))
    shown = found["findings"]
    columns = ["finding", "state", "client", "first", "last", "opened_at"]
    table(
        tell("findings_listed", total=found["total"], shown=len(shown)),
        headings(*columns, "title"),
        ([*(one[name] for name in columns), one["title"][language()]] for one in shown),
    )


def show(
    number: Number, client: Client, purpose: Purpose, case: Case, person: Person = None
) -> None:
    """Show a finding: what it says, the entries that show it, and what was said to it."""
    with opened() as hub:
        found = Findings(Office(hub)).show(calling(client, person, purpose, case), number)
    out.print_json(json.dumps(found, ensure_ascii=False))


def note(
    number: Number,
    words: Words,
    client: Client,
    purpose: Purpose,
    case: Case,
    person: Person = None,
) -> None:
    """Write something down about a finding: whoever does is looking at it."""
    with opened() as hub:
        call = calling(client, person, purpose, case)
        found = Findings(Office(hub)).note(call, number, _said(words))
    out.print(tell("findings_noted", number=number, state=found["state"]))


def close(  # noqa: PLR0913, PLR0917 - options of a command line
    number: Number,
    verdict: Annotated[Closing, typer.Argument(help="As what it is closed.")],
    words: Words,
    client: Client,
    purpose: Purpose,
    case: Case,
    person: Person = None,
) -> None:
    """Close a finding, and say why."""
    with opened() as hub:
        call = calling(client, person, purpose, case)
        state = State(verdict.value)
        found = Findings(Office(hub)).close(call, number, state, _said(words))
    out.print(tell("findings_closed", number=number, state=found["state"]))


def watch(
    since: Annotated[
        datetime | None,
        day_option("All entries from this day on, once more."),
    ] = None,
) -> None:
    """Watch what is new in the trail: apply the rules, and open findings.

    A server does so every five minutes by itself.
    """
    moment = None if since is None else since.replace(tzinfo=CHINA)
    with opened() as hub:
        done = Watcher(hub).watch(moment)
    counts = {"read": done.read, "opened": done.opened, "extended": done.extended}
    out.print(tell("findings_watched", **counts))


def digest() -> None:
    """Print what policies/accounts.yaml has for the person of a number on standard input."""
    number = sys.stdin.readline().strip()
    with opened() as hub:
        made = reference(hub.workspace(), hub.keys, number)
        hub.audit.append([operator_entry("make_reference", "audit")])
    out.print(made)
    err.print(tell("findings_reference"))


def subject(
    client: Client,
    purpose: Purpose,
    case: Case,
    person: Person = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ENTRIES, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Say who looked at the data of the person whose number stands on standard input."""
    number = sys.stdin.readline().strip()
    with opened() as hub:
        call = calling(client, person, purpose, case)
        found = OwnView(Office(hub)).read(call, number, limit)
    if as_json:
        out.print_json(json.dumps(found, ensure_ascii=False))
        return
    lines = [[_local(line["time"]), line["words"][language()]] for line in found["entries"]]
    table(tell("view_listed", count=len(lines)), headings("time", "what happened"), lines)


def _local(time: str) -> str:
    return datetime.fromisoformat(time).astimezone(CHINA).isoformat(" ", timespec="minutes")[:16]


def _said(words: str) -> str:
    return sys.stdin.read() if words == "-" else words
