"""``hub conflicts``: what differs, what is alike, and what a repair would do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer

from core.errors import BadInput
from core.messages import message
from hub.cli.calling import MOST, Skip, calling
from hub.cli.output import headings, language, opened, out, table, tell
from hub.cli.wishing import reading
from hub.serving.office import Office
from hub.stewardship.conflicts import Conflicts, Preview
from hub.stewardship.patterns import Which
from hub.stewardship.queue import Search
from hub.stewardship.sight import OperatorSight, StewardSight
from hub.stewardship.wishes import Reading
from reconcile.conflicts import Relation

Subject = Annotated[str, typer.Argument(help="Of which subject.")]
Client = Annotated[
    str | None, typer.Option("--as", help="The registered client that asks; else the operator.")
]
Person = Annotated[str | None, typer.Option(help="The account of the person who asks.")]
Purpose = Annotated[str | None, typer.Option(help="For which registered purpose.")]
Case = Annotated[str | None, typer.Option(help="The case number.")]
Attribute = Annotated[str | None, typer.Option(help="Only of this attribute.")]
Dataset = Annotated[str | None, typer.Option(help="Only of this dataset.")]
Limit = Annotated[int, typer.Option(min=1, max=MOST, help="How many at most.")]


class Status(StrEnum):
    """How a conflict was decided."""

    IN_DISPUTE = "in_dispute"
    DESIGNATED = "designated"
    EVIDENCE = "evidence"
    RULED = "ruled"


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="Values on which departments differ.")
    group.command(
        name="list", epilog="Example: `hub conflicts list division --status designated --limit 50`"
    )(list_)
    group.command(epilog="Example: `hub conflicts show resident 103974bfd4aa9d17c073 mobile`")(show)
    group.command(epilog="Example: `hub conflicts matches resident --limit 5`")(matches)
    group.command(epilog="Example: `hub conflicts groups resident --attribute mobile`")(groups)
    group.command(epilog="Example: `hub conflicts preview resident --group 3`")(preview)
    app.add_typer(group, name="conflicts")


def list_(  # noqa: PLR0913, PLR0917 - options of a command line
    subject: Subject,
    status: Annotated[Status | None, typer.Option(help="Only those decided like this.")] = None,
    attribute: Attribute = None,
    group: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="Only those of this group.")
    ] = None,
    deferred: Annotated[bool, typer.Option("--deferred", help="Also those put off.")] = False,
    limit: Limit = 20,
    skip: Skip = 0,
    client: Client = None,
    person: Person = None,
    purpose: Purpose = None,
    case: Case = None,
) -> None:
    """List conflicts with every source's value, those that matter most first. It is audited."""
    decided = None if status is None else status.value
    wanted = Search(attribute, decided, group, deferred, limit, skip)
    with _asking(client, person, purpose, case) as conflicts:
        found = conflicts.search(subject, wanted)
    rows = found["conflicts"]
    title = tell(
        "conflicts_listed",
        subject=subject,
        release=found["release"],
        shown=len(rows),
        total=found["total"],
    )
    columns = ["entity", "key", "attribute", "points", "status", "served", "for", "against"]
    table(title, headings(*columns), map(_row, rows))
    if rows and not skip:
        out.print(_why_first(rows[0]))
    if found["deferred"] and not deferred:
        out.print(tell("conflicts_deferred", count=found["deferred"]))


def show(  # noqa: PLR0913, PLR0917 - options of a command line
    subject: Subject,
    entity: Annotated[str, typer.Argument(help="Of which entity, as the list names it.")],
    attribute: Annotated[str | None, typer.Argument(help="Only of this attribute.")] = None,
    client: Client = None,
    person: Person = None,
    purpose: Purpose = None,
    case: Case = None,
) -> None:
    """Show the conflicts of one entity: each claim, how reliable its source is, why a value is
    served, who it may be as well, and what was ruled before. It is audited.
    """
    with _asking(client, person, purpose, case) as conflicts:
        found = conflicts.show(subject, entity, attribute)
    for conflict in found["conflicts"]:
        _print_conflict(conflict)
    for match in found["matches"]:
        _print_match(match)
    if found["rulings"]:
        columns = ["number", "kind", "attribute", "state", "since", "by", "until"]
        rows = [[ruling[name] for name in columns] for ruling in found["rulings"]]
        table(tell("conflicts_rulings"), headings(*columns), rows)


