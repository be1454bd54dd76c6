"""What the log shows to others so that they need not believe it: its key, checkpoints with the
witnesses' signatures, and proofs.

Nothing here tells of anybody: sizes, hashes of salted leaves, and signatures. What anyone may
have without saying who he is cannot be shown differently to different people.
"""

from __future__ import annotations

import base64
import heapq
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import SQLAlchemyError

from core.clock import Clock
from core.errors import HubError, NotFound
from hub.audit import cosignatures, tree, witness
from hub.audit.checkpoints import (
    CheckpointRefused,
    TreeHead,
    key_id,
    key_text,
    note_parts,
    open_checkpoint,
)
from hub.audit.cosignatures import Kept
from hub.audit.entries import Decision, Entry, What, Who, Why
from hub.audit.findings import Problem
from hub.audit.log import AuditLog
from hub.audit.proofs import Consistency, Inclusion
from hub.audit.tree import AuditDamaged
from hub.audit.verify import Verdict
from hub.audit.witness import CosignatureForged, Witness, Witnesses
from hub.audit.writing import AuditUnavailable

_CHECKPOINTS = "SELECT size, root, note, time FROM audit_checkpoint"
_LATEST = f"{_CHECKPOINTS} ORDER BY size DESC LIMIT 1"
_OFFERED = f"{_CHECKPOINTS} WHERE time < %(hour)s ORDER BY size DESC LIMIT 1"
_AT = f"{_CHECKPOINTS} WHERE size = %(size)s"
_BEHIND = "SELECT count(*), min(time) FROM audit_checkpoint WHERE size > %(size)s"
_LEAF = "SELECT leaf_hash FROM audit_entry WHERE index = %(index)s"


class CheckpointMissing(NotFound):
    """Nothing was signed yet, or not so much."""

    code = "audit_checkpoint_missing"


class WitnessUnknown(HubError):
    """No registered witness signed the note."""

    code = "audit_witness_unknown"
    status = 400
    exit_code = 2


class WitnessContradicts(HubError):
    """A witness signed what this log does not hold: it was rolled back, or is not the only one."""

    code = "audit_witness_contradicts"
    status = 409


@dataclass(frozen=True)
class Standing:
    """How far a witness has signed: the largest tree that this log holds, and when."""

    witness: Witness
    size: int
    time: datetime | None


