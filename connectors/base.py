"""What every connector is: something that yields Arrow batches, and fails in known ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from core.errors import Field, HubError
from core.messages import catalogue, say

ROW = "_row"
BATCH_ROWS = 50_000


class SourceError(HubError):
    """A source could not be read. ``retryable`` says whether trying again may help.

    Its fields are ``source``, the dataset, and ``reason``, the code of a message that may use
    the other fields.
    """

    retryable = False
    status = 502

    def __init__(self, **fields: Field) -> None:
        super().__init__(**fields)
        self.args = (self.words("en"),)

    def words(self, language: str) -> str:
        """The message in ``language``, with the reason in the same language."""
        fields = dict(self.fields)
        if fields.get("reason") in catalogue():
            fields["reason"] = say(str(fields["reason"]), language, **self.fields)
        return say(self.code, language, **fields)


class SourceUnreachable(SourceError):
    """No answer, a time-out or a server error: trying again may help."""

    code = "source_unreachable"
    retryable = True


class SourceMissing(SourceError):
    """The file, table or address does not exist."""

    code = "source_missing"


class SourceUnreadable(SourceError):
    """What came is not what the settings say: wrong encoding, truncated, not that format."""

    code = "source_unreadable"


class SourceSchemaChanged(SourceError):
    """Columns that the contract promises are not there."""

    code = "source_schema_changed"


class SourceRefused(SourceError):
    """The source does not accept our credentials."""

    code = "source_refused"


class SourceOutside(SourceError):
    """A path of the settings leads out of the data folder."""

    code = "source_outside"
    status = 400


@dataclass(frozen=True)
class Unreadable:
    """One row that could not be parsed: its 1-based number, a message code, and its raw text."""

    row: int
    reason: str
    raw: str


@dataclass(frozen=True)
class Batch:
    """Some rows of a source.

    ``rows`` has the asked columns under their names in the source, in the source's own types,
    and ``_row``: the 1-based number of the row among the data rows of the source. Readable and
    unreadable rows together number every data row exactly once.
    """

    rows: pa.Table
    unreadable: tuple[Unreadable, ...] = ()


class Connector(Protocol):
    """Reads one table of one source."""

    def pull(self, columns: Sequence[str], since: str | None = None) -> Iterator[Batch]:
        """Yields the table's rows in bounded batches; at least one, empty where there are none.

        Args:
            columns: names in the source; others are not read.
            since: only rows whose cursor column is at least this, where the settings name one.
                Rows of that very moment come again, because more may have joined them since.

        Raises:
            SourceError: one of the kinds above; nothing yielded before it may be kept.
        """
