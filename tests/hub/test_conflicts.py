"""The queue of conflicts: for the operator as it is, for stewards as the policy says; groups,
possible matches and previews; everything logged.
"""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

import pytest

from core.clock import today
from hub.app import Hub, open_hub
from hub.audit.search import Wanted
from hub.serving.office import Office
from hub.stewardship.conflicts import Conflicts
from hub.stewardship.material import Material
from hub.stewardship.patterns import Which
from hub.stewardship.queue import Search
from hub.stewardship.rulings import Rulings
from hub.stewardship.sight import OperatorSight
from hub.stewardship.stakes import stakes, uses
from hub.stewardship.wishes import Defer
from tests.hub import village
from tests.hub.conftest import Api, Place
from tests.hub.stewarding import call

STEWARD = ("--as", "steward-1", "--person", "lin", "--purpose", "data_governance", "--case", "S-1")
BODY = {"subject": "resident", "purpose": "data_governance", "case": "S-1"}
CODES = 12
WEIGHT = re.compile(r"\b\d\.\d{3}\b")


def log(hub: Hub) -> list[dict[str, Any]]:
    return [found.entry for found in reversed(hub.audit.find(Wanted(limit=1000)))]


def entity(api: Api) -> str:
    answer = api("POST", "/v1/conflicts/search", "steward-1", json=BODY)
    return str(answer.json()["conflicts"][0]["entity"])


def test_the_operator_sees_both_values_and_why(published: Place) -> None:
    shown = published.succeed("conflicts", "list", "resident")
    assert "张小明" in shown
    assert "张晓明" in shown
    assert "designated" in shown
    assert "same_sound" in shown
    assert "of 100 points" in shown


def first_conflict(place: Place) -> str:
    listed = place.succeed("conflicts", "list", "resident", "--attribute", "name")
    found = re.search(r"^[0-9a-f]{20,}", listed, re.MULTILINE)
    assert found
    return place.succeed("conflicts", "show", "resident", found[0], "name")


def test_what_a_claim_weighs_is_told(published: Place) -> None:
    assert len(WEIGHT.findall(first_conflict(published))) == 2


def test_a_steward_sees_what_the_policy_grants(published: Place) -> None:
    shown = published.succeed("conflicts", "list", "resident", *STEWARD)
    assert "张晓明" in shown


