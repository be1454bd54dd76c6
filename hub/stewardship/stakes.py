"""What depends on an attribute: the checks, agreements and rules that use what it says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from catalog.subjects import Subject
from hub.checks.definition import reads
from hub.workspace import Workspace
from policies.models import ANY, Action, Effect
from reconcile.conflicts import Stake

_CHECK, _FOUNDATION = 3, 3
_SERVING = (Action.LOOKUP, Action.QUERY)


@dataclass(frozen=True)
class Use:
    """Who uses an attribute: names of checks, ids of agreements in force, roles with the purpose
    for which a reviewed rule serves it; and whether records are found or placed by it.
    """

    checks: tuple[str, ...]
    agreements: tuple[str, ...]
    rules: tuple[str, ...]
    foundation: bool

    @property
    def decisions(self) -> int:
        """How many decisions depend on it: 3 for a check, which decides by itself, 1 for an
        agreement or rule, 3 for a key or the region, on which everything rests.
        """
        foundation = _FOUNDATION if self.foundation else 0
        return _CHECK * len(self.checks) + len(self.agreements) + len(self.rules) + foundation

    def told(self) -> dict[str, Any]:
        """As part of an answer."""
        return {
            "checks": list(self.checks),
            "agreements": list(self.agreements),
            "rules": list(self.rules),
            "key_or_region": self.foundation,
        }


def uses(workspace: Workspace, subject: Subject, day: date) -> dict[str, Use]:
    """Attribute → who uses it on ``day``."""
    checks: dict[str, set[str]] = defaultdict(set)
    for check in workspace.checks.values():
        for name, attribute in reads(check):
            if name == subject.subject:
                checks[attribute].add(check.check)
    return {
        name: Use(
            checks=tuple(sorted(checks[name])),
            agreements=tuple(_agreements(workspace, subject, name, day)),
            rules=tuple(_rules(workspace, subject, name)),
            foundation=attribute.key or name == subject.region,
        )
        for name, attribute in subject.attributes.items()
    }


def stakes(subject: Subject, used: dict[str, Use]) -> dict[str, Stake]:
    """Attribute → what depends on it."""
    return {
        name: Stake(used[name].decisions, int(attribute.level))
        for name, attribute in subject.attributes.items()
    }


def _agreements(workspace: Workspace, subject: Subject, name: str, day: date) -> Iterator[str]:
    for agreement in workspace.policies.agreements:
        in_force = agreement.valid_from <= day <= agreement.valid_to
        if in_force and agreement.subject == subject.subject and name in agreement.items:
            yield agreement.agreement


def _rules(workspace: Workspace, subject: Subject, name: str) -> list[str]:
    objects = (f"{subject.subject}/{name}", f"{subject.subject}/{ANY}")
    return sorted(
        {
            f"{rule.role}/{rule.purpose}"
            for rule in workspace.policies.rules
            if rule.effect is Effect.ALLOW and rule.action in _SERVING and rule.object in objects
        }
    )
