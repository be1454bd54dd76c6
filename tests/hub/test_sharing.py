"""The other ways out: yes or no, files in bulk, counts."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest

from core.canonical import digest
from core.types import Status
from hub.app import Hub
from hub.audit.receipts import Receipt
from hub.audit.search import Wanted
from hub.serving.files import harmless
from hub.serving.verify import Finding, _finding
from policies.masking import MaskedCell
from tests.hub.conftest import Api, Place
from tests.hub.village import PEOPLE

CALL = {"purpose": "visit", "case": "GD-1"}
OLD, _, GIRL = PEOPLE


def verify(api: Api, client: str, number: str, **claims: str) -> Any:
    body = {**CALL, "where": {"resident_id": number}, "claims": claims}
    return api("POST", "/v1/subjects/resident/verify", client, json=body)


def exchange(api: Api, client: str, **more: Any) -> Any:
    return api("POST", "/v1/subjects/resident/exchange", client, json={**CALL, **more})


def said(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = json.loads(base64.b64decode(response.headers["Hub-Answer"]))
    return answer


def rows(response: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in response.text.splitlines()]


def count(api: Api, client: str, **more: Any) -> Any:
    return api("POST", "/v1/statistics/resident", client, json={**CALL, **more})


def last(hub: Hub, action: str) -> Any:
    """The latest entry of the log about such a deed."""
    found = hub.audit.find(Wanted(subject="resident", limit=20))
    return next(each.entry for each in found if each.entry["what"]["action"] == action)


def test_a_claim_is_confirmed_or_not_and_never_corrected(api: Api) -> None:
    answer = verify(api, "worker-1", OLD[0], name=f" {OLD[1]} ")
    assert answer.json()["findings"] == {"name": "yes"}
    answer = verify(api, "worker-1", OLD[0], name=GIRL[1])
    assert answer.json()["findings"] == {"name": "no"}
    assert OLD[1] not in answer.text


def test_a_claim_is_compared_as_the_mask_shows_it(api: Api) -> None:
    """Who may verify the year alone cannot find the day by asking."""
    for day, finding in (("1949-01-01", "yes"), ("1950-12-31", "no")):
        answer = verify(api, "worker-1", OLD[0], birth_date=day)
        assert answer.json()["findings"] == {"birth_date": finding}


def test_who_is_out_of_reach_is_not_told_from_who_does_not_exist(api: Api) -> None:
    elsewhere = verify(api, "worker-2", OLD[0], name=OLD[1]).json()
    nobody = verify(api, "worker-2", "110105199912120018", name=OLD[1]).json()
    for answer in (elsewhere, nobody):
        del answer["receipt"]
    assert elsewhere == nobody
    assert elsewhere["findings"] == {"name": "unknown"}


def test_nothing_on_record_is_no_contradiction() -> None:
    for held in (MaskedCell(None, "reveal"), MaskedCell(None, "suppress")):
        assert _finding("person_name", held, MaskedCell("x", held.mask)) is Finding.UNKNOWN
    disputed = MaskedCell("x", "reveal", Status.IN_DISPUTE)
    assert _finding("person_name", disputed, MaskedCell("x", "reveal")) is Finding.IN_DISPUTE


def test_what_names_several_records_verifies_nothing(api: Api) -> None:
    body = {**CALL, "where": {"household_id": "H1"}, "claims": {"name": OLD[1]}}
    answer = api("POST", "/v1/subjects/resident/verify", "worker-1", json=body)
    assert answer.json()["findings"] == {"name": "unknown"}


def test_only_what_a_rule_opens_can_be_verified(api: Api) -> None:
    assert verify(api, "worker-1", OLD[0], mobile=OLD[4]).status_code == 403
    body = {**CALL, "where": {"mobile": OLD[4]}, "claims": {"name": OLD[1]}}
    assert api("POST", "/v1/subjects/resident/verify", "worker-1", json=body).status_code == 403


def test_a_file_holds_what_json_would_show_and_its_receipt_binds_it(hub: Hub, api: Api) -> None:
    response = exchange(api, "auditor-1", format="jsonl")
    answer = said(response)
    assert {row["birth_date"] for row in rows(response)} == {"1949", "1980", "1990"}
    assert {row["sex"] for row in rows(response)} == {"1", "2"}
    assert answer["sha256"] == hashlib.sha256(response.content).hexdigest()
    receipt = Receipt.model_validate(answer.pop("receipt"))
    assert receipt.answer == digest(answer)
    hub.audit.check_receipt(receipt)
    assert answer["masks"]["resident_id"] == "partial"
    logged = last(hub, "exchange")
    assert logged["outcome"] == "answered"
    assert logged["what"]["rows"]["answered"] == 3


def test_a_file_holds_only_rows_within_reach(api: Api) -> None:
    response = exchange(api, "worker-2", format="jsonl")
    assert [row["name"] for row in rows(response)] == [GIRL[1]]
    assert rows(response)[0]["_in_dispute"] in {"", "name"}


def test_every_form_of_file_says_the_same(api: Api) -> None:
    items = ["name", "mobile"]
    expected = sorted(
        (row["name"], row["mobile"]) for row in rows(exchange(api, "worker-1", format="jsonl"))
    )
    book = openpyxl.load_workbook(
        io.BytesIO(exchange(api, "worker-1", format="xlsx", items=items).content)
    )
    sheet = [tuple(row) for row in book["rows"].iter_rows(values_only=True)]
    assert sheet[0] == ("name", "mobile", "_in_dispute")
    assert sorted(row[:2] for row in sheet[1:]) == expected
    table = pq.read_table(io.BytesIO(exchange(api, "worker-1", format="parquet").content))
    assert (
        sorted(zip(table["name"].to_pylist(), table["mobile"].to_pylist(), strict=True)) == expected
    )
    text = exchange(api, "worker-1", format="csv").content.decode("utf-8-sig").splitlines()
    assert sorted(tuple(line.split(",")[:2]) for line in text[1:]) == expected


@pytest.mark.parametrize("more", [{"where": {"birth_date": "1949-12-31"}}, {"region": "440605"}])
def test_a_file_is_not_picked_by_what_one_sees_masked_or_not_at_all(
    api: Api, more: dict[str, Any]
) -> None:
    response = exchange(api, "auditor-1", **more)
    assert response.status_code == 403
    assert response.json()["title"] == "forbidden"


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd", "-x", "@SUM(A1)", "\tx", "\r=1", " =1", "＝1", "-1+1", "\n@x"]
)
def test_no_cell_of_a_csv_file_is_a_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-3.50", "+86", "12", "王-建国", "", "a=b"])
def test_what_is_no_formula_stays(text: str) -> None:
    assert harmless(text) == text


def test_a_file_has_so_many_rows_and_says_how_to_go_on(place: Place, tmp_path: Path) -> None:
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    ask = ["--as", "auditor-1", "--purpose", "visit", "--case", "GD-1"]
    found: list[str] = []
    more: list[str] = []
    for number in range(4):
        file = tmp_path / f"{number}.jsonl"
        arguments = ["exchange", "resident", *ask, "--to", str(file), *more]
        done = place.command(*arguments, settings={"HUB_EXCHANGE_ROWS": "1"})
        assert done.returncode == 0, done.stderr
        found += [json.loads(line)["resident_id"] for line in file.read_text("utf-8").splitlines()]
        if "--after" not in done.stdout:
            break
        more = ["--after", done.stdout.split("--after ")[1].split()[0]]
    assert number == 2
    assert len(set(found)) == len(found) == 3
    assert not any((place.home / "spool").iterdir())


def test_two_departments_get_rows_in_orders_that_say_nothing(hub: Hub) -> None:
    from hub.serving.board import Board
    from hub.serving.bulk import Bulk, Page, Selection, newest
    from policies.decide import Ask, Grant, decide
    from policies.models import Action

    rules = Board(hub.engine).rules
    ask = Ask("auditor-1", Action.EXCHANGE, "resident", None, "visit", hub.clock.now())
    grant = decide(rules.policy, ask)
    assert isinstance(grant, Grant)
    orders = set()
    with hub.engine.connect() as connection:
        selection = Selection(rules.workspace.subjects["resident"], newest(connection))
        for secret in range(12):
            page = Page(bytes([secret]) * 32, 10)
            found = Bulk(connection, hub.keys).page(grant, selection, page)
            orders.add(tuple(record.entity for _, record in found))
    assert len(orders) > 1
    assert len({frozenset(order) for order in orders}) == 1


def test_small_counts_are_not_told(hub: Hub, api: Api) -> None:
    answer = count(api, "auditor-1", by=["birth_date"]).json()
    assert answer["groups"] == []
    assert answer["small_count"] == 5
    assert last(hub, "count")["what"]["items"] == {"birth_date": "year"}
    assert last(hub, "count")["what"]["rows"]["persons"] == 0


@pytest.mark.parametrize("item", ["name", "resident_id", "mobile"])
def test_nobody_counts_by_what_is_hidden_from_him(api: Api, item: str) -> None:
    """The auditor sees a part of a name, no number by ``query``, and no telephone."""
    assert count(api, "auditor-1", by=[item]).status_code == 403
    assert count(api, "auditor-1", by=["birth_date"], where={item: "x"}).status_code == 403


def test_at_most_three_items_are_counted_by(api: Api) -> None:
    assert count(api, "auditor-1", by=["birth_date"] * 4).status_code == 400
    assert count(api, "auditor-1", by=[]).status_code == 400


def test_what_is_no_subject_is_refused_in_plain_words(published: Place) -> None:
    ask = ["--as", "worker-1", "--purpose", "visit", "--case", "GD-1"]
    for arguments in (
        ["query", "check/grown_up", *ask, "--where", "resident_id=x"],
        ["exchange", "dataset/police.people", *ask, "--to", "x.csv"],
        ["statistics", "check/grown_up", *ask, "--by", "sex"],
    ):
        done = published.command(*arguments)
        assert done.returncode == 2, done.stderr
        assert arguments[1] in done.stderr


def test_a_body_that_says_one_thing_twice_is_refused(api: Api) -> None:
    text = '{"purpose": "visit", "case": "a", "case": "b", "where": {"resident_id": "x"}}'
    headers = {"Content-Type": "application/json"}
    answer = api("POST", "/v1/subjects/resident/query", "worker-1", content=text, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["title"] == "bad_input"


def test_a_file_that_cannot_be_made_is_told_and_logged(api: Api, hub: Hub) -> None:
    spool = hub.settings.home.absolute() / "spool"
    aside = spool.rename(spool.with_name("aside")) if spool.exists() else None
    spool.write_text("in the way", "utf-8")
    try:
        response = exchange(api, "auditor-1", format="csv")
    finally:
        spool.unlink()
        if aside is not None:
            aside.rename(spool)
    assert (response.status_code, response.json()["title"]) == (503, "unavailable")
    logged = last(hub, "exchange")
    assert (logged["outcome"], logged["decision"]["reasons"]) == ("failed", ["unavailable"])
