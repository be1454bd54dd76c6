"""Who can see what of a table, now: clients with equal access, and the items they see how."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.errors import NotFound
from hub.checks.definition import reads
from hub.deciding.doors import OVERSEERS, Asker
from hub.serving.board import Rules
from policies.decide import Ask
from policies.models import Action
from policies.sights import Sight, sights

READING = (
    Action.LOOKUP,
    Action.VERIFY,
    Action.QUERY,
    Action.EXCHANGE,
    Action.STEWARD,
)
"""What shows a client something of an item. Checks read items too, under rules of their own."""

_WHOLE = (Action.DISCOVER, Action.EXCHANGE, Action.STEWARD)


@dataclass(frozen=True)
class Wanted:
    """Of which table or subject (one of them), for which purposes and actions (None: all)."""

    dataset: str | None
    subject: str | None
    purpose: str | None = None
    action: Action | None = None


_Row = tuple[tuple[Sight, ...], ...]


@dataclass(frozen=True)
class _Columns:
    """Attributes of a subject; ``items``: attribute → the item of the table that feeds it."""

    subject: str
    items: Mapping[str, str]


def matrix(asker: Asker, wanted: Wanted) -> dict[str, Any]:
    """Who can see what, under the policy in force; logged.

    Raises:
        SubjectUnknown, Forbidden: the caller neither keeps the table nor oversees the hub.
        NotFound: there is no such table, subject or purpose.
    """
    about = wanted.subject or f"dataset/{wanted.dataset}"
    ways = (*OVERSEERS, (Action.STEWARD, about))
    leave = asker.enter("show_matrix", about, ways, vars(wanted))
    rules = leave.rules
    workspace, known = rules.workspace, rules.policy.policies.purposes
    registered: tuple[tuple[str, str | None, Container[str]], ...] = (
        ("dataset", wanted.dataset, workspace.contracts),
        ("subject", wanted.subject, workspace.subjects),
        ("purpose", wanted.purpose, known),
    )
    for kind, name, there in registered:
        if name is not None and name not in there:
            leave.fail(NotFound(kind=kind, name=name))
    body = drawn(rules, wanted, leave.hub.clock.now())
    return leave.give(body, {"answered": sum(len(part["rows"]) for part in body["subjects"])})


def drawn(rules: Rules, wanted: Wanted, now: datetime) -> dict[str, Any]:
    """The matrix at ``now``: one part per subject that the table feeds."""
    actions = READING if wanted.action is None else (wanted.action,)
    concerned = tuple(_columns(rules, wanted))
    parts: list[dict[str, Any]] = [
        {
            "subject": columns.subject,
            "items": [{"attribute": a, "item": item} for a, item in columns.items.items()],
            "rows": list(_rows(rules, wanted, columns, actions, now)),
        }
        for columns in concerned
    ]
    contract = rules.workspace.contracts.get(wanted.dataset or "")
    fed = {item["item"] for part in parts for item in part["items"]}
    unused = [i.name for i in contract.items if i.name not in fed] if contract else []
    return {
        "dataset": wanted.dataset,
        "at": now.isoformat(),
        "policy": rules.policy.policies.revision,
        "subjects": parts,
        "not_served": unused,
        "table": list(_whole(rules, wanted, now)),
        "checks": list(_checks(rules, wanted, concerned, now)),
    }


def _columns(rules: Rules, wanted: Wanted) -> Iterator[_Columns]:
    for name, subject in rules.workspace.subjects.items():
        if wanted.dataset is not None and wanted.dataset in subject.feeds:
            yield _Columns(name, subject.feeds[wanted.dataset])
        elif name == wanted.subject:
            yield _Columns(name, {attribute: attribute for attribute in subject.attributes})


def _rows(
    rules: Rules, wanted: Wanted, columns: _Columns, actions: Iterable[Action], now: datetime
) -> Iterator[dict[str, Any]]:
    for action in actions:

        def seen(client: str, purpose: str, action: Action = action) -> _Row:
            ask = Ask(client, action, columns.subject, None, purpose, now)
            return tuple(sights(rules.policy, ask, name) for name in columns.items)

        for row, purposes, clients in _alike(rules, wanted, seen):
            cells = {
                name: [_cell(sight) for sight in found]
                for name, found in zip(columns.items, row, strict=True)
                if found
            }
            yield {**_who(rules, action, purposes, clients), "cells": cells}


def _whole(rules: Rules, wanted: Wanted, now: datetime) -> Iterator[dict[str, Any]]:
    """Who may know of the table, take it whole, or see its rows as the department sent them."""
    dataset = wanted.dataset
    if dataset is None:
        return
    for action in _WHOLE:

        def seen(client: str, purpose: str, action: Action = action) -> _Row:
            ask = Ask(client, action, f"dataset/{dataset}", None, purpose, now)
            return (sights(rules.policy, ask, dataset),)

        for row, purposes, clients in _alike(rules, wanted, seen):
            cells = [_cell(sight) for sight in row[0]]
            yield {**_who(rules, action, purposes, clients), "cells": cells}


def _checks(
    rules: Rules, wanted: Wanted, concerned: Iterable[_Columns], now: datetime
) -> Iterator[dict[str, Any]]:
    """Who may run the checks that read something of it: of these they learn a verdict only."""
    known = {(c.subject, a): item for c in concerned for a, item in c.items.items()}
    for name, check in rules.workspace.checks.items():
        items = sorted({known[place] for place in reads(check) if place in known})
        if not items or wanted.action not in (None, Action.CHECK):
            continue

        def seen(client: str, purpose: str, name: str = name) -> _Row:
            ask = Ask(client, Action.CHECK, f"check/{name}", None, purpose, now)
            return (sights(rules.policy, ask, name),)

        for row, purposes, clients in _alike(rules, wanted, seen):
            who = _who(rules, Action.CHECK, purposes, clients)
            cells = [_cell(sight) for sight in row[0]]
            yield {**who, "check": name, "items": items, "cells": cells}


def _alike(
    rules: Rules, wanted: Wanted, seen: Callable[[str, str], _Row]
) -> Iterator[tuple[_Row, tuple[str, ...], tuple[str, ...]]]:
    """What is seen, under which purposes, by which clients: those with equal access together,
    and purposes under which that is so. Who sees nothing is left out.
    """
    found: dict[tuple[_Row, tuple[str, ...]], list[str]] = {}
    policies = rules.policy.policies
    # Clients of the same groups differ by nothing but where their own region lies.
    kinds: dict[tuple[frozenset[str], bool], list[str]] = {}
    for name, client in policies.clients.items():
        kinds.setdefault((policies.groups(client), client.region is None), []).append(name)
    for purpose in policies.purposes if wanted.purpose is None else (wanted.purpose,):
        groups: dict[_Row, list[str]] = {}
        for clients in kinds.values():
            row = seen(clients[0], purpose)
            if any(row):
                groups.setdefault(row, []).extend(clients)
        for row, clients in groups.items():
            found.setdefault((row, tuple(clients)), []).append(purpose)
    for (row, together), same in found.items():
        yield row, tuple(same), together


def _who(
    rules: Rules, action: Action, purposes: Sequence[str], clients: Sequence[str]
) -> dict[str, Any]:
    known = rules.policy.policies.clients
    return {
        "action": action,
        "purposes": list(purposes),
        "departments": sorted({known[client].department for client in clients}),
        "clients": list(clients),
    }


def _cell(sight: Sight) -> dict[str, Any]:
    return {"scope": sight.scope, "mask": sight.mask, "conditions": sight.conditions or None}
