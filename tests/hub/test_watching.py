"""Watching for real: from requests over the API to findings, their ends, and the person's view."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from core.clock import FixedClock
from core.keys import SealBroken
from hub.app import Hub, open_hub
from hub.audit.entries import Decision, Entry, KeyedDigests, What, Who, Why
from hub.audit.search import Wanted
from hub.identity import Caller
from hub.serving.notes import Call
from hub.serving.office import Office
from hub.watching import ledger
from hub.watching.findings import Findings
from hub.watching.ledger import FindingClosed, State, Which
from hub.watching.view import OwnView
from hub.watching.watch import Watched, Watcher
from tests.audit.test_attacks import attacked, run
from tests.hub.conftest import Api, Place
from tests.hub.stewarding import entity_of
from tests.hub.village import PEOPLE

ASKED = ("--as", "auditor-1", "--person", "zhou", "--purpose", "data_governance", "--case", "S-1")
OWN = ("--as", "citizen-1", "--purpose", "data_governance", "--case", "Z-1")
FIRST, WIFE, OTHER = (person[0] for person in PEOPLE)
NIGHT = datetime(2040, 6, 6, 15, 30, tzinfo=UTC)
"""Half past eleven of a Wednesday, later than whatever the town's log holds."""
AUDITOR = Call(Caller("auditor-1", "zhou"), "data_governance", "S-1")


def requests(hub: Hub, count: int, person: str = "li", **more: Any) -> list[Entry]:
    """``count`` answered queries of worker-1, each about somebody else."""
    digests = KeyedDigests(hub.keys)
    told = {"rows": {"answered": 1, "persons": 1}, "items": {"name": "reveal"}, **more}
    return [
        Entry(
            who=Who("worker-1", "police", person),
            why=Why("visit", "GD-1"),
            what=What("query", "resident", scope="440605001001001",
                      digests=(digests.of("resident/resident_id", f"{person}/{n}"),), **told),
            decision=Decision(granted=True),
            policy="p",
            outcome="answered",
        )
        for n in range(count)
    ]  # fmt: skip


@pytest.fixture
def watched(town: Hub) -> Hub:
    """A town of which all that is in the log was watched, at night, with a clock to set."""
    clock = FixedClock(NIGHT)
    moved = Hub(**{**vars(town), "clock": clock})
    moved.audit._clock = clock
    Watcher(moved).watch()
    return moved


def found(hub: Hub, **wanted: Any) -> list[dict[str, Any]]:
    return list(Findings(Office(hub)).list(AUDITOR, Which(**wanted))["findings"])


def test_a_finding_that_goes_on_is_extended_and_one_that_was_closed_stays_so(
    watched: Hub,
) -> None:
    hub, clock = watched, watched.clock
    assert isinstance(clock, FixedClock)
    watcher = Watcher(hub)
    hub.audit.append(requests(hub, 5))
    assert watcher.watch() == Watched(read=5, opened=1)
    assert watcher.watch().read <= 1  # what it logged of itself
    hub.audit.append(requests(hub, 1))
    assert (watcher.watch().opened, watcher.watch(NIGHT - timedelta(days=1)).opened) == (0, 0)
    (finding,) = found(hub)
    assert (finding["rule"], finding["client"], finding["state"]) == (
        "off_hours",
        "worker-1",
        "open",
    )
    findings, number = Findings(Office(hub)), finding["finding"]
    shown = findings.show(AUDITOR, number)
    assert len(shown["entries"]) == 6
    assert shown["person"] == "li"
    assert "6 requests" in shown["why"]["en"]
    assert [event["kind"] for event in shown["events"]] == ["found", "found"]
    assert findings.note(AUDITOR, number, "asked her")["state"] == "looking"
    assert findings.close(AUDITOR, number, State.JUSTIFIED, "a flood")["state"] == "justified"
    with pytest.raises(FindingClosed):
        findings.note(AUDITOR, number, "more")
    hub.audit.append(requests(hub, 1))
    assert watcher.watch().opened == 0, "closed as harmless, the rule is quiet for a week"
    clock.moment += timedelta(days=8)
    hub.audit.append(requests(hub, 5))
    assert watcher.watch().opened == 1
    assert {f["finding"] for f in found(hub, states=frozenset(State))} == {number, number + 1}
    assert hub.audit.verify().ok


