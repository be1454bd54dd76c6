"""``hub releases``: what was published when, what changed, what was known then and why."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import typer

from core.errors import BadInput
from core.messages import message
from hub.app import Hub
from hub.cli.calling import MOST, Person, Skip, calling, day_option
from hub.cli.output import headings, language, opened, out, table, tell
from hub.pipeline.workflow import restore as publish_again
from hub.serving import history
from hub.serving.history import Asked
from hub.serving.office import Office

Number = Annotated[int, typer.Argument(min=1, max=MOST, help="The number of the release.")]
Client = Annotated[
    str | None, typer.Option("--as", help="Ask as this registered client; else as the operator.")
]
Purpose = Annotated[str | None, typer.Option(help="With --as: for which registered purpose.")]
Case = Annotated[str | None, typer.Option(help="With --as: the case number.")]
Entity = Annotated[str, typer.Argument(help="Which entity, by its id.")]
Subject = Annotated[str, typer.Argument(help="Of which subject.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="What was published, and what was known when.")
    group.command(name="list", epilog="Example: `hub releases list --limit 5`")(list_)
    group.command(epilog="Example: `hub releases show 3`")(show)
    group.command(
        epilog="Examples: `hub releases diff 2 3`; `hub releases diff 2 3 --subject resident`"
    )(diff)
    group.command(epilog="Example: `hub releases explain resident 3f2a… --on 2026-03-01`")(explain)
    group.command(epilog="Example: `hub releases restore 2`")(restore)
    app.add_typer(group, name="releases")


def list_(
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="How many at most.")] = 20,
    skip: Skip = 0,
) -> None:
    """List releases, the latest first: when, of which day, and what each did to every subject."""
    with opened() as hub:
        found = history.listed(hub, limit, skip)
    table(
        tell("releases_listed", shown=len(found)),
        headings("release", "published at", "as of", "run", "restored from", "subject", "made", "new",
         "changed", "gone"),
        (row for release in found for row in _outcomes(release)),
    )  # fmt: skip


def _outcomes(release: dict[str, Any]) -> Iterable[list[object]]:
    head = [release[name] for name in ("release", "published_at", "as_of", "run", "restored_from")]
    head[1] = str(head[1])[:19]
    head[4] = "" if head[4] is None else str(head[4])
    for subject, counts in release["outcomes"].items():
        made = release["extents"].get(subject, "")
        yield [*head, subject, made, *(counts[n] for n in ("opened", "changed", "closed"))]


def show(number: Number) -> None:
    """Print the manifest of a release, after its signature was checked."""
    with opened() as hub:
        release = history.find(hub, number)
    out.print_json(json.dumps(release.manifest, ensure_ascii=False))
    out.print(tell("release_signed", release=number))


def diff(  # noqa: PLR0913, PLR0917 - options of a command line
    before: Annotated[
        int, typer.Argument(metavar="A", min=1, max=MOST, help="The earlier release.")
    ],
    after: Annotated[int, typer.Argument(metavar="B", min=1, max=MOST, help="The later release.")],
    subject: Annotated[str | None, typer.Option(help="Only this subject.")] = None,
    entity: Annotated[
        str | None, typer.Option(help="With --subject: this entity's values, before and after.")
    ] = None,
    client: Client = None,
    person: Person = None,
    purpose: Purpose = None,
    case: Case = None,
) -> None:
    """Say how two releases differ: entities that are new, changed or gone, and which attributes
    changed how often. The reading is logged.
    """
    if entity is not None and subject is None:
        raise BadInput(field="--entity", rule=message("rule_say_subject"))
    with opened() as hub:
        asked = _asked(hub, client, person, purpose, case)
        names = [subject] if subject else list(asked.office.rules.workspace.subjects)
        found = [history.diff(asked, name, before, after, entity) for name in names]
    if entity is not None:
        _print_values(found[0])
        return
    table(
        tell("releases_compared", before=before, after=after),
        headings("subject", "new", "changed", "gone", "attribute", "other value", "other origin"),
        (row for one in found for row in _attributes(one)),
    )


def _attributes(found: dict[str, Any]) -> Iterable[list[object]]:
    head = [found["subject"], found["opened"], found["changed"], found["closed"]]
    names = sorted(found["values"].keys() | found["origins"].keys())
    for name in names or [""]:
        values, origins = found["values"].get(name, 0), found["origins"].get(name, 0)
        yield [*head, name, values, origins]


def _print_values(found: dict[str, Any]) -> None:
    table(
        tell("releases_compared", before=found["from"], after=found["to"]),
        headings("attribute", "before", "after"),
        (
            [change["attribute"], _shown(change["before"]), _shown(change["after"])]
            for change in found["attributes"]
        ),
    )


def _shown(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "-"
    if cell["mask"] == "suppress":
        return "***"
    return f"{cell['value']} ({cell['status']}, {cell['dataset'] or '-'}, {cell['as_of'] or '-'})"


def explain(  # noqa: PLR0913, PLR0917 - options of a command line
    subject: Subject,
    entity: Entity,
    release: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="In this release, not the current one.")
    ] = None,
    on: Annotated[
        datetime | None,
        day_option("In the release served on this day."),
    ] = None,
    client: Client = None,
    person: Person = None,
    purpose: Purpose = None,
    case: Case = None,
) -> None:
    """Say what a release knew of an entity and why: each value, its reason, and what every
    source claimed. The reading is logged.
    """
    with opened() as hub:
        asked = _asked(hub, client, person, purpose, case)
        day = None if on is None else on.date()
        found = history.explain(asked, subject, entity, release, day)
    table(
        tell("release_explained", subject=subject, entity=entity, release=found["release"]),
        headings("attribute", "value", "confidence", "reason", "claims"),
        (
            [
                cell["attribute"],
                _shown(cell),
                cell.get("confidence"),
                cell["reason"][language()] if "reason" in cell else "",
                "; ".join(_claim(claim, cell) for claim in cell.get("claims", ())),
            ]
            for cell in found["attributes"]
        ),
    )
    out.print(tell("release_rules", rules=found["rules"] or "-"))


def _claim(claim: dict[str, Any], cell: dict[str, Any]) -> str:
    sign = "≠" if claim["dataset"] in cell["opposing"] else "="
    return f"{claim['dataset']}{sign}{claim['value']} ({claim['as_of'] or '-'})"


def restore(number: Number) -> None:
    """Publish a new release that says what an earlier one did. The next run goes on from there."""
    with opened() as hub:
        done = publish_again(hub, number)
    table(
        tell("release_restored", release=done["release"], restored=number),
        headings("subject", "new", "changed", "gone"),
        ([n, o["opened"], o["changed"], o["closed"]] for n, o in done["outcomes"].items()),
    )


def _asked(
    hub: Hub, client: str | None, person: str | None, purpose: str | None, case: str | None
) -> Asked:
    if client is None:
        return Asked(Office(hub), None)
    if purpose is None or case is None:
        raise BadInput(field="--as", rule=message("rule_with_purpose_case"))
    return Asked(Office(hub), calling(client, person, purpose, case))
