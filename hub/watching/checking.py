"""Whether what a workspace says about watching fits the rest of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.messages import Message, absent, message
from hub.watching.rules import RULES
from hub.workspace import Workspace

Mistake = tuple[str, Sequence[str | int], Message]
"""The file of ``policies/``, the part of it that breaks a rule, and the rule."""


def mistakes(workspace: Workspace) -> Iterator[Mistake]:
    """What speaks of something that is not there, and delays that the law does not allow."""
    clients = {client.id for client in workspace.policies.clients}
    roles = {role for client in workspace.policies.clients for role in client.roles}
    settings = workspace.watch.rules
    for place, account in enumerate(workspace.watch.accounts):
        if account.client not in clients:
            rule = absent("client", account.client)
            yield "accounts.yaml", ["accounts", place, "client"], rule
    for place, name in enumerate(settings.without):
        if name not in RULES:
            yield "watching.yaml", ["without", place], absent("rule", name)
    for place, name in enumerate(settings.hours.roles):
        if name not in roles:
            yield "watching.yaml", ["hours", "roles", place], absent("role", name)
    most = settings.own_view.most_delay_days
    for place, purpose in enumerate(workspace.policies.purposes):
        if (purpose.delay_days or 0) > most:
            rule = message("rule_delay_days", most=most)
            yield "purposes.yaml", ["purposes", place, "delay_days"], rule
