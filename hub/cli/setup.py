"""``hub apply`` and ``hub doctor``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from catalog.registration import Changes
from hub import folder as workspace_folder
from hub.app import Hub, apply_documents
from hub.cli.output import opened, out, tell
from hub.doctor import examine
from hub.workspace import WorkspaceMissing
from policies import expectations
from policies.audiences import Reading, readings
from policies.expectations import Expectations


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(epilog="Example: `hub apply examples/divisions --data /data/divisions`")(apply)
    app.command(epilog="Example: `hub doctor`")(doctor)


def apply(
    folder: Annotated[Path, typer.Argument(help="The workspace folder.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder that paths in sources start from; default FOLDER/data."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only show what would change.")] = False,
) -> None:
    """Check a workspace folder and register what it says.

    A mistake names file, line, field and rule, and changes nothing.
    """
    workspace = workspace_folder.read(folder)
    data_folder = str((data or folder / "data").absolute())
    with opened(upgrade=True) as opened_hub:
        gone = expectations.missing(_expected(opened_hub), workspace.expectations)
        changes = apply_documents(opened_hub, workspace.documents(), data_folder, dry_run)
    _print_changes(changes, dry_run)
    for check in workspace.checks:
        _print_readings(check, tuple(readings(check, workspace.known)))
    if gone:
        # Whoever loosens a rule may loosen what watches over it: that is said aloud.
        out.print(tell("apply_tests_gone", names=", ".join(gone)))


def _expected(on: Hub) -> Expectations:
    """The policy tests that are registered; none before the first time."""
    try:
        return on.workspace().expectations
    except WorkspaceMissing:
        return Expectations()


def _print_changes(changes: Changes, dry_run: bool) -> None:
    signs = {"+": changes.added, "~": changes.changed, "-": changes.retired}
    for sign, names in signs.items():
        kinds = Counter(kind for kind, _ in names)
        for kind, key in names:
            if kind != "region":
                out.print(f"{sign} {kind} {key}")
        if kinds["region"]:
            out.print(f"{sign} {kinds['region']} regions")
    counts = {
        "added": len(changes.added),
        "changed": len(changes.changed),
        "retired": len(changes.retired),
    }
    out.print(tell("apply_would" if dry_run else "apply_done", **counts))


def _print_readings(check: str, found: Sequence[Reading]) -> None:
    """What a check reads, and whom that closes it to."""
    closed = {f"{r.dataset}/{r.item} ({r.closed})": r.named for r in found if r.closed}
    told = {
        "reads": dict.fromkeys(f"{r.subject}/{r.attribute}" for r in found),
        "named": [item for item, named in closed.items() if named],
        "closed": [item for item, named in closed.items() if not named],
    }
    for what, items in told.items():
        if items:
            out.print(tell(f"apply_check_{what}", check=check, items=", ".join(items)))


def doctor() -> None:
    """Say what is wrong with this installation, and how to mend it."""
    findings = examine()
    for finding in findings:
        out.print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}")
        if not finding.ok:
            out.print(f"      {finding.mend}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
