"""What is written down of a request, and how it is refused: the same at every way out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.errors import BadInput, HubError, NotFound
from core.messages import message, say
from hub.audit.entries import Decision, Entry, What, Who, Why
from hub.identity import Caller
from hub.serving.board import Rules
from policies.decide import Ask, Denied, Grant, Reason
from policies.models import SUPPRESS, Action
from policies.reasons import reason
from policies.verdicts import Quotas

# Numbers of rulings and the like are short; those of persons and phones are not.
_SEGMENT = r"(?!\d{11})[A-Za-z0-9*-][A-Za-z0-9_.*-]{0,127}"
_FORMS = {
    "case": re.compile(r"[\w\-/.]{1,64}"),
    "purpose": re.compile(r"[a-z][a-z0-9_]{0,63}"),
    "subject": re.compile(rf"client/.{{1,64}}|{_SEGMENT}(?:/{_SEGMENT})?"),
    "client": re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}"),
    "person": re.compile(r".{0,64}"),
}


class Forbidden(HubError):
    """The policy does not allow what was asked."""

    code = "forbidden"
    status = 403
    exit_code = 2

    def __init__(self, reasons: Sequence[Reason]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(reasons="; ".join(reason.words("en") for reason in reasons))

    def words(self, language: str) -> str:
        """All reasons, in ``language``."""
        return say(self.code, language, **self.told(language))

    def told(self, language: str) -> dict[str, object]:
        """The reasons, in ``language``."""
        return {"reasons": "; ".join(reason.words(language) for reason in self.reasons)}


class SubjectUnknown(NotFound):
    """There is no such subject, or the caller may not know of it."""

    code = "subject_unknown"


@dataclass(frozen=True)
class Debt:
    """What must be spent before an answer: quotas, and the number of an approval."""

    quotas: Quotas = ()
    approval: int | None = None


@dataclass(frozen=True)
class Note:
    """What will be logged of one request. It begins as a refusal. ``address`` (where it comes
    from) and ``debt`` (what is still to be spent before it is answered) are not logged;
    ``approval`` is the number under which a second person was asked or approved.
    """

    who: Who
    purpose: str
    case: str
    action: str
    subject: str
    policy: str
    request: str
    items: Mapping[str, str] = field(default_factory=dict)
    scope: str | None = None
    digests: tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    release: int | None = None
    outcome: str = "refused"
    address: str | None = None
    debt: Debt | None = None
    approval: int | None = None

    def entry(self, decision: Decision) -> Entry:
        """The note as an entry of the log."""
        rows = self.rows if self.approval is None else {**self.rows, "approval": self.approval}
        agreements = tuple(
            reason.removeprefix("agreement:")
            for reason in decision.reasons
            if reason.startswith("agreement:")
        )
        what = What(self.action, self.subject, self.items, self.scope, self.digests, rows)
        return Entry(
            who=self.who,
            why=Why(self.purpose, self.case, agreements),
            what=what,
            decision=decision,
            policy=self.policy,
            outcome=self.outcome,
            release=None if self.release is None else str(self.release),
            request=self.request,
        )

    def refused(self, denied: Denied) -> Entry:
        """The entry of a refusal."""
        reasons = tuple(reason.code for reason in denied.reasons)
        return self.entry(Decision(granted=False, reasons=reasons))

    def failed(self, error: HubError) -> Entry:
        """The entry of a permitted request that came to nothing."""
        decision = Decision(granted=True, reasons=(error.code,))
        return replace(self, outcome="failed").entry(decision)

    def answered(self, grant: Grant | None, outcome: str = "answered") -> Entry:
        """The entry of an answer, given under ``grant``."""
        if self.debt is not None:
            raise RuntimeError("an answer is paid for before it is given")
        reasons = () if grant is None else grant.reasons
        return replace(self, outcome=outcome).entry(Decision(True, reasons))

    def of_grant(self, grant: Grant) -> Note:
        """The note with the items, masks and records that the grant reaches."""
        return replace(self, items=grant.masks, scope=_scope(grant))


@dataclass(frozen=True)
class Call:
    """Who asks, for which purpose, in which case."""

    caller: Caller
    purpose: str
    case: str


def begin(rules: Rules, call: Call, action: Action, subject: str, request: str) -> Note:
    """The note of a request that begins. ``request``: the keyed digest of all it says.

    Raises:
        BadInput: what would stand in the log for ever has not the form of a name: it may be a
            person's number, typed in the wrong place.
    """
    client = rules.policy.policies.clients.get(call.caller.client)
    named = {"case": call.case, "purpose": call.purpose, "subject": subject}
    if client is None:
        named["client"] = call.caller.client
    if call.caller.person is not None:
        named["person"] = call.caller.person
    for field_, text in named.items():
        if not _FORMS[field_].fullmatch(text):
            rule = message("form_string_pattern_mismatch", pattern=_FORMS[field_].pattern)
            raise BadInput(field=field_, rule=rule)
    return Note(
        who=Who(call.caller.client, client.department if client else "-", call.caller.person),
        purpose=call.purpose,
        case=call.case,
        action=action,
        subject=subject,
        policy=rules.policy.policies.revision,
        request=request,
        address=call.caller.address,
    )


def asking(note: Note, subject: str, items: Sequence[str] | None, now: datetime) -> Ask:
    """What the policy is asked for the request of a note."""
    return Ask(
        client_id=note.who.client,
        action=Action(note.action),
        subject=subject,
        items=None if items is None else tuple(items),
        purpose=note.purpose,
        now=now,
    )


def wanting(rules: Rules, note: Note, subject: str, items: Sequence[str] | None) -> Note:
    """The note of a request for items, before it is granted any: of those that there are, none is
    shown. What else a caller calls an item is its own words, and stands in no log.
    """
    described = rules.workspace.subjects.get(subject)
    known = () if described is None else described.attributes
    return replace(note, items={item: SUPPRESS for item in items or () if item in known})


def malformed(rules: Rules, purpose: str, case: str) -> Denied | None:
    """A refusal, where a case number is not of the form that its purpose demands."""
    found = rules.policy.policies.purposes.get(purpose)
    if found is None or found.case is None or found.case.fits(case):
        return None
    return Denied((reason("policy_case_form", purpose=purpose),))


def refusal(denied: Denied, name: str) -> HubError:
    """The error that tells of a denial: what one may not know of is not there."""
    return SubjectUnknown(name=name) if denied.hidden else Forbidden(denied.reasons)


def _scope(grant: Grant) -> str:
    return "|".join(sorted({scope.name for scope in grant.scopes}))
