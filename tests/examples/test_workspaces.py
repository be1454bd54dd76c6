"""Both example workspaces: every file parses, and the whole fits together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog.contracts import parse
from connectors.registry import connect
from core.yamlfile import load
from policies.agreements import assemble
from policies.decide import Ask, Denied, Grant, Policy, decide
from policies.models import Action
from tests.examples.conftest import EXAMPLES, workspace

CONTRACTS = sorted(EXAMPLES.glob("*/contracts/*.odcs.yaml"))
NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.name)
def test_each_contract_parses_under_its_own_name(path: Path) -> None:
    assert f"{parse(load(path)).dataset}.odcs.yaml" == path.name


@pytest.mark.parametrize("name", ["city", "divisions"])
def test_each_workspace_is_whole(name: str) -> None:
    told = workspace(name)
    assert told.sources.keys() == told.contracts.keys()
    fed = {dataset for subject in told.subjects.values() for dataset in subject.feeds}
    assert fed == told.contracts.keys()
    assert told.policies.clients


def test_the_district_has_towns_communities_and_grids() -> None:
    regions = workspace("city").regions
    kinds = [region.kind for region in regions.values()]
    assert kinds.count("town") == 7
    assert 42 <= kinds.count("community") <= 56
    for code, region in regions.items():
        assert region.parent is None or code.startswith(region.parent)
        if region.kind == "community":
            grids = [other for other in regions.values() if other.parent == code]
            assert 6 <= len(grids) <= 10


def test_everything_about_people_is_marked_so() -> None:
    for name in ("resident", "household", "vehicle"):
        attributes = workspace("city").subjects[name].attributes
        assert name == "vehicle" or all(attribute.personal for attribute in attributes.values())
        assert all(attribute.level >= 2 for attribute in attributes.values())


@pytest.fixture(scope="module")
def policy() -> Policy:
    told = workspace("city")
    return Policy(assemble(told.policies, told.known))


def masks(policy: Policy, client: str, purpose: str) -> dict[str, str]:
    """Attribute → mask of the residents that a client may query."""
    granted = decide(policy, Ask(client, Action.QUERY, "resident", None, purpose, NOW))
    assert isinstance(granted, Grant)
    return {name: mask for tier in granted.tiers for name, mask in tier.masks.items()}


def test_grid_workers_see_their_own_grid_and_no_income(policy: Policy) -> None:
    seen = masks(policy, "grid-worker-01", "grid_visit")
    assert seen["name"] == seen["sex"] == seen["birth_date"] == seen["address"] == "reveal"
    assert seen["mobile"] == seen["resident_id"] == "partial"
    assert not {"annual_income", "monthly_base", "employer"} & seen.keys()
    ask = Ask("grid-worker-01", Action.LOOKUP, "resident", ("resident_id",), "grid_visit", NOW)
    granted = decide(policy, ask)
    assert isinstance(granted, Grant)
    assert all("440605001001001" in str(scope) for scope in granted.scopes)


@pytest.mark.parametrize("purpose", ["low_income_check", "audit_review", "data_governance"])
def test_grid_workers_have_one_purpose(policy: Policy, purpose: str) -> None:
    ask = Ask("grid-worker-02", Action.QUERY, "resident", None, purpose, NOW)
    assert isinstance(decide(policy, ask), Denied)


def test_the_expired_agreement_was_in_force_once(policy: Policy) -> None:
    then = datetime(2025, 6, 1, tzinfo=UTC)
    ask = Ask("grid-worker-01", Action.QUERY, "resident", ("employer",), "grid_visit", then)
    assert isinstance(decide(policy, ask), Grant)
    assert isinstance(decide(policy, replace(ask, now=NOW)), Denied)


def test_the_auditor_sees_names_and_numbers_masked(policy: Policy) -> None:
    seen = masks(policy, "auditor-01", "audit_review")
    assert seen["name"] == seen["resident_id"] == seen["mobile"] == "partial"
    audit = Ask("auditor-01", Action.AUDIT, "audit", None, "audit_review", NOW)
    assert isinstance(decide(policy, audit), Grant)


def test_the_clerk_may_run_the_check_for_its_purpose_only(policy: Policy) -> None:
    ask = Ask("benefit-clerk-01", Action.CHECK, "check/low_income", None, "low_income_check", NOW)
    assert isinstance(decide(policy, ask), Grant)
    assert isinstance(decide(policy, replace(ask, purpose="grid_visit")), Denied)
    assert isinstance(decide(policy, replace(ask, client_id="grid-worker-01")), Denied)


def test_the_registry_looks_divisions_up_by_code_and_name() -> None:
    told = workspace("divisions")
    policy = Policy(assemble(told.policies, told.known))
    ask = Ask("registry", Action.LOOKUP, "division", ("code", "name"), "registry", NOW)
    assert isinstance(decide(policy, ask), Grant)
    assert isinstance(decide(policy, replace(ask, action=Action.QUERY)), Grant)


def test_divisions_are_the_published_lists(shared_data: Path) -> None:
    told = workspace("divisions")
    lists = {}
    for dataset, settings in told.sources.items():
        columns = [item.column for item in told.contracts[dataset].items]
        batches = list(connect(settings, shared_data / "divisions").pull(columns))
        assert not any(batch.unreadable for batch in batches)
        found = [row for batch in batches for row in batch.rows.to_pylist()]
        lists[dataset] = {row["Code"]: row["Name"] for row in found}
    mca, stats = lists["mca.divisions"], lists["stats.divisions"]
    assert (len(mca), len(stats)) == (3221, 3514)
    assert (len(mca.keys() - stats.keys()), len(stats.keys() - mca.keys())) == (14, 307)
    assert {code for code in mca if mca[code] != stats.get(code, mca[code])} == {"210112"}