def matches(  # noqa: PLR0913, PLR0917 - options of a command line
    subject: Subject,
    limit: Limit = 10,
    skip: Skip = 0,
    client: Client = None,
    person: Person = None,
    purpose: Purpose = None,
    case: Case = None,
) -> None:
    """List records that may be somebody who is known, side by side. It is audited."""
    with _asking(client, person, purpose, case) as conflicts:
        found = conflicts.matches(subject, limit, skip)
    shown, total = len(found["matches"]), found["total"]
    out.print(
        tell("matches_listed", subject=subject, release=found["release"], shown=shown, total=total)
    )
    for match in found["matches"]:
        _print_match(match)


def groups(  # noqa: PLR0913, PLR0917 - options of a command line
    subject: Subject,
    attribute: Attribute = None,
    dataset: Dataset = None,
    proposed: Annotated[
        bool, typer.Option("--proposed", help="Only those that a repair could settle.")
    ] = False,
    limit: Limit = 20,
    skip: Skip = 0,
    client: Client = None,
    person: Person = None,
    purpose: Purpose = None,
    case: Case = None,
) -> None:
    """List conflicts that are alike, those that one ruling could settle first. It is audited."""
    with _asking(client, person, purpose, case) as conflicts:
        found = conflicts.groups(subject, Which(attribute, dataset, proposed, limit, skip))
    code = "groups_sampled" if found["sampled"] else "groups_listed"
    title = tell(
        code,
        subject=subject,
        release=found["release"],
        shown=len(found["groups"]),
        total=found["total"],
        contested=found["contested"],
    )
    columns = ["group", "attribute", "dataset", "how", "claims", "in dispute",
               "% of contested", "% of claims", "repair", "fits %", "for example"]  # fmt: skip
    table(title, headings(*columns), map(_group_row, found["groups"]))


def preview(  # noqa: PLR0913, PLR0917 - options of a command line
    subject: Subject,
    group: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="The repair proposed for this group.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Whose claims would be repaired.")] = None,
    attribute: Annotated[str | None, typer.Option(help="About which attribute.")] = None,
    repair: Annotated[
        str | None, typer.Option(help="The repair as JSON; - reads it from standard input.")
    ] = None,
    client: Client = None,
    person: Person = None,
    purpose: Purpose = None,
    case: Case = None,
) -> None:
    """Show what a repair would change, without making it. It is audited."""
    wanted = Preview(group, dataset, attribute, _reading(repair))
    with _asking(client, person, purpose, case) as conflicts:
        found = conflicts.preview(subject, wanted)
    out.print(tell("preview_of", repair=_repair_words(found["repair"]),
                   dataset=found["dataset"], attribute=found["attribute"]))  # fmt: skip
    names = ("claims", "entities", "tried", "changed", "vanished", "appeared", "settled",
             "unsettled")  # fmt: skip
    rows = [[tell(f"preview_{name}"), found[name]] for name in names]
    table(tell("preview_counts"), headings("what", "how many"), rows)
    changes = [
        [change["entity"], change["attribute"], _value(change["before"]), _value(change["after"])]
        for change in found["examples"]
    ]
    if changes:
        table(tell("preview_examples"), headings("entity", "attribute", "now", "then"), changes)


@contextmanager
def _asking(
    client: str | None, person: str | None, purpose: str | None, case: str | None
) -> Iterator[Conflicts]:
    """The operator's way in or, with ``--as``, a steward's."""
    if client is None and (person or purpose or case):
        raise BadInput(field="--as", rule=message("rule_goes_with_as"))
    if client is not None and (purpose is None or case is None):
        raise BadInput(field="--as", rule=message("rule_with_purpose_case"))
    with opened() as hub:
        if client is None:
            yield Conflicts(lambda look: OperatorSight(hub, look))
        else:
            office = Office(hub)
            call = calling(client, person, purpose or "", case or "")
            yield Conflicts(lambda look: StewardSight(office, call, look))


def _reading(text: str | None) -> Reading | None:
    if text is None:
        return None
    given = sys.stdin.read() if text == "-" else text
    return reading(given, "--repair", message("form_json_invalid"))


def _value(shown: dict[str, Any] | None) -> str:
    """A value as it may be seen; what is hidden is told apart from what is not there."""
    if shown is None:
        return ""
    if shown["value"] is None:
        return "***" if shown["mask"] == "suppress" else "-"
    return str(shown["value"])


