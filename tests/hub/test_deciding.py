"""What would be decided, told beforehand: explained, as a matrix, tried on the past, tested."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from core.clock import FixedClock
from hub import folder
from hub.app import Hub, apply_documents, open_hub
from hub.audit.entries import Decision, Entry, What, Who, Why
from hub.audit.search import Wanted
from hub.conditions import register
from hub.conditions.register import Opening
from hub.deciding import drafts, past, replay
from hub.deciding.doors import Asker
from hub.identity import Caller, Tokens
from hub.serving.office import Office
from tests.hub import village
from tests.hub.conftest import Api, Place, serving
from tests.hub.matrix.base import PAST
from tests.hub.village import PEOPLE

VISIT = {"purpose": "visit", "case": "GD-1"}
NAMES = "worker, query, resident/name, visit, own_region, reveal, allow"


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


# What if


@pytest.fixture
def asked_before(town: Hub) -> Iterator[Api]:
    """A town whose log holds three answers and a refusal."""
    with served(town) as api:
        where = {"resident_id": PEOPLE[0][0]}
        for items in (["name"], ["name"], ["name", "mobile"], ["birth_date"]):
            api("POST", "/v1/subjects/resident/query", "worker-1",
                json={**VISIT, "where": where, "items": items})  # fmt: skip
        yield api


def draft(town: Hub, gone: str, *more: str) -> dict[str, str]:
    rules = town.workspace().policies.rules
    cells = ([r.role, r.action, r.object, r.purpose, r.scope, r.mask, r.effect] for r in rules)
    lines = [", ".join(row) for row in cells]
    kept = [line for line in lines if gone not in line] + list(more)
    return {"policies/rules.csv": "\n".join(kept)}


def test_a_draft_is_put_to_the_past(town: Hub, asked_before: Api) -> None:
    born = "worker, query, resident/birth_date, visit, own_region, year, allow"
    body = {**PAST, "documents": draft(town, "worker, query, resident/mobile", born)}
    found = asked_before("POST", "/v1/policy/what-if", "admin-1", json=body).json()
    (change,) = found["changes"]
    assert [
        change[k] for k in ("client", "action", "purpose", "subject", "requests", "refused")
    ] == ["worker-1", "query", "visit", "resident", 4, 1]
    assert [(i["item"], i["requests"]) for i in change["lost"]] == [("mobile", 1)]
    assert [(i["item"], i["after"][0]["mask"]) for i in change["gained"]] == [
        ("birth_date", "year")
    ]
    # What the refused request asked for is in the log, and would be open.
    assert (found["to_denied"], found["to_granted"], found["complete"]) == (1, 1, True)
    assert (found["unjudged"], found["lacking"]) == (0, {})
    assert found["distinct"] == 1


@pytest.mark.parametrize(
    ("asked", "gone", "turned"),
    [
        # There is no such item.
        ({"items": ["birth_date", "salary"]}, "nothing of the kind", (0, 1)),
        # The item is open to the worker, who may not search by this one.
        ({"items": ["name"], "where": {"sex": "1"}}, "worker, query, resident/name", (0, 1)),
    ],
)
def test_what_is_refused_whatever_is_open_is_not_turned(
    town: Hub, asked: dict[str, Any], gone: str, turned: tuple[int, int]
) -> None:
    born = "worker, query, resident/birth_date, visit, own_region, year, allow"
    body = {**PAST, "documents": draft(town, gone, born)}
    where = {"where": {"resident_id": PEOPLE[0][0]}}
    with served(town) as api:
        for each in ({**where, **asked}, {**where, "items": ["birth_date"]}):
            path = "/v1/subjects/resident/query"
            answer = api("POST", path, "worker-1", json={**VISIT, **each})
            assert answer.status_code == 403, answer.text
        found = api("POST", "/v1/policy/what-if", "admin-1", json=body).json()
    (change,) = found["changes"]
    assert (change["requests"], change["refused"], change["refused_otherwise"]) == (2, 2, 1)
    assert (found["to_denied"], found["to_granted"]) == turned
    assert (found["unjudged"], found["refused_otherwise"]) == (0, 1)


def test_a_file_is_one_request_however_many_its_parts(town: Hub) -> None:
    body = {**PAST, "documents": draft(town, "worker, exchange, resident/mobile")}
    with served(town) as api:
        path = "/v1/subjects/resident/exchange"
        assert api("POST", path, "worker-1", json=VISIT).status_code == 200
        found = api("POST", "/v1/policy/what-if", "admin-1", json=body).json()
    assert len(town.audit.find(Wanted(action="exchange"))) == 2
    assert (found["requests"], found["to_denied"]) == (1, 1)


def test_the_same_policy_changes_nothing_and_a_cap_is_said(town: Hub, asked_before: Api) -> None:
    body = {**PAST, "documents": draft(town, "nothing of the kind")}
    found = asked_before("POST", "/v1/policy/what-if", "admin-1", json=body).json()
    assert (found["changes"], found["complete"], found["requests"]) == ([], True, 4)
    found = asked_before("POST", "/v1/policy/what-if", "admin-1", json={**body, "limit": 2}).json()
    assert (found["read"], found["complete"]) == (2, False)
    assert found["reached"] is not None


def test_pages_of_the_log_are_read_on(
    town: Hub, asked_before: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "_PAGE", 2)
    body = {**PAST, "documents": draft(town, "nothing of the kind")}
    found = asked_before("POST", "/v1/policy/what-if", "admin-1", json=body).json()
    assert (found["requests"], found["complete"]) == (4, True)
    found = asked_before("POST", "/v1/policy/what-if", "admin-1", json={**body, "limit": 4}).json()
    assert (found["read"], found["complete"]) == (4, False)


DAY, NIGHT = datetime(2040, 6, 6, 2, tzinfo=UTC), datetime(2040, 6, 6, 15, 30, tzinfo=UTC)
"""Ten o'clock and half past eleven at night of a Wednesday in China."""
OFFICE = "hours=08:30-18:00/working"


