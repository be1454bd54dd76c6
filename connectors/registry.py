"""Which connector reads which kind of source."""

from __future__ import annotations

import hashlib
from pathlib import Path

from connectors.base import Connector, SourceError
from connectors.excel import ExcelConnector
from connectors.files import CsvConnector, JsonlConnector, ParquetConnector
from connectors.places import inside, reveal
from connectors.rest import RestConnector
from connectors.settings import (
    CsvSource,
    ExcelSource,
    JsonlSource,
    ParquetSource,
    Secret,
    SourceSettings,
    SqlSource,
)
from connectors.sql import SqlConnector
from core.canonical import encode

_READING = "1"
"""Of files: raised when the same bytes give other rows than before."""


def connect(settings: SourceSettings, folder: Path) -> Connector:
    """The connector for ``settings``; nothing is opened before its first pull.

    Args:
        folder: the data folder that paths and secrets are relative to.
    """
    match settings:
        case CsvSource():
            return CsvConnector(settings, folder)
        case ExcelSource():
            return ExcelConnector(settings, folder)
        case JsonlSource():
            return JsonlConnector(settings, folder)
        case ParquetSource():
            return ParquetConnector(settings, folder)
        case SqlSource():
            return SqlConnector(settings, folder)
        case _:
            return RestConnector(settings, folder)


def stamp(settings: SourceSettings, folder: Path) -> str | None:
    """The digest (SHA-256) of a file's bytes and of how it is read: while it is the same, so are
    the rows. None for what is no file, or cannot be read now.
    """
    if not isinstance(settings, CsvSource | ExcelSource | JsonlSource | ParquetSource):
        return None
    told = encode([_READING, settings.model_dump(mode="json")])
    try:
        with inside(folder, settings.path, settings.dataset).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.sha256(told)).hexdigest()
    except (SourceError, OSError):
        return None


def missing_secrets(settings: SourceSettings, folder: Path) -> list[str]:
    """References in ``settings`` that lead to nothing, such as ``env:MARKET_TOKEN``."""
    missing = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Secret):
            try:
                reveal(value, folder, settings.dataset)
            except SourceError:
                missing.append(value.secret)
    return missing
