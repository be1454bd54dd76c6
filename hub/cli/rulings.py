"""``hub rulings``: what stewards decide."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import BadInput
from core.messages import message
from hub.cli.calling import MOST, Skip, asking, day_option
from hub.cli.evidence import EvidenceFile, read, typed, write
from hub.cli.output import headings, opened, out, table, tell
from hub.cli.wishing import reading, wished
from hub.serving.notes import Call
from hub.serving.office import Office
from hub.stewardship.conflicts import proposed_repair
from hub.stewardship.rulings import Rulings
from hub.stewardship.sight import Look, StewardSight
from reconcile.rulings import State

Subject = Annotated[str, typer.Argument(help="Of which subject.")]
Entity = Annotated[str, typer.Argument(help="The entity, as `hub conflicts list` names it.")]
Attribute = Annotated[str, typer.Argument(help="Which value of it.")]
Number = Annotated[int, typer.Argument(min=1, max=MOST, help="Number of the ruling.")]
Reason = Annotated[str, typer.Option(help="Why; with - it is read from standard input.")]
Key = Annotated[str | None, typer.Option(help="Names the request: sent again, it does nothing.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    asked = "--as steward-01 --person li --purpose data_governance --case JH-1"
    group = typer.Typer(no_args_is_help=True, help="What stewards decide: rulings.")
    group.command("list", epilog=f"Example: `hub rulings list resident {asked}`")(list_)
    group.command(epilog=f"Example: `hub rulings show 3 {asked}`")(show)
    group.command(
        epilog="Example: `hub rulings choose resident 103974bfd4aa9d17c073 mobile "
        f'--dataset police.residents --reason "seen on the card" {asked}`'
    )(choose)
    group.command(
        epilog="Example: `hub rulings enter resident 103974bfd4aa9d17c073 mobile "
        f"--evidence card.pdf --reason card {asked}`; the value is read from standard input"
    )(enter)
    for command in (merge, split, never, defer, repair, approve, refuse, revoke):
        group.command()(command)
    app.add_typer(group, name="rulings")


class Shown(StrEnum):
    """A state of rulings."""

    PROPOSED = "proposed"
    IN_FORCE = "in_force"
    REFUSED = "refused"
    REVOKED = "revoked"
    RETIRED = "retired"
    EXPIRED = "expired"


@asking
def list_(
    call: Call,
    subject: Subject,
    state: Annotated[Shown | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
    skip: Skip = 0,
) -> None:
    """List rulings about what the client may steward, latest first. Values are not shown. Those in
    force of which nothing is left to rule are marked.
    """
    wanted = None if state is None else State(state.value)
    with opened() as hub:
        found = Rulings(Office(hub)).list(call, subject, wanted, limit, skip)
    rows = found["rulings"]
    columns = ["ruling", "kind", "state", "entity", "attribute", "dataset", "until", "person",
               "made_at"]  # fmt: skip
    for row in rows:
        if row["idle"]:
            row["state"] += f" ({tell('rulings_idle')})"
    title = tell("rulings_listed", subject=subject, shown=len(rows), total=found["total"])
    table(title, headings(*columns), [[row[name] for name in columns] for row in rows])


@asking
def show(
    call: Call,
    number: Number,
    evidence: Annotated[Path | None, typer.Option(help="Write the evidence to this file.")] = None,
) -> None:
    """Show a ruling with its reason, its value as the client may see it, and what became of it."""
    with opened() as hub:
        rulings = Rulings(Office(hub))
        found = rulings.show(call, number)
        if evidence is not None:
            write(evidence, rulings.evidence(call, number)[1])
    out.print_json(json.dumps(found, ensure_ascii=False))


@asking
def choose(  # noqa: PLR0913, PLR0917 - options of a command line
    call: Call,
    subject: Subject,
    entity: Entity,
    attribute: Attribute,
    dataset: Annotated[str, typer.Option(help="Whose value counts.")],
    reason: Reason,
    evidence: EvidenceFile = None,
    key: Key = None,
) -> None:
    """Rule that the value of one dataset counts, as it is in the current release."""
    wish = {"kind": "choose", "entity": entity, "attribute": attribute, "dataset": dataset}
    _rule(call, subject, wish, reason, evidence, key)


@asking
def enter(  # noqa: PLR0913, PLR0917 - options of a command line
    call: Call,
    subject: Subject,
    entity: Entity,
    attribute: Attribute,
    evidence: Annotated[Path, typer.Option(help="The file that proves it.")],
    reason: Reason,
    key: Key = None,
) -> None:
    """Rule that a value counts that is read from standard input and proved by evidence."""
    wish = {"kind": "enter", "entity": entity, "attribute": attribute, "value": typed()}
    _rule(call, subject, wish, reason, evidence, key)


@asking
def merge(  # noqa: PLR0913, PLR0917 - options of a command line
    call: Call,
    subject: Subject,
    entity: Entity,
    other: Annotated[str, typer.Argument(help="The entity that is the same.")],
    reason: Reason,
    evidence: EvidenceFile = None,
    key: Key = None,
) -> None:
    """Propose that two entities are one. A second person decides."""
    wish = {"kind": "merge", "entity": entity, "other": other}
    _rule(call, subject, wish, reason, evidence, key)


@asking
def never(  # noqa: PLR0913, PLR0917 - options of a command line
    call: Call,
    subject: Subject,
    entity: Entity,
    other: Annotated[str, typer.Argument(help="The entity that is another.")],
    reason: Reason,
    evidence: EvidenceFile = None,
    key: Key = None,
) -> None:
    """Propose that two entities are never one. A second person decides."""
    wish = {"kind": "never", "entity": entity, "other": other}
    _rule(call, subject, wish, reason, evidence, key)


@asking
def split(  # noqa: PLR0913, PLR0917 - options of a command line
    call: Call,
    subject: Subject,
    entity: Entity,
    dataset: Annotated[
        list[str], typer.Option(help="Whose records leave; may be given several times.")
    ],
    reason: Reason,
    evidence: EvidenceFile = None,
    key: Key = None,
    records: Annotated[
        bool, typer.Option("--records", help="Only records read from standard input, one a line.")
    ] = False,
) -> None:
    """Propose that the records of a dataset leave an entity, together. A second person decides."""
    named = [line.strip() for line in sys.stdin if line.strip()] if records else [None]
    members = [{"dataset": name, "record": record} for name in dataset for record in named]
    wish = {"kind": "split", "entity": entity, "records": members}
    _rule(call, subject, wish, reason, evidence, key)


@asking
def defer(  # noqa: PLR0913, PLR0917 - options of a command line
    call: Call,
    subject: Subject,
    entity: Entity,
    attribute: Attribute,
    until: Annotated[datetime, day_option("The day to look at it again.")],
    reason: Reason,
    key: Key = None,
) -> None:
    """Put a value off: the queue leaves it out until a day. What is served does not change."""
    day = until.date().isoformat()
    wish = {"kind": "defer", "entity": entity, "attribute": attribute, "until": day}
    _rule(call, subject, wish, reason, None, key)


@asking
def repair(  # noqa: PLR0913, PLR0917 - options of a command line
    call: Call,
    subject: Subject,
    reason: Reason,
    group: Annotated[
        int | None,
        typer.Option(min=1, max=MOST, help="The repair proposed for this group of conflicts."),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Whose values are read otherwise.")] = None,
    attribute: Annotated[str | None, typer.Option(help="Of which attribute.")] = None,
    evidence: EvidenceFile = None,
    key: Key = None,
) -> None:
    """Propose how a dataset is read from now on. A second person decides.

    Without --group, the repair is read from standard input as JSON.
    """
    if group is not None and (dataset is not None or attribute is not None):
        raise BadInput(field="--group", rule=message("rule_group_alone"))
    if group is None:
        if dataset is None or attribute is None:
            raise BadInput(field="--group", rule=message("rule_else_dataset_attribute"))
        how = reading(sys.stdin.read(), "repair", message("rule_json_input"))
        wish: dict[str, Any] = {"dataset": dataset, "attribute": attribute, "repair": how}
    else:
        with opened() as hub:
            sight = StewardSight(Office(hub), call, Look("ruling_repair", subject))
            found = proposed_repair(sight, group)
        wish = {
            "dataset": found.dataset, "attribute": found.attribute, "repair": dict(found.repair),
        }  # fmt: skip
    _rule(call, subject, {"kind": "repair", **wish}, reason, evidence, key)


@asking
def approve(
    call: Call,
    number: Number,
    reason: Reason = "",
) -> None:
    """Bring into force what another person proposed."""
    with opened() as hub:
        _told(Rulings(Office(hub)).approve(call, number, _reason(reason)))


@asking
def refuse(
    call: Call,
    number: Number,
    reason: Reason,
) -> None:
    """Turn down what another person proposed."""
    with opened() as hub:
        _told(Rulings(Office(hub)).refuse(call, number, _reason(reason)))


@asking
def revoke(
    call: Call,
    number: Number,
    reason: Reason,
) -> None:
    """Take back a ruling. Its corrections are withdrawn, and the next run is without it."""
    with opened() as hub:
        _told(Rulings(Office(hub)).revoke(call, number, _reason(reason)))


def _rule(
    call: Call,
    subject: str,
    wish: dict[str, Any],
    reason: str,
    evidence: Path | None,
    key: str | None,
) -> None:
    asked = wished({**wish, "reason": _reason(reason)})
    file = None if evidence is None else read(evidence)
    with opened() as hub:
        _told(Rulings(Office(hub)).make(call, subject, asked, file, key))


def _told(found: dict[str, Any]) -> None:
    code = "rulings_made" if found.get("made", True) else "rulings_made_before"
    out.print(tell(code, number=found["ruling"], state=found["state"]))
    if found["corrections"] and found["state"] == State.IN_FORCE and found.get("made", True):
        out.print(tell("corrections_asked", numbers=", ".join(map(str, found["corrections"]))))


def _reason(given: str) -> str:
    return typed() if given == "-" else given