def test_what_was_misuse_is_found_again_at_once(watched: Hub) -> None:
    hub = watched
    hub.audit.append(requests(hub, 5))
    Watcher(hub).watch()
    (finding,) = found(hub)
    Findings(Office(hub)).close(AUDITOR, finding["finding"], State.MISUSE, "sold")
    assert Watcher(hub).watch(NIGHT - timedelta(days=1)).opened == 0
    hub.audit.append(requests(hub, 1))
    assert Watcher(hub).watch().opened == 1


def test_passes_of_any_length_remember_the_same(watched: Hub, monkeypatch: Any) -> None:
    hub = watched
    hub.audit.append([e for p in ("li", "wu", "he") for e in requests(hub, 9, p)] * 2)

    def remembered() -> list[Any]:
        with hub.engine.connect() as connection:
            return [
                sorted(map(str, connection.execute(text(f"SELECT * FROM {table}")).all()))
                for table in ("watch_day", "watch_sight")
            ]

    with monkeypatch.context() as patch:
        patch.setattr("hub.watching.watch.STEP", 7)
        small = Watcher(hub)
        while small.step().read:
            pass
    by_steps, count = remembered(), len(found(hub))
    assert by_steps[0]
    with hub.engine.begin() as connection:
        for table in ("watch_day", "watch_sight", "watch_mark"):
            connection.execute(text(f"DELETE FROM {table}"))
    assert Watcher(hub).watch().opened == 0
    assert remembered() == by_steps
    assert len(found(hub)) == count == 3


def test_entries_that_were_tampered_with_hide_none_of_those_behind_them(watched: Hub) -> None:
    """Whoever rules the database must not be able to blind the watch by one broken entry."""
    hub, size = watched, watched.audit.head().size
    hub.audit.append(requests(hub, 7))

    def tamper(connection: Connection) -> None:
        run(connection, f"DELETE FROM audit_entry WHERE index = {size}",
            f"UPDATE audit_entry SET body = 'nonsense' WHERE index = {size + 1}")  # fmt: skip

    attacked(hub.engine, tamper)
    assert Watcher(hub).watch().opened == 1
    (finding,) = found(hub)
    assert (finding["rule"], finding["last"]) == ("off_hours", size + 6)


def test_nobody_judges_themselves_and_nothing_can_be_changed(watched: Hub) -> None:
    hub = watched
    hub.audit.append(
        [Entry(who=Who("auditor-1", "police", "zhou"), why=e.why, what=e.what, decision=e.decision,
               policy="p", outcome="answered") for e in requests(hub, 5)]
    )  # fmt: skip
    Watcher(hub).watch()
    (finding,) = found(hub)
    findings, number = Findings(Office(hub)), finding["finding"]
    for written in ("zhou", "Zhou", "zhou "):
        mine = Call(Caller("auditor-1", written), "data_governance", "S-1")
        with pytest.raises(Exception, match="your own account"):
            findings.close(mine, number, State.JUSTIFIED, "it was me")
    other = Call(Caller("auditor-1", "wu"), "data_governance", "S-1")
    with pytest.raises(Exception, match="Say something"):
        findings.close(other, number, State.JUSTIFIED, " ")
    assert findings.close(other, number, State.FALSE_ALARM, "a test")["state"] == "false_alarm"
    for statement in ("UPDATE finding SET rule = 'x'", "DELETE FROM finding_event"):
        with pytest.raises(IntegrityError), hub.engine.begin() as connection:
            connection.execute(text(statement))
    with hub.engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM finding_event")).all()
        assert b"a test" not in b"".join(bytes(row.body) for row in rows)
        assert ledger.events(connection, hub.keys, number)
        connection.execute(text("DROP TRIGGER append_only ON finding_event"))
        connection.execute(text("UPDATE finding_event SET kind = 'misuse' WHERE kind = 'found'"))
        with pytest.raises(SealBroken):
            ledger.events(connection, hub.keys, number)


def ask(api: Api, number: str, **more: Any) -> httpx.Response:
    body = {"purpose": "visit", "case": "GD-1", "where": {"resident_id": number}, **more}
    return api("POST", "/v1/subjects/resident/query", "worker-1", person="li", json=body)


def view(hub: Hub, number: str) -> list[dict[str, Any]]:
    call = Call(Caller("citizen-1"), "data_governance", "Z-1")
    return list(OwnView(Office(hub)).read(call, number)["entries"])


