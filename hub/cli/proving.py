"""What commands that check by mathematics have in common: documents, and names for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from core.errors import BadInput
from core.messages import message
from hub.cli.output import err, out, tell
from verifier.hub_verify import Export, Key, Refused, Trust, object_of, read_key


def text_of(file: Path, field: str) -> str:
    """The text of a file.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(field=field, rule=message("rule_file_not_read", file=file)) from error


def document(file: Path, field: str) -> dict[str, Any]:
    """The JSON document of a file.

    Raises:
        BadInput: it holds none.
    """
    try:
        return object_of(text_of(file, field))
    except (ValueError, AttributeError, RecursionError) as error:
        raise BadInput(field=field, rule=message("rule_no_json", file=file)) from error


def put(made: dict[str, Any], to: Path | None) -> None:
    """Prints a document, or writes it to a file.

    Raises:
        BadInput: it cannot be written.
    """
    if to is None:
        out.print_json(json.dumps(made, ensure_ascii=False))
    else:
        write(to, json.dumps(made, ensure_ascii=False, indent=1) + "\n")


def write(to: Path, text: str) -> None:
    """Writes a file.

    Raises:
        BadInput: it cannot be written.
    """
    try:
        to.write_text(text, "utf-8")
    except OSError as error:
        raise BadInput(field="--to", rule=message("rule_file_not_written", file=to)) from error


def key_of(given: str) -> Key:
    """A public key, from its line or the file that holds it."""
    try:
        file = Path(given) if Path(given).is_file() else None
    except OSError:  # Longer than the name of a file may be.
        file = None
    return read_key(given if file is None else text_of(file, "--key"))


@contextmanager
def checking() -> Iterator[None]:
    """Ends with 1 where something does not hold, with its name and words."""
    try:
        yield
    except Refused as refusal:
        err.print(f"{refusal.code}: {tell(refusal.code, **refusal.fields)}")
        raise typer.Exit(1) from refusal
    except OSError as error:
        raise BadInput(field="--state", rule=message("rule_state")) from error


def verify_export(file: Path, key: str | None, kept: str | None) -> None:
    """Verifies an export with the stand-alone verifier, and says what is wrong with it."""
    if key is None:
        raise BadInput(field="--key", rule=message("rule_offline_key"))
    with checking():
        export = Export(Trust(key_of(key)), [] if kept is None else [kept])
        try:
            with file.open(encoding="utf-8") as lines:
                export.read(lines)
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(
                field="--offline", rule=message("rule_file_not_read", file=file)
            ) from error
    problems = export.problems
    size, root = export.tree.size, export.tree.root().hex()
    if not problems:
        fields = {
            "size": size,
            "signed": export.signed,
            "checkpoints": export.checkpoints,
            "root": root,
        }
        out.print(tell("audit_sound_offline", **fields))
        return
    out.print(tell("audit_broken", size=size, count=len(problems)))
    for problem in problems:
        out.print(f"  {problem.code}: {tell(problem.code, **problem.fields)}")
    raise typer.Exit(1)
