from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from core.messages import catalogue
from policies.decide import Denied, Grant, Policy, confine, decide, explain, may_filter
from policies.models import Action, Line, PolicySet
from policies.plans import MaskUnknown
from tests.policies import town
from tests.policies.town import DISTRICT, TOWN, ask

Q, L, C, D, A = Action.QUERY, Action.LOOKUP, Action.CHECK, Action.DISCOVER, Action.AUDIT


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return town.policy(tmp_path_factory.mktemp("town"))


def granted(policy: Policy, *args: object, **kwargs: object) -> Grant:
    verdict = decide(policy, ask(*args, **kwargs))  # type: ignore[arg-type]
    assert isinstance(verdict, Grant), verdict
    return verdict


def denied(policy: Policy, *args: object, **kwargs: object) -> Denied:
    verdict = decide(policy, ask(*args, **kwargs))  # type: ignore[arg-type]
    assert isinstance(verdict, Denied), verdict
    return verdict


def codes(verdict: Denied) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def tiers(grant: Grant) -> Mapping[str | None, Mapping[str, str]]:
    """Region of the scope → masks."""
    return {tier.scope.region: dict(tier.masks) for tier in grant.tiers}


OPEN = {"region": "reveal"}
PARTLY = dict.fromkeys(("resident_id", "name", "born", "mobile", "region", "sex"), "partial") | OPEN
OWN = {"name": "reveal", "born": "year", "resident_id": "pseudonym"}
RELIEVED = PARTLY | {"treated": "reveal"}
LOOKED_UP = {"resident_id": "reveal"}
AGREED = {"resident_id": "suppress", "mobile": "reveal"}
CIVIL = {name: mask for name, mask in PARTLY.items() if name != "mobile"}

MATRIX: dict[tuple[str, Action, str, str], Mapping[str | None, Mapping[str, str]]] = {
    ("grid.app", Q, "resident", "visit"): {None: OPEN | {"name": "partial"}, TOWN: OWN},
    ("grid.app", Q, "resident", "relief"): {None: OPEN | AGREED},
    ("grid.app", L, "resident", "visit"): {None: LOOKED_UP},
    ("grid.app", L, "resident", "relief"): {None: AGREED},
    ("grid.app", D, "dataset/police.residents", "visit"): {None: {}},
    ("grid.app", D, "dataset/police.residents", "relief"): {None: {}},
    ("grid.lost", Q, "resident", "visit"): {None: OPEN | {"name": "partial"}},
    ("grid.lost", Q, "resident", "relief"): {None: OPEN | AGREED},
    ("grid.lost", L, "resident", "visit"): {None: LOOKED_UP},
    ("grid.lost", L, "resident", "relief"): {None: AGREED},
    ("grid.lost", D, "dataset/police.residents", "visit"): {None: {}},
    ("grid.lost", D, "dataset/police.residents", "relief"): {None: {}},
    ("civil.desk", Q, "resident", "visit"): {None: OPEN},
    ("civil.desk", Q, "resident", "relief"): {None: CIVIL},
    ("civil.desk", C, "check/low_income", "relief"): {None: {}},
    ("health.desk", Q, "resident", "visit"): {None: OPEN},
    ("health.desk", Q, "resident", "relief"): {None: RELIEVED},
    ("health.desk", C, "check/low_income", "relief"): {None: {}},
    ("auditor", Q, "resident", "visit"): {None: OPEN},
    ("auditor", Q, "resident", "relief"): {None: OPEN},
    ("auditor", A, "audit", "visit"): {None: {}},
    ("auditor", A, "audit", "relief"): {None: {}},
}
CELLS = [
    (client, action, subject, purpose)
    for client in ("grid.app", "grid.lost", "civil.desk", "health.desk", "auditor")
    for action in Action
    for subject in ("resident", "check/low_income", "dataset/police.residents", "audit")
    for purpose in ("visit", "relief")
]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: "-".join(map(str, cell)))
def test_the_authorisation_matrix(policy: Policy, cell: tuple[str, Action, str, str]) -> None:
    client, action, subject, purpose = cell
    verdict = decide(policy, ask(client, action, subject, purpose=purpose))
    found = tiers(verdict) if isinstance(verdict, Grant) else None
    assert found == MATRIX.get(cell)


