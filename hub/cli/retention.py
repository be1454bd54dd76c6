"""``hub audit retire``: erasing personal parts whose retention has ended."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from hub.cli.calling import Case, Client, Person, Purpose, calling, day_option
from hub.cli.output import headings, opened, table, tell
from hub.serving import retention
from hub.serving.office import Office


def add_to_audit(group: typer.Typer) -> None:
    """Adds the command."""
    group.command(epilog="Example: `hub audit retire --before 2023-01-01 --as admin-1 …`")(retire)


def retire(
    client: Client,
    purpose: Purpose,
    case: Case,
    person: Person = None,
    before: Annotated[
        datetime | None,
        day_option("Only what is from before this day."),
    ] = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Erase; else only say what would be erased.")
    ] = False,
) -> None:
    """Erase who asked, for which case and about whom from entries that have been kept for
    HUB_AUDIT_YEARS: the keys of whole months are destroyed. This cannot be taken back.
    """
    day = None if before is None else before.date()
    with opened() as hub:
        call = calling(client, person, purpose, case)
        done = retention.retire(Office(hub), call, day, confirm)
    months = done["months"]
    title = tell(
        "audit_retired" if confirm else "audit_retire_due",
        months=len(months),
        entries=sum(month["entries"] for month in months),
    )
    table(title, headings("month", "entries"), ([one["month"], one["entries"]] for one in months))