@dataclass
class Once:
    """A town of later, in whose log stands what is put there; ``name`` is what was asked for."""

    hub: Hub

    def asked(
        self, at: datetime, case: str | None = "C-1", granted: bool = True, **more: Any
    ) -> None:
        self.hub.audit._clock = FixedClock(at)
        entry = Entry(
            who=Who("worker-1", "police", "li"),
            why=Why("visit", case),
            what=What("query", "resident", items=more.pop("items", {"name": "reveal"}),
                      rows=more.pop("rows", {})),
            decision=Decision(granted),
            policy=more.pop("policy", "an earlier one"),
            outcome="answered" if granted else "refused",
        )  # fmt: skip
        self.hub.audit.append([entry])

    def what_if(
        self, conditions: str, scope: str = "own_region", mask: str = "reveal", **files: str
    ) -> tuple[Any, ...]:
        """How many would be denied, granted, and not judged, if names were open under these
        conditions.
        """
        line = f"worker, query, resident/name, visit, {scope}, {mask}, allow, {conditions}"
        period = replay.period(NIGHT + timedelta(days=1), DAY - timedelta(days=1), None, 100)
        texts = {**draft(self.hub, NAMES, line), **files}
        asker = Asker(Office(self.hub), None)
        found = replay.what_if(
            asker, lambda rules: drafts.of_texts(texts, rules.workspace), period, {}
        )
        assert found["unjudged"] == sum(change["unjudged"] for change in found["changes"])
        return found["to_denied"], found["to_granted"], found["lacking"]


@pytest.fixture
def once(town: Hub) -> Once:
    return Once(replace(town, clock=FixedClock(NIGHT + timedelta(days=1))))


def test_conditions_are_judged_by_when_it_was_asked(once: Once) -> None:
    for moment in (DAY, DAY, NIGHT):
        once.asked(moment)
    assert once.what_if(OFFICE) == (1, 0, {})
    assert once.what_if("hours=00:00-24:00/working") == (0, 0, {})
    assert once.what_if("quota=1/day") == (0, 0, {})