def test_no_cell_of_the_matrix_is_left_out() -> None:
    assert MATRIX.keys() <= set(CELLS)


def test_what_nobody_registered_is_refused_with_a_reason(policy: Policy) -> None:
    assert codes(denied(policy, "ghost")) == ["policy_client_unknown"]
    assert codes(denied(policy, "grid.app", purpose="fun")) == ["policy_purpose_unknown"]


def test_without_rules_nothing_is_open(tmp_path: Path) -> None:
    policy = town.policy(tmp_path, rules="")
    verdict = denied(policy, "grid.app", items=("name",))
    assert codes(verdict) == ["policy_item_closed"]


def test_a_subject_without_rules_is_as_if_it_were_not_there(policy: Policy) -> None:
    closed = denied(policy, "civil.desk", Action.AUDIT, "audit")
    absent = denied(policy, "civil.desk", Action.AUDIT, "ghost")
    assert closed.hidden
    assert absent.hidden
    assert codes(closed) == codes(absent) == ["policy_subject_unknown"]


def test_a_hidden_subject_does_not_tell_known_purposes_from_unknown(policy: Policy) -> None:
    asked = ("civil.desk", Action.AUDIT, "audit")
    assert denied(policy, *asked, purpose="fun") == denied(policy, *asked)


def test_a_visible_subject_is_closed_not_hidden(policy: Policy) -> None:
    verdict = denied(policy, "auditor", Action.LOOKUP)
    assert not verdict.hidden
    assert codes(verdict) == ["policy_nothing_open"]


def test_closed_items_are_named_never_left_out(policy: Policy) -> None:
    verdict = denied(policy, "grid.app", items=("name", "mobile", "sex", "soul"))
    assert [(r.code, r.fields["item"]) for r in verdict.reasons] == [
        ("policy_item_closed", "mobile"),
        ("policy_item_closed", "sex"),
        ("policy_item_unknown", "soul"),
    ]
    assert not verdict.hidden


def test_a_denied_item_names_the_rule(policy: Policy) -> None:
    verdict = denied(policy, "civil.desk", items=("mobile",), purpose="relief")
    assert [(r.code, r.fields.get("rule")) for r in verdict.reasons] == [
        ("policy_item_closed", None),
        ("policy_rule_denies", "rules.csv:9"),
    ]


def test_a_client_without_a_region_sees_nothing_of_its_own_region(policy: Policy) -> None:
    assert "policy_region_missing" in codes(denied(policy, "grid.lost", items=("born",)))


def test_named_items_narrow_the_grant(policy: Policy) -> None:
    grant = granted(policy, "grid.app", items=("born", "resident_id"))
    assert tiers(grant) == {TOWN: {"born": "year", "resident_id": "pseudonym"}}
    assert grant.reasons == ("rules.csv:4", "rules.csv:5")
    assert granted(policy, "grid.app", items=()).tiers == ()


def test_a_grant_covers_the_regions_below_its_own(policy: Policy) -> None:
    own = granted(policy, "grid.app").tiers[1].scope
    assert own.contains(town.COMMUNITY)
    assert not own.contains(DISTRICT)


def test_a_permission_that_asks_for_a_region_where_none_is_left_is_refused(tmp_path: Path) -> None:
    only_own = "worker,query,resident/name,visit,own_region,reveal,allow\n"
    shared = town.AGREEMENT.replace("scope: all", "scope: own_region")
    policy = town.policy(tmp_path, rules=only_own, agreement=shared)
    assert "policy_region_missing" in codes(denied(policy, "grid.lost", items=("name",)))


@pytest.mark.parametrize(
    ("attribute", "allowed"),
    [
        ("resident_id", True),  # may be looked up everywhere, though it is shown as a pseudonym
        ("region", True),  # open to everyone
        ("name", False),  # revealed in the own region only, and other records show too
        ("born", False),  # shown as a year
        ("mobile", False),  # closed
        ("soul", False),
    ],
)
def test_only_what_is_revealed_or_looked_up_may_be_filtered_by(
    policy: Policy, attribute: str, allowed: bool
) -> None:
    assert may_filter(granted(policy, "grid.app"), attribute) is allowed


