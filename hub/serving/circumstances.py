"""What is found out about a request before it is decided, and what it costs once it is.

Only what some condition of the caller's own rules asks for is looked up: where no rule has
conditions, nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from core.canonical import encode
from core.clock import CHINA, Clock
from core.errors import Unavailable
from core.keys import KeyRing
from core.messages import message
from hub.audit.entries import KeyedDigests
from hub.conditions import approvals, register, usage
from hub.conditions.approvals import State, Waiting
from hub.identity import canonical_account
from hub.serving.board import Rules
from hub.serving.notes import Debt, Note, malformed
from policies.conditions import Context, Need
from policies.decide import Ask, Denied, Grant, decide
from policies.reasons import Reason, reason

PRESUMED = "?"
"""Stands for a second person, to see what there would be with one."""


@dataclass(frozen=True)
class Judged:
    """A verdict and, where it is a grant that costs something, what. ``note``: as given, with
    that and with what is to be logged of it.
    """

    verdict: Grant | Denied
    note: Note


class Circumstances:
    """Judges and settles requests, for all callers of a process and from any thread."""

    def __init__(self, engine: Engine, keys: KeyRing, clock: Clock) -> None:
        self._engine = engine
        self._digests = KeyedDigests(keys)
        self._clock = clock

    def at_once(self, rules: Rules, ask: Ask, note: Note) -> Judged | None:
        """The verdict where nothing needs to be looked up for it; else None."""
        if rules.policy.needs(ask):
            return None
        return _judged(_decide(rules, ask, note), note)

    def judge(self, rules: Rules, ask: Ask, note: Note, quiet: bool = False) -> Judged:
        """The verdict, by all that can be found out. ``quiet``: somebody only looks whether it is
        open, so nobody is asked to approve it.

        Raises:
            Unavailable: the database does not answer.
        """
        found = self.at_once(rules, ask, note)
        if found is not None:
            return found
        needs = rules.policy.needs(ask)
        try:
            ask = replace(ask, context=self.context(rules, ask, note, needs))
            verdict = _decide(rules, ask, note)
            if isinstance(verdict, Denied) and Need.SECOND in needs:
                return self._by_two(rules, ask, note, verdict, quiet)
        except SQLAlchemyError as error:
            raise Unavailable(reason=message("cause_no_database")) from error
        return _judged(verdict, note)

    def context(self, rules: Rules, ask: Ask, note: Note, needs: Need) -> Context:
        """What is known of a request beside a second person."""
        zones, case = frozenset[str](), register.Standing()
        if Need.ZONES in needs:
            zones = rules.workspace.zones.of(note.address)
        if Need.CASE in needs:
            subject = ask.subject.removeprefix("check/")
            if subject in rules.workspace.checks and subject != ask.subject:
                subject = rules.workspace.checks[subject].subject
            about = (note.case, note.purpose)
            with self._engine.connect() as connection:
                case = register.standing(
                    connection, note.who.department, ask.client_id, about, subject
                )
        return Context(zones, None, case.is_open, case.entities)

    def settle(self, note: Note) -> tuple[Note, Denied | None]:
        """Spends what an answer costs, all of it or nothing: to be done before anything is read.
        Denied: it cannot be had any more.

        Raises:
            Unavailable: the database does not answer.
        """
        debt = note.debt
        if debt is None:
            return note, None
        now = self._clock.now()
        try:
            with self._engine.connect() as connection:
                refused = _spend(connection, note.who.client, debt, now)
                if refused is None:
                    connection.commit()
        except SQLAlchemyError as error:
            raise Unavailable(reason=message("cause_no_database")) from error
        if refused is not None:
            return note, Denied((refused,))
        return replace(note, debt=None, approval=debt.approval), None

    def _by_two(self, rules: Rules, ask: Ask, note: Note, alone: Denied, quiet: bool) -> Judged:
        """The verdict on what is open to two persons at most: ``alone`` is that on one."""
        would = _decide(rules, _with(ask, PRESUMED), note)
        if isinstance(would, Denied) or quiet:
            return Judged(alone, note)
        if not canonical_account(note.who.person or ""):
            return Judged(Denied((*alone.reasons, reason("policy_second_person_of_whom"))), note)
        waiting = self._waiting(note, would)
        with self._engine.begin() as connection:
            found = approvals.ask(connection, waiting, self._clock.now())
        if found.state is not State.APPROVED:
            code = "refused" if found.state is State.REFUSED else "needed"
            why = reason(f"policy_second_person_{code}", number=found.number)
            return Judged(Denied((*alone.reasons, why)), replace(note, approval=found.number))
        return _judged(_decide(rules, _with(ask, found.decider), note), note, found.number)

    def _waiting(self, note: Note, grant: Grant) -> Waiting:
        """A request for what would be granted. Another policy makes another request of it: what
        was approved under one is not given under the next.
        """
        about = note.of_grant(grant)
        # However the account is written, what was refused to it stays so.
        person = canonical_account(note.who.person or "")
        who = (note.who.client, person, note.purpose, note.case)
        said = encode([*who, note.action, note.subject, note.request, note.policy]).decode()
        return Waiting(
            digest=bytes.fromhex(self._digests.of("approval", said)),
            client=note.who.client,
            department=note.who.department,
            person=note.who.person or "",
            action=grant.action,
            deed=note.action,
            subject=note.subject,
            purpose=note.purpose,
            case=note.case,
            items=about.items,
            scope=about.scope or "",
        )


def _decide(rules: Rules, ask: Ask, note: Note) -> Grant | Denied:
    """The policy's verdict; what is granted is granted for case numbers of the demanded form."""
    verdict = decide(rules.policy, ask)
    refused = None if isinstance(verdict, Denied) else malformed(rules, note.purpose, note.case)
    return verdict if refused is None else refused


def _with(ask: Ask, second: str | None) -> Ask:
    return replace(ask, context=replace(ask.context, second=second))


def _judged(verdict: Grant | Denied, note: Note, approval: int | None = None) -> Judged:
    if isinstance(verdict, Denied) or (not verdict.quotas and approval is None):
        return Judged(verdict, note)
    return Judged(verdict, replace(note, debt=Debt(verdict.quotas, approval)))


def _spend(connection: Connection, client: str, debt: Debt, now: datetime) -> Reason | None:
    """Spends a debt; the reason why that cannot be done, if so."""
    spent = usage.take(connection, client, debt.quotas, now)
    if spent is not None:
        resets = spent.resets.astimezone(CHINA).strftime("%Y-%m-%d %H:%M")
        words = {"rule": spent.line, "quota": spent.quota.text, "resets": resets}
        return reason("policy_quota_spent", **words)
    if debt.approval is not None and not approvals.use(connection, debt.approval, now):
        return reason("policy_second_person_used", number=debt.approval)
    return None
