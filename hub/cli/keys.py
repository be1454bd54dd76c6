"""``hub keys``: the keys that seal, and how they are exchanged while the hub is in use."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from core.errors import HubError
from core.keysources import from_file, new_secret, parse, write_file
from hub.cli.output import headings, opened, out, table, tell
from hub.keeping import rotation
from hub.keeping.sources import refuse_development


class KeyFileThere(HubError):
    """A key file stands where a new one was asked for: it is not written over."""

    code = "key_file_there"
    exit_code = 2


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="The keys that seal, and their exchange.")
    group.command(epilog="Example: `hub keys status`")(status)
    group.command(epilog="Example: `hub keys create /etc/hub/hub.key`")(create)
    group.command(epilog="Example: `hub keys rotate`")(rotate)
    group.command(
        epilog="Examples: `hub keys rewrap /etc/hub/new.key`; `print-secret | hub keys rewrap -`"
    )(rewrap)
    group.command(epilog="Example: `hub keys destroy 2`")(destroy)
    app.add_typer(group, name="keys")


def status() -> None:
    """List all keys: since when each is there, and how many values are sealed under it."""
    with opened() as hub:
        found = rotation.status(hub)
    table(
        tell("keys_listed"),
        headings("key", "purpose", "suite", "created", "retired", "destroyed", "values"),
        ([_short(value) for value in row.values()] for row in found),
    )


def _short(value: object) -> object:
    """Moments to the second."""
    return value[:19] if isinstance(value, str) else value


def create(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")],
) -> None:
    """Write a new master secret to a file that only its owner may read. Needs no hub."""
    if not write_file(file, new_secret()):
        raise KeyFileThere(file=str(file))
    out.print(tell("key_file_made", file=file))


def rotate() -> None:
    """Make new data keys and seal all golden records anew; or go on with that, where it was cut
    off. The hub may be in use meanwhile. Ends with 1 if records are left that do not open.
    """
    with opened() as hub:
        done = rotation.rotate(hub, rotation.by_operator(hub))
    out.print(tell("keys_rotated", **vars(done)))
    if done.left:
        raise typer.Exit(1)


def rewrap(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="Key file of the other master secret; - to type it."),
    ],
) -> None:
    """Wrap all keys by another master secret. Values, digests and signatures stay as they are."""
    master = parse(sys.stdin.read(), "-") if file == "-" else from_file(Path(file))
    with opened() as hub:
        if hub.settings.mode == "production":
            refuse_development(master, file)
        keys = rotation.rewrap(hub, rotation.by_operator(hub), master)
    out.print(tell("keys_rewrapped", keys=keys, file=file))


def destroy(
    key: Annotated[
        int, typer.Argument(metavar="KEY", min=1, max=2**31, help="The number of the key.")
    ],
) -> None:
    """Destroy a retired key that nothing is sealed under any more."""
    with opened() as hub:
        rotation.destroy(hub, rotation.by_operator(hub), key)
    out.print(tell("key_was_destroyed", key=key))
