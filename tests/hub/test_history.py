"""Past releases: listed, compared, read, explained and gone back to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from core.clock import SystemClock, today
from hub.app import Hub, open_hub
from hub.audit.search import Wanted
from hub.identity import Caller, Tokens
from hub.serving import history
from hub.serving.notes import Call
from hub.serving.office import Office
from reconcile import releases
from tests.hub.conftest import Api, Place, serving
from tests.hub.stewarding import GIRL, entity_of
from tests.hub.village import PEOPLE

NUMBER, NAME = PEOPLE[0][0], PEOPLE[0][1]
OLD, NEW = PEOPLE[0][4], "13900000001"
QUERY = ("query", "resident", "--as", "worker-1", "--purpose", "visit", "--case", "GD-1",
         "--where", "resident_id=-")  # fmt: skip
STEWARD = ("--as", "steward-1", "--purpose", "data_governance", "--case", "S-1")


@pytest.fixture(scope="module")
def changed(
    server_url: str, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[Place]:
    """A village that was published, whose first phone number then changed, and whose second
    person then left every source.
    """
    from tests.hub.conftest import new_place

    folder = tmp_path_factory.mktemp("changed")
    with new_place(server_url, folder, f"changed_{worker_id}") as place:
        place.succeed("apply", str(place.workspace))
        place.succeed("run", "--as-of", "2026-06-30")
        phones = place.workspace / "data/phones.jsonl"
        phones.write_text(phones.read_text("utf-8").replace(OLD, NEW), "utf-8")
        place.succeed("run", "--as-of", "2026-07-01")
        _leave(place.workspace / "data", PEOPLE[1][0])
        place.succeed("run", "--as-of", "2026-07-02")
        yield place


def _leave(folder: Path, number: str) -> None:
    for name in ("people.csv", "phones.jsonl"):
        lines = (folder / name).read_text("utf-8").splitlines(keepends=True)
        (folder / name).write_text("".join(x for x in lines if number not in x), "utf-8")


def entity(place: Place, mobile: str = NEW) -> str:
    """The id of the one who has a mobile number in the newest claims."""
    with open_hub(place.settings) as hub:
        with hub.engine.connect() as connection:
            release = releases.at(connection, 2)
        from hub.pipeline.states import SubjectState

        state = SubjectState.model_validate(release.manifest["subjects"]["resident"])
        rows = hub.lake.read(state.golden).to_pylist()
    (found,) = {r["entity"] for r in rows if r["value"] == mobile}
    return str(found)


def mobile(place: Place, *of: str) -> str | None:
    rows = json.loads(place.succeed(*QUERY, *of, typed=NUMBER + "\n"))["rows"]
    return rows[0]["mobile"]["value"] if rows else None


def test_the_list_tells_what_each_release_did(changed: Place) -> None:
    shown = changed.succeed("releases", "list").splitlines()
    rows = [line.split() for line in shown if "resident" in line]
    assert [row[0] for row in rows] == ["3", "2", "1"]
    # new, changed, gone
    assert [row[-3:] for row in rows] == [["0", "0", "1"], ["0", "1", "0"], ["3", "0", "0"]]


def test_a_manifest_is_shown_with_its_signature_checked(changed: Place) -> None:
    shown = changed.succeed("releases", "show", "2")
    assert '"as_of": "2026-07-01"' in shown
    assert "signature" in shown
    done = changed.command("releases", "show", "99")
    assert (done.returncode, "99" in done.stderr) == (2, True)


def test_a_query_of_an_earlier_release_gives_what_was_served_then(changed: Place) -> None:
    masked_old, masked_new = "138****0001", "139****0001"
    assert mobile(changed) == masked_new
    assert mobile(changed, "--release", "1") == masked_old
    assert mobile(changed, "--release", "2") == masked_new
    day = today(SystemClock()).isoformat()
    assert mobile(changed, "--on", day) == masked_new
    for of in (("--release", "9"), ("--on", "2020-01-01")):
        done = changed.command(*QUERY, *of, typed=NUMBER + "\n")
        assert (done.returncode, "no release" in done.stderr) == (2, True)
    both = changed.command(*QUERY, "--release", "1", "--on", day, typed=NUMBER + "\n")
    assert both.returncode == 2


def test_somebody_who_left_is_found_in_the_release_of_then(changed: Place) -> None:
    asked = {"typed": PEOPLE[1][0] + "\n"}
    assert json.loads(changed.succeed(*QUERY, **asked))["rows"] == []
    then = json.loads(changed.succeed(*QUERY, "--release", "2", **asked))
    assert then["release"] == 2
    assert then["rows"][0]["name"]["value"] == PEOPLE[1][1]


def test_the_log_names_the_release_that_was_read(changed: Place) -> None:
    mobile(changed, "--release", "1")
    with open_hub(changed.settings) as hub, hub.engine.connect() as connection:
        body = connection.exec_driver_sql(
            'SELECT body FROM audit_entry ORDER BY "index" DESC LIMIT 1'
        ).scalar_one()
    assert '"release":"1"' in bytes(body).decode()


def test_two_releases_are_compared_by_counts(changed: Place) -> None:
    shown = changed.succeed("releases", "diff", "1", "2", "--subject", "resident")
    row = next(line.split() for line in shown.splitlines() if line.startswith("resident"))
    assert row == ["resident", "0", "1", "0", "mobile", "1", "0"]
    shown = changed.succeed("releases", "diff", "2", "3", "--subject", "resident")
    assert next(x.split() for x in shown.splitlines() if x.startswith("resident"))[1:4] == [
        "0", "0", "1",
    ]  # fmt: skip


def test_values_before_and_after_are_for_those_who_may(changed: Place) -> None:
    asked = ("releases", "diff", "1", "2", "--subject", "resident", "--entity", entity(changed))
    shown = changed.succeed(*asked)
    assert OLD in shown
    assert NEW in shown
    refused = changed.command(*asked, "--as", "nobody-1", "--purpose", "visit", "--case", "1")
    assert refused.returncode == 2
    assert OLD not in refused.stdout + refused.stderr


def test_a_steward_sees_values_as_the_policy_says(changed: Place) -> None:
    shown = changed.succeed("releases", "explain", "resident", entity(changed), *STEWARD)
    assert NAME in shown
    done = changed.command(
        "releases", "explain", "resident", entity(changed), "--as", "worker-1",
        "--purpose", "visit", "--case", "1",
    )  # fmt: skip
    assert done.returncode == 2
    assert NAME not in done.stdout + done.stderr


def test_an_earlier_release_is_explained_with_the_claims_of_then(changed: Place) -> None:
    then = changed.succeed("releases", "explain", "resident", entity(changed), "--release", "1")
    assert f"phones.users={OLD}" in then
    assert NEW not in then
    now = changed.succeed("releases", "explain", "resident", entity(changed))
    assert f"phones.users={NEW}" in now
    missing = changed.command("releases", "explain", "resident", "nobody")
    assert missing.returncode == 2


def test_an_explanation_says_who_is_for_a_value_and_by_which_rules(hub: Hub, api: Api) -> None:
    girl = entity_of(hub, GIRL[0])
    body = {"purpose": "data_governance", "case": "S-1", "entity": girl}
    answer = api("POST", "/v1/subjects/resident/explain", "steward-1", json=body).json()
    with hub.engine.connect() as connection:
        release = releases.at(connection, answer["release"])
    assert answer["rules"] == release.manifest["subjects"]["resident"]["rules"]
    (name,) = [one for one in answer["attributes"] if one["attribute"] == "name"]
    assert name["supporting"] == ["police.people"]
    assert name["opposing"] == ["phones.users"]
    assert "designated" in name["reason"]["en"]
    assert name["reason"]["zh"] != name["reason"]["en"]


def test_how_sure_a_value_is_is_told_to_whom_it_is_shown_as_it_is(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    rules = place.workspace / "policies/rules.csv"
    text = rules.read_text("utf-8")
    opened = "steward, steward, resident/*, data_governance, all, reveal, allow\n"
    assert opened in text
    masked = opened.replace("reveal", "pseudonym")
    with open_hub(place.settings) as hub:
        girl = entity_of(hub, GIRL[0])
    found = []
    for line in (opened, masked):
        rules.write_text(text.replace(opened, line), "utf-8")
        place.succeed("apply", str(place.workspace))
        with open_hub(place.settings) as hub:
            call = Call(Caller("steward-1", None), "data_governance", "S-1")
            asked = history.Asked(Office(hub), call)
            told = history.explain(asked, "resident", girl, None, None)["attributes"]
        found.append({cell["attribute"]: cell for cell in told})
    assert found[0]["name"]["confidence"] > 0
    assert found[1]["name"]["value"] != found[0]["name"]["value"]
    assert found[1]["name"]["confidence"] is None


def test_the_claims_against_a_value_are_marked(published: Place, hub: Hub) -> None:
    shown = published.succeed("releases", "explain", "resident", entity_of(hub, GIRL[0]))
    assert f"police.people={GIRL[1]}" in shown
    assert "phones.users≠" in shown


def test_releases_as_wholes_are_for_auditors_and_administrators(town: Hub) -> None:
    """Listed, shown and gone back to over HTTP; going back is somebody's."""
    said = {"purpose": "data_governance", "case": "S-1"}
    tokens = Tokens(town.keys, town.clock)

    with serving(town) as address:

        def ask(
            path: str, client: str, person: str | None = None, **more: object
        ) -> httpx.Response:
            token = tokens.issue(Caller(client, person), timedelta(minutes=5))
            headers = {"Authorization": f"Bearer {token}"}
            url = f"{address}/v1/releases/{path}"
            return httpx.post(url, json={**said, **more}, headers=headers, timeout=60)

        (first,) = ask("list", "auditor-1").json()["releases"]
        assert first["outcomes"]["resident"]["opened"] > 0
        assert ask("show", "admin-1", release=1).json()["manifest"]["release"] == 1
        assert ask("show", "auditor-1", release=9).json()["title"] == "release_unknown"
        for client in ("worker-1", "steward-1"):
            assert ask("list", client).status_code in (403, 404)
        assert ask("restore", "auditor-1", "x", release=1).status_code in (403, 404)
        assert ask("restore", "admin-1", release=1).json()["title"] == "person_missing"
        assert ask("restore", "admin-1", "wu", release=9).json()["title"] == "release_unknown"
        done = ask("restore", "admin-1", "wu", release=1).json()
        assert (done["release"], done["restored_from"]) == (2, 1)
        again = [ask("list", "auditor-1", limit=1, skip=n).json()["releases"] for n in range(3)]
        assert [[one["restored_from"] for one in page] for page in again] == [[1], [None], []]
    entry = next(
        e
        for e in town.audit.find(Wanted(limit=9))
        if e.entry["what"]["action"] == "restore_release"
    )
    assert entry.entry["who"]["client"] == "admin-1"
    (published,) = (
        e.entry
        for e in town.audit.find(Wanted(limit=9))
        if (e.entry["what"]["action"], e.entry["what"]["subject"]) == ("restore", "release")
    )
    assert (published["who"]["client"], published["who"]["person"]) == ("admin-1", "wu")
    assert town.audit.verify().ok


def test_going_back_publishes_what_was_served_then(changed: Place) -> None:
    shown = changed.succeed("releases", "restore", "1")
    assert next(x.split() for x in shown.splitlines() if x.startswith("resident"))[1:] == [
        "1", "1", "0",
    ]  # fmt: skip
    assert mobile(changed) == "138****0001"
    assert mobile(changed, "--release", "3") == "139****0001"
    with open_hub(changed.settings) as hub:
        with hub.engine.connect() as connection:
            release = releases.current(connection)
        assert release is not None
        releases.check_signature(release, hub.keys)
        assert release.manifest["restored_from"] == 1
        assert hub.audit.verify().ok
    # The sources still say what they said: the next run goes on from there.
    changed.succeed("run", "--as-of", "2026-07-03")
    assert mobile(changed) == "139****0001"
    same = changed.succeed("releases", "diff", "3", "5", "--subject", "resident")
    assert next(x.split() for x in same.splitlines() if x.startswith("resident"))[1:4] == [
        "0", "0", "0",
    ]  # fmt: skip
