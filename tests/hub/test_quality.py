"""Quality end to end: rows go back and come again, verdicts are come to again, scores are kept."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
import yaml

from hub.app import open_hub
from hub.quality.manifests import held
from tests.hub.conftest import Api, Place
from tests.hub.village import PEOPLE

CONTRACT = "contracts/phones.users.odcs.yaml"
PURPOSE = {"purpose": "data_governance", "case": "S-1"}


def described(place: Place, where: int | None, rule: str, severity: str, **arguments: Any) -> None:
    """Adds a rule to the contract of phones: at an item, or at the table."""
    file = place.workspace / CONTRACT
    contract = yaml.safe_load(file.read_text("utf-8"))
    table = contract["schema"][0]
    part = table if where is None else table["properties"][where]
    part.setdefault("quality", []).append(
        {
            "type": "custom", "engine": "greatExpectations", "severity": severity,
            "description": "部门自己的说法",
            "implementation": {"type": rule, "kwargs": arguments},
        }
    )  # fmt: skip
    file.write_text(yaml.safe_dump(contract, allow_unicode=True, sort_keys=False), "utf-8")


def told(place: Place, dataset: str, tmp_path: Path, *more: str) -> list[dict[str, Any]]:
    file = tmp_path / "rows.jsonl"
    place.succeed("quality", "rows", dataset, "--to", str(file), *more)
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


REFERENCE = "expect_column_values_to_exist_in_dataset"


def test_a_row_goes_back_is_mended_and_is_released(place: Place, tmp_path: Path) -> None:
    described(place, 0, REFERENCE, "error", dataset="police.people", item="resident_id")
    people = place.workspace / "data/people.csv"
    first = people.read_text("utf-8")
    # Of three residents the police lack the last.
    people.write_text("".join(x for x in first.splitlines(True) if PEOPLE[2][0] not in x), "utf-8")
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    rows = told(place, "phones.users", tmp_path, "--language", "zh")
    assert list(rows[0]) == [
        "id", "who", "mobile", "on", "源数据行号", "无法读取的原文", "未通过原因",
    ]  # fmt: skip
    assert [row["id"] for row in rows] == [PEOPLE[2][0], None]
    assert rows[0]["未通过原因"].endswith("部门自己的说法")
    assert rows[1]["无法读取的原文"] == "{broken"
    people.write_text(first, "utf-8")
    place.succeed("run", "--as-of", "2026-06-30")
    assert [row["id"] for row in told(place, "phones.users", tmp_path)] == [None]
    with open_hub(place.settings) as hub:
        assert held(hub).datasets["phones.users"].released == 1
    past = told(place, "phones.users", tmp_path, "--release", "1", "--language", "en")
    assert [row["id"] for row in past] == [PEOPLE[2][0], None]


def test_without_a_key_a_mended_row_is_known_by_its_place(place: Place, tmp_path: Path) -> None:
    described(place, 2, "expect_column_values_to_match_regex", "error", regex="^138")
    contract = place.workspace / CONTRACT
    contract.write_text(
        contract.read_text("utf-8").replace("primaryKey: true", "primaryKey: false")
    )
    phones = place.workspace / "data/phones.jsonl"
    lines = phones.read_text("utf-8").splitlines(True)
    late = json.dumps({"id": "", "who": "赵敏", "mobile": "13800000009", "on": "2026-06-01"}) + "\n"
    released = []
    for rows in (
        [lines[0], lines[1].replace('"1380', '"1390'), *lines[2:]],
        [*lines, late],
        [late, *lines[:3], lines[2].replace(PEOPLE[2][0], "")],
    ):
        phones.write_text("".join(rows), "utf-8")
        place.succeed("apply", str(place.workspace))
        place.succeed("run", "--as-of", "2026-06-30")
        with open_hub(place.settings) as hub:
            released.append(held(hub).datasets["phones.users"].released)
    # Nothing stood there before; the second row; nobody can tell, as all have moved.
    assert released == [0, 1, None]
    place.succeed("quality", "docs", "--to", str(tmp_path / "pages"))
    page = (tmp_path / "pages" / "phones.users.html").read_text("utf-8")
    assert "<b>–</b>" in page


def test_under_another_key_nobody_can_tell_what_was_released(place: Place) -> None:
    contract = place.workspace / CONTRACT
    keyed = contract.read_text("utf-8")
    released = []
    for text in (keyed.replace("primaryKey: true", "primaryKey: false"), keyed, keyed):
        contract.write_text(text, "utf-8")
        place.succeed("apply", str(place.workspace))
        place.succeed("run", "--as-of", "2026-06-30", "--whole")
        with open_hub(place.settings) as hub:
            released.append(held(hub).datasets["phones.users"].released)
    assert released == [0, None, 0]


def test_every_form_holds_the_sources_columns_and_texts(published: Place, tmp_path: Path) -> None:
    wanted = ["", "", "1", "1990-02-02", "440605001001002", "H3", "2026-05-01"]
    published.succeed("quality", "rows", "police.people", "--to", str(tmp_path))
    with (tmp_path / "police.people.quarantine.csv").open(encoding="utf-8", newline="") as file:
        header, row = list(csv.reader(file))
    assert header[:7] == ["number", "name", "sex", "born", "grid", "household", "updated"]
    assert row[:7] == wanted
    assert row[7] == "4"
    assert "missing" in row[8]
    for suffix in ("xlsx", "parquet"):
        to = tmp_path / f"rows.{suffix}"
        published.succeed("quality", "rows", "police.people", "--to", str(to))
    [_, cells] = openpyxl.load_workbook(tmp_path / "rows.xlsx").active.iter_rows(values_only=True)
    assert [cell or "" for cell in cells[:7]] == wanted
    [cells] = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert [cells[name] or "" for name in header[:7]] == wanted


def test_rows_need_a_known_form_and_dataset(published: Place, tmp_path: Path) -> None:
    for dataset, file in (("police.people", "x.doc"), ("police.ghosts", "x.csv")):
        to = str(tmp_path / file)
        assert published.command("quality", "rows", dataset, "--to", to).returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_a_formula_of_the_source_stays_text(place: Place, tmp_path: Path) -> None:
    people = place.workspace / "data/people.csv"
    people.write_text(people.read_text("utf-8") + ",=1+1,1,,,,\n", "utf-8")
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    place.succeed("quality", "rows", "police.people", "--to", str(tmp_path / "x.xlsx"))
    page = openpyxl.load_workbook(tmp_path / "x.xlsx").active
    assert [(cell.value, cell.data_type) for cell in page["B"]][-1] == ("=1+1", "s")


def test_a_past_verdict_is_come_to_again(place: Place) -> None:
    described(place, 0, REFERENCE, "warning", dataset="police.people", item="resident_id")
    described(place, 3, "expect_column_values_to_be_recent", "warning", days=20)
    described(place, None, "expect_table_row_count_to_change_within", "critical", percent=50)
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    # Contract, data, the dataset referred to, and the day: all change.
    described(place, 2, "expect_column_values_to_match_regex", "error", regex="^139")
    phones = place.workspace / "data/phones.jsonl"
    phones.write_text("".join(phones.read_text("utf-8").splitlines(True)[:3]), "utf-8")
    people = place.workspace / "data/people.csv"
    people.write_text("".join(people.read_text("utf-8").splitlines(True)[:3]), "utf-8")
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-07-30")
    for dataset in ("phones.users", "police.people"):
        for release in ("1", "2"):
            said = place.succeed("quality", "reproduce", dataset, "--release", release)
            assert "the verdict is the same" in said
    with open_hub(place.settings) as hub:
        then, now = held(hub, 1).datasets, held(hub, 2).datasets
        assert then["phones.users"].warnings == {"updated.expect_column_values_to_be_recent": 3}
        assert now["phones.users"].fit.rows == 0
        entries = [hub.audit.verify().ok]
    assert entries == [True]


def test_a_verdict_that_is_another_one_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    # As if another version of the library ran it, over other rows.
    monkeypatch.setattr("reconcile.quality.library", lambda: "great_expectations 9.9")
    monkeypatch.setattr("reconcile.verdict.in_order", lambda table: table.slice(1))
    done = place.command("quality", "reproduce", "phones.users")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_scores_are_kept_with_every_release(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    place.succeed("run", "--as-of", "2026-07-30")
    shown = place.succeed("quality", "scores", "--dataset", "phones.users", "--history")
    assert sum(line.split()[1:2] == ["*"] for line in shown.splitlines()) == 2
    # One name of three is not the golden one: one claim of nine.
    assert "0.6667" in shown
    last = place.succeed("quality", "scores", "--department", "phones")
    assert "0.8889" in last
    # Nothing was landed anew; the table is 59 days old, and should be renewed daily.
    assert "0.0169" in last
    assert place.command("quality", "scores").returncode == 2


class Balanced(HTMLParser):
    """Fails where a tag is not closed, or closed by another."""

    EMPTY = frozenset({"meta", "br", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name == "href"]
        assert not {"script", "link", "img"} & {tag}
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.EMPTY or self.open.pop() == tag


def test_pages_are_sound_and_hold_no_values(place: Place, tmp_path: Path) -> None:
    described(place, 2, "expect_column_values_to_match_regex", "error", regex="^139")
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    place.succeed("run", "--as-of", "2026-07-30")
    place.succeed("quality", "docs", "--to", str(tmp_path / "pages"))
    pages = {page.name: page.read_text("utf-8") for page in (tmp_path / "pages").iterdir()}
    assert pages.keys() == {"index.html", "phones.users.html", "police.people.html"}
    for text in pages.values():
        parser = Balanced()
        parser.feed(text)
        assert parser.open == []
        assert {link.partition("#")[0] for link in parser.links} <= pages.keys()
        for person in PEOPLE:
            assert not [value for value in (*person[:2], person[4]) if value in text]
        assert "polyline" in text
    assert "部门自己的说法" in pages["phones.users.html"]


def test_a_rule_that_refers_to_what_is_not_there_is_named(place: Place) -> None:
    described(place, 0, REFERENCE, "error", dataset="police.ghosts", item="x")
    done = place.command("apply", str(place.workspace))
    assert done.returncode == 2
    assert "police.ghosts" in done.stderr


def test_a_department_sees_its_own_rows_and_scores(api: Api) -> None:
    rows = "/v1/quality/datasets/police.people/rows"
    answer = api("POST", rows, "police-1", json=PURPOSE).json()
    assert answer["total"] == len(answer["rows"]) == 1
    [row] = answer["rows"]
    assert row["original"]["household"] == "H3"
    assert {code["rule"] for code in row["codes"]} == {"missing"}
    assert answer["receipt"]
    assert api("POST", rows, "police-1", json={**PURPOSE, "after": 4}).json()["rows"] == []
    scores = api("POST", "/v1/quality/datasets/police.people/scores", "police-1", json=PURPOSE)
    assert {each["item"] for each in scores.json()["scores"]} >= {"*", "name"}
    # Whoever may keep the table and is not of the department learns the reasons only.
    (seen,) = api("POST", rows, "steward-2", json=PURPOSE).json()["rows"]
    assert seen == {**row, "original": {}}
    other = api("POST", rows, "phones-1", json=PURPOSE)
    assert other.status_code == 404
    whole = api("POST", "/v1/quality/departments/phones/scores", "police-1", json=PURPOSE)
    assert whole.status_code == 404


def test_a_department_takes_its_rows_in_its_own_form_over_http(
    published: Place, api: Api, tmp_path: Path
) -> None:
    said = {"purpose": "data_governance", "case": "S-1"}
    path = "/v1/quality/datasets/phones.users/file"
    given = api("POST", path, "phones-1", json=said)
    published.succeed("quality", "rows", "phones.users", "--to", str(tmp_path), "--language", "zh")
    assert given.content == (tmp_path / "phones.users.quarantine.jsonl").read_bytes()
    told = json.loads(base64.b64decode(given.headers["Hub-Answer"]))
    assert told["sha256"] == hashlib.sha256(given.content).hexdigest()
    assert (told["rows"], told["format"]) == (len(given.content.splitlines()), "jsonl")
    for client in ("steward-1", "police-1", "worker-1"):
        refused = api("POST", path, client, json=said)
        assert refused.status_code in (403, 404)
        assert "Hub-Answer" not in refused.headers


def test_a_past_verdict_is_come_to_again_over_http(api: Api) -> None:
    said = {"purpose": "data_governance", "case": "S-1"}
    path = "/v1/quality/datasets/phones.users/reproduce"
    told = api("POST", path, "steward-1", json=said).json()
    assert (told["same"], told["differs"]) == (True, None)
    assert told["counts"]["fit"]["then"] == told["counts"]["fit"]["now"] > 0
    missing = api("POST", path, "steward-1", json={**said, "release": 99})
    assert missing.json()["title"] == "release_unknown"
    assert api("POST", path, "worker-1", json=said).status_code in (403, 404)


@pytest.mark.parametrize("what", ["dataset", "department"])
def test_scores_of_what_is_not_there_are_refused(published: Place, what: str) -> None:
    done = published.command("quality", "scores", f"--{what}", "no.such")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no {what} 'no.such'" in done.stderr
