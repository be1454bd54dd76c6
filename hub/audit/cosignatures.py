"""Where cosignatures are kept: each with the whole note, so that it proves itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, DateTime, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from hub.audit.checkpoints import TreeHead
from hub.audit.witness import Cosignature


class AuditCosignature(Base):
    """What a witness signed. Usually of a checkpoint that stands beside it; where it is not, the
    log was rolled back or has two histories, and this is the proof.
    """

    __tablename__ = "audit_cosignature"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    witness: Mapped[str] = mapped_column(Text, primary_key=True)
    key_id: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    note: Mapped[str] = mapped_column(Text)
    """The checkpoint with the log's signatures and, as its last line, this witness's."""
    time: Mapped[datetime] = mapped_column(DateTime(timezone=True))


_KEEP = """
INSERT INTO audit_cosignature (size, root, witness, key_id, note, time)
VALUES (%(size)s, %(root)s, %(witness)s, %(key_id)s, %(note)s, %(time)s)
ON CONFLICT DO NOTHING RETURNING size
"""
_BATCH = 500
_ALL = "SELECT size, root, witness, note FROM audit_cosignature ORDER BY size, root, witness"
_BY_KEY = """
SELECT size, root, witness, note FROM audit_cosignature
WHERE witness = %(witness)s AND key_id = %(key_id)s ORDER BY size DESC
"""
_CHECKPOINTS = """
SELECT own.size, own.note, array_remove(array_agg(signed.note), NULL)
FROM audit_checkpoint own
LEFT JOIN audit_cosignature signed ON signed.size = own.size AND signed.root = own.root
GROUP BY own.size, own.root, own.note ORDER BY own.size
"""
_STRANGE = """
SELECT size, root, witness, note FROM audit_cosignature signed
WHERE NOT EXISTS (
    SELECT FROM audit_checkpoint own WHERE own.size = signed.size AND own.root = signed.root
) ORDER BY size, root, witness
"""
_UNDER = "SELECT note FROM audit_cosignature WHERE size = %(size)s AND root = %(root)s"
# Goes down the primary key from the largest tree, and ends with the first one that is found.
_QUORUM = """
SELECT signed.size, signed.root FROM audit_cosignature signed
JOIN audit_checkpoint own ON own.size = signed.size AND own.root = signed.root
WHERE signed.key_id = ANY(%(key_ids)s) GROUP BY signed.size, signed.root
HAVING count(*) >= %(quorum)s ORDER BY signed.size DESC, signed.root DESC LIMIT 1
"""


class Kept(NamedTuple):
    """A cosignature as it is kept."""

    size: int
    root: bytes
    witness: str
    note: str

    @property
    def head(self) -> TreeHead:
        """Which tree it is about."""
        return TreeHead(self.size, self.root)


def keep(connection: Connection, signed: str, head: TreeHead, found: Cosignature) -> bool:
    """Keeps one under ``signed``, the checkpoint with the log's signature alone; whether it was
    new.
    """
    row = {
        "size": head.size,
        "root": head.root,
        "witness": found.witness.name,
        "key_id": found.witness.key_id,
        "note": signed + found.line,
        "time": found.time,
    }
    return connection.exec_driver_sql(_KEEP, row).first() is not None


def everything(connection: Connection) -> Iterator[Kept]:
    """All that are kept, the smallest trees first."""
    return (Kept(*row) for row in _streamed(connection, _ALL))


def latest_first(connection: Connection, witness: str, key_id: bytes) -> Iterator[Kept]:
    """Those by one key, the largest trees first."""
    of = {"witness": witness, "key_id": key_id}
    return (Kept(*row) for row in _streamed(connection, _BY_KEY, of))


def checkpoints(connection: Connection) -> Iterator[tuple[int, str, list[str]]]:
    """Every checkpoint, the smallest first: its size, its note, and the notes that witnesses
    signed of the same tree.
    """
    return ((size, note, signed) for size, note, signed in _streamed(connection, _CHECKPOINTS))


def strange(connection: Connection) -> Iterator[Kept]:
    """Those of trees of which no checkpoint is stored, the smallest first."""
    return (Kept(*row) for row in _streamed(connection, _STRANGE))


def under(connection: Connection, head: TreeHead) -> list[str]:
    """The notes that are kept of one tree."""
    return list(connection.exec_driver_sql(_UNDER, head._asdict()).scalars())


def with_quorum(connection: Connection, key_ids: Sequence[bytes], quorum: int) -> int | None:
    """The size of the largest checkpoint that so many of the keys seem to have signed."""
    given = {"key_ids": list(key_ids), "quorum": quorum}
    found = connection.exec_driver_sql(_QUORUM, given).first()
    return None if found is None else int(found.size)


def _streamed(
    connection: Connection, query: str, given: Mapping[str, Any] | None = None
) -> Iterator[Any]:
    """Row by row: whoever needs the first few reads no more, and nobody holds all of them."""
    options = {"stream_results": True, "yield_per": _BATCH}
    return iter(connection.exec_driver_sql(query, given, execution_options=options))
