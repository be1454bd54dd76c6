"""What is told beforehand of how an item may be seen is what a decision then gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.conditions import Context, failing
from policies.decide import Grant, Policy, decide
from policies.enforcer import in_order
from policies.models import Effect, Line
from policies.sights import sights
from tests.policies import town
from tests.policies.town import ask

MASKS = ("reveal", "partial", "keep:1:0", "keep:3:4", "keep:0:4", "fpe", "pseudonym")
SCOPES = ("all", "own_region", "own_cases")
CONDITIONS = ("", "zone=gov", "case=registered")
WORDS = "worker,query,resident/mobile,visit"


def seen(tmp_path: Path, *forms: str) -> list[tuple[str, str]]:
    rules = "".join(f"{WORDS},{form}\n" for form in forms)
    found = sights(town.policy(tmp_path, rules=rules), ask("grid.app"), "mobile")
    return [(sight.scope, sight.mask) for sight in found]


@pytest.mark.parametrize("more", ["own_region,keep:3:4,allow", "all,keep:3:4,allow,zone=gov"])
def test_a_mask_that_shows_more_in_some_records_is_told(tmp_path: Path, more: str) -> None:
    found = seen(tmp_path, "all,keep:1:0,allow", more)
    assert {mask for _, mask in found} == {"keep:1:0", "keep:3:4"}


def test_a_mask_that_a_decision_would_not_take_is_not_told(tmp_path: Path) -> None:
    assert seen(tmp_path, "all,keep:3:4,allow", "all,partial,allow") == [("all", "partial")]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return town.policy(tmp_path_factory.mktemp("town"), rules="# none\n")


forms = st.tuples(st.sampled_from(SCOPES), st.sampled_from(MASKS), st.sampled_from(CONDITIONS))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(given_forms=st.sets(forms, min_size=1, max_size=5), zone=st.booleans(), case=st.booleans())
def test_sights_and_decisions_agree(
    plain: Policy, given_forms: set[tuple[str, str, str]], zone: bool, case: bool
) -> None:
    lines = tuple(
        Line(
            f"rules.csv:{number}", "worker", "query", "resident/mobile", "visit",
            scope, mask, Effect.ALLOW, conditions=conditions,
        )
        for number, (scope, mask, conditions) in enumerate(sorted(given_forms))
    )  # fmt: skip
    policy = Policy(replace(plain.policies, lines=lines))
    context = Context(
        zones=frozenset({"gov"} if zone else ()), case_open=case, entities=frozenset({"E1"})
    )
    asked = replace(ask("grid.app", items=("mobile",)), context=context)
    told = [s for s in sights(policy, asked, "mobile") if not failing(s.conditions, asked)]
    verdict = decide(policy, asked)
    assert isinstance(verdict, Grant) == bool(told)
    if not isinstance(verdict, Grant):
        return
    best = {}
    for scope in SCOPES:
        masks = [sight.mask for sight in told if sight.scope in ("all", scope)]
        best[scope] = in_order(masks, "partial")[0] if masks else None
    for scope in SCOPES:
        inside = [t.masks["mobile"] for t in verdict.tiers if _reaches(t.scope.name, scope)]
        assert (in_order(inside, "partial")[0] if inside else None) == best[scope]


def _reaches(name: str, scope: str) -> bool:
    own = {"all": "all", "own_cases": "own_cases"}.get(name, "own_region")
    return own in ("all", scope)
