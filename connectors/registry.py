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
from connectors.sql import SqlConnector, database
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
    """The digest (SHA-256) of the bytes of a file, or of those that an SQLite database is made of,
    and of how they are read: while it is the same, so are the rows. None for what is no file,
    cannot be read now, or gives other rows at another time.
    """
    told = hashlib.sha256(encode([_READING, settings.model_dump(mode="json")]))
    try:
        match settings:
            case CsvSource() | ExcelSource() | JsonlSource() | ParquetSource():
                files = [inside(folder, settings.path, settings.dataset)]
            case SqlSource():
                files = database(settings, folder)
            case _:
                files = []
        for file in files:
            with file.open("rb") as content:
                # Their names and order are given, their lengths are not.
                told.update(hashlib.file_digest(content, "sha256").digest())
    except (SourceError, OSError):
        return None
    return told.hexdigest() if files else None


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
