"""``hub audit witness``: a department's own signature under what it has seen of the log.

``new-key`` and ``cosign`` run where the department is, not where the hub is: they need neither
its database nor its keys. They do the same as the stand-alone ``hub_witness.py``, by its code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.errors import BadInput
from core.messages import message
from hub.cli.output import headings, opened, out, table, tell
from hub.cli.proving import checking, document, key_of, text_of, write
from hub.serving.auditing import evidence
from verifier.hub_witness import Api, new_secret, proving, read_secret
from verifier.hub_witness import cosign as sign

Address = Annotated[str | None, typer.Option("--hub", help="Address of the hub's API.")]


def add_to(group: typer.Typer) -> None:
    """Adds the commands."""
    own = typer.Typer(no_args_is_help=True, help="Departments that bear witness to the log.")
    own.command(
        name="new-key",
        epilog="Example: `hub audit witness new-key police.example/witness --to witness.key`",
    )(new_key)
    own.command(
        epilog="Example: `hub audit witness cosign --hub https://hub.example --key hub.key.pub "
        "--secret witness.key --state witness.json --to cosigned.txt`"
    )(cosign)
    own.command(epilog="Example: `hub audit witness submit cosigned.txt`")(submit)
    own.command(name="list", epilog="Example: `hub audit witness list`")(list_)
    group.add_typer(own, name="witness")


def new_key(
    name: Annotated[str, typer.Argument(help="Name of the witness, without blanks.")],
    to: Annotated[Path, typer.Option(help="A new file for the secret key.")],
) -> None:
    """Make a witness's key: the secret goes to a new file, the public line is printed."""
    with checking():
        try:
            secret = new_secret(name, to)
        except OSError as error:
            raise BadInput(field="--to", rule=message("rule_not_anew", file=to)) from error
    out.print(tell("audit_sound_registered"))
    out.print(f"  - name: {name}\n    department: DEPARTMENT\n    public_key: {secret.key.text}")


def cosign(  # noqa: PLR0913, PLR0917 - options of a command line
    key: Annotated[str, typer.Option(help="The log's public key, or its file.")],
    secret: Annotated[Path, typer.Option(help="The witness's secret key.")],
    state: Annotated[Path, typer.Option(help="Where the witness remembers what it signed last.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="The checkpoint; else the one that --hub offers.")
    ] = None,
    proof: Annotated[
        Path | None, typer.Option(help="Consistency with what was signed last; else from --hub.")
    ] = None,
    hub: Address = None,
    to: Annotated[Path | None, typer.Option(help="Write the cosigned checkpoint here.")] = None,
) -> None:
    """Sign a checkpoint as a witness, if the log has only grown since the last one.

    Ends with 1, and signs nothing, if it was rolled back or shows another history.
    """
    with checking():
        api = None if hub is None else Api(hub)

        given = None if proof is None else document(proof, "--proof")
        trusted, own = key_of(key), read_secret(text_of(secret, "--secret"))
        if checkpoint is not None:
            note = text_of(checkpoint, "--checkpoint")
        elif api is not None:
            note = api.checkpoint(state, trusted)
        else:
            raise BadInput(field="--checkpoint", rule=message("rule_checkpoint_or_hub"))
        signed = sign(note, trusted, own, state, proving(given, api))
    if to is None:
        out.print(signed, end="")
    else:
        write(to, signed)


def submit(
    file: Annotated[Path, typer.Argument(help="The cosigned checkpoint.")], hub: Address = None
) -> None:
    """Hand in a cosigned checkpoint: over the API, or on the hub's own machine. It is logged."""
    note = text_of(file, "FILE")
    if hub is not None:
        with checking():
            names = Api(hub).submit(note)
    else:
        with opened() as here:
            names = evidence(here).submit(note)
    out.print(tell("audit_sound_submitted", names=", ".join(names)))


def list_() -> None:
    """List the registered witnesses, and how far each has signed."""
    with opened() as hub:
        found = evidence(hub).standing()
    table(
        "",
        headings("witness", "department", "entries", "signed at"),
        (
            [
                each.witness.name,
                each.witness.department,
                each.size,
                each.time and f"{each.time:%F %T}",
            ]
            for each in found
        ),
    )