OWN_LOOKUP = town.RULES.replace(
    "resident_id,visit,all,reveal", "resident_id,visit,own_region,reveal"
)


def test_a_lookup_in_the_own_region_confines_the_records(tmp_path: Path) -> None:
    grant = granted(town.policy(tmp_path, rules=OWN_LOOKUP), "grid.app")
    assert not may_filter(grant, "resident_id")
    confined = confine(grant, ["resident_id", "region"])
    assert isinstance(confined, Grant)
    assert {scope.region for scope in confined.scopes} == {TOWN}
    assert [tier.masks for tier in confined.tiers] == [tier.masks for tier in grant.tiers]
    assert may_filter(confined, "resident_id")
    assert may_filter(confined, "name")
    assert not may_filter(confined, "born")


def test_items_of_the_own_region_only_may_be_looked_up_there(tmp_path: Path) -> None:
    grant = granted(town.policy(tmp_path, rules=OWN_LOOKUP), "grid.app", items=("born",))
    assert may_filter(grant, "resident_id")


def test_no_records_are_left_to_filter_by_what_is_masked(policy: Policy) -> None:
    refused = confine(granted(policy, "grid.app"), ["born", "region", "soul"])
    assert isinstance(refused, Denied)
    assert [r.fields["item"] for r in refused.reasons] == ["born", "soul"]
    assert codes(refused) == ["policy_filter_closed"] * 2


def test_confining_by_what_is_open_everywhere_changes_nothing(policy: Policy) -> None:
    grant = granted(policy, "grid.app")
    assert confine(grant, ["resident_id"]) == grant


def test_decisions_explain_themselves(policy: Policy) -> None:
    options = explain(policy, ask("grid.app"), "name")
    assert {(o.scope, o.mask, o.granted, o.rules) for o in options} == {
        ("own_region", "reveal", True, ("rules.csv:2",)),
        ("all", "partial", True, ("rules.csv:3",)),
    }
    (closed,) = explain(policy, ask("civil.desk", purpose="relief"), "mobile")
    assert (closed.granted, closed.rules) == (False, ("rules.csv:9",))
    assert explain(policy, ask("grid.app"), "soul") == ()
    assert explain(policy, ask("ghost"), "name") == ()


def test_a_line_with_an_unknown_mask_decides_nothing(policy: Policy) -> None:
    made = policy.policies
    line = Line("bad", "grid", Q, "resident/name", "*", "all", "sepia", "allow")
    broken = Policy(PolicySet("r", made.purposes, made.clients, (*made.lines, line), made.known))
    with pytest.raises(MaskUnknown) as refused:
        decide(broken, ask("grid.app"))
    assert refused.value.fields == {"mask": "sepia", "item": "name", "rule": "bad"}


def test_grants_do_not_change(policy: Policy) -> None:
    grant = granted(policy, "grid.app")
    with pytest.raises(TypeError):
        grant.tiers[0].masks["name"] = "reveal"  # type: ignore[index]
    with pytest.raises(AttributeError):
        grant.tiers = ()  # type: ignore[misc]


def test_every_reason_can_be_said_in_both_languages(policy: Policy) -> None:
    verdicts = [
        denied(policy, "ghost"),
        denied(policy, "grid.app", purpose="fun"),
        denied(policy, "civil.desk", Action.AUDIT, "audit"),
        denied(policy, "auditor", Action.LOOKUP),
        denied(policy, "grid.app", items=("mobile", "soul")),
        denied(policy, "grid.lost", items=("born",)),
        denied(policy, "civil.desk", items=("mobile",), purpose="relief"),
    ]
    for reason in (reason for verdict in verdicts for reason in verdict.reasons):
        assert reason.words("zh") != reason.words("en")
    assert all(set(texts) == {"zh", "en"} for texts in catalogue().values())