def test_conditions_are_judged_by_the_case_as_it_was(once: Once) -> None:
    opening = Opening("C-1", "police", "visit", None, "worker-1")
    with once.hub.engine.begin() as connection:
        register.open_case(connection, opening, {"resident": ["e"]}, DAY)
        register.open_case(connection, replace(opening, number="C-2"), {}, DAY)
        register.close_case(connection, "police", "C-1", NIGHT)
    before, after = DAY - timedelta(hours=1), NIGHT + timedelta(hours=1)
    for at in (before, DAY, NIGHT, after):
        once.asked(at)
    once.asked(after, "C-2")
    once.asked(after, "C-3")
    once.asked(after, None)  # erased
    assert once.what_if("case=registered") == (4, 0, {"case": 1})
    assert once.what_if("", scope="own_cases") == (5, 0, {"case": 1})
    purposes = [
        {"id": name, "title": {"zh": name, "en": name}, "basis": "a rule",
         "case": {"pattern": "C-[12]"}}
        for name in ("visit", "data_governance")
    ]  # fmt: skip
    files = {"policies/purposes.yaml": yaml.safe_dump({"purposes": purposes})}
    assert once.what_if("", **files) == (1, 0, {"case": 1})


def test_what_the_log_does_not_hold_is_said(once: Once) -> None:
    once.asked(DAY)
    once.asked(DAY, rows={"approval": 7})
    once.asked(DAY, granted=False, items={"birth_date": "suppress"})
    once.asked(NIGHT)
    assert once.what_if("zone=gov") == (0, 0, {"zone": 3})
    assert once.what_if("second_person") == (0, 0, {"second_person": 2})
    # What does not hold anyhow is known; of what is the same under both, nothing is to be judged.
    both = f"{OFFICE}; zone=gov; second_person"
    assert once.what_if(both) == (1, 0, {"zone": 2, "second_person": 1})
    assert once.what_if("") == (0, 0, {})


def test_what_was_given_under_this_policy_had_held(once: Once, tmp_path: Path) -> None:
    workspace = village.make(tmp_path / "village")
    rules = workspace / "policies/rules.csv"
    line = f"{NAMES}, zone=home"
    rules.write_text(rules.read_text("utf-8").replace(NAMES, line), "utf-8")
    zone = {"id": "home", "title": {"zh": "h", "en": "h"}, "networks": ["10.0.0.0/8"]}
    (workspace / "policies/zones.yaml").write_text(yaml.safe_dump({"zones": [zone]}), "utf-8")
    apply(once.hub, workspace)
    revision = Office(once.hub).rules.policy.policies.revision
    for moment in (DAY, NIGHT):
        once.asked(moment, policy=revision)
        once.asked(moment)
    once.asked(NIGHT, granted=False, policy=revision)
    # Of what was decided by an earlier policy, or refused, it is not known where it came from.
    assert once.what_if(OFFICE) == (1, 0, {"zone": 3})
    assert once.what_if("") == (0, 0, {"zone": 3})
    assert once.what_if(f"{OFFICE}; zone=home") == (1, 0, {"zone": 4})
    # A mask alone turns nothing: nothing must be known to say so.
    assert once.what_if("zone=home", mask="partial") == (0, 0, {})


