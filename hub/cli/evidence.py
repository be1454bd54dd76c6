"""What is typed, and files of evidence, as rulings and answers to corrections take and give them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from core.errors import BadInput
from core.messages import message
from hub.stewardship.evidence import LARGEST, File

EvidenceFile = Annotated[Path | None, typer.Option(help="A file that proves it.")]


def typed() -> str:
    """A line that was typed."""
    return sys.stdin.readline().strip()


def read(path: Path) -> File:
    """A file of evidence; of one that is too large, just enough to say so.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return File(path.name, file.read(LARGEST + 1))
    except OSError as error:
        raise BadInput(
            field="--evidence", rule=message("rule_file_cause", file=path, cause=error.strerror)
        ) from error


def write(path: Path, content: bytes) -> None:
    """Writes evidence to a file.

    Raises:
        BadInput: it cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise BadInput(
            field="--evidence", rule=message("rule_file_cause", file=path, cause=error.strerror)
        ) from error
