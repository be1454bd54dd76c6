"""Decisions for other systems, in the words of OpenID AuthZEN (Authorization API 1.0).

A subject is a ``client``; an action one of ours; a resource an ``item`` (``resident/name``), a
``subject``, ``dataset``, ``check``, or the one ``audit`` or ``hub``. The context says purpose and
case, and perhaps the time.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from core.canonical import encode
from core.errors import BadInput
from core.messages import message
from hub.audit.entries import KeyedDigests
from hub.deciding.doors import OVERSEERS, Asker, Leave
from hub.deciding.grounds import told
from policies.decide import Ask, Denied, Grant, Policy, decide
from policies.models import Action

CLIENT = "client"
PAGE = 100
"""Results on a page where the request names no number; also the most."""


class Kind(StrEnum):
    """What a resource is."""

    ITEM = "item"
    SUBJECT = "subject"
    DATASET = "dataset"
    CHECK = "check"
    AUDIT = "audit"
    HUB = "hub"


_WHOLE: Mapping[str, Sequence[str]] = {Kind.AUDIT: ("audit", "audit/own"), Kind.HUB: ("hub",)}
"""The ids of what there is one of."""


class Semantic(StrEnum):
    """When a list of evaluations ends."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"


@dataclass(frozen=True)
class Entity:
    """A subject or a resource; what is searched for has no id."""

    type: str
    id: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """One question: may the subject do the action to the resource, in the context? Parts that
    are not given are None.
    """

    subject: Entity | None
    action: str | None
    resource: Entity | None
    purpose: str | None
    time: datetime | None = None


@dataclass(frozen=True)
class Page:
    """Which part of what is found."""

    token: str | None = None
    limit: int = PAGE


class Unanswerable(Exception):
    """A question is not complete, or names a kind of thing there is none of."""


def evaluate(asker: Asker, asked: Evaluation) -> dict[str, Any]:
    """The decision on one question; logged.

    Raises:
        SubjectUnknown, Forbidden: the caller may not know of this client.
    """
    leave = _enter(asker, "evaluate_access", [asked])
    return leave.give(_decision(leave, asked), {"asked": 1})


def evaluate_all(asker: Asker, asked: Sequence[Evaluation], semantic: Semantic) -> dict[str, Any]:
    """The decisions on several questions, in their order, up to the one that ends them; logged
    as one request.

    Raises:
        SubjectUnknown, Forbidden: the caller may not know of one of the clients.
    """
    leave = _enter(asker, "evaluate_access", asked)
    ends = {Semantic.DENY_ON_FIRST_DENY: False, Semantic.PERMIT_ON_FIRST_PERMIT: True}
    decisions = []
    for one in asked:
        decisions.append(_decision(leave, one))
        if decisions[-1]["decision"] is ends.get(semantic):
            break
    return leave.give({"evaluations": decisions}, {"asked": len(decisions)})


def search_subjects(asker: Asker, asked: Evaluation, page: Page) -> dict[str, Any]:
    """The clients that would be permitted.

    Raises:
        SubjectUnknown, Forbidden: the caller may not know of every client.
        BadInput: the question or the page makes no sense.
    """
    leave = asker.enter("search_access", "clients", OVERSEERS, _content([asked]))

    def found(policy: Policy) -> Iterator[str]:
        if asked.subject is not None and asked.subject.type == CLIENT:
            yield from policy.policies.clients

    def question(name: str) -> Evaluation:
        return _with(asked, subject=Entity(CLIENT, name))

    return _paged(leave, asked, page, _Search(found, question, lambda n: _entity(CLIENT, n)))


def search_resources(asker: Asker, asked: Evaluation, page: Page) -> dict[str, Any]:
    """The resources of a kind that the client would be permitted to act on.

    Raises:
        SubjectUnknown, Forbidden: the caller may not know of this client.
        BadInput: the question or the page makes no sense.
    """
    leave = _enter(asker, "search_access", [asked])
    kind = asked.resource.type if asked.resource is not None else ""

    def question(name: str) -> Evaluation:
        return _with(asked, resource=Entity(kind, name))

    search = _Search(lambda policy: _resources(policy, kind), question, lambda n: _entity(kind, n))
    return _paged(leave, asked, page, search)