def test_whoever_is_shown_is_told_however_the_record_was_found(hub: Hub, api: Api) -> None:
    for number in (FIRST, WIFE, OTHER):
        view(hub, number)
    answer = ask(api, FIRST, where={"household_id": "H1"}).json()
    assert len(answer["rows"]) == 2
    check = {"purpose": "visit", "case": "GD-1", "where": {"resident_id": FIRST}}
    assert api("POST", "/v1/checks/grown_up", "worker-1", json=check).status_code == 200
    (newest,) = hub.audit.find(Wanted(action="query", limit=1))
    assert newest.entry["what"]["rows"] == {"answered": 2, "persons": 2}
    first, wife, other = (view(hub, number) for number in (FIRST, WIFE, OTHER))
    # The own view itself is a look at the person, and is told of next time.
    own = "audit_subject"
    assert [line["action"] for line in first][:3] == ["check", "query", own]
    assert [line["action"] for line in wife][:2] == ["query", own]
    assert other[0]["action"] == own
    looked = wife[0]
    assert looked["who"] == {"zh": "worker-1", "en": "worker-1"}
    assert "looked at your record" in looked["words"]["en"]
    assert "mobile (masked)" in looked["words"]["en"]
    assert "account" not in looked


def test_a_person_outside_the_area_is_told_that_nothing_was_shown(hub: Hub, api: Api) -> None:
    assert ask(api, OTHER).json()["rows"] == []
    line = next(line for line in view(hub, OTHER) if line["action"] == "query")
    assert line["outcome"] == "nothing_shown"
    assert line["items"] == []
    assert "Nothing was shown" in line["words"]["en"]


def test_whoever_was_asked_about_is_told_also_where_it_was_refused(hub: Hub, api: Api) -> None:
    """By every way on which a request can name a person; of nothing but that it was asked."""
    said, about = {"purpose": "visit", "case": "GD-1"}, {"where": {"resident_id": OTHER}}
    governed = {**said, "purpose": "data_governance", "entity": entity_of(hub, OTHER)}
    path = "/v1/subjects/resident"
    claims = {"mobile": "13800138000"}
    named = [{"subject": "resident", "attribute": "resident_id", "value": OTHER}]
    refused: dict[str, tuple[str, str, dict[str, Any]]] = {
        "query": (f"{path}/query", "worker-1", {**said, **about, "items": ["birth_date"]}),
        "verify": (f"{path}/verify", "worker-1", {**said, **about, "claims": claims}),
        "exchange": (f"{path}/exchange", "nobody-1", {**said, **about}),
        "count": ("/v1/statistics/resident", "worker-1", {**said, **about, "by": ["sex"]}),
        "check": ("/v1/checks/grown_up", "nobody-1", {**said, **about}),
        "case_open": ("/v1/cases/open", "nobody-1", {**said, "about": named}),
        "audit_subject": ("/v1/audit/subject", "worker-1", {**said, "number": OTHER}),
        "explain": (f"{path}/explain", "worker-1", governed),
        "show_conflict": ("/v1/conflicts/show", "worker-1", {**governed, "subject": "resident"}),
    }
    for action, (where, client, body) in refused.items():
        answer = api("POST", where, client, person="li", json=body)
        assert answer.status_code in (403, 404), (action, answer.text)
        line = view(hub, OTHER)[0]
        told = (line["action"], line["outcome"], line["items"], line["who"]["en"])
        assert told == (action, "refused", [], client)
        assert "and was refused" in line["words"]["en"]
        assert "/" not in "".join(line["subject"].values()), "no names of the hub's own"
        assert set(line) == set(view(hub, OTHER)[0]), "no more than of an answer"
    # The same of what was answered.
    explained = api("POST", f"{path}/explain", "steward-1", person="zhao", json=governed)
    assert explained.status_code == 200
    assert view(hub, OTHER)[0]["action"] == "explain"


def test_an_order_tells_whoever_is_in_the_file_once_and_others_that_they_are_not(
    hub: Hub, api: Api
) -> None:
    said = {"purpose": "visit", "case": "GD-1"}
    outcomes = {FIRST: "shown", OTHER: "nothing_shown"}
    before = {number: len(view(hub, number)) for number in outcomes}
    for number in outcomes:
        body = {**said, "where": {"resident_id": number}}
        path = "/v1/subjects/resident/exchange"
        assert api("POST", path, "worker-1", person="li", json=body).status_code == 200
    for number, outcome in outcomes.items():
        found = view(hub, number)
        assert len(found) == before[number] + 2, "the view before, and the order"
        assert (found[0]["action"], found[0]["outcome"]) == ("exchange", outcome)
        assert ("yours among them" in found[0]["words"]["en"]) is (outcome == "shown")


