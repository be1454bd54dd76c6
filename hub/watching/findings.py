"""Findings as auditors meet them: listed, shown, noted on, closed."""

from __future__ import annotations

from typing import Any

from core.errors import HubError
from core.messages import LANGUAGES, say
from hub.identity import canonical_account
from hub.serving.access import About, Access, Call
from hub.serving.office import Office
from hub.watching import ledger
from hub.watching.ledger import CLOSED, FOUND, NOTE, Event, Ledger, Standing, State, Which
from policies.models import Action

MOST_SHOWN = 200
"""Of a finding that goes on and on, so many entries are named."""


class FindingOwn(HubError):
    """Nobody judges what was found about themselves."""

    code = "finding_own"
    status = 403
    exit_code = 2


class WordsMissing(HubError):
    """A note says something, and whoever closes a finding says why."""

    code = "finding_words_missing"
    status = 400
    exit_code = 2


class Findings:
    """What auditors may do with findings. Every answer is a JSON-able body with a receipt."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def list(self, call: Call, wanted: Which) -> dict[str, Any]:
        """Findings, the latest first; what is sealed is left out.

        Raises:
            SubjectUnknown, Forbidden: the policy refuses.
        """
        said = {**vars(wanted), "states": sorted(wanted.states)}
        access = self._enter(call, "finding_list", said)
        with self._office.hub.engine.connect() as connection:
            found, total = ledger.listed(connection, wanted)
        body = {"total": total, "findings": [_told(finding) for finding in found]}
        return access.give(body, About(rows={"answered": len(found)}))

    def show(self, call: Call, number: int) -> dict[str, Any]:
        """A finding: what it says, with its numbers; the entries that show it; whose account;
        whom it was about, as a keyed digest; and all that was said to it.

        Raises:
            As :meth:`list`; FindingUnknown.
        """
        access = self._enter(call, "finding_show", number)
        try:
            with self._office.hub.engine.connect() as connection:
                found = ledger.one(connection, number)
                steps = ledger.events(connection, self._office.hub.keys, number)
        except HubError as error:
            access.fail(error)
        about = _digests(steps)
        return access.give(_whole(found, steps), About(about, {"finding": number}))

    def note(self, call: Call, number: int, words: str) -> dict[str, Any]:
        """Writes something down: whoever does is looking at it.

        Raises:
            As :meth:`show`; FindingClosed, FindingOwn, PersonMissing, WordsMissing.
        """
        return self._say(call, number, NOTE, words)

    def close(self, call: Call, number: int, state: State, words: str) -> dict[str, Any]:
        """Closes a finding as ``justified``, ``misuse`` or ``false_alarm``.

        Raises:
            As :meth:`note`.
        """
        if state not in CLOSED:
            raise ValueError("not a state that closes a finding")
        return self._say(call, number, state.value, words)

    def _say(self, call: Call, number: int, kind: str, words: str) -> dict[str, Any]:
        deed = "finding_note" if kind == NOTE else "finding_close"
        access = self._enter(call, deed, [number, kind, words])
        person = access.person()
        if not words.strip():
            access.fail(WordsMissing())
        with access.change() as connection:
            self._refuse_own(access, connection, number, person)
            now = self._office.hub.clock.now()
            book = Ledger(connection, self._office.hub.keys, now)
            book.say(number, kind, words.strip(), (access.client, person))
            found = ledger.one(connection, number)
            return access.give(_told(found), About(rows={"finding": number}), connection)

    def _refuse_own(self, access: Access, connection: Any, number: int, person: str) -> None:
        found = ledger.one(connection, number)
        steps = ledger.events(connection, self._office.hub.keys, number)
        named = {step.body.get("person") for step in steps if step.kind == FOUND}
        whose = {canonical_account(account) for account in named if account}
        # Another client does not make another person; where none is named, it is the client's.
        own = canonical_account(person) in whose if whose else found.client == access.client
        if own:
            raise FindingOwn(number=number)

    def _enter(self, call: Call, deed: str, said: Any) -> Access:
        return self._office.enter(call, Action.AUDIT, deed, "audit", said)


def title(rule: str) -> dict[str, str]:
    """What a rule is called, in both languages."""
    return {language: say(f"watch_{rule}", language) for language in LANGUAGES}


def _told(found: Standing) -> dict[str, Any]:
    return {
        "finding": found.number,
        "rule": found.rule,
        "title": title(found.rule),
        "state": found.state.value,
        "client": found.client,
        "first": found.first,
        "last": found.last,
        "opened_at": found.opened_at.isoformat(),
        "moved_at": found.moved_at.isoformat(),
    }


def _whole(found: Standing, steps: list[Event]) -> dict[str, Any]:
    evidence = [step.body for step in steps if step.kind == FOUND]
    newest = evidence[-1]
    code = f"watch_{found.rule}_why"
    indexes = sorted({index for body in evidence for index in body["indexes"]})
    return {
        **_told(found),
        "why": {language: say(code, language, **newest["numbers"]) for language in LANGUAGES},
        "numbers": newest["numbers"],
        "person": newest["person"],
        "about": newest["subject_person"],
        "entries": indexes[-MOST_SHOWN:],
        "events": [
            {
                "kind": step.kind,
                "at": step.made_at.isoformat(),
                "client": step.client,
                "person": step.person,
                "words": step.body.get("words"),
                "last": step.last,
            }
            for step in steps
        ],
    }


def _digests(steps: list[Event]) -> tuple[str, ...]:
    found = {about for step in steps if (about := step.body.get("subject_person")) is not None}
    return tuple(sorted(found))
