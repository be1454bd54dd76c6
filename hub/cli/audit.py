"""``hub audit``: the trail, its checkpoints and proofs, and whether it holds."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from core.canonical import digest
from core.errors import BadInput
from core.messages import message
from hub.app import Hub
from hub.audit.exporting import export as write_export
from hub.audit.proofs import Inclusion
from hub.audit.receipts import Receipt
from hub.audit.search import Wanted
from hub.cli import retention, watching, witness
from hub.cli.calling import MOST, Person, calling
from hub.cli.output import headings, language, opened, out, table, tell
from hub.cli.proving import document, put, text_of, verify_export
from hub.operator import operator_entry
from hub.serving.auditing import Auditing, Shown, evidence, verdict_shown
from hub.serving.auditing import Person as About
from hub.serving.office import Office

Client = Annotated[
    str | None, typer.Option("--as", help="Ask as this registered client; else as the operator.")
]
Purpose = Annotated[str | None, typer.Option(help="With --as: for which registered purpose.")]
Case = Annotated[str | None, typer.Option(help="With --as: the case number.")]
To = Annotated[Path | None, typer.Option(help="Write it to this file.")]
Moment = Annotated[datetime | None, typer.Option(help="In UTC.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="The audit trail, which can only grow.")
    group.command(epilog="Example: `hub audit search --client grid-worker-01 --limit 5`")(search)
    group.command(
        epilog="Examples: `hub audit verify`; `hub audit verify --checkpoint kept-outside.txt`"
    )(verify)
    group.command(epilog="Example: `hub audit checkpoint > kept-outside.txt`")(checkpoint)
    group.command(epilog="Example: `hub audit key > hub.key.pub`")(key)
    group.command(epilog="Example: `hub audit export --to log.jsonl`")(export)
    proof = typer.Typer(no_args_is_help=True, help="Proofs that anybody can check.")
    proof.command(epilog="Example: `hub audit proof inclusion 41 --to proof.json`")(inclusion)
    proof.command(epilog="Example: `hub audit proof consistency 100 250`")(consistency)
    group.add_typer(proof, name="proof")
    receipt = typer.Typer(no_args_is_help=True, help="What was given with an answer.")
    receipt.command(name="check", epilog="Example: `hub audit receipt check answer.json`")(
        check_receipt
    )
    group.add_typer(receipt, name="receipt")
    witness.add_to(group)
    watching.add_to_audit(group)
    retention.add_to_audit(group)
    app.add_typer(group, name="audit")


def search(  # noqa: PLR0913, PLR0917 - options of a command line
    client: Annotated[str | None, typer.Option(help="Only of this client.")] = None,
    department: Annotated[str | None, typer.Option(help="Only of this department.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only about this subject.")] = None,
    for_purpose: Annotated[str | None, typer.Option(help="Only for this purpose.")] = None,
    granted: Annotated[
        bool | None, typer.Option("--granted/--denied", help="Only what was granted, or denied.")
    ] = None,
    outcome: Annotated[str | None, typer.Option(help="Only what ended so.")] = None,
    about: Annotated[
        str | None,
        typer.Option(help="SUBJECT/ATTRIBUTE=-: only about the one read from standard input."),
    ] = None,
    since: Moment = None,
    until: Moment = None,
    below: Annotated[
        int | None, typer.Option(min=0, max=MOST, help="Only before this index.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Whole entries.")] = False,
    caller: Client = None,
    person: Person = None,
    purpose: Purpose = None,
    case: Case = None,
) -> None:
    """List entries, latest first. The reading is itself logged."""
    wanted = Wanted.model_validate(
        {"client": client, "department": department, "action": action, "subject": subject,
         "purpose": for_purpose, "granted": granted, "outcome": outcome, "since": _utc(since),
         "until": _utc(until), "below": below, "limit": limit}
    )  # fmt: skip
    of = None if about is None else _about(about)
    with opened() as hub:
        found = _auditing(hub, caller, person, purpose, case).search(wanted, of)
    if as_json:
        out.print_json(json.dumps(found, ensure_ascii=False))
        return
    columns = ["index", "time", "client", "action", "subject", "purpose", "granted", "outcome"]
    table("", headings(*columns), (_row(entry) for entry in found["entries"]))


def _row(entry: Mapping[str, Any]) -> list[str]:
    return [
        str(entry["index"]),
        entry["time"][:19],
        entry["who"]["client"],
        entry["what"]["action"],
        entry["what"]["subject"],
        entry["why"]["purpose"],
        "yes" if entry["decision"]["granted"] else "no",
        entry["outcome"],
    ]


def _about(text: str) -> About:
    name, separator, value = text.partition("=")
    subject, slash, attribute = name.partition("/")
    if not separator or not slash or value != "-":
        raise BadInput(field="--about", rule=message("rule_about_line"))
    return About(subject=subject, attribute=attribute, value=sys.stdin.readline().strip()[:200])


def _utc(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.isoformat()}Z"


def verify(  # noqa: PLR0913, PLR0917 - options of a command line
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint kept outside of the hub.")
    ] = None,
    offline: Annotated[
        Path | None, typer.Option(help="Verify this export, not the log; give --key with it.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="With --offline: the log's public key, or its file.")
    ] = None,
    caller: Client = None,
    person: Person = None,
    purpose: Purpose = None,
    case: Case = None,
) -> None:
    """Read the whole log and check it against itself, every signed checkpoint and what witnesses
    signed. The reading is logged.

    Ends with 1 if it does not hold, naming each problem.
    """
    trusted = None if checkpoint is None else text_of(checkpoint, "--checkpoint")
    if offline is not None:
        verify_export(offline, key, trusted)
        return
    with opened() as hub:
        if caller is not None:
            found = _auditing(hub, caller, person, purpose, case).verify(trusted)
        else:
            found = verdict_shown(evidence(hub).verify(trusted))
        _tell_verdict(hub, found)
        if caller is None:
            # Told first: whatever is wrong with the log must not keep it from being told.
            rows = {"entries": found["size"], "problems": len(found["problems"])}
            hub.audit.append([operator_entry("verify_audit", "audit", rows)])
    if not found["holds"]:
        raise typer.Exit(1)


def _tell_verdict(hub: Hub, found: Mapping[str, Any]) -> None:
    if found["holds"]:
        root = hub.audit.head().root.hex()
        fields = {"size": found["size"], "checkpoints": found["checkpoints"], "root": root}
        out.print(tell("audit_sound", **fields))
        return
    out.print(tell("audit_broken", size=found["size"], count=len(found["problems"])))
    for problem in found["problems"]:
        out.print(f"  {problem['code']}: {problem[language()]}")


def checkpoint(
    caller: Client = None, person: Person = None, purpose: Purpose = None, case: Case = None
) -> None:
    """Sign the log as it stands and print the signed text, to be kept elsewhere. It is logged."""
    with opened() as hub:
        found = _auditing(hub, caller, person, purpose, case).sign()
    out.print(found["checkpoint"], end="")


def key() -> None:
    """Print the public key by which anybody can check what the log has signed."""
    with opened() as hub:
        out.print(evidence(hub).key()["key"])


def export(
    to: Annotated[Path, typer.Option(help="The file; it must not be there.")],
    caller: Client = None,
    person: Person = None,
    purpose: Purpose = None,
    case: Case = None,
) -> None:
    """Write the whole log, entries and checkpoints, to be verified elsewhere. It is logged."""
    with opened() as hub:
        auditing = _auditing(hub, caller, person, purpose, case)
        auditing.note("export_audit")
        try:
            with to.open("x", encoding="utf-8") as file:
                count = write_export(auditing.evidence, file)
        except OSError as error:
            raise BadInput(field="--to", rule=message("rule_not_anew", file=to)) from error
    out.print(tell("exported_audit", count=count, file=to))


def inclusion(  # noqa: PLR0913, PLR0917 - options of a command line
    index: Annotated[int, typer.Argument(min=0, max=MOST, help="Which entry.")],
    size: Annotated[
        int | None,
        typer.Option(min=1, max=MOST, help="Among how many; else those of the last checkpoint."),
    ] = None,
    to: To = None,
    caller: Client = None,
    person: Person = None,
    purpose: Purpose = None,
    case: Case = None,
) -> None:
    """Prove that an entry is in the log that was signed. It is logged."""
    with opened() as hub:
        auditing = _auditing(hub, caller, person, purpose, case)
        made = auditing.evidence.inclusion(index, size)
        auditing.note("prove_inclusion", {"index": index, "size": made.size})
    put(made.model_dump(mode="json"), to)


def consistency(  # noqa: PLR0913, PLR0917 - options of a command line
    old: Annotated[int, typer.Argument(min=1, max=MOST, help="From how many entries.")],
    new: Annotated[int, typer.Argument(min=1, max=MOST, help="To how many.")],
    to: To = None,
    caller: Client = None,
    person: Person = None,
    purpose: Purpose = None,
    case: Case = None,
) -> None:
    """Prove that the log has only grown between two sizes. It is logged."""
    with opened() as hub:
        auditing = _auditing(hub, caller, person, purpose, case)
        made = auditing.evidence.consistency(old, new)
        auditing.note("prove_consistency", {"old": old, "new": new})
    put(made.model_dump(mode="json"), to)


def check_receipt(  # noqa: PLR0913, PLR0917 - options of a command line
    file: Annotated[Path, typer.Argument(help="An answer with its receipt, or a receipt alone.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="Also that its entry is in what this checkpoint signs.")
    ] = None,
    proof: Annotated[Path | None, typer.Option(help="With this inclusion proof.")] = None,
    caller: Client = None,
    person: Person = None,
    purpose: Purpose = None,
    case: Case = None,
) -> None:
    """Check a receipt: that the log signed it, for this answer, and holds its entry. It is logged.

    Ends with 1 or 2 if it does not hold, saying why.
    """
    answer = document(file, "FILE")
    receipt = answer.pop("receipt", None)
    shown = Shown.model_validate({
        "receipt": _parsed(Receipt, receipt or answer, "FILE"),
        "answer": None if receipt is None else _digest(answer),
        "checkpoint": None if checkpoint is None else text_of(checkpoint, "--checkpoint"),
        "proof": None if proof is None else _parsed(Inclusion, document(proof, "--proof"), "--proof"),
    })  # fmt: skip
    with opened() as hub:
        found = _auditing(hub, caller, person, purpose, case).check_receipt(shown)
    signers = ", ".join(found["signed_by"]) or "-"
    out.print(
        tell("audit_sound_receipt", index=found["index"], time=found["time"], signers=signers)
    )


def _digest(answer: Mapping[str, Any]) -> str:
    try:
        return digest(answer)
    except (TypeError, ValueError) as error:
        raise BadInput(field="FILE", rule=message("rule_no_answer")) from error


def _parsed(model: type[Any], given: Any, field: str) -> Any:
    try:
        return model.model_validate(given)
    except ValueError as error:
        raise BadInput(
            field=field, rule=message("rule_holds_no", kind=model.__name__.lower())
        ) from error


def _auditing(
    hub: Hub, client: str | None, person: str | None, purpose: str | None, case: str | None
) -> Auditing:
    if client is None:
        return Auditing(Office(hub), None)
    if purpose is None or case is None:
        raise BadInput(field="--as", rule=message("rule_with_purpose_case"))
    return Auditing(Office(hub), calling(client, person, purpose, case))