def test_a_case_tells_whom_it_names_that_nothing_was_shown(hub: Hub, api: Api) -> None:
    named = [{"subject": "resident", "attribute": "resident_id", "value": FIRST}]
    body = {"purpose": "visit", "case": "GD-77", "about": named}
    answers = [api("POST", "/v1/cases/open", "worker-1", json=body).status_code for _ in range(2)]
    assert answers[0] == 200
    assert answers[1] != 200, "there is such a case"
    failed, opened = view(hub, FIRST)[:2]
    for line, words in ((opened, "opened a case that names you"), (failed, "(a case), for")):
        assert (line["action"], line["outcome"]) == ("case_open", "nothing_shown")
        assert line["subject"] == {"zh": "办件", "en": "a case"}
        assert words in line["words"]["en"]


def test_no_flood_of_requests_hides_what_was_shown(watched: Hub) -> None:
    """What showed nothing is counted: one line for a client, a purpose and a day."""
    hub, clock = watched, watched.clock
    assert isinstance(clock, FixedClock)
    digest = KeyedDigests(hub.keys).of("resident/resident_id", FIRST)
    (looked,) = requests(hub, 1)

    def asked(client: str, persons: int, granted: bool = True) -> Entry:
        what = replace(looked.what, digests=(digest,), rows={"persons": persons})
        who, decision = Who(client, "police", "li"), Decision(granted=granted)
        outcome = "answered" if granted else "refused"
        return replace(looked, who=who, what=what, decision=decision, outcome=outcome)

    hub.audit.append([asked("worker-1", 1)])
    hub.audit.append([asked("nobody-1", 0, granted=False)] * 150)
    hub.audit.append([asked("worker-1", 0)] * 150)
    clock.moment += timedelta(days=1)
    hub.audit.append([asked("nobody-1", 0, granted=False)])
    found = [(line["who"]["en"], line["outcome"], line["count"]) for line in view(hub, FIRST)]
    assert found[:4] == [
        ("nobody-1", "refused", 1),
        ("worker-1", "nothing_shown", 150),
        ("nobody-1", "refused", 150),
        ("worker-1", "shown", 1),
    ]
    assert "150 times on that day" in view(hub, FIRST)[3]["words"]["en"]
    few = OwnView(Office(hub)).read(Call(Caller("citizen-1"), "data_governance", "Z-1"), FIRST, 3)
    assert [line["outcome"] for line in few["entries"]].count("shown") == 3


def test_a_purpose_that_there_is_none_of_is_kept_back_and_not_repeated(hub: Hub, api: Api) -> None:
    before = len(view(hub, OTHER))
    assert ask(api, OTHER, purpose="for_a_friend").status_code == 403
    assert ask(api, "12", purpose="for_a_friend").status_code == 403
    assert len(view(hub, OTHER)) == before + 1, "the view before, and no more"
    clock = FixedClock(datetime.now(UTC) + timedelta(days=181))
    later = Hub(**{**vars(hub), "clock": clock})
    (line,) = [line for line in view(later, OTHER) if line["purpose"]["en"] == "-"]
    assert (line["action"], line["outcome"]) == ("query", "refused")


def test_investigations_are_told_later_and_until_then_nothing_tells_of_them(place: Place) -> None:
    purposes = place.workspace / "policies/purposes.yaml"
    written = yaml.safe_load(purposes.read_text("utf-8"))
    written["purposes"][0]["delay_days"] = 400
    purposes.write_text(yaml.safe_dump(written, allow_unicode=True), "utf-8")
    refused = place.command("apply", str(place.workspace))
    assert refused.returncode == 2
    assert "at most 180 days" in refused.stderr
    written["purposes"][0]["delay_days"] = 90
    purposes.write_text(yaml.safe_dump(written, allow_unicode=True), "utf-8")
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    query = ("query", "resident", "--as", "worker-1", "--purpose", "visit", "--case", "1",
             "--where", "resident_id=-")  # fmt: skip
    place.succeed(*query, typed=FIRST)
    assert place.command(*query, "--items", "birth_date", typed=FIRST).returncode == 2
    shown = json.loads(place.succeed("audit", "subject", *OWN, "--json", typed=FIRST))
    assert shown["entries"] == []
    with open_hub(place.settings) as hub:
        (reading,) = hub.audit.find(Wanted(action="audit_subject"))
        assert reading.entry["what"]["rows"] == {"answered": 0, "persons": 1}
    later = FixedClock(datetime.now(UTC) + timedelta(days=91))
    with open_hub(place.settings, clock=later) as hub:
        assert [line["action"] for line in view(hub, FIRST)] == ["audit_subject", "query", "query"]


