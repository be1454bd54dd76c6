"""What auditors do: search the log, sign it, verify it, check receipts. Each reading is logged
before it is given, like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from catalog.standards import elements
from catalog.standards.base import Invalid
from core.canonical import digest
from core.errors import BadInput, HubError, NotFound
from core.messages import message, say
from core.types import Model
from hub.app import Hub
from hub.audit.checkpoints import TreeHead, open_checkpoint
from hub.audit.entries import KeyedDigests
from hub.audit.evidence import Evidence
from hub.audit.proofs import Digest, Inclusion, Note
from hub.audit.receipts import Receipt, ReceiptUnfounded
from hub.audit.search import Recorded, Wanted
from hub.audit.verify import Verdict
from hub.audit.witness import Witnesses, cosignatures
from hub.operator import operator_entry
from hub.serving.access import About, Access, Call
from hub.serving.office import Office
from hub.serving.steps import ValueInvalid
from hub.workspace import WorkspaceMissing
from policies.models import Action


class Person(Model):
    """Whom to search by: the value of an attribute, which becomes a keyed digest at once."""

    subject: Annotated[str, Field(max_length=64)]
    attribute: Annotated[str, Field(max_length=64)]
    value: Annotated[str, Field(max_length=200)]


class Shown(Model):
    """A receipt as it was shown: perhaps with the digest of the answer it came with, and with a
    checkpoint and a proof that its entry is in it.
    """

    receipt: Receipt
    answer: Digest | None = None
    checkpoint: Note | None = None
    proof: Inclusion | None = None


def evidence(hub: Hub, witnesses: Witnesses | None = None) -> Evidence:
    """What the log of a hub can show; checked with the registered witnesses."""
    if witnesses is None:
        try:
            witnesses = hub.workspace().witnesses
        except WorkspaceMissing:
            witnesses = Witnesses()
    return Evidence(hub.audit, hub.engine, hub.keys.public_key, hub.clock, witnesses)


@dataclass(frozen=True)
class Auditing:
    """The deeds of auditors, for a client with leave, or for the operator (None)."""

    office: Office
    call: Call | None

    @property
    def hub(self) -> Hub:
        """The hub."""
        return self.office.hub

    @property
    def evidence(self) -> Evidence:
        """What the log can show."""
        if self.call is None:
            return evidence(self.hub)
        return evidence(self.hub, self.office.rules.workspace.witnesses)

    def search(self, wanted: Wanted, of: Person | None = None) -> dict[str, Any]:
        """Entries that match, latest first; those about a person, if one is named.

        Raises:
            Forbidden, SubjectUnknown: the policy refuses.
            NotFound, ValueInvalid: there is no such attribute, or the value is none of it.
        """
        access = self._enter("search_audit", [_told(wanted), of and _told(of)])
        try:
            if of is not None:
                wanted = wanted.model_copy(update={"person": self._digest(of)})
        except HubError as error:
            self._fail(access, error)
        found = [entry_shown(recorded) for recorded in self.hub.audit.find(wanted)]
        digests = () if wanted.person is None else (wanted.person,)
        about = About(digests=digests, rows={"answered": len(found)})
        return self._give(access, "search_audit", {"entries": found}, about)

    def _digest(self, of: Person) -> str:
        subject = self.office.rules.workspace.subjects.get(of.subject)
        described = None if subject is None else subject.attributes.get(of.attribute)
        if described is None:
            raise NotFound(kind="attribute", name=f"{of.subject}/{of.attribute}")
        try:
            value = elements()[described.element].clean_one(of.value.strip())
        except Invalid as error:
            raise ValueInvalid(item=of.attribute, rule=error.rule) from None
        return KeyedDigests(self.hub.keys).of(f"{of.subject}/{of.attribute}", value)

    def latest(self) -> dict[str, Any]:
        """The latest checkpoints, how far each witness has signed, and how many entries no
        signature is over yet.

        Raises:
            Forbidden, SubjectUnknown: the policy refuses.
            CheckpointMissing: nothing was signed yet.
        """
        access = self._enter("read_checkpoints", None)
        try:
            shown = self.evidence.checkpoints()
        except HubError as error:
            self._fail(access, error)
        signed = open_checkpoint(shown["checkpoint"], self.hub.audit.origin, self._key).size
        standing = [
            {"witness": each.witness.name, "department": each.witness.department,
             "size": each.size, "time": each.time and each.time.isoformat()}
            for each in self.evidence.standing()
        ]  # fmt: skip
        size = self.hub.audit.head().size
        body = {**shown, "size": size, "unsigned": size - signed, "witnesses": standing}
        return self._give(access, "read_checkpoints", body)

    def sign(self) -> dict[str, Any]:
        """Signs the log as it stands: ``checkpoint``, ``size``, ``time``.

        Raises:
            Forbidden, SubjectUnknown: the policy refuses.
            AuditDamaged: the log does not continue what was signed before.
        """
        access = self._enter("sign_checkpoint", None)
        with self.hub.engine.begin() as connection:
            signed = self.hub.audit.checkpoint(connection)
            body = {"checkpoint": signed.note, "size": signed.size, "time": signed.time.isoformat()}
            about = About(rows={"size": signed.size})
            if access is not None:
                return access.give(body, about, connection)
            self.hub.audit.append(
                [operator_entry("sign_checkpoint", "audit", about.rows)], connection
            )
        return body

    def verify(self, trusted: str | None = None) -> dict[str, Any]:
        """Reads the whole log: whether it ``holds``, and what is wrong, in words.

        Raises:
            Forbidden, SubjectUnknown: the policy refuses.
            CheckpointRefused: ``trusted`` is not a checkpoint of this log.
        """
        access = self._enter("verify_audit", trusted and digest(trusted))
        try:
            verdict = self.evidence.verify(trusted)
        except HubError as error:
            self._fail(access, error)
        rows = {"entries": verdict.size, "problems": len(verdict.problems)}
        return self._give(access, "verify_audit", verdict_shown(verdict), About(rows=rows))

    def check_receipt(self, shown: Shown) -> dict[str, Any]:
        """Says where the entry of a receipt stands, if all that was shown holds.

        Raises:
            Forbidden, SubjectUnknown: the policy refuses.
            ReceiptForged, ReceiptReplayed, ReceiptUnfounded: it does not hold.
            CheckpointRefused, CosignatureForged, InclusionUnproven: nor what came with it.
        """
        access = self._enter("check_receipt", _told(shown.receipt))
        receipt = shown.receipt
        try:
            self.hub.audit.check_receipt(receipt, shown.answer)
            signers = self._check_inclusion(shown)
        except HubError as error:
            self._fail(access, error)
        body = {"index": receipt.index, "time": receipt.time.isoformat(), "signed_by": signers}
        return self._give(access, "check_receipt", body, About(rows={"index": receipt.index}))

    def _check_inclusion(self, shown: Shown) -> list[str]:
        """Whether the entry is in what was signed; gives who signed it."""
        proof = shown.proof
        note = shown.checkpoint or (None if proof is None else proof.checkpoint)
        if note is None and proof is not None:
            raise BadInput(field="checkpoint", rule=message("rule_checkpoint_proof"))
        if note is None:
            return []
        head: TreeHead = open_checkpoint(note, self.hub.audit.origin, self._key)
        signers = [each.witness.name for each in cosignatures(note, self.evidence.witnesses)]
        if shown.receipt.index >= head.size:
            raise BadInput(field="checkpoint", rule=message("rule_checkpoint_after"))
        found = proof or self.evidence.inclusion(shown.receipt.index, head.size)
        found.check(head)
        if (found.index, found.leaf_hash) != (shown.receipt.index, shown.receipt.leaf_hash):
            raise ReceiptUnfounded(index=shown.receipt.index)
        return [self.hub.audit.origin, *signers]

    @property
    def _key(self) -> Any:
        return self.hub.keys.public_key

    def note(self, deed: str, rows: Mapping[str, int] | None = None) -> None:
        """Logs a reading that has no answer of its own, such as an export."""
        self._give(self._enter(deed, None), deed, {}, About(rows=rows or {}))

    def _enter(self, deed: str, content: Any) -> Access | None:
        if self.call is None:
            return None
        return self.office.enter(self.call, Action.AUDIT, deed, "audit", content)

    @staticmethod
    def _fail(access: Access | None, error: HubError) -> None:
        if access is not None:
            access.fail(error)
        raise error

    def _give(
        self, access: Access | None, deed: str, body: dict[str, Any], about: About | None = None
    ) -> dict[str, Any]:
        told = about or About()
        if access is not None:
            return access.give(body, told)
        self.hub.audit.append([operator_entry(deed, "audit", told.rows)])
        return body


def _told(model: Model) -> dict[str, Any]:
    return model.model_dump(mode="json")


def entry_shown(recorded: Recorded) -> dict[str, Any]:
    """An entry as auditors read it."""
    return {"index": recorded.index, "time": recorded.time.isoformat(), **recorded.entry}


def verdict_shown(verdict: Verdict) -> dict[str, Any]:
    """A verdict with its problems in both languages."""
    return {
        "holds": verdict.ok,
        "size": verdict.size,
        "checkpoints": verdict.checkpoints,
        "problems": list(_problems(verdict)),
    }


def _problems(verdict: Verdict) -> Iterable[dict[str, Any]]:
    for problem in verdict.problems:
        words = {
            language: say(problem.code, language, **problem.fields) for language in ("zh", "en")
        }
        yield {"code": problem.code, "fields": problem.fields, **words}