@dataclass(frozen=True)
class Evidence:
    """What the log in the database of ``engine`` can show, to be checked with ``witnesses``."""

    audit: AuditLog
    engine: Engine
    public_key: Ed25519PublicKey
    clock: Clock
    witnesses: Witnesses

    def key(self) -> dict[str, Any]:
        """Whose signatures count: the log's key, its witnesses', and how many are needed."""
        return {
            "origin": self.audit.origin,
            "key": key_text(self.audit.origin, self.public_key),
            "quorum": self.witnesses.quorum,
            "witnesses": [each.model_dump(mode="json") for each in self.witnesses.witnesses],
        }

    def checkpoints(self) -> dict[str, Any]:
        """The latest ``checkpoint``; the one ``to_cosign``, which is the same for a whole hour so
        that witnesses sign the same; and the latest ``witnessed`` by a quorum, if any. Each as a
        note with all cosignatures.

        Raises:
            CheckpointMissing: nothing was signed yet.
        """
        hour = self.clock.now().replace(minute=0, second=0, microsecond=0)
        with self._reading() as connection:
            latest = self._one(connection, _LATEST)
            offered = connection.exec_driver_sql(_OFFERED, {"hour": hour}).one_or_none() or latest
            witnessed = self._witnessed(connection)
            return {
                "checkpoint": self._note(connection, latest),
                "to_cosign": self._note(connection, offered),
                "witnessed": witnessed and self._note(connection, witnessed),
                "time": latest.time.astimezone(UTC).isoformat(),
            }

    def notes(self, connection: Connection) -> Iterator[tuple[int, str]]:
        """Every checkpoint with its size, and what witnesses signed that is none of the log's,
        the smallest first.
        """
        own = (
            (size, self._cosigned(note, signed))
            for size, note, signed in cosignatures.checkpoints(connection)
        )
        strange = (
            (kept.size, kept.note)
            for kept in cosignatures.strange(connection)
            if not self._holds(connection, kept.head)
        )
        return heapq.merge(own, strange)

    def inclusion(self, index: int, size: int | None = None) -> Inclusion:
        """The proof that entry ``index`` is among the first ``size``, or among those that the
        latest checkpoint speaks of.

        Raises:
            BadInput: there is no such entry there.
            CheckpointMissing: nothing was signed yet, or not so much.
        """
        with self._reading() as connection:
            size = self._signed_size(connection, size)
            proof = tree.inclusion_proof(connection, index, size)
            leaf = connection.exec_driver_sql(_LEAF, {"index": index}).scalar_one_or_none()
            if leaf is None:
                raise AuditDamaged
            signed = connection.exec_driver_sql(_AT, {"size": size}).one_or_none()
            return Inclusion(
                index=index,
                size=size,
                leaf_hash=bytes(leaf).hex(),
                proof=tuple(each.hex() for each in proof),
                checkpoint=signed and self._note(connection, signed),
            )

    def consistency(self, old: int, new: int) -> Consistency:
        """The proof that the first ``new`` entries begin with the first ``old``.

        Raises:
            BadInput: unless 0 < old <= new.
            CheckpointMissing: not so much was signed yet.
        """
        with self._reading() as connection:
            proof = tree.consistency_proof(connection, old, self._signed_size(connection, new))
        return Consistency(old=old, new=new, proof=tuple(each.hex() for each in proof))

    def submit(self, note: str) -> list[str]:
        """Keeps the signatures of registered witnesses under a checkpoint of ours, and logs those
        that are new; gives the names. What contradicts the log is kept as well, as the proof.

        Raises:
            CheckpointRefused, CosignatureForged: a signature does not hold.
            WitnessUnknown: no registered witness signed it.
            WitnessContradicts: the log does not hold what was signed.
        """
        head = open_checkpoint(note, self.audit.origin, self.public_key)
        found = list(witness.cosignatures(note, self.witnesses))
        if not found:
            raise WitnessUnknown
        signed = self._only_ours(note)
        with _unavailable(), self.engine.begin() as connection:
            held = self._holds(connection, head)
            new = [each for each in found if cosignatures.keep(connection, signed, head, each)]
            outcome = "kept" if held else "contradicts"
            entries = [_cosigned(each.witness, head.size, outcome) for each in new]
            if entries:
                self.audit.append(entries, connection)
        names = [each.witness.name for each in found]
        if not held:
            raise WitnessContradicts(witness=", ".join(names), size=head.size)
        return names

    def standing(self) -> list[Standing]:
        """How far each witness has signed what the log holds."""
        with self._reading() as connection:
            return [self._standing(connection, each) for each in self.witnesses.witnesses]

    def verify(self, trusted: str | None = None) -> Verdict:
        """Verifies the whole log, also against everything that witnesses signed.

        Raises:
            CheckpointRefused: ``trusted`` is not a checkpoint of this log.
        """
        verdict = self.audit.verify(trusted)
        with self._reading() as connection:
            problems = [*self._contradictions(connection), *self._unwitnessed(connection)]
        return replace(verdict, problems=(*verdict.problems, *problems))

    def _contradictions(self, connection: Connection) -> Iterator[Problem]:
        grown = self.audit.head().size
        for kept in cosignatures.everything(connection):
            try:
                head = self._cosigned_head(kept)
            except (CheckpointRefused, CosignatureForged):
                yield Problem("audit_cosignature_forged", {"witness": kept.witness})
                continue
            if head.size > grown:
                yield Problem("audit_rolled_back", {"size": grown, "expected": head.size})
            elif not self._holds(connection, head):
                yield Problem("audit_split_view", {"size": head.size})

    def _unwitnessed(self, connection: Connection) -> Iterator[Problem]:
        """Checkpoints that too few have signed, or anything after them, for too long."""
        quorum = self.witnesses.quorum
        if not quorum:
            return
        sizes = [self._standing(connection, each).size for each in self.witnesses.witnesses]
        reached = sorted(sizes, reverse=True)[quorum - 1]
        count, since = connection.exec_driver_sql(_BEHIND, {"size": reached}).one()
        late = self.clock.now() - timedelta(hours=self.witnesses.within)
        if count and since < late:
            fields = {"count": count, "size": reached, "quorum": quorum}
            yield Problem("audit_checkpoints_unwitnessed", fields)

    def _standing(self, connection: Connection, of: Witness) -> Standing:
        for kept in cosignatures.latest_first(connection, of.name, of.key_id):
            try:
                head = self._cosigned_head(kept)
                (signed,) = witness.cosignatures(kept.note, self.witnesses)
            except (CheckpointRefused, CosignatureForged, ValueError):
                continue
            if self._holds(connection, head):
                return Standing(of, head.size, signed.time)
        return Standing(of, 0, None)

    def _cosigned_head(self, kept: Kept) -> TreeHead:
        """What a kept cosignature is about; those of witnesses that are no longer registered are
        taken as they are.
        """
        head = open_checkpoint(kept.note, self.audit.origin, self.public_key)
        list(witness.cosignatures(kept.note, self.witnesses))
        if head != kept.head:
            raise CosignatureForged(witness=kept.witness)
        return head

    def _holds(self, connection: Connection, head: TreeHead) -> bool:
        try:
            return tree.root(connection, head.size) == head.root
        except AuditDamaged:
            return False

    def _witnessed(self, connection: Connection) -> Row[Any] | None:
        if not self.witnesses.quorum:
            return None
        ids = [each.key_id for each in self.witnesses.witnesses]
        size = cosignatures.with_quorum(connection, ids, self.witnesses.quorum)
        return None if size is None else self._one(connection, _AT, size=size)

    def _note(self, connection: Connection, row: Row[Any]) -> str:
        """A checkpoint with the signatures of all witnesses under it."""
        kept = cosignatures.under(connection, TreeHead(row.size, row.root))
        return self._cosigned(row.note, kept)

    def _cosigned(self, own: str, kept: Iterable[str]) -> str:
        """A checkpoint with those signatures of witnesses that stand under the notes kept."""
        lines = []
        for note in kept:
            try:
                lines += [each.line for each in witness.cosignatures(note, self.witnesses)]
            except (CheckpointRefused, CosignatureForged):
                continue
        return "".join([own, *sorted(lines)])

    def _only_ours(self, note: str) -> str:
        """A note with the log's own signature alone."""
        text, signatures = note_parts(note)
        own = key_id(self.audit.origin, self.public_key)
        (line, *_) = (
            f"— {name} {base64.b64encode(blob).decode()}\n"
            for name, blob in signatures
            if name == self.audit.origin and blob[:4] == own
        )
        return f"{text}\n{line}"

    def _signed_size(self, connection: Connection, size: int | None) -> int:
        """A size that may be spoken of: how the log grows from second to second is nobody's
        business.
        """
        latest = self._one(connection, _LATEST)
        if size is not None and size > latest.size:
            raise CheckpointMissing(size=size)
        return int(latest.size if size is None else size)

    def _one(self, connection: Connection, query: str, **at: int) -> Row[Any]:
        row = connection.exec_driver_sql(query, at).one_or_none()
        if row is None:
            raise CheckpointMissing(size=0)
        return row

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that sees the log as it stands at one moment."""
        with self._reading() as connection:
            yield connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _unavailable(), self.engine.connect() as connection:
            yield connection


def _cosigned(by: Witness, size: int, outcome: str) -> Entry:
    return Entry(
        who=Who(f"witness:{by.name}", by.department),
        why=Why(),
        what=What("cosign", "audit", rows={"size": size}),
        decision=Decision(granted=True),
        policy="witnesses",
        outcome=outcome,
    )


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise AuditUnavailable(reason=type(cause).__name__) from error
