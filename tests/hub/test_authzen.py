"""OpenID AuthZEN, Authorization API 1.0: the shapes of its requests and answers."""

from __future__ import annotations

from typing import Any

import pytest

from hub.app import Hub
from hub.audit.search import Wanted
from hub.deciding import authzen
from tests.hub.conftest import Api

VISIT = {"purpose": "visit", "case": "GD-1"}
OVERSEEN = {**VISIT, "asked_for": "data_governance"}


def client(name: str) -> dict[str, str]:
    return {"type": "client", "id": name}


def item(name: str) -> dict[str, str]:
    return {"type": "item", "id": f"resident/{name}"}


def question(name: str = "name", action: str = "query", **more: Any) -> dict[str, Any]:
    return {
        "subject": client("worker-1"),
        "action": {"name": action},
        "resource": item(name),
        "context": VISIT,
        **more,
    }


def ask(api: Api, what: str, body: dict[str, Any], by: str = "worker-1") -> dict[str, Any]:
    answer = api("POST", f"/access/v1/{what}", by, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_decision_carries_its_mask_and_reasons(hub: Hub, api: Api) -> None:
    found = ask(api, "evaluation", question("mobile"))
    assert found["decision"] is True
    assert found["context"]["mask"] == "partial"
    assert found["context"]["tiers"] == [
        {"region": "440605001001001", "masks": {"mobile": "partial"}}
    ]
    assert all(reason.startswith("rules.csv:") for reason in found["context"]["reasons"])
    (recorded,) = hub.audit.find(Wanted(action="evaluate_access", limit=1))
    assert recorded.entry["what"]["subject"] == "client/worker-1"


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_outside_all_calendars_is_told_so(api: Api, time: str) -> None:
    body = question(context={**VISIT, "time": time})
    assert api("POST", "/access/v1/evaluation", "worker-1", json=body).status_code == 400


@pytest.mark.parametrize(
    ("kind", "name", "action"),
    [("hub", "resident", "query"), ("audit", "resident", "query"),
     ("subject", "check/grown_up", "check"), ("subject", "audit", "audit")],
)  # fmt: skip
def test_a_resource_of_another_kind_is_not_what_was_asked_about(
    api: Api, kind: str, name: str, action: str
) -> None:
    found = ask(api, "evaluation", question(action=action, resource={"type": kind, "id": name}))
    assert found["decision"] is False
    assert found["context"]["error"]["status"] == 400


def test_a_denial_is_an_answer_with_its_reasons(api: Api) -> None:
    found = ask(api, "evaluation", question("birth_date"))
    assert found["decision"] is False
    assert found["context"]["reasons"] == ["policy_item_closed"]
    assert "birth_date" in found["context"]["reason_user"]["en"]


@pytest.mark.parametrize(
    "body",
    [
        question(subject={"type": "user", "id": "worker-1"}),
        question(action="fly"),
        question(resource={"type": "item", "id": "name"}),
        question(resource={"type": "building", "id": "resident/name"}),
        {k: v for k, v in question().items() if k != "resource"},
    ],
)
def test_a_question_that_makes_no_sense_is_denied(api: Api, body: dict[str, Any]) -> None:
    found = ask(api, "evaluation", body)
    assert found["decision"] is False
    assert found["context"]["error"]["status"] == 400


def test_purpose_and_case_must_be_said(api: Api) -> None:
    body = question(context={"purpose": "visit"})
    assert api("POST", "/access/v1/evaluation", "worker-1", json=body).status_code == 400


@pytest.mark.parametrize(
    ("semantic", "decisions"),
    [
        (None, [True, False, True]),
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
def test_evaluations_end_as_their_semantic_says(
    api: Api, semantic: str | None, decisions: list[bool]
) -> None:
    body: dict[str, Any] = question()
    del body["resource"]
    body["evaluations"] = [
        {"resource": item("name")},
        {"resource": item("birth_date")},
        {"resource": item("household_id"), "action": {"name": "lookup"}},
    ]
    if semantic is not None:
        body["options"] = {"evaluations_semantic": semantic, "another": 1}
    found = ask(api, "evaluations", body)
    assert [one["decision"] for one in found["evaluations"]] == decisions
    assert "decision" not in found


def test_evaluations_without_any_are_one_evaluation(api: Api) -> None:
    assert ask(api, "evaluations", question())["decision"] is True


def test_a_list_with_another_client_needs_leave(api: Api) -> None:
    body = {**question(), "evaluations": [{}, {"subject": client("worker-2")}]}
    assert api("POST", "/access/v1/evaluations", "worker-1", json=body).status_code == 404
    body["context"] = OVERSEEN
    assert len(ask(api, "evaluations", body, "admin-1")["evaluations"]) == 2


def test_searches_find_what_evaluations_permit(api: Api) -> None:
    asked = {**question("name"), "subject": {"type": "client"}, "context": OVERSEEN}
    found = ask(api, "search/subject", asked, "auditor-1")
    assert [one["id"] for one in found["results"]] == ["auditor-1", "worker-1", "worker-2"]
    found = ask(api, "search/resource", question(resource={"type": "item"}))
    names = [one["id"] for one in found["results"]]
    assert names == [f"resident/{name}" for name in ("mobile", "name", "resident_id")]
    for name in names:
        assert ask(api, "evaluation", question(name.partition("/")[2]))["decision"]
    found = ask(api, "search/action", question("resident_id"))
    assert [one["name"] for one in found["results"]] == ["lookup", "query"]
    assert found["page"] == {"next_token": "", "count": 2, "total": 2}


def test_pages_go_on_where_the_last_one_ended(api: Api) -> None:
    asked = question(resource={"type": "item"})
    names, token = [], ""
    for _ in range(3):
        found = ask(api, "search/resource", {**asked, "page": {"limit": 1, "token": token}})
        names += [one["id"] for one in found["results"]]
        token = found["page"]["next_token"]
    assert (names, token) == (
        ["resident/mobile", "resident/name", "resident/resident_id"],
        "",
    )


def test_a_token_of_another_search_or_of_nobody_is_refused(api: Api) -> None:
    asked = question(resource={"type": "item"})
    token = ask(api, "search/resource", {**asked, "page": {"limit": 1}})["page"]["next_token"]
    other = {**asked, "action": {"name": "lookup"}, "page": {"token": token}}
    for body in (
        other,
        {**asked, "page": {"token": "bm9ib2R5"}},
        {**asked, "page": {"token": "é"}},
    ):
        answer = api("POST", "/access/v1/search/resource", "worker-1", json=body)
        assert answer.status_code == 400, body


def test_the_configuration_is_open_and_names_every_endpoint(api: Api) -> None:
    found = api("GET", "/.well-known/authzen-configuration").json()
    here = found.pop("policy_decision_point")
    assert found.keys() == {
        "access_evaluation_endpoint",
        "access_evaluations_endpoint",
        "search_subject_endpoint",
        "search_resource_endpoint",
        "search_action_endpoint",
    }
    for url in found.values():
        assert api("POST", url.removeprefix(here), json={}).status_code == 401


def test_the_id_of_a_request_comes_back_with_every_answer(api: Api) -> None:
    headers = {"X-Request-ID": "bfe9eb29-ab87"}
    for by, status in (("worker-1", 200), (None, 401), ("phones-1", 404)):
        answer = api("POST", "/access/v1/evaluation", by, json=question(), headers=headers)
        assert (answer.status_code, answer.headers["X-Request-ID"]) == (status, "bfe9eb29-ab87")


def test_no_more_than_a_page_is_given(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authzen, "PAGE", 2)
    asked = {**question(resource={"type": "item"}), "page": {"limit": 1000}}
    assert ask(api, "search/resource", asked)["page"]["count"] == 2