def search_actions(asker: Asker, asked: Evaluation, page: Page) -> dict[str, Any]:
    """The actions that the client would be permitted to do to the resource.

    Raises:
        SubjectUnknown, Forbidden: the caller may not know of this client.
        BadInput: the question or the page makes no sense.
    """
    leave = _enter(asker, "search_access", [asked])

    def question(name: str) -> Evaluation:
        return _with(asked, action=name)

    search = _Search(lambda _: (a.value for a in Action), question, lambda name: {"name": name})
    return _paged(leave, asked, page, search)


@dataclass(frozen=True)
class _Search:
    """Names to try, the question each one makes, and how it is told if permitted."""

    names: Callable[[Policy], Iterable[str]]
    question: Callable[[str], Evaluation]
    told: Callable[[str], dict[str, str]]


def _enter(asker: Asker, deed: str, asked: Sequence[Evaluation]) -> Leave:
    """Leave to be told about all the clients that are asked about."""
    clients = {one.subject.id for one in asked if one.subject is not None and one.subject.id}
    own = None if asker.call is None else asker.call.caller.client
    others = sorted(clients - {own})
    if not others and own is not None:
        return asker.about_client(deed, own, _content(asked))
    about = f"client/{others[0]}" if len(others) == 1 else "clients"
    return asker.enter(deed, about, OVERSEERS, _content(asked))


def _content(asked: Iterable[Evaluation]) -> list[Any]:
    return [_plain(one) for one in asked]


def _plain(asked: Evaluation) -> list[Any]:
    who = None if asked.subject is None else [asked.subject.type, asked.subject.id]
    what = None if asked.resource is None else [asked.resource.type, asked.resource.id]
    return [who, asked.action, what, asked.purpose, asked.time]


def _with(asked: Evaluation, **parts: Any) -> Evaluation:
    return Evaluation(**{**vars(asked), **parts})