@pytest.mark.parametrize(
    "line", ["worker, query, resident/shoe_size, visit, all, reveal, allow", "worker, query"]
)
def test_mistakes_of_a_draft_are_named_by_its_own_files(api: Api, line: str) -> None:
    body = {**PAST, "documents": {"policies/rules.csv": line}}
    answer = api("POST", "/v1/policy/what-if", "admin-1", json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("policies/rules.csv, line 1")


@pytest.mark.parametrize(
    "more",
    [
        {"until": "0001-01-02T00:00:00Z"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"documents": {f"agreements/{chr(0x20000) * 60}.yaml": ""}},
        {"documents": {"policies/purposes.yaml": "purposes: [{id: visit, title: {zh: a, en: a}, "
                       "basis: a, case: {pattern: 'a{99999999999}'}}]"}},
    ],
)  # fmt: skip
def test_a_draft_that_makes_no_sense_is_told_so(api: Api, more: dict[str, Any]) -> None:
    body = {**PAST, "documents": {"policies/rules.csv": ""}, **more}
    assert api("POST", "/v1/policy/what-if", "admin-1", json=body).status_code == 400


# Policy tests


def expect(**more: Any) -> dict[str, Any]:
    told = {"granted": True, "masks": {"name": "reveal"}, "scope": "own_region", **more}
    return {
        "name": "workers see names", "as": "worker-1", "subject": "resident", "items": ["name"],
        "purpose": "visit", "expect": told,
    }  # fmt: skip


def with_tests(place: Place, *tests: dict[str, Any]) -> None:
    file = place.workspace / "policies/tests.yaml"
    file.write_text(yaml.safe_dump({"tests": list(tests)}, sort_keys=False), "utf-8")


def test_a_change_that_breaks_an_expectation_is_refused(place: Place) -> None:
    closed = {**expect(granted=False, masks={}, reasons=["policy_item_closed"]),
              "name": "no births", "items": ["birth_date"]}  # fmt: skip
    with_tests(place, expect(), closed)
    place.succeed("apply", str(place.workspace))
    assert "2 of 2" in place.succeed("policy", "test", str(place.workspace))
    rules = place.workspace / "policies/rules.csv"
    before = rules.read_text("utf-8")
    rules.write_text(before.replace(NAMES, NAMES.replace("reveal", "partial")), "utf-8")
    done = place.command("apply", str(place.workspace))
    assert done.returncode == 2
    for told in ("policies/tests.yaml", "line 2", "workers see names", "reveal", "partial"):
        assert told in done.stderr
    assert place.command("policy", "test", str(place.workspace)).returncode == 1
    with open_hub(place.settings) as hub:
        masks = {r.mask for r in hub.workspace().policies.rules if r.object == "resident/name"}
        assert hub.revision().number == 1
    assert "reveal" in masks


def test_expectations_that_go_are_named(place: Place) -> None:
    with_tests(place, expect(), {**expect(), "name": "once more"})
    assert "no longer" not in place.succeed("apply", str(place.workspace))
    with_tests(place, {**expect(), "name": "a new one"}, expect())
    told = place.succeed("apply", str(place.workspace), "--dry-run")
    assert "Policy tests that are no longer there as they were: once more." in told
    (place.workspace / "policies/tests.yaml").unlink()
    assert "workers see names, once more" in place.succeed("apply", str(place.workspace))


def test_what_is_open_in_a_case_can_be_expected(place: Place) -> None:
    rules = place.workspace / "policies/rules.csv"
    more = "worker, query, resident/sex, visit, own_cases, reveal, allow"
    rules.write_text(rules.read_text("utf-8") + more + "\n", "utf-8")
    asked = {**expect(masks={}), "items": ["sex"]}
    closed = {**asked, "expect": {"granted": False, "reasons": ["policy_cases_missing"]}}
    opened = {**asked, "name": "in a case", "given": {"case_open": True},
              "expect": {"granted": True, "scope": "own_cases"}}  # fmt: skip
    with_tests(place, closed, opened)
    assert "2 of 2" in place.succeed("policy", "test", str(place.workspace))


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (expect(masks={"name": "partial"}), "expected partial, but it is reveal"),
        (expect(scope="all"), "expected all, but it is own_region"),
        (expect(reasons=["agreement:A-9"]), "expected agreement:A-9"),
        (expect(granted=False), "expected false, but it is granted (rules.csv:"),
        ({**expect(), "items": ["nmae"]}, "unknown attribute 'nmae'"),
        ({**expect(granted=False), "as": "worker-9"}, "unknown client 'worker-9'"),
    ],
)
def test_what_was_decided_instead_is_told(place: Place, test: dict[str, Any], told: str) -> None:
    with_tests(place, test)
    done = place.command("policy", "test", str(place.workspace))
    assert done.returncode == 1
    assert told in done.stdout


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


@contextmanager
def served(hub: Hub) -> Iterator[Api]:
    """A hub's own API, asked as :func:`tests.hub.conftest.api` is."""
    tokens = Tokens(hub.keys, hub.clock)
    with serving(hub) as address, httpx.Client(base_url=address, timeout=30) as client:

        def ask(method: str, path: str, caller: str | None = None, **more: Any) -> httpx.Response:
            token = tokens.issue(Caller(caller or "-", None), timedelta(minutes=5))
            return client.request(
                method, path, headers={"Authorization": f"Bearer {token}"}, **more
            )

        yield ask


def apply(hub: Hub, workspace: Path) -> None:
    apply_documents(hub, folder.read(workspace).documents(), str(workspace / "data"))