@pytest.mark.parametrize(
    "options",
    [("--as", "steward-1"), ("--person", "lin"), ("--as", "steward-1", "--case", "S-1")],
)
def test_a_steward_says_why(published: Place, options: tuple[str, ...]) -> None:
    done = published.command("conflicts", "list", "resident", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--as" in done.stderr


@pytest.mark.parametrize("command", ["list", "matches", "groups"])
@pytest.mark.parametrize("client", ["worker-1", "auditor-1", "nobody-1", "phones-1", "stranger"])
def test_others_see_nothing(published: Place, command: str, client: str) -> None:
    done = published.command(
        "conflicts", command, "resident", "--as", client, "--purpose", "data_governance",
        "--case", "S-1",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "ghost"),
        ("list", "resident", "--attribute", "ghost"),
        ("list", "resident", "--group", "99"),
        ("show", "resident", "ghost"),
        ("show", "resident", "ghost", "ghost"),
        ("groups", "ghost"),
        ("groups", "resident", "--attribute", "ghost"),
        ("groups", "resident", "--dataset", "no.such"),
        ("preview", "resident"),
        ("preview", "resident", "--group", "99"),
        ("preview", "resident", "--dataset", "phones.users"),
        ("preview", "resident", "--dataset", "phones.users", "--attribute", "name",
         "--repair", "{"),
        ("preview", "resident", "--dataset", "phones.users", "--attribute", "name",
         "--repair", "[]"),
        ("preview", "resident", "--dataset", "phones.users", "--attribute", "name",
         "--repair", '{"kind": "magic"}'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("who", [(), STEWARD], ids=["operator", "steward"])
def test_what_is_not_there_is_said(
    published: Place, arguments: tuple[str, ...], who: tuple[str, ...]
) -> None:
    done = published.command("conflicts", *arguments, *who)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_show_tells_each_claim_and_how_reliable_its_source_is(api: Api) -> None:
    body = {**BODY, "entity": entity(api), "attribute": "name"}
    answer = api("POST", "/v1/conflicts/show", "steward-1", json=body).json()
    (conflict,) = answer["conflicts"]
    assert conflict["key"] == {
        "attribute": "resident_id", "value": village.PEOPLE[2][0], "mask": "reveal",
    }  # fmt: skip
    claims = {claim["dataset"]: claim for claim in conflict["claims"]}
    assert claims["police.people"]["supports"] is True
    assert claims["phones.users"]["supports"] is False
    assert claims["phones.users"]["department"] == "phones"
    assert claims["phones.users"]["relation"] == "same_sound"
    assert 0 < claims["phones.users"]["reliability"] < 1
    assert conflict["reason"]["code"] == "fusion_designated"
    assert "police.people" in conflict["reason"]["en"]
    assert sum(v for k, v in conflict["points"].items() if k != "total") == pytest.approx(
        conflict["points"]["total"], abs=0.1
    )
    assert answer["rulings"] == answer["matches"] == []
    assert answer["receipt"]


def test_an_entity_without_conflicts_is_told_where_to_look(api: Api) -> None:
    body = {**BODY, "entity": "0123456789"}
    answer = api("POST", "/v1/conflicts/show", "steward-1", json=body)
    assert (answer.status_code, answer.json()["title"]) == (404, "conflict_unknown")
    assert "hub releases explain" in answer.json()["detail"]
    assert "0123456789" not in answer.text


def test_what_is_looked_at_is_logged_without_values(hub: Hub, api: Api) -> None:
    who = entity(api)
    api("POST", "/v1/conflicts/show", "steward-1", json={**BODY, "entity": who})
    entry = log(hub)[-1]
    assert entry["what"]["action"] == "show_conflict"
    assert entry["who"]["client"] == "steward-1"
    assert len(entry["what"]["digests"]) == 1
    assert who not in json.dumps(entry)


def test_a_refusal_is_logged(hub: Hub, api: Api) -> None:
    assert api("POST", "/v1/conflicts/search", "worker-1", json=BODY).status_code == 403
    entry = log(hub)[-1]
    assert (entry["what"]["action"], entry["decision"]["granted"]) == ("list_conflicts", False)


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("conflicts/search", {"attribute": "ghost"}),
        ("conflicts/show", {"entity": "x", "attribute": "ghost"}),
        ("conflicts/groups", {"attribute": "ghost"}),
        ("conflicts/groups", {"dataset": "no.such"}),
        ("conflicts/preview",
         {"dataset": "phones.users", "attribute": "ghost", "repair": {"kind": "ignore"}}),
        ("rulings",
         {"ruling": {"kind": "choose", "entity": "x", "attribute": "ghost", "dataset": "a.b"}}),
    ],
)  # fmt: skip
def test_a_name_of_nothing_is_a_mistake_to_whom_the_subject_is_open(
    hub: Hub, api: Api, path: str, more: dict[str, Any]
) -> None:
    answer = api("POST", f"/v1/{path}", "steward-1", json={**BODY, **more}, person="li")
    assert (answer.status_code, answer.json()["title"]) == (400, "bad_input")
    assert ("attribute" if "ghost" in str(more) else "dataset") == answer.json()["fields"]["field"]
    entry = log(hub)[-1]
    assert (entry["outcome"], entry["decision"]["granted"]) == ("failed", True)
    assert "ghost" not in json.dumps(entry)
    closed = api("POST", f"/v1/{path}", "worker-1", json={**BODY, **more}, person="li")
    assert (closed.status_code, log(hub)[-1]["outcome"]) == (403, "refused")


def test_a_group_lists_its_conflicts(api: Api) -> None:
    answer = api("POST", "/v1/conflicts/groups", "steward-1", json=BODY).json()
    (group,) = answer["groups"]
    assert (group["dataset"], group["relation"], group["count"]) == (
        "phones.users", "same_sound", 1,
    )  # fmt: skip
    found = api("POST", "/v1/conflicts/search", "steward-1", json={**BODY, "group": 1}).json()
    assert [c["attribute"] for c in found["conflicts"]] == ["name"]


@pytest.mark.parametrize(
    "more",
    [
        {"limit": 0},
        {"limit": 101},
        {"status": "odd"},
        {"odd": 1},
        {"subject": "张晓明"},
        {"group": 10**30},
    ],
)
def test_a_malformed_search_is_refused(api: Api, more: dict[str, Any]) -> None:
    answer = api("POST", "/v1/conflicts/search", "steward-1", json={**BODY, **more})
    assert answer.status_code == 400
    assert "张晓明" not in answer.text


