"""``hub policy``: what would be decided – explained, as a matrix, tried on the past, and tested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from core.clock import SystemClock, start_of_day
from core.errors import BadInput
from core.messages import message
from hub import folder as workspace_folder
from hub.app import Hub
from hub.cli.calling import Person, calling, day_option
from hub.cli.output import headings, language, opened, out, table, tell
from hub.deciding import drafts, explaining, matrix, replay
from hub.deciding.doors import Asker
from hub.serving.office import Office
from policies import expectations
from policies.agreements import assemble
from policies.conditions import supposed
from policies.decide import Policy
from policies.models import Action

By = Annotated[
    str | None, typer.Option("--by", help="The registered client that asks about others.")
]
Why = Annotated[str | None, typer.Option("--for", help="With --by: for which purpose it asks.")]
Case = Annotated[str | None, typer.Option(help="The case number of whoever asks.")]
Under = Annotated[str | None, typer.Option("--purpose", help="Only under this purpose.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="What would be decided, and why.")
    group.command(
        epilog="Example: `hub policy explain --as grid-worker-01 --subject resident --item mobile "
        "--purpose grid_visit`"
    )(explain)
    group.command(name="matrix", epilog="Example: `hub policy matrix --dataset police.residents`")(
        matrix_
    )
    group.command(epilog="Example: `hub policy what-if drafts/city --since 2026-06-01`")(what_if)
    group.command(epilog="Example: `hub policy test examples/city`")(test)
    app.add_typer(group, name="policy")


def explain(  # noqa: PLR0913, PLR0917 - options of a command line
    client: Annotated[str, typer.Option("--as", help="The client that is asked about.")],
    subject: Annotated[
        str, typer.Option(help="A subject, dataset/NAME, check/NAME, audit or hub.")
    ],
    purpose: Annotated[str, typer.Option(help="Under which purpose.")],
    item: Annotated[
        list[str] | None, typer.Option(help="Which item, again for several; default all.")
    ] = None,
    action: Annotated[Action, typer.Option(help="To do what.")] = Action.QUERY,
    zone: Annotated[
        list[str] | None, typer.Option(help="Suppose it comes from this network zone.")
    ] = None,
    second: Annotated[
        str | None, typer.Option(help="Suppose this other person approved it.")
    ] = None,
    case_open: Annotated[bool, typer.Option(help="Suppose its case is open.")] = False,
    by: By = None,
    person: Person = None,
    why: Why = None,
    case: Case = None,
) -> None:
    """Say why a client may or may not: the verdict, what was weighed, and the rules in words.

    Without --by the client asks about itself. The asking is logged.
    """
    question = explaining.Question(
        client=client,
        action=action,
        subject=subject,
        items=tuple(item) if item else None,
        purpose=purpose,
        context=supposed(zone or (), second, case_open),
    )
    if by is None:
        by, why = client, why or purpose
    with opened() as hub:
        found = explaining.explain(_asker(hub, by, person, why, case or "-"), question)
    _print_verdict(found)


def _print_verdict(found: Mapping[str, Any]) -> None:
    spoken = language()
    for one in found["items"] or [found]:
        if "words" in one:
            out.print(one["words"][spoken])
        for option in one.get("options", ()):
            out.print(f"  {option['words'][spoken]}")
            for condition in option["conditions"]:
                held = tell("deciding_holds" if condition["holds"] else "deciding_holds_not")
                out.print(f"    {condition['condition']}: {held}")
        for reason in one["reasons"]:
            out.print(f"  {reason['words'][spoken]}")
    for rule in found["rules"]:
        out.print(f"{rule['rule']}: {rule['words'][spoken]}")


def matrix_(  # noqa: PLR0913, PLR0917 - options of a command line
    dataset: Annotated[str | None, typer.Option(help="Of this table.")] = None,
    subject: Annotated[str | None, typer.Option(help="Of this subject.")] = None,
    purpose: Under = None,
    action: Annotated[Action | None, typer.Option(help="Only for this action.")] = None,
    by: By = None,
    person: Person = None,
    why: Why = None,
    case: Case = None,
) -> None:
    """Show who can see what of a table, now: clients with equal access in one row, the items in
    columns. Without --by the operator asks. The asking is logged.
    """
    if (dataset is None) == (subject is None):
        raise BadInput(field="--dataset", rule=message("rule_table_or_subject"))
    wanted = matrix.Wanted(dataset, subject, purpose, action)
    with opened() as hub:
        found = matrix.matrix(_asker(hub, by, person, why, case), wanted)
    for part in found["subjects"]:
        _print_part(part)
    if found["not_served"]:
        out.print(tell("deciding_not_served", items=", ".join(found["not_served"])))
    if found["table"]:
        table(
            tell("deciding_table", dataset=dataset),
            headings("action", "purposes", "departments", "clients"),
            (_who(row, "departments") for row in found["table"]),
        )  # fmt: skip

    if found["checks"]:
        table(
            tell("deciding_checks"),
            headings("check", "items", "purposes", "departments", "clients"),
            (
                [row["check"], _listed(row["items"]), *_who(row, "departments")[1:]]
                for row in found["checks"]
            ),
        )


def _print_part(part: Mapping[str, Any]) -> None:
    columns = [item["attribute"] for item in part["items"]]
    table(
        tell("deciding_matrix", subject=part["subject"], rows=len(part["rows"])),
        [*headings("action", "purposes", "clients"), *columns],
        (
            _who(row) + [_cells(row["cells"].get(column, ())) for column in columns]
            for row in part["rows"]
        ),
    )


def _who(row: Mapping[str, Any], *more: str) -> list[object]:
    return [row["action"], *(_listed(row[name]) for name in ("purposes", *more, "clients"))]


def what_if(  # noqa: PLR0913, PLR0917 - options of a command line
    folder: Annotated[Path, typer.Argument(help="The workspace folder with the draft.")],
    since: Annotated[datetime | None, day_option("From this day on.")] = None,
    until: Annotated[datetime | None, day_option("To this day, included.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=replay.MOST_ENTRIES, help="How many entries to read.")
    ] = replay.MOST_ENTRIES,
    by: By = None,
    person: Person = None,
    why: Why = None,
    case: Case = None,
) -> None:
    """Put a draft policy to the requests of the past (30 days, unless told) and list who would
    gain or lose which items. Without --by the operator asks. The asking is logged.
    """
    with opened() as hub:
        first = None if since is None else start_of_day(since.date())
        last = None if until is None else start_of_day(until.date() + timedelta(days=1))
        period = replay.period(hub.clock.now(), first, last, limit)
        content = {"folder": str(folder), **vars(period)}
        asker = _asker(hub, by, person, why, case)
        found = replay.what_if(asker, lambda _: drafts.of_folder(folder), period, content)
    fields = {name: found[name] for name in ("read", "requests", "distinct")}
    out.print(tell("deciding_replayed", **fields))
    if not found["complete"]:
        out.print(tell("deciding_capped", limit=limit, reached=found["reached"]))
    if not found["changes"]:
        out.print(tell("deciding_unchanged"))
        return
    if found["unjudged"]:
        lacking = (tell(f"deciding_lacking_{n}", count=c) for n, c in found["lacking"].items())
        out.print(tell("deciding_unjudged", unjudged=found["unjudged"], lacking="; ".join(lacking)))
    if found["refused_otherwise"]:
        out.print(tell("deciding_otherwise", count=found["refused_otherwise"]))
    turned = {name: found[name] for name in ("to_denied", "to_granted")}
    table(
        tell("deciding_changes", **turned),
        headings("client", "action", "purpose", "subject", "requests", "to denied", "to granted",
         "unjudged", "gained", "lost", "changed"),
        (_change(change) for change in found["changes"]),
    )  # fmt: skip
    if found["left_out"]:
        out.print(tell("deciding_left_out", count=found["left_out"]))


def _change(change: Mapping[str, Any]) -> list[object]:
    head = ("client", "action", "purpose", "subject", "requests", "to_denied", "to_granted",
            "unjudged")  # fmt: skip
    return [
        *(change[name] for name in head),
        _listed(f"{i['item']} ({_cells(i['after'])})" for i in change["gained"]),
        _listed(f"{i['item']} ({i['requests']}×)" for i in change["lost"]),
        _listed(f"{i['item']} ({_cells(i['before'])} → {_cells(i['after'])})"
                for i in change["changed"]),
    ]  # fmt: skip


def test(folder: Annotated[Path, typer.Argument(help="The workspace folder.")]) -> None:
    """Run the policy tests of a workspace folder (policies/tests.yaml). Nothing is registered.

    Ends with 1 if one is not met.
    """
    workspace = workspace_folder.read(folder)
    policy = Policy(assemble(workspace.policies, workspace.known))
    outcomes = expectations.run(workspace.expectations, policy, SystemClock().now())
    failed = 0
    for outcome in outcomes:
        mistakes = list(outcome.mistakes())
        failed += bool(mistakes)
        out.print(f"{'FAIL' if mistakes else 'ok  '}  {outcome.expectation.name}")
        for mistake in mistakes:
            out.print(f"      {mistake.words(language())}")
    out.print(tell("deciding_tested", met=len(outcomes) - failed, count=len(outcomes)))
    if failed:
        raise typer.Exit(1)


def _asker(
    hub: Hub, by: str | None, person: str | None, why: str | None, case: str | None
) -> Asker:
    office = Office(hub)
    if by is None:
        return Asker(office, None)
    if why is None or case is None:
        raise BadInput(field="--by", rule=message("rule_with_for_case"))
    return Asker(office, calling(by, person, why, case))


def _cells(cells: Iterable[Mapping[str, Any]]) -> str:
    return " | ".join(
        ", ".join(str(c[part]) for part in ("mask", "scope", "conditions") if c[part])
        for c in cells
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
