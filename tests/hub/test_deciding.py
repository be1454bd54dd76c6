"""What would be decided, told beforehand: explained, and as a matrix."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.app import Hub, open_hub
from hub.audit.search import Wanted
from tests.hub import village
from tests.hub.conftest import Api
from tests.hub.matrix.base import PAST
from tests.hub.policing import NAMES, VISIT, apply, served


def explained(api: Api, caller: str, **more: Any) -> dict[str, Any]:
    body = {**VISIT, "subject": "resident", **more}
    answer = api("POST", "/v1/policy/explain", caller, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


# Explaining


def test_a_client_learns_why_it_may_and_why_not(hub: Hub, api: Api) -> None:
    found = explained(api, "worker-1", items=["name", "birth_date"])
    assert not found["granted"]
    name, born = found["items"]
    assert name["granted"]
    (option,) = name["options"]
    assert (option["scope"], option["mask"]) == ("own_region", "reveal")
    assert "own region" in option["words"]["en"]
    (rule,) = [r for r in found["rules"] if r["rule"] in option["rules"]]
    assert (rule["text"], rule["file"]) == (NAMES, "policies/rules.csv")
    assert rule["text"] in rule["words"]["zh"]
    assert [reason["code"] for reason in born["reasons"]] == ["policy_item_closed"]
    (entry,) = [r.entry for r in hub.audit.find(Wanted(action="explain_policy", limit=1))]
    assert entry["what"]["subject"] == "client/worker-1"
    assert entry["who"]["client"] == "worker-1"


def test_what_forbids_is_told_also_where_nothing_would_open_it(town: Hub, tmp_path: Path) -> None:
    workspace = village.make(tmp_path / "village")
    rules = workspace / "policies/rules.csv"
    denied = "worker, query, resident/sex, *, *, *, deny"
    rules.write_text(rules.read_text("utf-8") + denied + "\n", "utf-8")
    apply(town, workspace)
    with served(town) as api:
        found = explained(api, "worker-1", items=["sex"])
    codes = [reason["code"] for reason in found["items"][0]["reasons"]]
    assert codes == ["policy_item_closed", "policy_rule_denies"]
    assert [rule["text"] for rule in found["rules"]] == [denied]


def test_who_has_no_region_sees_nothing_of_its_own(town: Hub, tmp_path: Path) -> None:
    workspace = village.make(tmp_path / "village")
    file = workspace / "policies/clients.yaml"
    document = yaml.safe_load(file.read_text("utf-8"))
    document["clients"].append({**document["clients"][0], "id": "worker-9", "region": None})
    file.write_text(yaml.safe_dump(document), "utf-8")
    apply(town, workspace)
    with served(town) as api:
        (item,) = explained(api, "worker-9", items=["name"])["items"]
        body = {**PAST, "subject": "resident", "under": "visit", "action": "query"}
        found = api("POST", "/v1/policy/matrix", "admin-1", json=body).json()
    assert (item["granted"], item["options"]) == (False, [])
    assert "policy_region_missing" in [reason["code"] for reason in item["reasons"]]
    assert "worker-9" not in [c for row in found["subjects"][0]["rows"] for c in row["clients"]]


def test_what_a_client_may_not_know_of_is_not_explained(api: Api) -> None:
    hidden = explained(api, "nobody-1", items=["name"])
    nowhere = explained(api, "nobody-1", items=["name"], subject="unicorn")
    for found in (hidden, nowhere):
        assert [reason["code"] for reason in found["reasons"]] == ["policy_subject_unknown"]
        assert found["rules"] == found["items"][0]["options"] == []
    assert explained(api, "nobody-1")["items"] == []


def test_only_overseers_are_told_about_others(api: Api) -> None:
    body = {**PAST, "client": "worker-2", "subject": "resident", "under": "visit"}
    ways = {"worker-1": 404, "steward-1": 404, "auditor-1": 200, "admin-1": 200}
    for caller, status in ways.items():
        answer = api("POST", "/v1/policy/explain", caller, json=body)
        assert answer.status_code == status, caller
    assert answer.json()["client"] == "worker-2"
    assert answer.json()["granted"]


@pytest.mark.parametrize(("caller", "named"), [("worker-1", False), ("admin-1", True)])
def test_tables_and_ties_of_others_are_not_told(
    town: Hub, tmp_path: Path, caller: str, named: bool
) -> None:
    workspace = village.make(tmp_path / "village")
    rules = workspace / "policies/rules.csv"
    kept = [line for line in rules.read_text("utf-8").splitlines() if "discover" not in line]
    rules.write_text("\n".join(kept) + "\n", "utf-8")
    file = workspace / "contracts/phones.users.odcs.yaml"
    contract = yaml.safe_load(file.read_text("utf-8"))
    mobile = next(p for p in contract["schema"][0]["properties"] if p["name"] == "mobile")
    mobile["customProperties"].append({"property": "audience", "value": "leaders"})
    mobile["customProperties"].append({"property": "leaderRank", "value": 2})
    file.write_text(yaml.safe_dump(contract), "utf-8")
    apply(town, workspace)
    with served(town) as api:
        asked = {} if caller == "worker-1" else {**PAST, "under": "visit", "client": "worker-1"}
        found = explained(api, caller, items=["mobile"], **asked)
    (rule,) = [rule for rule in found["rules"] if rule["kind"] == "audience"]
    (item,) = rule["items"]
    assert (item["department"], item["audience"], item["leader_rank"]) == ("phones", "leaders", 2)
    assert (item["dataset"], item["item"]) == (
        ("phones.users", "mobile") if named else (None, None)
    )
    assert ("phones.users" in json.dumps(found)) is named
    assert "leaders 2" in rule["words"]["en"]


def test_an_agreement_is_told_by_title_clause_and_validity(town: Hub, tmp_path: Path) -> None:
    workspace = village.make(tmp_path / "village")
    agreement = {
        "agreement": "A-1", "title": "Phones for workers", "provider": "phones",
        "consumer": "police", "roles": ["worker"], "subject": "resident", "actions": ["query"],
        "purposes": ["visit"], "scope": "own_region", "valid_from": "2026-01-01",
        "valid_to": "2026-03-31", "items": {"mobile": "reveal"},
        "conditions": {"zones": ["office"]},
    }  # fmt: skip
    zone = {"id": "office", "title": {"zh": "o", "en": "o"}, "networks": ["10.0.0.0/8"]}
    (workspace / "policies/zones.yaml").write_text(yaml.safe_dump({"zones": [zone]}), "utf-8")
    file = workspace / "agreements/A-1.yaml"
    for since, until, code in (
        ("2020-01-01", "2020-03-31", "policy_rule_ended"),
        ("2020-01-01", "2099-12-31", "policy_condition_zone"),
    ):
        agreement |= {"valid_from": since, "valid_to": until}
        file.write_text(yaml.safe_dump(agreement), "utf-8")
        rules = workspace / "policies/rules.csv"
        lines = [x for x in rules.read_text("utf-8").splitlines() if "/mobile," not in x]
        rules.write_text("\n".join(lines) + "\n", "utf-8")
        apply(town, workspace)
        with served(town) as api:
            found = explained(api, "worker-1", items=["mobile"])
            assert code in [reason["code"] for reason in found["items"][0]["reasons"]]
            (rule,) = [r for r in found["rules"] if r["kind"] == "agreement"]
            assert "mobile: reveal" in rule["clause"]
            assert f"from {since} to {until}" in rule["words"]["en"]
            if code == "policy_condition_zone":
                (option,) = found["items"][0]["options"]
                (condition,) = option["conditions"]
                assert (condition["condition"], condition["holds"]) == ("zone=office", False)
                supposed = explained(api, "worker-1", items=["mobile"], given={"zones": ["office"]})
                assert supposed["granted"]


# The matrix


def test_the_matrix_shows_clients_with_equal_access_together(api: Api) -> None:
    body = {**PAST, "dataset": "phones.users", "under": "visit", "action": "query"}
    found = api("POST", "/v1/policy/matrix", "phones-1", json=body).json()
    (part,) = found["subjects"]
    assert [item["attribute"] for item in part["items"]] == ["resident_id", "name", "mobile"]
    rows = {tuple(row["clients"]): row["cells"] for row in part["rows"]}
    assert rows.keys() == {("worker-1", "worker-2"), ("auditor-1",)}
    workers = rows["worker-1", "worker-2"]
    (cell,) = workers["mobile"]
    assert (cell["mask"], cell["scope"]) == ("partial", "own_region")
    assert rows["auditor-1",].keys() == {"name"}
    assert found["not_served"] == ["updated"]


def test_the_matrix_names_the_checks_that_read_a_table(api: Api) -> None:
    def checks(caller: str, **wanted: str) -> list[dict[str, Any]]:
        found = api("POST", "/v1/policy/matrix", caller, json={**PAST, "under": "visit", **wanted})
        rows: list[dict[str, Any]] = found.json()["checks"]
        return rows

    (row,) = checks("police-1", dataset="police.people")
    assert (row["check"], row["items"]) == ("grown_up", ["resident_id"])
    assert row["clients"] == ["worker-1", "worker-2"]
    assert [cell["scope"] for cell in row["cells"]] == ["own_region"]
    assert checks("admin-1", subject="resident") == [row]
    assert checks("admin-1", subject="resident", action="query") == []


def test_the_matrix_is_what_is_decided(api: Api) -> None:
    body = {**VISIT, "purpose": "data_governance", "subject": "resident", "action": "query"}
    found = api("POST", "/v1/policy/matrix", "auditor-1", json=body).json()
    cells = {
        (client, purpose, item)
        for row in found["subjects"][0]["rows"]
        for client in row["clients"]
        for purpose in row["purposes"]
        for item in row["cells"]
    }
    for caller in ("worker-1", "auditor-1", "steward-1"):
        for purpose in ("visit", "data_governance"):
            one_by_one = explained(api, caller, under=purpose)["items"]
            open_items = {item["item"] for item in one_by_one if item["granted"]}
            assert open_items == {i for c, p, i in cells if (c, p) == (caller, purpose)}


def test_a_keeper_sees_the_matrix_of_its_own_table_only(api: Api) -> None:
    body = {**PAST, "dataset": "police.people"}
    assert api("POST", "/v1/policy/matrix", "phones-1", json=body).status_code == 404
    assert api("POST", "/v1/policy/matrix", "police-1", json=body).status_code == 200


# A change reaches every worker


def test_a_change_takes_effect_on_every_worker_within_a_second(town: Hub, tmp_path: Path) -> None:
    workspace = village.make(tmp_path / "village")
    rules = workspace / "policies/rules.csv"
    closed = rules.read_text("utf-8").replace(NAMES + "\n", "")
    with open_hub(town.settings) as other, served(town) as here, served(other) as there:
        for api in (here, there):
            assert explained(api, "worker-1", items=["name"])["granted"]
        rules.write_text(closed, "utf-8")
        apply(town, workspace)
        deadline = time.monotonic() + 1.0
        for api in (here, there):
            while explained(api, "worker-1", items=["name"])["granted"]:
                assert time.monotonic() < deadline
