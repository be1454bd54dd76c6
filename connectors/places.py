"""Where settings lead to: files inside the data folder, and secrets."""

from __future__ import annotations

import os
from pathlib import Path

from connectors.base import SourceMissing, SourceOutside, SourceRefused
from connectors.settings import Secret, relative

_SECRET_BYTES = 64 * 1024


def inside(folder: Path, path: str, source: str) -> Path:
    """The file at ``path`` in the data folder, with symbolic links followed.

    Raises:
        SourceOutside: the path leads out of the folder.
        SourceMissing: there is no such file.
    """
    root = folder.resolve()
    try:
        target = (root / relative(path)).resolve()
    except (ValueError, RuntimeError, OSError):
        target = root.parent
    if not target.is_relative_to(root):
        raise SourceOutside(source=source, reason="because_outside", path=path)
    if not target.is_file():
        raise SourceMissing(source=source, reason="because_no_file", path=path)
    return target


def reveal(secret: Secret, folder: Path, source: str) -> str:
    """The text that a reference stands for, without surrounding blanks.

    Raises:
        SourceRefused: there is none; the error names the reference.
        SourceOutside: the reference leads out of the folder.
    """
    kind, _, name = secret.secret.partition(":")
    text = os.environ.get(name, "") if kind == "env" else _read(name, folder, source)
    if not text.strip():
        raise SourceRefused(source=source, reason="because_no_secret", secret=secret.secret)
    return text.strip()


def _read(name: str, folder: Path, source: str) -> str:
    try:
        with inside(folder, name, source).open("rb") as file:
            return file.read(_SECRET_BYTES).decode("utf-8")
    except (SourceMissing, OSError, UnicodeDecodeError):
        return ""
