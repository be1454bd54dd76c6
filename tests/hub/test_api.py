"""The API as its callers use it, over real HTTP."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from core.canonical import digest
from core.clock import today
from hub.app import Hub
from hub.audit.receipts import Receipt, check_receipt
from tests.hub.conftest import Api
from tests.hub.village import PEOPLE

NUMBER, NAME, _, BORN, MOBILE, GRID, HOUSEHOLD = PEOPLE[0]
QUERY = "/v1/subjects/resident/query"


def body(**more: Any) -> dict[str, Any]:
    return {"purpose": "visit", "case": "GD-1", "where": {"resident_id": NUMBER}, **more}


def test_a_worker_sees_a_resident_of_the_own_grid_masked(api: Api) -> None:
    answer = api("POST", QUERY, "worker-1", json=body())
    assert answer.status_code == 200
    (row,) = answer.json()["rows"]
    assert row["name"]["value"] == NAME
    assert row["mobile"]["value"] == "138****0001"
    assert row["resident_id"]["value"] not in (NUMBER, None)
    # Both departments agree; the later one is named.
    assert row["name"]["status"] == "agreed"
    assert (row["name"]["source"], row["name"]["as_of"]) == ("phones", "2026-06-01")
    assert set(row) == {"resident_id", "name", "mobile"}


def test_a_worker_of_another_grid_sees_no_more_than_of_nobody(api: Api) -> None:
    elsewhere = api("POST", QUERY, "worker-2", json=body()).json()
    # A valid number that nobody has.
    nobody = body(where={"resident_id": "110105199002020050"})
    unknown = api("POST", QUERY, "worker-2", json=nobody).json()
    del elsewhere["receipt"], unknown["receipt"]
    assert elsewhere == unknown
    assert elsewhere["rows"] == []


def test_an_auditor_sees_other_items_under_other_masks(api: Api) -> None:
    (row,) = api("POST", QUERY, "auditor-1", json=body()).json()["rows"]
    assert row["name"]["value"] != NAME
    assert row["birth_date"]["value"] == BORN[:4]
    assert set(row) == {"name", "birth_date"}


def test_older_forms_of_a_number_find_the_same_person(api: Api) -> None:
    for form in (NUMBER.lower(), "110105491231002", f" {NUMBER} "):
        answer = api("POST", QUERY, "worker-1", json=body(where={"resident_id": form}))
        assert len(answer.json()["rows"]) == 1, form


def test_several_people_of_a_household(api: Api) -> None:
    answer = api("POST", QUERY, "worker-1", json=body(where={"household_id": HOUSEHOLD}))
    assert len(answer.json()["rows"]) == 2
    one = api("POST", QUERY, "worker-1", json=body(where={"household_id": HOUSEHOLD}, limit=1))
    assert len(one.json()["rows"]) == 1


def test_a_disputed_value_is_served_and_marked(api: Api) -> None:
    number = PEOPLE[2][0]
    (row,) = api("POST", QUERY, "worker-2", json=body(where={"resident_id": number})).json()["rows"]
    assert row["name"]["status"] == "designated"


def test_the_receipt_holds_with_the_public_key_alone(api: Api, hub: Hub) -> None:
    answer = api("POST", QUERY, "worker-1", json=body()).json()
    receipt = Receipt.model_validate(answer.pop("receipt"))
    check_receipt(receipt, Ed25519PublicKey.from_public_bytes(hub.keys.public_bytes))
    assert receipt.answer == digest(answer)
    hub.audit.check_receipt(receipt)


def test_every_answer_and_refusal_is_in_the_log(api: Api, hub: Hub) -> None:
    size = hub.audit.head().size
    api("POST", QUERY, "worker-1", json=body())
    api("POST", QUERY, "nobody-1", json=body())
    api("POST", QUERY, "worker-1", json=body(items=["birth_date"]))
    api("POST", QUERY, "worker-1", json=body(where={"resident_id": "123"}))
    api("POST", "/v1/checks/grown_up", "worker-1", json=body())
    assert hub.audit.head().size == size + 5
    assert hub.audit.verify().ok


REFUSALS: list[tuple[str, str | None, dict[str, Any], int, str]] = [
    (QUERY, None, body(), 401, "unauthenticated"),
    (QUERY, "nobody-1", body(), 404, "subject_unknown"),
    ("/v1/subjects/ghost/query", "worker-1", body(), 404, "subject_unknown"),
    (QUERY, "worker-1", body(purpose="tour"), 403, "forbidden"),
    (QUERY, "worker-1", body(items=["birth_date"]), 403, "forbidden"),
    (QUERY, "worker-1", body(items=["ghost"]), 403, "forbidden"),
    (QUERY, "worker-1", body(where={}), 400, "filter_missing"),
    (QUERY, "worker-1", body(where={"mobile": MOBILE}), 403, "forbidden"),
    (QUERY, "worker-1", body(where={"birth_date": BORN}), 403, "forbidden"),
    (QUERY, "worker-1", body(where={"resident_id": "123"}), 400, "value_invalid"),
    (QUERY, "worker-1", {"where": {"resident_id": NUMBER}}, 400, "bad_input"),
    (QUERY, "worker-1", body(limit=1000), 400, "bad_input"),
    (QUERY, "worker-1", body(extra=1), 400, "bad_input"),
    (QUERY, "worker-1", body(case="a b"), 400, "bad_input"),
    ("/v1/checks/grown_up", "auditor-1", body(), 404, "subject_unknown"),
    ("/v1/checks/ghost", "worker-1", body(), 404, "subject_unknown"),
    ("/v1/checks/grown_up", "worker-2", body(), 404, "check_nobody"),
    ("/v1/checks/grown_up", "worker-1", body(where={"name": NAME}), 400, "filter_missing"),
    ("/v1/nowhere", "worker-1", body(), 404, "page_missing"),
]


@pytest.mark.parametrize(("path", "caller", "sent", "status", "code"), REFUSALS)
def test_refusals_are_problems_that_repeat_nothing(
    api: Api, path: str, caller: str | None, sent: dict[str, Any], status: int, code: str
) -> None:
    answer = api("POST", path, caller, json=sent)
    assert (answer.status_code, answer.json()["title"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) >= {"type", "title", "status", "detail"}
    for value in (NUMBER, NAME, MOBILE):
        assert value not in answer.text


def test_problems_speak_chinese_on_request(api: Api) -> None:
    answer = api("POST", QUERY, json=body(), headers={"Accept-Language": "zh-CN"})
    assert "令牌" in answer.json()["detail"]


def test_the_rule_in_a_problem_is_told_in_its_language(api: Api) -> None:
    both = {**body(), "release": 1, "on": "2026-06-30"}
    for language, rule in (
        ("zh", "版本号与日期只能给出其一"),
        ("en", "give a release or a day, not both"),
    ):
        headers = {"Accept-Language": language}
        problem = api("POST", QUERY, "worker-1", json=both, headers=headers).json()
        assert problem["fields"] == {"field": "on", "rule": rule}
        assert rule in problem["detail"]


def test_what_is_malformed_is_told_in_both_languages_and_not_repeated(api: Api) -> None:
    said = {"purpose": "data_governance", "case": "S-1", "subject": "resident"}
    secret = "440605199001010011"
    bodies = [
        {},
        {**said, "ruling": {"kind": secret}},
        {**said, "ruling": {"kind": "choose", "entity": f"{secret}/"}},
        {**said, "ruling": {"kind": "defer", "entity": "e", "attribute": "name", "until": secret}},
        {**said, "ruling": {"kind": "split", "entity": "e", "records": []}},
        {**said, "ruling": "merge"},
    ]
    for body in bodies:
        rules = []
        for language in ("zh", "en"):
            headers = {"Accept-Language": language}
            answer = api("POST", "/v1/rulings", "steward-1", headers=headers, json=body)
            assert answer.status_code == 400
            assert secret not in answer.text
            rules.append([mistake["rule"] for mistake in answer.json()["mistakes"]])
        assert all(zh != en and "应" + zh != en for zh, en in zip(*rules, strict=True))
        assert not any("form_other" in rule for rule in rules[1])


@pytest.mark.parametrize("token", ["x.y.z", "Bearer"])
def test_a_token_that_is_none(api: Api, token: str) -> None:
    answer = api("POST", QUERY, json=body(), headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_the_catalog_shows_what_one_may_know(api: Api) -> None:
    seen = api("GET", "/v1/catalog/datasets?purpose=visit", "worker-1").json()["datasets"]
    assert {entry["dataset"] for entry in seen} == {"police.people", "phones.users"}
    assert api("GET", "/v1/catalog/datasets?purpose=visit", "nobody-1").json()["datasets"] == []


def test_a_check_gives_findings_and_no_values(api: Api) -> None:
    answer = api("POST", "/v1/checks/grown_up", "worker-1", json=body())
    assert answer.json()["verdict"] == "eligible"
    for value in (NUMBER, NAME, MOBILE, BORN):
        assert value not in answer.text


def test_health_needs_no_token(api: Api) -> None:
    assert api("GET", "/health/live").json() == {"status": "live"}
    assert api("GET", "/health/ready").json()["status"] == "ready"


def test_no_log_no_answer(api: Api, hub: Hub) -> None:
    with hub.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_entry RENAME TO audit_entry_away")
    answer = api("POST", QUERY, "worker-1", json=body())
    assert answer.status_code == 503
    assert NAME not in answer.text
    with hub.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_entry_away RENAME TO audit_entry")
    assert api("POST", QUERY, "worker-1", json=body()).status_code == 200


def test_a_revealed_item_that_is_sealed_is_no_way_to_search(api: Api, hub: Hub) -> None:
    size = hub.audit.head().size
    answer = api("POST", QUERY, "worker-1", json=body(where={"name": NAME}))
    assert (answer.status_code, answer.json()["title"]) == (400, "filter_sealed")
    assert hub.audit.head().size == size + 1


def test_a_token_that_makes_the_library_stumble_is_no_token(api: Api) -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"Ed25519","crit":3}').rstrip(b"=").decode()
    answer = api("POST", QUERY, json=body(), headers={"Authorization": f"Bearer {head}.e30.AA"})
    assert answer.status_code == 401


def test_a_body_is_bounded_before_anything_reads_it(api: Api) -> None:
    answer = api("POST", QUERY, "worker-1", content=b" " * 100_000 + b"{}")
    assert (answer.status_code, answer.json()["title"]) == (413, "body_too_large")

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    assert api("POST", QUERY, "worker-1", content=pieces()).status_code >= 400


def test_answers_are_not_to_be_kept_by_anyone_between(api: Api) -> None:
    for answer in (api("POST", QUERY, "worker-1", json=body()), api("GET", "/v1/nowhere")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_record_moved_to_another_region_in_the_database_is_not_given(
    api: Api, hub: Hub, capfd: pytest.CaptureFixture[str]
) -> None:
    moved = "UPDATE golden_record SET region = %s WHERE region = %s AND closed IS NULL"
    with hub.engine.begin() as connection:
        connection.exec_driver_sql(moved, ("440605001001002", GRID))
    try:
        size = hub.audit.head().size
        answer = api("POST", QUERY, "worker-2", json=body())
        assert hub.audit.head().size == size + 1
        assert answer.status_code == 500
        assert answer.json()["title"] == "seal_broken"
        assert NAME not in answer.text + "".join(capfd.readouterr())
    finally:
        back = (
            f"UPDATE golden_record SET region = '{GRID}' WHERE entity IN "
            "(SELECT entity FROM golden_key WHERE attribute = 'resident_id' AND digest = ANY(%s))"
        )
        digests = [
            hub.keys.blind_index("resident/resident_id", p[0]) for p in PEOPLE if p[5] == GRID
        ]
        with hub.engine.begin() as connection:
            connection.exec_driver_sql(back, (digests,))
    assert api("POST", QUERY, "worker-1", json=body()).status_code == 200


def _past(api: Api, caller: str, **more: Any) -> httpx.Response:
    return api("POST", QUERY, caller, json=body(**more))


def test_an_earlier_release_is_asked_for_by_number_or_day(api: Api, hub: Hub) -> None:
    assert _past(api, "worker-1").json()["release"] == 1
    assert _past(api, "worker-1", release=1).json()["rows"] != []
    day = today(hub.clock)
    assert _past(api, "worker-1", on=day.isoformat()).json()["release"] == 1
    for past in ({"release": 9}, {"on": "2020-01-01"}):
        answer = _past(api, "worker-1", **past)
        assert (answer.status_code, answer.json()["title"]) == (404, "release_unknown")
    for bad in (
        {"release": 0},
        {"release": 2**31},
        {"on": "1 March"},
        {"release": 1, "on": "2026-03-01"},
    ):
        answer = _past(api, "worker-1", **bad)
        assert (answer.status_code, answer.json()["title"]) == (400, "bad_input")
    # Who sees nothing now sees nothing of then.
    assert _past(api, "worker-2", release=1).json()["rows"] == []
