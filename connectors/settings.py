"""What ``sources/<dataset>.yaml`` says: where a table is read from, and how.

Passwords, tokens and local addresses are references; the settings themselves may be shown to
anyone. Paths are relative to the data folder.
"""

from __future__ import annotations

import codecs
import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal, cast
from urllib.parse import parse_qsl, urlsplit

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from core.messages import message
from core.types import Model
from core.yamlfile import InvalidFiles, YamlFile

# All of them keep line breaks, quotes and delimiters as single ASCII bytes.
ENCODINGS = ("utf-8", "utf-8-sig", "gbk", "gb18030", "big5")
_SECRET_WORDS = re.compile(r"(?i)token|secret|password|passwd|pwd|key|sign|auth")


def relative(path: str) -> str:
    """``path`` if it can only lead into the folder it is taken in; else ValueError."""
    parts = PurePosixPath(path).parts
    windows = PureWindowsPath(path)
    if not parts or "\0" in path or ".." in parts or "\\" in path:
        raise ValueError(message("rule_path_inside"))
    if path.startswith("/") or windows.drive:
        raise ValueError(message("rule_path_inside"))
    return path


def _encoding(name: str) -> str:
    try:
        known = codecs.lookup(name).name
    except LookupError:
        known = ""
    if known not in ENCODINGS:
        raise ValueError(message("rule_one_of", names=", ".join(ENCODINGS)))
    return known


def _delimiter(text: str) -> str:
    if len(text) != 1 or not text.isascii() or text in '"\r\n\0':
        raise ValueError(message("rule_delimiter"))
    return text


def _sqlite(url: str) -> str:
    scheme, colon, path = url.partition(":")
    if not colon or scheme != "sqlite":
        raise ValueError(message("rule_address_sql"))
    relative(path)
    return url


def _http(url: str) -> str:
    try:
        parts = urlsplit(url)
        named = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
        user, host = parts.username, parts.hostname
    except ValueError:
        raise ValueError(message("rule_address_http")) from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(message("rule_address_http"))
    if user is not None or any(_SECRET_WORDS.search(name) for name in named):
        raise ValueError(message("rule_address_secret"))
    return url


class Secret(Model):
    """A reference to a secret: ``file:`` and a path in the data folder, or ``env:`` and a name."""

    model_config = ConfigDict(hide_input_in_errors=True)

    secret: str

    @model_validator(mode="before")
    @classmethod
    def _is_reference(cls, given: Any) -> Any:
        if isinstance(given, Secret):
            return given
        reference = given.get("secret") if isinstance(given, dict) else None
        kind, _, name = reference.partition(":") if isinstance(reference, str) else ("", "", "")
        if kind == "file":
            relative(name)
        elif kind != "env" or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(message("rule_secret"))
        return given


def _form(given: Any) -> str:
    return "text" if isinstance(given, str) else "secret"


RelativePath = Annotated[str, AfterValidator(relative)]
SqlAddress = Annotated[
    Annotated[str, AfterValidator(_sqlite), Tag("text")] | Annotated[Secret, Tag("secret")],
    Discriminator(_form),
]
HttpAddress = Annotated[
    Annotated[str, AfterValidator(_http), Tag("text")] | Annotated[Secret, Tag("secret")],
    Discriminator(_form),
]


class _Source(Model):
    # What was given may be a password in the wrong place.
    model_config = ConfigDict(hide_input_in_errors=True)

    dataset: str = Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")


class CsvSource(_Source):
    """A text file with a header line."""

    kind: Literal["csv"]
    path: RelativePath
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    delimiter: Annotated[str, AfterValidator(_delimiter)] = ","


class ExcelSource(_Source):
    """One sheet of a workbook (the first where none is named).

    ``header_row`` is the 1-based row of the sheet where the header begins. With ``header_rows``
    2 a name is the upper and the lower cell joined by ``/``.
    """

    kind: Literal["excel"]
    path: RelativePath
    sheet: str | None = None
    header_row: int = Field(default=1, ge=1)
    header_rows: Literal[1, 2] = 1


class JsonlSource(_Source):
    """A UTF-8 file with one JSON object per line."""

    kind: Literal["jsonl"]
    path: RelativePath


class ParquetSource(_Source):
    """A Parquet file."""

    kind: Literal["parquet"]
    path: RelativePath


class SqlSource(_Source):
    """A table, or a query, of PostgreSQL (``postgresql://...`` kept in a secret) or SQLite.

    ``cursor``: a column that grows with every change; a pull ``since`` a value of it reads only
    what is not older. Names are written as the database keeps them.
    """

    kind: Literal["sql"]
    url: SqlAddress
    table: str | None = None
    query: str | None = None
    cursor: str | None = None

    @model_validator(mode="after")
    def _one_of(self) -> SqlSource:
        if bool(self.table) == bool(self.query):
            raise ValueError(message("rule_table_or_query"))
        return self


class RestSource(_Source):
    """A service that answers ``GET url?page_size=...`` with a JSON object.

    ``rows`` is the key of the list of rows. ``next`` is the key of what leads to the next page:
    an address on the same host, or a value that is sent as ``cursor``; the last page has null,
    false or an empty text there. ``timeout``: seconds for one answer.
    """

    kind: Literal["rest"]
    url: HttpAddress
    token: Secret | None = None
    page_size: int = Field(default=1000, ge=1, le=50_000)
    rows: str = "rows"
    next: str | None = None
    timeout: float = Field(default=30, gt=0, le=600)


SourceSettings = Annotated[
    CsvSource | ExcelSource | JsonlSource | ParquetSource | SqlSource | RestSource,
    Field(discriminator="kind"),
]
KINDS: dict[str, type[_Source]] = {
    "csv": CsvSource,
    "excel": ExcelSource,
    "jsonl": JsonlSource,
    "parquet": ParquetSource,
    "sql": SqlSource,
    "rest": RestSource,
}


def parse(file: YamlFile) -> SourceSettings:
    """Reads a settings file.

    Raises:
        InvalidFiles: one mistake per rule broken, each with line and field.
    """
    kind = file.data.get("kind") if isinstance(file.data, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidFiles([file.mistake(["kind"], message("rule_one_of", names=", ".join(KINDS)))])
    return cast("SourceSettings", file.parse(KINDS[kind]))


def restore(document: dict[str, Any]) -> SourceSettings:
    """The settings that ``model_dump`` made ``document`` of."""
    return cast("SourceSettings", KINDS[document["kind"]].model_validate(document))
