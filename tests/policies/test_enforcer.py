"""Compiled plans say what Casbin says of the whole policy, for any policy and request."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import start_of_day
from policies.conditions import Context
from policies.decide import Denied, Grant, Policy, decide, explain
from policies.enforcer import enforcer, most_open, rank
from policies.models import Action, Client, Effect, Line, PolicySet, Purpose
from policies.plans import in_force
from tests.policies import town
from tests.policies.town import ask

DAY = date(2026, 3, 1)
CLIENTS = [
    Client(id=id_, title=town.title(id_), department=department, roles=roles, region=town.TOWN)
    for id_, department, roles in (
        ("a", "grid", ("worker",)),
        ("b", "civil", ("clerk", "worker")),
        ("c", "health", ("clerk",)),
    )
]
PURPOSES = [Purpose(id=id_, title=town.title(id_), basis="") for id_ in ("visit", "relief")]
ATTRIBUTES = tuple(town.RESIDENT.attributes)
SCOPES, MASKS = ("own_region", "own_cases", "all"), ("reveal", "partial", "pseudonym", "suppress")
CONDITIONS = ("", "zone=gov", "case=registered")
GROUPS = ("*", "worker", "clerk", "grid", "civil", "health/clerk", "civil/worker", "!health")

EVERYTHING = Context(frozenset({"gov"}), "another", case_open=True, entities=frozenset({"e1"}))

contexts = st.builds(
    Context,
    zones=st.sampled_from([frozenset(), frozenset({"gov"})]),
    case_open=st.booleans(),
    entities=st.sampled_from([frozenset(), frozenset({"e1"}), frozenset({"e2"})]),
)
days = st.none() | st.integers(-2, 2).map(lambda n: DAY + timedelta(days=n))


@st.composite
def lines(draw: st.DrawFn) -> tuple[Line, ...]:
    made = []
    for number in range(draw(st.integers(0, 14))):
        effect = draw(st.sampled_from([Effect.ALLOW, Effect.ALLOW, Effect.DENY]))
        denies = effect is Effect.DENY
        made.append(
            Line(
                id=f"line:{number}",
                group=draw(st.sampled_from(GROUPS)),
                action=draw(st.sampled_from([Action.QUERY, Action.QUERY, Action.LOOKUP])),
                object="resident/" + draw(st.sampled_from(("*", *ATTRIBUTES[:3]))),
                purpose=draw(st.sampled_from(["*", "visit", "relief"])),
                scope="*" if denies else draw(st.sampled_from(SCOPES)),
                mask=draw(st.sampled_from((*MASKS, "*") if denies else MASKS)),
                effect=effect,
                valid_from=draw(days),
                valid_to=draw(days),
                conditions="" if denies else draw(st.sampled_from(CONDITIONS)),
            )
        )
    return tuple(made)


def policy_of(made: tuple[Line, ...]) -> Policy:
    return Policy(
        PolicySet(
            revision="r",
            purposes={purpose.id: purpose for purpose in PURPOSES},
            clients={client.id: client for client in CLIENTS},
            lines=made,
            known=town.KNOWN,
        )
    )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(lines(), st.integers(-3, 3), contexts, st.randoms(use_true_random=False))
def test_decisions_are_those_of_casbin(
    made: tuple[Line, ...], offset: int, context: Context, chance: random.Random
) -> None:
    """Some four thousand requests; bench/policy.py compares a hundred thousand."""
    policy, now = policy_of(made), start_of_day(DAY + timedelta(days=offset))
    counting = [line for line in made if in_force(line, now)]
    client = chance.choice(CLIENTS)
    groups = policy.policies.groups(client)
    whole = enforcer(counting, {client.id: groups})
    attributes = chance.sample(ATTRIBUTES[:4], 2)
    for purpose, attribute in product(("visit", "relief"), attributes):
        asked = replace(ask(client.id, purpose=purpose, now=now), context=context)
        about = (client.id, "query", f"resident/{attribute}", purpose)
        forms = product(SCOPES, MASKS, CONDITIONS)
        allowed = {form for form in forms if whole.enforce(*about, *form)}
        options = explain(policy, asked, attribute)
        assert {(o.scope, o.mask, o.conditions) for o in options if o.granted} == allowed
        assert masks_of(decide(policy, asked), attribute) == best(allowed, context)


def masks_of(verdict: Grant | Denied, attribute: str) -> dict[str, str]:
    """Scope → mask that a verdict gives an attribute."""
    if isinstance(verdict, Denied):
        return {}
    names = {"all": "all", "own_cases": "own_cases", town.TOWN: "own_region"}
    return {
        names[tier.scope.name]: tier.masks[attribute]
        for tier in verdict.tiers
        if attribute in tier.masks
    }


def best(allowed: set[tuple[str, str, str]], context: Context) -> dict[str, str]:
    held = {
        "",
        *(["zone=gov"] if context.zones else []),
        *(["case=registered"] if context.case_open else []),
    }
    found: dict[str, list[str]] = {}
    for scope, mask, conditions in allowed:
        if conditions in held and (scope != "own_cases" or context.entities):
            found.setdefault(scope, []).append(mask)
    return {scope: most_open(masks, "partial") for scope, masks in found.items()}


@settings(max_examples=50, deadline=None, derandomize=True)
@given(lines(), st.lists(contexts, min_size=2, max_size=5))
def test_what_is_kept_of_one_request_is_not_said_to_another(
    made: tuple[Line, ...], known: list[Context]
) -> None:
    policy = policy_of(made)
    for context in [*known, *known]:
        asked = replace(ask("a", now=start_of_day(DAY)), context=context)
        assert decide(policy, asked) == decide(policy_of(made), asked)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(lines(), contexts)
def test_what_is_not_known_never_widens(made: tuple[Line, ...], context: Context) -> None:
    policy = policy_of(made)
    for client in CLIENTS:
        asked = replace(ask(client.id, now=start_of_day(DAY)), context=context)
        less, more = decide(policy, replace(asked, context=Context())), decide(policy, asked)
        for attribute in ATTRIBUTES[:3]:
            wide = masks_of(more, attribute)
            for scope, mask in masks_of(less, attribute).items():
                assert rank(mask) <= rank(wide[scope])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(lines())
def test_explanations_name_exactly_the_lines_that_made_it(made: tuple[Line, ...]) -> None:
    policy, now = policy_of(made), start_of_day(DAY)
    client = CLIENTS[1]
    members = {client.id: policy.policies.groups(client)}
    for attribute in ATTRIBUTES[:3]:
        for option in explain(policy, ask(client.id, now=now), attribute):
            request = (client.id, "query", f"resident/{attribute}", "visit")
            applying = {
                line.id: line.effect
                for line in made
                if in_force(line, now)
                and enforcer([line], members).enforce_ex(
                    *request, option.scope, option.mask, option.conditions
                )[1]
            }
            denying = {name for name, effect in applying.items() if effect is Effect.DENY}
            if option.granted:
                assert set(option.rules) == applying.keys()
                assert not denying
            else:
                assert set(option.rules) <= denying
                assert option.rules


@settings(max_examples=50, deadline=None, derandomize=True)
@given(lines(), st.sampled_from(GROUPS), st.sampled_from(MASKS))
def test_a_denial_overrides_every_permission(made: tuple[Line, ...], group: str, mask: str) -> None:
    target = f"resident/{ATTRIBUTES[0]}"
    denial = Line("denial", group, Action.QUERY, target, "*", "*", mask, Effect.DENY)
    policy = policy_of((*made, denial))
    shown = MASKS[: MASKS.index(mask) + 1]
    for client in CLIENTS:
        asked = replace(ask(client.id, now=start_of_day(DAY)), context=EVERYTHING)
        verdict = decide(policy, asked)
        if group in policy.policies.groups(client):
            # Neither the mask itself nor one that shows more.
            assert not set(masks_of(verdict, ATTRIBUTES[0]).values()) & set(shown)


def test_groups_cannot_be_taken_by_the_name_of_a_client() -> None:
    line = Line("l", "grid", Action.QUERY, "resident/name", "*", "all", "reveal", Effect.ALLOW)
    impostor = Client(id="grid", title=town.title("grid"), department="civil", roles=("clerk",))
    policies = PolicySet("r", {p.id: p for p in PURPOSES}, {"grid": impostor}, (line,), town.KNOWN)
    assert isinstance(decide(Policy(policies), ask("grid")), Denied)


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("restless")
def test_many_threads_compile_at_once() -> None:
    line = Line("l", "*", Action.QUERY, "resident/*", "*", "all", "reveal", Effect.ALLOW)

    def compiled(_: int) -> bool:
        return isinstance(decide(policy_of((line,)), ask("a")), Grant)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(compiled, range(80)))
