"""The door for whatever is no query: decides, and gives leave or logs the refusal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, NoReturn

from core.canonical import encode
from core.errors import BadInput, HubError
from core.messages import message
from hub.app import Hub
from hub.audit.entries import KeyedDigests
from hub.serving.access import Access, View
from hub.serving.board import Board, Rules
from hub.serving.circumstances import Circumstances
from hub.serving.notes import Call, asking, begin, refusal, wanting
from policies.decide import Denied, Grant, Reason
from policies.models import Action


class Office:
    """Lets stewards, auditors and administrators in. One serves all callers of a process, from
    any thread.
    """

    def __init__(self, hub: Hub, board: Board | None = None) -> None:
        self.hub = hub
        self._board = board or Board(hub.engine)
        self._named: tuple[str, ...] = ()
        self.circumstances = Circumstances(hub.engine, hub.keys, hub.clock)

    @property
    def rules(self) -> Rules:
        """The registered workspace and its policy.

        Raises:
            WorkspaceMissing: nothing is registered.
        """
        return self._board.rules

    def naming(self, digests: Sequence[str]) -> Office:
        """The same door for a request that names somebody, by keyed digests: who is asked about
        is told of it also where it is refused.
        """
        made = copy(self)
        made._named = tuple(dict.fromkeys(digests))
        return made

    def concerning(self, subject: str, entity: str) -> Office:
        """The same door for a request about an entity."""
        return self.naming([KeyedDigests(self.hub.keys).of(f"{subject}/entity", entity)])

    def enter(
        self, call: Call, action: Action, deed: str, name: str, content: Any = None
    ) -> Access:
        """Leave to do ``deed`` (the log's word for it, such as ``search_audit``) with what is no
        subject: ``audit`` or ``hub``.

        Raises:
            SubjectUnknown, Forbidden: the policy refuses; that is logged.
        """
        return self._enter(call, deed, name, None, content, action)

    def by_any(
        self, call: Call, deed: str, ways: Sequence[tuple[Action, str]], content: Any = None
    ) -> Access:
        """Leave to do ``deed`` by the first of the ways (an action on an object) that is open.

        Raises:
            SubjectUnknown, Forbidden: none is; the refusal of the last one is logged.
        """
        open_ways = (way for way in ways if self._permits(call, *way, None) is not None)
        action, name = next(open_ways, ways[-1])
        return self._enter(call, deed, name, None, content, action)

    def itself(self, call: Call, deed: str, content: Any = None) -> Access:
        """Leave to do ``deed`` for what concerns nobody but the caller: any registered client
        has it. Nothing can be read with it.

        Raises:
            Forbidden: the client is not registered; that is logged.
        """
        rules, client = self.rules, call.caller.client
        said = encode({**_who(call), "deed": deed, "about": client, "said": content})
        note = begin(rules, call, Action.DISCOVER, f"client/{client}", self._request(said))
        note = replace(note, action=deed, digests=self._named)
        found = rules.policy.policies.clients.get(client)
        if found is None:
            denied = Denied((Reason("policy_client_unknown", {"client": client}),))
            self.hub.audit.append([note.refused(denied)])
            raise refusal(denied, client)
        nothing = Grant(
            client=found,
            subject=note.subject,
            action=Action.DISCOVER,
            purpose=call.purpose,
            tiers=(),
            filters={},
            expires=None,
            policy_revision=note.policy,
            reasons=(),
        )
        return Access(self.hub, rules, call, nothing, note)

    def subject(
        self,
        call: Call,
        deed: str,
        subject: str,
        attributes: Iterable[str] | None = None,
        content: Any = None,
    ) -> Access:
        """Leave to do ``deed`` (the log's word for it, such as ``list_conflicts``) with all of
        ``attributes``, or with those that are open to the caller (None).

        ``content``: all else that the request says, of which the log keeps a keyed digest.

        Raises:
            SubjectUnknown, Forbidden: the policy refuses; that is logged.
        """
        wanted = None if attributes is None else tuple(dict.fromkeys(attributes))
        return self._enter(call, deed, subject, wanted, content)

    def named(
        self, call: Call, deed: str, subject: str, attributes: Sequence[str], content: Any = None
    ) -> Access:
        """As :meth:`subject`, where the caller names the attributes: that there is no such one is
        said as a mistake to whom anything of the subject is open.

        Raises:
            BadInput: there is no such attribute; that is logged.
        """
        described = self.rules.workspace.subjects.get(subject)
        known = attributes if described is None else described.attributes
        missing = [name for name in attributes if name not in known]
        if missing and self.may(call, subject):
            access = self._let_in(call, deed, subject, None, content, Action.STEWARD)
            access.fail(no_attribute(subject, missing[0]))
        return self.subject(call, deed, subject, attributes, content)

    def sharing(
        self, call: Call, action: Action, deed: str, name: str, said: Mapping[str, Any]
    ) -> Access:
        """Leave to take ``said["items"]`` of a subject's records out of the hub, in bulk or as
        counts. What that costs is to be :meth:`Access.spent`.

        Raises:
            SubjectUnknown, Forbidden: the policy refuses; that is logged.
        """
        access = self._let_in(call, deed, name, said["items"], said, action)
        if access.view is None:
            # A rule may speak of it, but it has no records: a check, a table.
            access.refuse(Denied((Reason("policy_subject_unknown", {"subject": name}),), True))
        return access

    def linking(self, call: Call, deed: str, subject: str, content: Any = None) -> Access:
        """Leave to say who is who: with every attribute that identifies the subject.

        Raises:
            SubjectUnknown, Forbidden: the policy refuses; that is logged.
        """
        described = self.rules.workspace.subjects.get(subject)
        keys = () if described is None else described.keys or tuple(described.attributes)
        return self._enter(call, deed, subject, keys, content)

    def dataset(self, call: Call, deed: str, dataset: str, content: Any = None) -> Access:
        """Leave to do ``deed`` with a table: its quarantined rows, scores and corrections. Values
        of rows are for the table's own department (:meth:`Access.is_own`).

        Raises:
            SubjectUnknown, Forbidden: the policy refuses; that is logged.
        """
        return self._enter(call, deed, f"dataset/{dataset}", None, content)

    def datasets(
        self, call: Call, deed: str, names: Sequence[str], content: Any = None
    ) -> tuple[Access, tuple[str, ...]]:
        """Leave to do ``deed`` with those of the tables that are open to the caller.

        Raises:
            SubjectUnknown, Forbidden: none is; that is logged.
        """
        found = tuple(name for name in names if self.may(call, f"dataset/{name}"))
        access = self.dataset(call, deed, (found or names or ("-",))[0], content)
        return access.over("datasets", dict.fromkeys(found, "reveal")), found

    def may(self, call: Call, name: str, attributes: Sequence[str] | None = None) -> bool:
        """Whether the caller may steward a subject's attributes or ``dataset/<dataset>``; not
        logged, for lists that leave out what is closed.
        """
        return self._grant(call, name, attributes) is not None

    def may_administer(self, call: Call) -> bool:
        """Whether the caller may administer the hub; not logged, for lists that leave out what is
        closed.
        """
        return self._permits(call, Action.ADMINISTER, "hub", None) is not None

    def view(self, call: Call, subject: str) -> View:
        """What the caller may see of a subject beside what it asked for; nothing if closed."""
        described = self.rules.workspace.subjects[subject]
        return View(self.hub, described, self._grant(call, subject, None))

    def missing(self, call: Call, deed: str, name: str, error: HubError) -> NoReturn:
        """Logs that what was asked about is not there, and says so."""
        said = encode({**_who(call), "deed": deed, "about": name})
        note = begin(self.rules, call, Action.STEWARD, name, self._request(said))
        stranger = call.caller.client not in self.rules.policy.policies.clients
        unknown = Reason("policy_client_unknown", {"client": call.caller.client})
        denied = Denied((unknown if stranger else Reason(error.code, error.fields),))
        self.hub.audit.append([replace(note, action=deed).refused(denied)])
        raise refusal(denied, name) if stranger else error

    def _grant(self, call: Call, name: str, attributes: Sequence[str] | None) -> Grant | None:
        return self._permits(call, Action.STEWARD, name, attributes)

    def _permits(
        self, call: Call, action: Action, name: str, items: Sequence[str] | None
    ) -> Grant | None:
        note = begin(self.rules, call, action, name, "")
        ask = asking(note, name, items, self.hub.clock.now())
        judged = self.circumstances.judge(self.rules, ask, note, quiet=True)
        return None if isinstance(judged.verdict, Denied) else judged.verdict

    def _request(self, said: bytes) -> str:
        return KeyedDigests(self.hub.keys).of("request", said.decode())

    def _enter(
        self,
        call: Call,
        deed: str,
        name: str,
        items: Sequence[str] | None,
        content: Any,
        action: Action = Action.STEWARD,
    ) -> Access:
        return self._let_in(call, deed, name, items, content, action).spent(self.circumstances)

    def _let_in(
        self,
        call: Call,
        deed: str,
        name: str,
        items: Sequence[str] | None,
        content: Any,
        action: Action,
    ) -> Access:
        rules = self.rules
        said = encode({**_who(call), "deed": deed, "about": name, "said": content})
        note = begin(rules, call, action, name, self._request(said))
        ask = asking(note, name, items, self.hub.clock.now())
        note = wanting(rules, replace(note, action=deed, digests=self._named), name, items)
        judged = self.circumstances.judge(rules, ask, note)
        if isinstance(judged.verdict, Denied):
            self.hub.audit.append([judged.note.refused(judged.verdict)])
            raise refusal(judged.verdict, name)
        return Access(self.hub, rules, call, judged.verdict, judged.note)


def no_attribute(subject: str, name: str) -> BadInput:
    """What is said where an attribute is named that a subject does not have."""
    rule = message("rule_no_attribute", subject=subject, attribute=name)
    return BadInput(field="attribute", rule=rule)


def _who(call: Call) -> dict[str, Any]:
    """A call as its request's digest takes it: the same request from elsewhere is the same."""
    caller = {"client": call.caller.client, "person": call.caller.person}
    return {"call": {"caller": caller, "purpose": call.purpose, "case": call.case}}
