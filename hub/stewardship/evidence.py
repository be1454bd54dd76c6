"""Evidence: files that prove what somebody says, bounded, sealed, and kept with their digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sqlalchemy import Connection, func, insert, select

from core.canonical import encode
from core.errors import HubError
from core.keys import KeyRing
from core.messages import message
from reconcile.models import Evidence

LARGEST = 2 * 1024 * 1024
"""Bytes of a file."""

_BEGINNINGS = {
    ".pdf": (b"%PDF-",),
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".txt": (b"",),
    ".csv": (b"",),
}
SUFFIXES = tuple(_BEGINNINGS)
"""The kinds of files that are taken."""
_TEXTS = frozenset({".txt", ".csv"})


class EvidenceUnusable(HubError):
    """A file that cannot serve as evidence."""

    code = "evidence_unusable"
    status = 400
    exit_code = 2


class EvidenceMissing(HubError):
    """There is no evidence where some is needed or asked for."""

    code = "evidence_missing"
    status = 400
    exit_code = 2


@dataclass(frozen=True)
class File:
    """A file as it was handed in; of its name only the suffix is used."""

    name: str
    content: bytes

    @property
    def suffix(self) -> str:
        """The kind of file."""
        return PurePath(self.name).suffix.lower()

    def check(self) -> None:
        """Does nothing if the file can be kept.

        Raises:
            EvidenceUnusable: it is empty, too large, or not what its suffix says.
        """
        if self.suffix not in _BEGINNINGS:
            raise EvidenceUnusable(rule=message("rule_name_ends", suffixes=" ".join(SUFFIXES)))
        if not 0 < len(self.content) <= LARGEST:
            raise EvidenceUnusable(rule=message("rule_bytes", most=LARGEST))
        if not self.content.startswith(_BEGINNINGS[self.suffix]) or not self._reads():
            raise EvidenceUnusable(rule=message("rule_no_file_of", suffix=self.suffix))

    def _reads(self) -> bool:
        if self.suffix not in _TEXTS:
            return True
        try:
            return "\x00" not in self.content.decode()
        except UnicodeDecodeError:
            return False


def keep(connection: Connection, keys: KeyRing, file: File) -> dict[str, Any]:
    """Keeps a file, sealed; returns what whoever gave it remembers: ``number``, ``suffix``,
    ``size`` in bytes and ``digest`` (SHA-256). The caller holds the lock of rulings.
    """
    newest = select(func.coalesce(func.max(Evidence.number), 0) + 1)
    number = int(connection.execute(newest).scalar_one())
    connection.execute(
        insert(Evidence).values(
            number=number,
            suffix=file.suffix,
            size=len(file.content),
            body=keys.seal(file.content, _context(number)),
        )
    )
    digest = hashlib.sha256(file.content).hexdigest()
    return {"number": number, "suffix": file.suffix, "size": len(file.content), "digest": digest}


def read(connection: Connection, keys: KeyRing, kept: dict[str, Any] | None) -> bytes:
    """The content of a file that was kept.

    Raises:
        EvidenceMissing: none was given.
        SealBroken: it is not what was kept.
    """
    if kept is None:
        raise EvidenceMissing
    query = select(Evidence.body).where(Evidence.number == kept["number"])
    return keys.open(connection.execute(query).scalar_one(), _context(kept["number"]))


def _context(number: int) -> bytes:
    return encode(["evidence", number])
