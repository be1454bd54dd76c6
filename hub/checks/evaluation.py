"""Deciding a check from gathered facts: a verdict with reasons, never a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from core.errors import HubError
from hub.checks.definition import Check, CheckRule, Fact
from hub.checks.expressions import compile_expression


class CheckRefused(HubError):
    """Somebody who would be checked has not agreed to it."""

    code = "check_refused"
    status = 403
    exit_code = 2


@dataclass(frozen=True)
class Source:
    """A department that told something, and how recent it was."""

    department: str
    as_of: str | None


@dataclass(frozen=True)
class GatheredFact:
    """One fact. ``missing``: some records lack the value. ``available``: a table that could tell
    is connected.
    """

    value: float
    missing: bool
    disputed: bool
    available: bool
    sources: Sequence[Source]

    @property
    def state(self) -> str:
        """``found``, ``none_on_record``, ``source_not_available`` or ``in_dispute``: nothing on
        record is never the same as not asked.
        """
        if not self.available:
            return "source_not_available"
        if self.disputed:
            return "in_dispute"
        return "found" if self.sources else "none_on_record"


@dataclass(frozen=True)
class Gathered:
    """All that a check read."""

    release: int | None
    members: int
    records: int
    authorisations: Sequence[str | None]
    facts: Mapping[str, GatheredFact]


def evaluate(check: Check, gathered: Gathered, today: date) -> dict[str, Any]:
    """The verdict: ``eligible``, ``not_eligible`` or ``needs_review``, a finding per rule, and
    the state, sources and as-of of each fact.

    Raises:
        CheckRefused: a member has no authorisation that is still live today.
    """
    if check.authorisation is not None:
        live = [a is not None and date.fromisoformat(a) >= today for a in gathered.authorisations]
        if not all(live):
            raise CheckRefused(count=live.count(False), members=len(live))
    values = {
        "parameters": check.parameters,
        "facts": {name: fact.value for name, fact in gathered.facts.items()},
    }
    findings = {rule.id: _finding(check, rule, gathered, values) for rule in check.rules}
    return {
        "verdict": _verdict([found for found, _ in findings.values()]),
        "rules": {
            rule.id: {
                "title": rule.title.model_dump(),
                "basis": rule.basis,
                "finding": findings[rule.id][0],
                "reason": findings[rule.id][1],
            }
            for rule in check.rules
        },
        "facts": {name: _shown(check.facts[name], fact) for name, fact in gathered.facts.items()},
    }


def _finding(
    check: Check, rule: CheckRule, gathered: Gathered, values: Mapping[str, Any]
) -> tuple[str, str]:
    """Met, not met or doubtful; and why. A rule is not met only on the strength of facts that
    are beyond doubt.
    """
    doubt = _doubt(check, rule, gathered)
    if doubt is not None:
        return "doubtful", doubt
    try:
        if compile_expression(rule.met).holds(values):
            return "met", "rule_holds"
        if rule.doubt is not None and compile_expression(rule.doubt).holds(values):
            return "doubtful", "rule_borderline"
    except ValueError:
        return "doubtful", "rule_not_computable"
    return "not_met", "rule_broken"


def _doubt(check: Check, rule: CheckRule, gathered: Gathered) -> str | None:
    """Why the facts of a rule cannot be relied on, if they cannot."""
    for name in rule.needs:
        fact = gathered.facts[name]
        unknown = check.facts[name].silence == "unknown"
        if not fact.available or fact.disputed:
            return f"{name}:{fact.state}"
        if unknown and (fact.missing or not fact.sources):
            return f"{name}:none_on_record"
    return None


def _verdict(findings: Sequence[str]) -> str:
    if "not_met" in findings:
        return "not_eligible"
    return "needs_review" if "doubtful" in findings else "eligible"


def _shown(fact: Fact, found: GatheredFact) -> dict[str, Any]:
    return {
        "title": fact.title.model_dump(),
        "state": found.state,
        "sources": [vars(source) for source in found.sources],
    }
