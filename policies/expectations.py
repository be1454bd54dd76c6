"""Expected decisions: what a workspace says its own policy must come to (``policies/tests.yaml``).

A change of policy that would decide one of them otherwise is refused before it is registered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, Field

from core.clock import start_of_day
from core.types import Model
from core.yamlfile import InvalidFile, InvalidFiles, load
from policies.conditions import Context, failing, supposed
from policies.decide import Ask, Denied, Grant, Policy, decide
from policies.models import Action, ClientId, Name, Reach
from policies.sights import names, sights

TESTS = "policies/tests.yaml"

_Minute = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Given(Model):
    """What else is known of the request that is expected to be decided so."""

    zones: tuple[Name, ...] = ()
    second: str | None = None
    case_open: bool = False

    @property
    def context(self) -> Context:
        """As conditions are judged by it."""
        return supposed(self.zones, self.second, self.case_open)


class Expected(Model):
    """What must be decided. What is left out may be anything.

    ``masks``: item → mask; several masks of one item, in different records, are joined by ``|``.
    ``scope``: the reaches granted, such as ``own_region``, joined likewise. ``reasons``: those
    that must be among the reasons: ids of rules (``agreement:A-1``) of what is granted, codes
    (``policy_rule_denies``) of what is not.
    """

    granted: bool
    masks: dict[str, str] = Field(default_factory=dict)
    scope: str | None = None
    reasons: tuple[str, ...] = ()


class Expectation(Model):
    """One request and what it must come to. ``on``: the day it is made; None: the day of the
    check. ``at``: the time of that day. ``line``: where it stands, 1-based.
    """

    name: Annotated[str, Field(min_length=1)]
    client: ClientId = Field(validation_alias=AliasChoices("as", "client"))
    action: Action = Action.QUERY
    subject: str
    items: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    purpose: Name
    on: date | None = None
    at: _Minute = "12:00"
    given: Given = Given()
    expect: Expected
    line: int = 0


class Expectations(Model):
    """All expectations of a workspace; there need not be any."""

    tests: tuple[Expectation, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """One expectation, and how what was decided differs from it; no differences: it is met."""

    expectation: Expectation
    differences: tuple[tuple[str, str], ...]

    def mistakes(self) -> Iterator[InvalidFile]:
        """What to tell of it: file, line, the part that is not met, and what was decided."""
        for part, words in self.differences:
            rule = f"{self.expectation.name!r}: {words}"
            yield InvalidFile(Path(TESTS), self.expectation.line, part, rule)


def read(workspace: Path) -> Expectations:
    """The expectations of a workspace folder; none where there is no file.

    Raises:
        InvalidFile, InvalidFiles: the file cannot be read, or breaks a rule.
    """
    path = workspace / TESTS
    if not path.exists():
        return Expectations()
    file = load(path)
    tests = file.parse_with(lambda data: Expectations.model_validate(_spelt(data))).tests
    placed = (t.model_copy(update={"line": file.line(["tests", n])}) for n, t in enumerate(tests))
    return Expectations(tests=tuple(placed))


def missing(before: Expectations, after: Expectations) -> tuple[str, ...]:
    """The names of expectations that are no longer there as they were, wherever they stand."""
    kept = [test.model_copy(update={"line": 0}) for test in after.tests]
    gone = (t for t in before.tests if t.model_copy(update={"line": 0}) not in kept)
    return tuple(test.name for test in gone)


def _spelt(data: Any) -> Any:
    """What was written: YAML takes the key ``on`` for the truth value."""
    if isinstance(data, dict):
        return {"on" if key is True else key: _spelt(value) for key, value in data.items()}
    return [_spelt(value) for value in data] if isinstance(data, list) else data


def run(expectations: Expectations, policy: Policy, now: datetime) -> list[Outcome]:
    """Decides each expected request. ``now``: the moment of those that name no day."""
    return [
        Outcome(test, tuple(_unknown(test, policy)) or tuple(_differences(test, policy, now)))
        for test in expectations.tests
    ]


def require(expectations: Expectations, policy: Policy, now: datetime) -> None:
    """Accepts a policy that decides as expected.

    Raises:
        InvalidFiles: one mistake for every part of an expectation that is decided otherwise.
    """
    found = [m for outcome in run(expectations, policy, now) for m in outcome.mistakes()]
    if found:
        raise InvalidFiles(found)


def _unknown(test: Expectation, policy: Policy) -> Iterator[tuple[str, str]]:
    """What speaks of something unknown: a slip of the pen would be denied, as expected, for
    ever.
    """
    if test.client not in policy.policies.clients:
        yield "as", f"unknown client {test.client!r}"
    if test.purpose not in policy.policies.purposes:
        yield "purpose", f"unknown purpose {test.purpose!r}"
    items = names(policy, test.subject)
    if not items:
        yield "subject", f"unknown subject {test.subject!r}"
        return
    for item in test.items or ():
        if item not in items:
            yield "items", f"unknown attribute {item!r} of {test.subject!r}"
    for item in test.expect.masks:
        if item not in (test.items or items):
            yield "expect.masks", f"{item!r} is not asked for"


def _moment(test: Expectation, now: datetime) -> datetime:
    if test.on is None:
        return now
    hours, minutes = map(int, test.at.split(":"))
    return start_of_day(test.on) + timedelta(hours=hours, minutes=minutes)


def _differences(test: Expectation, policy: Policy, now: datetime) -> Iterator[tuple[str, str]]:
    ask = Ask(
        client_id=test.client,
        action=test.action,
        subject=test.subject,
        items=test.items,
        purpose=test.purpose,
        now=_moment(test, now),
        context=test.given.context,
    )
    verdict, expect = decide(policy, ask), test.expect
    given = _reasons(verdict)
    told = f"{_word(verdict)} ({', '.join(given)})"
    if isinstance(verdict, Grant) != expect.granted:
        yield "expect.granted", f"expected {str(expect.granted).lower()}, but it is {told}"
        return
    if isinstance(verdict, Grant):
        masks = verdict.masks
        for item, mask in expect.masks.items():
            if masks.get(item) != mask:
                words = f"expected {mask}, but it is {masks.get(item, 'closed')}"
                yield f"expect.masks.{item}", words
        scope = _scope(policy, ask)
        if expect.scope not in (None, scope):
            yield "expect.scope", f"expected {expect.scope}, but it is {scope}"
    for reason in expect.reasons:
        if reason not in given:
            yield "expect.reasons", f"expected {reason}, but it is {told}"


def _scope(policy: Policy, ask: Ask) -> str:
    """The reaches of what is granted, joined by ``|``."""
    items = ask.items or names(policy, ask.subject)
    found = (sight for item in items for sight in sights(policy, ask, item))
    held = {s.scope for s in found if not failing(s.conditions, ask)}
    return "|".join(sorted(held if ask.context.entities else held - {Reach.OWN_CASES}))


def _reasons(verdict: Grant | Denied) -> tuple[str, ...]:
    if isinstance(verdict, Grant):
        return verdict.reasons
    return tuple(dict.fromkeys(reason.code for reason in verdict.reasons))


def _word(verdict: Grant | Denied) -> str:
    return "granted" if isinstance(verdict, Grant) else "denied"