def _entity(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def _decision(leave: Leave, asked: Evaluation) -> dict[str, Any]:
    """One decision; a question that makes no sense is denied, with the error."""
    try:
        ask = _ask(asked, leave.hub.clock.now())
    except Unanswerable as error:
        context: dict[str, Any] = {"error": {"status": 400, "message": str(error)}}
        return {"decision": False, "context": context}
    verdict = decide(leave.rules.policy, ask)
    context = {"at": ask.now.isoformat(), "policy": leave.rules.policy.policies.revision}
    if isinstance(verdict, Denied):
        context["reasons"] = list(dict.fromkeys(reason.code for reason in verdict.reasons))
        words = [told(reason.code, **reason.fields) for reason in verdict.reasons]
        context["reason_user"] = {x: " ".join(w[x] for w in words) for x in ("en", "zh")}
        return {"decision": False, "context": context}
    return {"decision": True, "context": {**context, **_granted(verdict, ask)}}


def _granted(grant: Grant, ask: Ask) -> dict[str, Any]:
    tiers = [{"region": t.scope.name, "masks": dict(t.masks)} for t in grant.tiers]
    found: dict[str, Any] = {
        "reasons": list(grant.reasons),
        "tiers": tiers,
        "expires": None if grant.expires is None else grant.expires.isoformat(),
        "quotas": [{"rule": o.rule, "quota": o.quota.text} for o in grant.quotas],
    }
    if ask.items is not None and len(tiers) == 1:
        found["mask"] = grant.tiers[0].masks[ask.items[0]]
    return found


def _ask(asked: Evaluation, now: datetime) -> Ask:
    """The question as the policy takes it.

    Raises:
        Unanswerable: a part is missing, or is of a kind that there is none of.
    """
    if asked.subject is None or asked.action is None or asked.resource is None:
        raise Unanswerable("subject, action and resource are needed")
    if asked.purpose is None:
        raise Unanswerable("context.purpose is needed")
    if asked.subject.type != CLIENT or not asked.subject.id:
        raise Unanswerable("a subject is a client, with its id")
    if asked.action not in frozenset(Action):
        raise Unanswerable("there is no such action")
    name, items = _object(asked.resource)
    moment = now if asked.time is None else asked.time.astimezone(UTC)
    return Ask(asked.subject.id, Action(asked.action), name, items, asked.purpose, moment)


def _object(resource: Entity) -> tuple[str, tuple[str, ...] | None]:
    """What a resource is called by policies, and the items asked for."""
    kind, name = resource.type, resource.id
    if kind not in frozenset(Kind):
        raise Unanswerable(f"a resource is one of: {', '.join(Kind)}")
    if not name:
        raise Unanswerable("resource.id is needed")
    if kind == Kind.ITEM:
        subject, slash, item = name.partition("/")
        if not slash or not item:
            raise Unanswerable("an item is named like resident/name")
        return subject, (item,)
    if kind in _WHOLE and name not in _WHOLE[kind]:
        raise Unanswerable(f"the id of {kind} is one of: {', '.join(_WHOLE[kind])}")
    if kind == Kind.SUBJECT and ("/" in name or any(name in ids for ids in _WHOLE.values())):
        raise Unanswerable("a subject is named like resident")
    return (f"{kind}/{name}" if kind in (Kind.DATASET, Kind.CHECK) else name), None


def _resources(policy: Policy, kind: str) -> Iterator[str]:
    known = policy.policies.known
    if kind == Kind.ITEM:
        for subject in known.subjects:
            yield from policy.policies.objects(subject)
    elif kind in _WHOLE:
        yield from _WHOLE[kind]
    else:
        named: Mapping[str, Iterable[str]] = {
            Kind.SUBJECT: known.subjects,
            Kind.DATASET: known.contracts,
            Kind.CHECK: known.checks,
        }
        yield from named.get(kind, ())


def _paged(leave: Leave, asked: Evaluation, page: Page, search: _Search) -> dict[str, Any]:
    """One page of the names whose question is permitted, in the order of the names."""
    seal = _Seal(leave, asked)
    after = seal.open(page.token)
    if after is None:
        leave.fail(BadInput(field="page.token", rule=message("rule_page_token")))
    policy = leave.rules.policy
    found = [
        name
        for name in sorted(search.names(policy))
        if _decision(leave, search.question(name))["decision"]
    ]
    rest = [name for name in found if name > after]
    shown = rest[: min(page.limit, PAGE)]
    more = seal.close(shown[-1]) if shown and len(rest) > len(shown) else ""
    body = {
        "page": {"next_token": more, "count": len(shown), "total": len(found)},
        "results": [search.told(name) for name in shown],
    }
    return leave.give(body, {"answered": len(shown)})


class _Seal:
    """Tokens of pages: the last name shown, sealed for this very search."""

    def __init__(self, leave: Leave, asked: Evaluation) -> None:
        self._digests = KeyedDigests(leave.hub.keys)
        self._search = encode([leave.deed, leave.about, _plain(asked)]).decode()

    def close(self, name: str) -> str:
        return base64.urlsafe_b64encode(f"{self._mark(name)}{name}".encode()).decode()

    def open(self, token: str | None) -> str | None:
        """The name; None for a token of something else."""
        if token is None:
            return ""
        try:
            text = base64.urlsafe_b64decode(token.encode("ascii")).decode()
        except (binascii.Error, ValueError):
            return None
        mark, name = text[:32], text[32:]
        return name if hmac.compare_digest(mark.encode(), self._mark(name).encode()) else None

    def _mark(self, name: str) -> str:
        return self._digests.of("page", f"{self._search}\x00{name}")[:32]