@pytest.mark.parametrize(
    ("repair", "field"),
    [
        ('{"kind": "ignore", "n": 1000000000000000000000000000000}', "ignore.n"),
        ('{"kind": "recode", "mapping": {"\\ud800": "1"}}', "mapping"),
        ('{"kind": "recode", "mapping": {"1": "\\ud800"}}', "mapping"),
        ('{"kind": "recode", "mapping": {"1": 2}}', "mapping"),
        ('{"kind": "recode", "mapping": {"1": ""}}', "mapping"),
        ('{"kind": "recode", "mapping": {}}', "mapping"),
        ('{"kind": "recode"}', "mapping"),
        ('{"kind": "magic"}', "repair"),
        ('{"mapping": {"1": "2"}}', "repair"),
        ("[]", "repair"),
    ],
)
def test_a_malformed_repair_is_tried_nowhere(
    api: Api, published: Place, repair: str, field: str
) -> None:
    about = {"dataset": "police.people", "attribute": "sex"}
    body = json.dumps({**BODY, **about, "repair": "REPAIR"}).replace('"REPAIR"', repair)
    sent = {"content": body, "headers": {"Content-Type": "application/json"}}
    answer = api("POST", "/v1/conflicts/preview", "steward-1", **sent)
    assert (answer.status_code, answer.json()["title"]) == (400, "bad_input")
    assert answer.json()["mistakes"][0]["field"].endswith(field)
    options = [word for name, value in about.items() for word in (f"--{name}", value)]
    for who in ((), STEWARD):
        done = published.command("conflicts", "preview", "resident", *options, "--repair", "-",
                                 *who, typed=repair)  # fmt: skip
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("dataset", "attribute", "repair", "code"),
    [
        ("police.people", "name", {"kind": "swap_day_month"}, "ruling_impossible"),
        ("phones.users", "grid", {"kind": "ignore"}, "claim_missing"),
        ("no.such", "name", {"kind": "ignore"}, "claim_missing"),
        ("police.people", "sex", {"kind": "recode", "mapping": {"zzz": "1"}}, "bad_input"),
        ("police.people", "name", {"kind": "recode", "mapping": {"未知": "王"}}, "bad_input"),
    ],
)
def test_what_cannot_be_ruled_cannot_be_tried(
    api: Api, dataset: str, attribute: str, repair: dict[str, Any], code: str
) -> None:
    wanted = {"dataset": dataset, "attribute": attribute, "repair": repair}
    tried = api("POST", "/v1/conflicts/preview", "steward-1", json={**BODY, **wanted})
    ruling = {"kind": "repair", **wanted, "reason": "r"}
    said = {**BODY, "ruling": ruling}
    ruled = api("POST", "/v1/rulings", "steward-1", person="li", json=said)
    assert tried.json() == ruled.json()
    assert tried.json()["title"] == code