def test_an_account_is_one_however_it_is_written(watched: Hub) -> None:
    """Six requests at night, none of which says the account as another does."""
    for written in ("li", "Li", "LI", " li", "li ", "l\u200bi"):
        watched.audit.append(requests(watched, 1, written))
    Watcher(watched).watch()
    (finding,) = found(watched)
    assert finding["rule"] == "off_hours"
    # Whoever it is about does not judge it, with another client either.
    mine = Call(Caller("auditor-1", "li"), "data_governance", "S-1")
    with pytest.raises(Exception, match="your own account"):
        Findings(Office(watched)).close(mine, finding["finding"], State.JUSTIFIED, "it was me")


def test_kin_are_found_from_golden_records_and_never_named(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    mine = place.succeed("audit", "digest", typed=FIRST).splitlines()[0]
    desk = place.succeed("audit", "digest", typed=OTHER).splitlines()[0]
    assert FIRST not in mine
    accounts = [
        {"client": "worker-1", "reference": mine},
        {"client": "worker-2", "person": "wu", "reference": desk},
        {"client": "auditor-1", "reference": "0" * 64},
    ]
    file = place.workspace / "policies/accounts.yaml"
    file.write_text(yaml.safe_dump({"accounts": accounts}), "utf-8")
    place.succeed("apply", str(place.workspace))
    for number in (FIRST, WIFE, OTHER):
        place.succeed(
            "query", "resident", "--as", "worker-1", "--purpose", "visit", "--case", "GD-1",
            "--where", "resident_id=-", typed=number,
        )  # fmt: skip
    place.succeed(
        "query", "resident", "--as", "worker-2", "--person", " Wu", "--purpose", "visit",
        "--case", "GD-1", "--where", "resident_id=-", typed=OTHER,
    )  # fmt: skip
    told = place.succeed("audit", "watch")
    assert "findings opened" in told
    listed = place.succeed("findings", "list", *ASKED)
    for words in ("about themselves", "own household", "a colleague"):
        assert words in listed
    assert any("themselves" in line and "worker-2" in line for line in listed.splitlines())
    number = next(line.split()[0] for line in listed.splitlines() if "themselves" in line)
    shown = json.loads(place.succeed("findings", "show", number, *ASKED))
    assert FIRST not in json.dumps(shown)
    assert len(shown["about"]) == 64
    place.succeed("findings", "note", number, "--words", "-", *ASKED, typed="asked him")
    assert "misuse" in place.succeed("findings", "close", number, "misuse", "--words", "x", *ASKED)
    assert "misuse" in place.succeed("findings", "list", "--state", "misuse", *ASKED)
    twice = [*accounts, {"client": "worker-2", "person": "WU", "reference": desk}]
    file.write_text(yaml.safe_dump({"accounts": twice}), "utf-8")
    assert "twice" in place.command("apply", str(place.workspace)).stderr
    accounts.append({"client": "nobody-9", "reference": "1" * 64})
    file.write_text(yaml.safe_dump({"accounts": accounts}), "utf-8")
    (place.workspace / "policies/watching.yaml").write_text("without: [nothing]\n", "utf-8")
    refused = place.command("apply", str(place.workspace))
    assert "there is no client 'nobody-9'" in refused.stderr
    assert "there is no rule 'nothing'" in refused.stderr


def test_findings_over_http(api: Api) -> None:
    body = {"purpose": "data_governance", "case": "S-1"}
    answer = api("POST", "/v1/findings/list", "auditor-1", json={**body, "states": ["misuse"]})
    assert answer.json()["findings"] == []
    bad = api("POST", "/v1/findings/close", "auditor-1", person="zhou",
              json={**body, "finding": 1, "words": "x", "state": "looking"})  # fmt: skip
    assert bad.status_code == 400
    gone = api("POST", "/v1/findings/note", "auditor-1", person="zhou",
               json={**body, "finding": 99, "words": "x"})  # fmt: skip
    assert (gone.status_code, gone.json()["title"]) == (404, "finding_unknown")
    wrong = api("POST", "/v1/audit/subject", "citizen-1", json={**body, "number": "1234"})
    assert wrong.status_code == 400
    assert "1234" not in wrong.text
