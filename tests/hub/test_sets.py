"""Sets from the workspace to every way out: people with several mobile numbers."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import yaml

from catalog.subjects import Subject
from hub.app import Hub, open_hub
from hub.audit.entries import KeyedDigests
from hub.identity import Caller, Tokens
from hub.serving.persons import Namer
from hub.serving.reading import Record
from tests.hub.conftest import Place, new_place, serving
from tests.hub.village import PEOPLE

NUMBERS = {
    PEOPLE[0][0]: ("13800000001、13900000001", ["13800000001"]),
    PEOPLE[1][0]: ("13800000002、1234", ["13800000002"]),
    PEOPLE[2][0]: ("", ["13800000003", "13800000003"]),
}
RULES = (
    "worker, lookup, resident/mobile, visit, own_region, reveal, allow",
    "worker, verify, resident/mobile, visit, own_region, partial, allow",
    "auditor, verify, resident/mobile, visit, all, reveal, allow",
    "auditor, query, resident/mobile, visit, all, pseudonym, allow",
    "worker, check, check/peers, visit, own_region, reveal, allow",
    "auditor, query, resident/skills, visit, all, reveal, allow",
    "auditor, exchange, resident/mobile, visit, all, fpe, allow",
    "auditor, exchange, resident/skills, visit, all, reveal, allow",
)

TITLE = {"zh": "词", "en": "word"}
PEERS = {
    "check": "peers",
    "title": TITLE,
    "subject": "resident",
    "ask": "resident_id",
    "members": {"subject": "resident", "by": "resident_id"},
    "facts": {
        "peers": {"title": TITLE, "of": "resident", "match": "skills", "key": "skills", "how": "count"}
    },
    "rules": [
        {
            "id": "two", "title": TITLE, "basis": "a rule", "needs": ["peers"],
            "met": "facts.peers == 2.0",
        }
    ],
}  # fmt: skip

Ask = Callable[..., Any]


def several(place: Place) -> None:
    """Lets people have several numbers: the police writes them in one text, the phones in a list."""
    folder = place.workspace
    users = folder / "contracts/phones.users.odcs.yaml"
    changed(users, "mobile", {"logicalType": "array"})
    more = yaml.safe_load(users.read_text("utf-8"))
    custom = [{"property": "element", "value": "code"}]
    jobs = {"name": "jobs", "logicalType": "array", "customProperties": custom}
    more["schema"][0]["properties"].append(jobs)
    users.write_text(yaml.safe_dump(more, allow_unicode=True), "utf-8")
    contract = folder / "contracts/police.people.odcs.yaml"
    document = yaml.safe_load(contract.read_text("utf-8"))
    for name, element in (("phones", "mobile"), ("skills", "code")):
        custom = {"element": element, "separator": "、"}
        said = [{"property": each, "value": value} for each, value in custom.items()]
        item = {"name": name, "logicalType": "string", "customProperties": said}
        document["schema"][0]["properties"].append(item)
    contract.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    subject = folder / "subjects/resident.yaml"
    described = yaml.safe_load(subject.read_text("utf-8"))
    described["attributes"]["mobile"] |= {
        "many": True,
        "lookup": True,
        "designated": "police.people",
    }
    title = {"zh": "技能", "en": "skills"}
    skills = {"title": title, "element": "code", "many": True, "level": 2}
    described["attributes"]["skills"] = skills
    described["feeds"]["police.people"] |= {"mobile": "phones", "skills": "skills"}
    described["feeds"]["phones.users"]["skills"] = "jobs"
    subject.write_text(yaml.safe_dump(described, allow_unicode=True, sort_keys=False), "utf-8")
    rules = folder / "policies/rules.csv"
    rules.write_text(rules.read_text("utf-8") + "\n".join(RULES) + "\n", "utf-8")
    (folder / "checks/peers.yaml").write_text(yaml.safe_dump(PEERS), "utf-8")
    hold(folder / "data")


def changed(file: Any, item: str, more: dict[str, Any]) -> None:
    document = yaml.safe_load(file.read_text("utf-8"))
    for column in document["schema"][0]["properties"]:
        if column["name"] == item:
            column.update(more)
    file.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")


def hold(data: Any) -> None:
    """Puts the numbers into what the departments hold."""
    with (data / "people.csv").open(encoding="utf-8", newline="") as lines:
        head, *rows = csv.reader(lines)
    with (data / "people.csv").open("w", encoding="utf-8", newline="") as out:
        told = [
            [*row, NUMBERS.get(row[0], ("",))[0], f"s{i}、s{i + 1}"] for i, row in enumerate(rows)
        ]
        csv.writer(out).writerows([[*head, "phones", "skills"], *told])
    lines_ = (data / "phones.jsonl").read_text("utf-8").splitlines()
    people = [json.loads(line) for line in lines_ if line.endswith("}")]
    jobs: list[dict[str, Any]] = [{"jobs": ["s5", "s0"]}, {}, {}]
    texts = [
        json.dumps(row | job | {"mobile": NUMBERS[row["id"]][1]})
        for row, job in zip(people, jobs, strict=True)
    ]
    (data / "phones.jsonl").write_text("\n".join(texts) + "\n", "utf-8")


@pytest.fixture(scope="module")
def hub(server_url: str, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("sets")
    with new_place(server_url, folder, f"sets_{worker_id}") as made:
        several(made)
        made.succeed("apply", str(made.workspace))
        made.succeed("run", "--as-of", "2026-06-30")
        with open_hub(made.settings) as opened:
            yield opened


@pytest.fixture(scope="module")
def ask(hub: Hub) -> Iterator[Ask]:
    tokens = Tokens(hub.keys, hub.clock)
    with serving(hub) as address, httpx.Client(base_url=address, timeout=30) as client:

        def ask(way: str, caller: str, where: dict[str, str], **more: Any) -> httpx.Response:
            token = tokens.issue(Caller(caller, None), timedelta(minutes=5))
            body = {"purpose": "visit", "case": "C-1", "where": where, **more}
            headers = {"Authorization": f"Bearer {token}"}
            if way == "check":
                return client.post("/v1/checks/peers", json=body, headers=headers)
            return client.post(f"/v1/subjects/resident/{way}", json=body, headers=headers)

        yield ask


def shown(answer: httpx.Response, item: str = "mobile") -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [row[item] for row in answer.json()["rows"]]


def test_every_member_is_masked(ask: Ask) -> None:
    (cell,) = shown(ask("query", "worker-1", {"resident_id": PEOPLE[0][0]}))
    assert (cell["value"], cell["status"]) == ("138****0001；139****0001", "designated")
    (cell,) = shown(ask("query", "worker-1", {"resident_id": PEOPLE[1][0]}))
    assert (cell["value"], cell["status"]) == ("138****0002", "agreed")


def test_equal_members_have_equal_pseudonyms(ask: Ask) -> None:
    (both,) = shown(ask("query", "auditor-1", {"resident_id": PEOPLE[0][0]}))
    pseudonyms = both["value"].split("；")
    assert len(set(pseudonyms)) == 2
    assert all(len(name) == 32 for name in pseudonyms)


def test_every_member_keeps_its_form_under_encryption(ask: Ask) -> None:
    where = {"resident_id": PEOPLE[0][0]}
    answer = ask("exchange", "auditor-1", where, format="jsonl", items=["mobile"])
    (line,) = answer.text.splitlines()
    numbers = json.loads(line)["mobile"].split("；")
    assert len(numbers) == 2
    assert all(re.fullmatch("1[3-9][0-9]{9}", number) for number in numbers)
    assert not {"13800000001", "13900000001"} & set(numbers)


@pytest.mark.parametrize("number", ["13800000001", "139 0000 0001", "13900000001；13900000009"])
def test_a_record_is_found_by_any_member(ask: Ask, number: str) -> None:
    answer = ask("query", "worker-1", {"mobile": number}, items=["name"])
    assert [cell["value"] for cell in shown(answer, "name")] == ["王建国"]


def test_what_is_not_sealed_is_found_by_any_member_too(ask: Ask) -> None:
    answer = ask("query", "auditor-1", {"skills": "s2"}, items=["skills"])
    assert {cell["value"] for cell in shown(answer, "skills")} == {"s1；s2", "s2；s3"}
    found = ask("exchange", "auditor-1", {"skills": "s0；s9"}, format="jsonl", items=["skills"])
    assert [json.loads(line)["skills"] for line in found.text.splitlines()] == ["s0；s1；s5"]


def test_a_check_finds_whoever_shares_a_member(ask: Ask) -> None:
    third = ask("check", "worker-2", {"resident_id": PEOPLE[2][0]})
    assert (third.status_code, third.json()["verdict"]) == (200, "eligible")
    # Two as well, but what the first one can is in dispute, and from no source as a whole.
    first = ask("check", "worker-1", {"resident_id": PEOPLE[0][0]})
    assert (first.status_code, first.json()["verdict"]) == (200, "needs_review")


def test_a_number_nobody_has_finds_nothing(ask: Ask) -> None:
    assert shown(ask("query", "worker-1", {"mobile": "13700000001"}, items=["name"]), "name") == []
    assert ask("query", "worker-1", {"mobile": "1234"}, items=["name"]).status_code == 400


@pytest.mark.parametrize(
    ("caller", "claim", "finding"),
    [
        ("auditor-1", "13900000001", "yes"),
        ("auditor-1", "13900000001；13800000001", "yes"),
        ("auditor-1", "13900000002", "no"),
        ("auditor-1", "13900000001；13900000002", "no"),
        ("worker-1", "13955550001", "yes"),  # as far as the mask shows
        ("worker-1", "13955550002", "no"),
    ],
)
def test_a_claim_is_so_if_its_members_are_in_the_set(
    ask: Ask, caller: str, claim: str, finding: str
) -> None:
    answer = ask("verify", caller, {"resident_id": PEOPLE[0][0]}, claims={"mobile": claim})
    assert answer.json()["findings"] == {"mobile": finding}


def test_every_person_in_a_set_is_named_in_the_log(hub: Hub) -> None:
    title = {"zh": "房屋", "en": "dwelling"}
    owners = {"title": title, "element": "resident_id", "many": True}
    attributes = {"subject": "dwelling", "title": title, "attributes": {"owners": owners}}
    dwelling = Subject.model_validate({**attributes, "feeds": {}})
    key = {"title": title, "element": "resident_id", "key": True}
    resident = {"subject": "resident", "title": title, "attributes": {"number": key}, "feeds": {}}
    subjects = {"dwelling": dwelling, "resident": Subject.model_validate(resident)}
    cell = {"value": f"{PEOPLE[1][0]}；{PEOPLE[0][0]}"}
    digests = KeyedDigests(hub.keys)
    named = Namer(digests, subjects).name([], dwelling, [Record("E", None, {"owners": cell})])
    assert named.persons == 2
    persons = {digests.of("resident/number", PEOPLE[n][0]) for n in (0, 1)}
    assert set(named.digests[-2:]) == persons


def test_files_show_the_joined_text(ask: Ask) -> None:
    answer = ask("exchange", "worker-1", {"household_id": "H1"}, format="csv")
    assert answer.status_code == 200, answer.text
    assert "138****0001；139****0001" in answer.content.decode("utf-8-sig")
    found = ask("exchange", "worker-1", {"mobile": "13900000001"}, format="jsonl", items=["name"])
    assert [json.loads(line)["name"] for line in found.text.splitlines()] == ["王建国"]