@pytest.mark.parametrize(
    "more",
    [
        {"dataset": "police.people"},
        {"dataset": "police.people", "attribute": "sex", "repair": {"kind": "ignore"}},
    ],
)
def test_either_a_group_or_a_repair_is_tried(
    api: Api, published: Place, more: dict[str, Any]
) -> None:
    body = {**BODY, "group": 1, **more}
    answer = api("POST", "/v1/conflicts/preview", "steward-1", json=body)
    assert (answer.status_code, answer.json()["fields"]["field"]) == (400, "group")
    assert "give either" in answer.json()["detail"]
    options = [f"--{name}={v if isinstance(v, str) else json.dumps(v)}" for name, v in more.items()]
    done = published.command("conflicts", "preview", "resident", "--group", "1", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "give either" in done.stderr


def test_codes_are_tried_as_they_are_ruled(api: Api) -> None:
    """In their canonical form, however they are written."""
    repair = {"kind": "recode", "mapping": {"男": "女"}}
    about = {"dataset": "police.people", "attribute": "sex", "repair": repair}
    told = api("POST", "/v1/conflicts/preview", "steward-1", json={**BODY, **about}).json()
    assert [[cell["value"] for cell in pair] for pair in told["repair"]["mapping"]] == [["1", "2"]]
    assert told["claims"] > 0


def test_the_first_in_the_queue_is_what_most_depends_on(hub: Hub) -> None:
    workspace = hub.workspace()
    subject = workspace.subjects["resident"]
    used = uses(workspace, subject, date(2026, 6, 30))
    assert used["resident_id"].checks == ("grown_up",)
    assert used["resident_id"].foundation
    assert used["grid"].foundation
    assert used["mobile"].rules == ("worker/visit",)
    decisions = {name: stake.decisions for name, stake in stakes(subject, used).items()}
    assert decisions["resident_id"] > decisions["name"] > decisions["sex"] == 0


# Villages of their own.


def test_masks_and_regions_hold_in_the_queue(place: Place) -> None:
    path = place.workspace / "policies/rules.csv"
    lines = [line for line in path.read_text("utf-8").splitlines() if "steward, res" not in line]
    lines += [
        "steward, steward, resident/name, data_governance, own_region, partial, allow",
        "steward, steward, resident/mobile, data_governance, all, suppress, allow",
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    clients = place.workspace / "policies/clients.yaml"
    text = clients.read_text("utf-8")
    head, found, rest = text.partition("id: steward-1\n")
    assert found
    clients.write_text(head + found + rest.replace("null", "'440605001001002'", 1), "utf-8")
    head, found, rest = clients.read_text("utf-8").partition("id: steward-2\n")
    clients.write_text(head + found + rest.replace("null", "'440605001001001'", 1), "utf-8")
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    inside = place.succeed("conflicts", "list", "resident", *STEWARD)
    assert "张*明" in inside
    assert "张小明" not in inside + place.succeed("conflicts", "groups", "resident", *STEWARD)
    assert "110105199002020034" not in inside
    # What is never shown has no groups to look for.
    done = place.command("conflicts", "groups", "resident", "--attribute", "mobile", *STEWARD)
    assert (done.returncode, done.stdout) == (2, "")
    other = ("--as", "steward-2", *STEWARD[2:])
    outside = place.succeed("conflicts", "list", "resident", *other)
    assert "张*明" not in outside
    assert "0 of 0" in outside
    assert "phones.users" not in place.succeed("conflicts", "groups", "resident", *other)


def old_codes(place: Place) -> None:
    """The two departments say 1 and 2 for the sexes the other way round; phones' is newer."""
    numbers = [_number(n) for n in range(CODES)]
    people = place.workspace / "data/people.csv"
    with people.open("a", encoding="utf-8") as out:
        for number in numbers:
            row = [number, f"王{'甲乙丙丁戊己庚辛壬癸子丑'[numbers.index(number)]}", _sex(number)]
            out.write(",".join([*row, "1990-01-01", "440605001001001", "H9", "2026-05-01"]) + "\n")
    with (place.workspace / "data/phones.jsonl").open("a", encoding="utf-8") as out:
        for number in numbers:
            told = {"1": "2", "2": "1"}[_sex(number)]
            out.write(json.dumps({"id": number, "sex": told, "on": "2026-06-01"}) + "\n")
    contract = place.workspace / "contracts/phones.users.odcs.yaml"
    text = contract.read_text("utf-8")
    item = """  - name: sex
    physicalName: sex
    logicalType: string
    physicalType: text
    primaryKey: false
    required: false
    customProperties:
    - property: element
      value: sex
"""
    contract.write_text(text + item, "utf-8")
    subject = place.workspace / "subjects/resident.yaml"
    text = subject.read_text("utf-8")
    subject.write_text(
        text.replace("    mobile: mobile\n", "    mobile: mobile\n    sex: sex\n"), "utf-8"
    )


def test_what_a_claim_weighs_is_not_told_where_it_tells_of_another_attribute(place: Place) -> None:
    """Phones knows the names of men and hardly those of women: a weight would tell who is which."""
    with (
        (place.workspace / "data/people.csv").open("a", encoding="utf-8") as people,
        (place.workspace / "data/phones.jsonl").open("a", encoding="utf-8") as phones,
    ):
        for n in range(700):
            number, name = _number(n), f"王{chr(0x5000 + n)}"
            row = [number, name, _sex(number), "1990-01-01", "440605001001001", "H9", "2026-05-01"]
            people.write(",".join(row) + "\n")
            errs = n % 20 == 0 if _sex(number) == "1" else n % 3 > 0
            told = {"id": number, "who": f"李{name[1:]}" if errs else name, "on": "2026-06-01"}
            phones.write(json.dumps(told) + "\n")
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    with open_hub(place.settings) as hub:
        assert Material(hub, "resident").by_kind == {"name"}
    shown = first_conflict(place)
    assert "phones.users" in shown
    assert not WEIGHT.search(shown)


def test_what_a_claim_weighs_is_not_told_where_it_tells_a_value_that_is_masked(
    place: Place,
) -> None:
    """Phones takes many women for men, and no man for a woman: a weight would tell who is which."""
    old_codes(place)
    rules = place.workspace / "policies/rules.csv"
    text = rules.read_text("utf-8")
    masked = "steward, steward, resident/sex, data_governance, all, pseudonym, allow\n"
    opened = "steward, steward, resident/*, data_governance, all, reveal, allow\n"
    assert opened in text
    names = "steward, steward, resident/name, data_governance, all, reveal, allow\n"
    with (
        (place.workspace / "data/people.csv").open("a", encoding="utf-8") as people,
        (place.workspace / "data/phones.jsonl").open("a", encoding="utf-8") as phones,
    ):
        for n in range(700):
            number, name = _number(n + CODES), f"王{chr(0x5000 + n)}"
            sex = _sex(number)
            # Nearly all women are of one age, so that this tells who errs.
            born = "1961-01-01" if (sex == "2") == (n % 40 > 0) else "1990-01-01"
            row = [number, name, sex, born, "440605001001001", "H9", "2026-05-01"]
            people.write(",".join(row) + "\n")
            told = {"id": number, "sex": "1" if n % 3 else sex, "on": "2026-06-01"}
            phones.write(json.dumps(told) + "\n")
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    with open_hub(place.settings) as hub:
        assert Material(hub, "resident").by_value == {"sex"}
        assert not Material(hub, "resident").by_kind
    listed = ("conflicts", "list", "resident", "--attribute", "sex")
    found = re.search(r"^[0-9a-f]{20,}", place.succeed(*listed), re.MULTILINE)
    assert found
    show = ("conflicts", "show", "resident", found[0], "sex", *STEWARD)
    assert WEIGHT.search(place.succeed(*show))
    rules.write_text(text.replace(opened, masked + names), "utf-8")
    place.succeed("apply", str(place.workspace))
    shown = place.succeed(*show)
    assert "phones.users" in shown
    assert not WEIGHT.search(shown)


def _sex(number: str) -> str:
    return "1" if int(number[16]) % 2 else "2"


def _number(n: int) -> str:
    digits = f"11010519900101{n + 1:03d}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(d) * w for d, w in zip(digits, weights, strict=True))
    return digits + "10X98765432"[total % 11]


def test_an_old_code_list_is_proposed_and_shown_with_what_it_would_do(place: Place) -> None:
    old_codes(place)
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    listed = place.succeed("conflicts", "groups", "resident", "--proposed", *STEWARD)
    assert "recode" in listed
    shown = place.succeed("conflicts", "preview", "resident", "--group", "1", *STEWARD)
    counts = dict(line.rsplit(maxsplit=1) for line in shown.splitlines() if line.strip())
    assert counts["conflicts that vanish"] == "12"
    assert counts["conflicts that appear"] == "0"
    # Nobody else knows the sex of the first three people: they would be read wrongly.
    assert counts["golden values that change"] == "3"
    given = place.succeed(
        "conflicts", "preview", "resident", "--dataset", "police.people", "--attribute", "sex",
        "--repair", "-", *STEWARD, typed='{"kind": "recode", "mapping": {"1": "2", "2": "1"}}',
    )  # fmt: skip
    assert given.splitlines()[1:] == shown.splitlines()[1:]
    with open_hub(place.settings) as hub:
        assert log(hub)[-1]["what"]["action"] == "preview_repair"
        lists_go_on(hub)
    listed = [place.succeed("conflicts", "list", "resident", "--skip", skip) for skip in "01"]
    assert ["张小明" in one for one in listed] == [True, False]


def lists_go_on(hub: Hub) -> None:
    """Pages are what stands in the list, one after the other; also where some of it waits."""
    desk = Conflicts(lambda look: OperatorSight(hub, look))

    def items(**wanted: Any) -> list[tuple[str, str]]:
        found = desk.search("resident", Search(**wanted))["conflicts"]
        return [(one["entity"], one["attribute"]) for one in found]

    everything = items(limit=100)
    assert len(everything) == CODES + 1
    pages = [items(limit=5, skip=skip) for skip in (0, 5, 10, 15)]
    assert [len(page) for page in pages] == [5, 5, 3, 0]
    assert [one for page in pages for one in page] == everything
    groups = desk.groups("resident", Which())["groups"]
    assert len(groups) > 1
    assert desk.groups("resident", Which(limit=1, skip=1))["groups"] == groups[1:2]
    # What is in dispute and waits leaves room for what is decided.
    disputed = desk.search("resident", Search(status="in_dispute", limit=100))["conflicts"]
    later = today(hub.clock) + timedelta(days=9)
    assert disputed
    for one in disputed:
        wish = Defer(entity=one["entity"], attribute=one["attribute"], until=later, reason="r")
        Rulings(Office(hub)).make(call(), "resident", wish)
    assert items(limit=len(disputed)) == everything[len(disputed) : 2 * len(disputed)]


def test_a_conflict_keeps_its_day_over_runs(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-05-30")
    place.succeed("run", "--as-of", "2026-06-30")
    shown = place.succeed("conflicts", "list", "resident")
    entity_id = next(w for line in shown.splitlines() if "张小明" in line for w in line.split())
    assert "2026-05-30" in place.succeed("conflicts", "show", "resident", entity_id)