def _row(conflict: dict[str, Any]) -> list[object]:
    waits = conflict["proposed_ruling"]
    supporting = (_source(c) for c in conflict["claims"] if c["supports"])
    opposing: dict[str, list[str]] = {}
    for claim in conflict["claims"]:
        if not claim["supports"]:
            opposing.setdefault(_value(claim), []).append(_source(claim))
    return [
        conflict["entity"],
        _value(conflict["key"]),
        conflict["attribute"],
        conflict["points"]["total"],
        conflict["status"] + (f" (ruling {waits} proposed)" if waits else ""),
        _value(conflict["served"]),
        ", ".join(supporting) or "-",
        "; ".join(f"{value} ({', '.join(by)})" for value, by in opposing.items()),
    ]


def _source(claim: dict[str, Any]) -> str:
    """Who says it, of which day and, if it can be told, how it differs."""
    how = None if claim["relation"] in (None, Relation.OTHER) else claim["relation"]
    parts = (claim["department"] or claim["dataset"], claim["as_of"], how)
    return " ".join(part for part in parts if part)


def _why_first(conflict: dict[str, Any]) -> str:
    because, points = conflict["because"], conflict["points"]
    return tell(
        "conflicts_why_first",
        entity=conflict["entity"],
        attribute=conflict["attribute"],
        total=points["total"],
        decisions=points["decisions"],
        sensitivity=points["sensitivity"],
        age=points["age"],
        doubt=points["doubt"],
        checks=len(because["checks"]),
        agreements=len(because["agreements"]),
        rules=len(because["rules"]),
        level=because["level"],
        days=because["days"],
        percent=round(100 * because["doubt"]),
    )


def _print_conflict(conflict: dict[str, Any]) -> None:
    title = tell(
        "conflict_shown",
        attribute=conflict["attribute"],
        key=_value(conflict["key"]) or conflict["entity"],
        status=conflict["status"],
        served=_value(conflict["served"]),
        since=conflict["since"] or "-",
    )
    columns = ["department", "dataset", "says", "as of", "weight", "reliability", "copies", "for",
               "how it differs"]  # fmt: skip
    rows = [
        [
            claim["department"], claim["dataset"], _value(claim), claim["as_of"],
            _weight(claim["weight"]), _percent(claim["reliability"]), claim["copies_from"],
            "yes" if claim["supports"] else "no", claim["relation"],
        ]
        for claim in conflict["claims"]
    ]  # fmt: skip
    table(title, headings(*columns), rows)
    out.print(conflict["reason"][language()])
    out.print(_why_first(conflict))
    because = conflict["because"]
    used = [*because["checks"], *because["agreements"], *because["rules"]]
    out.print(tell("conflict_used_by", users=", ".join(used) or "-"))
    if conflict["proposed_ruling"]:
        out.print(tell("conflict_proposed", number=conflict["proposed_ruling"]))
    out.print()


def _print_match(match: dict[str, Any]) -> None:
    title = tell(
        "match_shown",
        dataset=match["dataset"],
        entity=match["entity"],
        other=match["other"],
        percent=round(100 * match["score"]),
        method=match["method"],
    )
    rows = [
        [side["attribute"], _value(side["record"]), _value(side["other"]), side["likeness"]]
        for side in match["attributes"]
    ]
    if match["related"]:
        rows.append([tell("match_related"), None, None, match["related"]])
    columns = [*headings("attribute"), match["dataset"], *headings("known as", "likeness")]
    table(title, columns, rows)


def _group_row(group: dict[str, Any]) -> list[object]:
    examples = (f"{_value(e['says'])} → {_value(e['others'])}" for e in group["examples"][:2])
    return [
        group["number"],
        group["attribute"],
        group["dataset"],
        _how(group),
        group["count"],
        group["disputed"],
        round(100 * group["of_contested"], 1),
        round(100 * group["of_claims"], 1),
        None if group["repair"] is None else _repair_words(group["repair"]),
        None if group["fits"] is None else round(100 * group["fits"], 1),
        "; ".join(examples),
    ]


def _how(group: dict[str, Any]) -> str:
    parts = [group["relation"], group["factor"]]
    if group["said"] is not None:
        others = group["others"]
        parts.append(_value(group["said"]) + (f" → {_value(others)}" if others else ""))
    return " ".join(part for part in parts if part)


def _repair_words(repair: dict[str, Any]) -> str:
    if "mapping" not in repair:
        return str(repair["kind"])
    pairs = (f"{_value(old)} → {_value(new)}" for old, new in repair["mapping"][:3])
    more = len(repair["mapping"]) - 3
    return f"{repair['kind']} {', '.join(pairs)}" + (f" +{more}" if more > 0 else "")


def _weight(weight: float | None) -> str | None:
    return None if weight is None else f"{weight:.3f}"


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.0f} %"
