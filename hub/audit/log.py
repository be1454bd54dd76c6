"""The audit log as the rest of the hub uses it: append, sign, prove, search, verify."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from core.clock import Clock
from core.errors import BadInput
from core.keys import KeyRing
from core.messages import message
from hub.audit import merkle, receipts, search, tree, verify
from hub.audit.appender import AsyncAppender
from hub.audit.checkpoints import (
    Checkpoint,
    TreeHead,
    check_origin,
    open_checkpoint,
    sign_checkpoint,
)
from hub.audit.entries import Entry
from hub.audit.merkle import fold, verify_consistency
from hub.audit.partitions import GROW, due
from hub.audit.personal import MonthKeys
from hub.audit.receipts import Receipt, ReceiptUnfounded
from hub.audit.search import Recorded, Wanted
from hub.audit.tree import AuditDamaged
from hub.audit.verify import Verdict
from hub.audit.writing import (
    HEAD,
    LOCK,
    Appended,
    AuditUnavailable,
    appending,
    draft,
    read_head,
)

_LAST_CHECKPOINT = "SELECT size, root, note, time FROM audit_checkpoint ORDER BY size DESC LIMIT 1"

_SIGNED = """
WITH checkpoint AS (
    INSERT INTO audit_checkpoint (size, root, note, time)
    VALUES (%(size)s, %(root)s, %(note)s, %(time)s)
)
UPDATE audit_head SET time = %(time)s WHERE id = 1
"""


class AuditLog:
    """The log in the database of ``engine``.

    Args:
        keys: signs checkpoints and receipts.
        clock: gives entries their time; where it goes back, the log's latest time counts.
        origin: the log's name in checkpoints and receipts, such as ``hub.example.gov.cn/audit``.

    Raises:
        BadInput: ``origin`` cannot be a name.

    Every method raises :class:`AuditUnavailable` if the database fails.
    """

    def __init__(self, engine: Engine, keys: KeyRing, clock: Clock, origin: str) -> None:
        self._engine = engine
        self._keys = keys
        self._clock = clock
        self._origin = check_origin(origin)
        self._months = MonthKeys(keys)

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._origin

    def append(
        self, entries: Sequence[Entry], connection: Connection | None = None
    ) -> list[Appended]:
        """Adds ``entries`` in order. They are durable when this returns; given a ``connection``,
        when its transaction commits, which should be soon: until then all other writers wait.

        Raises:
            AuditUnavailable: nothing may be answered on the strength of these entries.
            BadInput: an entry holds a name that cannot be kept; none was added.
        """
        drafts = [draft(entry, self._months) for entry in entries]
        with self._transaction(connection) as own:
            steps = appending(drafts, self._months, self._clock.now())
            row: Sequence[Any] | None = None
            while True:
                try:
                    statement, parameters = steps.send(row)
                except StopIteration as done:
                    appended: list[Appended] = done.value.appended
                    break
                result = own.exec_driver_sql(statement, parameters)
                row = result.one_or_none() if result.returns_rows else None
        if connection is None and due(appended):
            self.grow(appended[-1].index)
        return appended

    def grow(self, size: int) -> None:
        """Makes the next partitions where they are due. Where that fails, entries fall into the
        rest, and are found there: nothing waits for it.
        """
        with suppress(SQLAlchemyError), self._engine.begin() as connection:
            connection.exec_driver_sql(GROW, {"size": size})

    def appender(self, patience: float = 10.0) -> AsyncAppender:
        """The front for many concurrent callers on one event loop; a batch that takes longer than
        ``patience`` seconds is refused.
        """
        _, link = self._engine.dialect.create_connect_args(self._engine.url)
        return AsyncAppender(link, self._clock, self._months, patience)

    def head(self) -> TreeHead:
        """Size and root of the log now."""
        with self._transaction() as connection:
            head = read_head(connection.exec_driver_sql(HEAD).one_or_none())
        return TreeHead(head.size, fold(head.frontier))

    def checkpoint(self, connection: Connection | None = None) -> Checkpoint:
        """Signs the log as it stands and keeps the signed text; where nothing was appended since
        the last checkpoint, gives that one.

        Raises:
            AuditDamaged: the log does not continue what was signed before. Nothing is signed.
            CheckpointRefused: the last checkpoint is not ours.
        """
        with self._transaction(connection) as own:
            head = read_head(own.exec_driver_sql(LOCK).one_or_none())
            now = TreeHead(head.size, fold(head.frontier))
            last = own.exec_driver_sql(_LAST_CHECKPOINT).one_or_none()
            if last is not None:
                self._refuse_contradiction(own, last[2], now)
                if last[0] == now.size:
                    return Checkpoint(last[0], last[1], last[2], last[3].astimezone(UTC))
            note = sign_checkpoint(self._origin, now, self._keys)
            time = max(self._clock.now(), head.time)
            signed = Checkpoint(now.size, now.root, note, time)
            own.exec_driver_sql(_SIGNED, signed._asdict())
        if connection is None:
            self.grow(signed.size)
        return signed

    def _refuse_contradiction(self, connection: Connection, note: str, now: TreeHead) -> None:
        """Signing a history that contradicts an earlier signature would make it look true."""
        last = open_checkpoint(note, self._origin, self._keys.public_key)
        if last.size == 0:
            return
        if last.size > now.size:
            raise AuditDamaged
        proof = tree.consistency_proof(connection, last.size, now.size)
        if not verify_consistency(last.size, now.size, proof, last.root, now.root):
            raise AuditDamaged

    def receipt(self, appended: Appended, answer_digest: str) -> Receipt:
        """What the caller of an answer (SHA-256 in hexadecimal) is given."""
        return receipts.sign_receipt(self._origin, appended, answer_digest, self._keys)

    def check_receipt(self, receipt: Receipt, answer: str | None = None) -> None:
        """Does nothing if we signed ``receipt``, for an answer with the digest ``answer`` (None:
        for whatever answer), and the log holds its entry.

        Raises:
            ReceiptForged: we did not sign it, or not for this log.
            ReceiptReplayed: we signed it for another answer.
            ReceiptUnfounded: the log does not hold the entry.
        """
        receipts.check_receipt(receipt, self._keys.public_key, answer)
        if receipt.origin != self._origin:
            raise receipts.ReceiptForged(index=receipt.index)
        with self._transaction() as connection:
            found = search.read(connection, receipt.index)
        if found is None or merkle.leaf_hash(found.body).hex() != receipt.leaf_hash:
            raise ReceiptUnfounded(index=receipt.index)

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """The RFC 6962 proof that entry ``index`` is among the first ``size``.

        Raises:
            BadInput: there are no such entries.
            AuditDamaged: hashes that the proof needs are gone.
        """
        with self._transaction() as connection:
            self._refuse_future(connection, size)
            return tree.inclusion_proof(connection, index, size)

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """The RFC 6962 proof that the first ``new`` entries begin with the first ``old``.

        Raises:
            BadInput: there are no such entries.
            AuditDamaged: hashes that the proof needs are gone.
        """
        with self._transaction() as connection:
            self._refuse_future(connection, new)
            return tree.consistency_proof(connection, old, new)

    def _refuse_future(self, connection: Connection, size: int) -> None:
        grown = read_head(connection.exec_driver_sql(HEAD).one_or_none()).size
        if size > grown:
            raise BadInput(field="size", rule=message("rule_at_most", most=grown))

    def find(self, wanted: Wanted) -> list[Recorded]:
        """Entries that match, latest first."""
        with self._transaction() as connection:
            return search.find(connection, wanted, self._months)

    def verify(self, trusted: str | None = None) -> Verdict:
        """Reads the whole log and checks it against itself, against every checkpoint, and against
        ``trusted``, a checkpoint that was kept outside of the hub.
        """
        with _unavailable(), self._engine.connect() as connection:
            return verify.verify(
                connection, self._origin, self._keys.public_key, self._months, trusted
            )

    @contextmanager
    def _transaction(self, connection: Connection | None = None) -> Iterator[Connection]:
        with _unavailable():
            if connection is not None:
                yield connection
            else:
                with self._engine.begin() as own:
                    yield own


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise AuditUnavailable(reason=type(cause).__name__) from error
