"""Conditions at the hub: where requests come from, cases, quotas, second persons."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from core.clock import Clock, FixedClock, SystemClock
from core.yamlfile import InvalidFiles
from hub import folder
from hub.app import Hub, apply_documents
from hub.audit.search import Wanted
from hub.conditions import usage
from hub.conditions.zones import networks, origin
from hub.identity import Caller, Tokens
from hub.serving.notes import Call
from hub.serving.office import Office
from hub.watching.view import OwnView
from hub.watching.watch import Watcher
from policies.conditions import Quota
from policies.verdicts import Owed
from tests.hub import village
from tests.hub.conftest import Place, copied, serving

NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)
CLOCK = FixedClock(NOW)
FIRST, SECOND, THIRD = (person[0] for person in village.PEOPLE)
PATH = "/v1/subjects/resident/query"
PURPOSES = ("visit", "near", "far", "filed", "own", "twice", "counted", "formed", "data_governance")
LINES = (
    # What each purpose opens to workers, under which conditions; finding records is open to all.
    "near,query,resident/name,all,reveal,zone=home",
    "far,query,resident/name,all,reveal,zone=away",
    "filed,query,resident/name,all,reveal,case=registered",
    "own,query,resident/name,own_cases,reveal,",
    "twice,query,resident/name,all,reveal,second_person",
    "twice,exchange,resident/name,all,reveal,second_person",
    "counted,query,resident/name,all,reveal,quota=2/day",
    "counted,query,resident/birth_date,all,year,",
    "counted,exchange,resident/name,all,reveal,quota=1/hour",
    "counted,verify,resident/name,all,reveal,quota=1/month",
    "formed,query,resident/name,all,reveal,",
)


@dataclass
class Town:
    """A village whose purposes each try one condition; asked over HTTP."""

    hub: Hub
    http: httpx.Client

    def ask(self, path: str, by: str, purpose: str, case: str = "C-1", **body: Any) -> Any:
        client, _, person = by.partition("/")
        token = Tokens(self.hub.keys, self.hub.clock).issue(
            Caller(client, person or None), timedelta(minutes=5)
        )
        headers = {"Authorization": f"Bearer {token}", **body.pop("headers", {})}
        body = {"purpose": purpose, "case": case, **body}
        return self.http.post(path, json=body, headers=headers)

    def query(self, by: str, purpose: str, number: str = FIRST, **more: Any) -> Any:
        items = more.pop("items", ["name"])
        return self.ask(PATH, by, purpose, where={"resident_id": number}, items=items, **more)

    def names(self, by: str, purpose: str, number: str = FIRST, **more: Any) -> list[str]:
        answer = self.query(by, purpose, number, **more)
        assert answer.status_code == 200, answer.text
        return [row["name"]["value"] for row in answer.json()["rows"]]

    def sql(self, statement: str) -> list[Any]:
        with self.hub.engine.begin() as connection:
            found = connection.execute(text(statement))
            return [tuple(row) for row in found] if found.returns_rows else []

    def last(self) -> dict[str, Any]:
        """The newest entry of the log."""
        (found,) = self.hub.audit.find(Wanted(limit=1))
        return found.entry


def workspace(made: Path) -> Path:
    village.make(made)
    file = made / "policies/purposes.yaml"
    purposes = [
        {"id": name, "title": {"zh": name, "en": name}, "basis": "a rule"} for name in PURPOSES
    ]
    purposes[PURPOSES.index("formed")]["case"] = {"pattern": r"JD-\d{4}"}
    file.write_text(yaml.safe_dump({"purposes": purposes}), "utf-8")
    clients = yaml.safe_load((made / "policies/clients.yaml").read_text("utf-8"))
    away = {**clients["clients"][0], "id": "phones-2", "department": "phones"}
    (made / "policies/clients.yaml").write_text(
        yaml.safe_dump({"clients": [*clients["clients"], away]}), "utf-8"
    )
    zones = {"home": ["127.0.0.0/8", "::1/128"], "away": ["10.20.0.0/16"]}
    told = [{"id": n, "title": {"zh": n, "en": n}, "networks": w} for n, w in zones.items()]
    (made / "policies/zones.yaml").write_text(yaml.safe_dump({"zones": told}), "utf-8")
    with (made / "policies/rules.csv").open("a", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        for purpose in PURPOSES[1:-1]:
            reach = "own_region" if purpose == "own" else "all"
            rows.writerow(
                ["worker", "lookup", "resident/resident_id", purpose, reach, "reveal", "allow"]
            )
        for line in LINES:
            purpose, action, item, scope, mask, conditions = line.split(",")
            rows.writerow(["worker", action, item, purpose, scope, mask, "allow", conditions])
    return made


@contextmanager
def opened(town: Hub, proxies: str | None = None, clock: Clock = CLOCK) -> Iterator[Town]:
    own = town.settings.model_copy(update={"trusted_proxies": proxies})
    hub = replace(town, clock=clock, settings=own)
    with serving(hub) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield Town(hub, client)


@pytest.fixture(scope="module")
def module(
    _finished: Place, server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    made = tmp_path_factory.mktemp("conditions")
    with copied(_finished, server_url) as town:
        apply_documents(town, folder.read(workspace(made)).documents(), str(made))
        with opened(town, "127.0.0.1") as place:
            yield place


@pytest.fixture
def place(module: Town) -> Iterator[Town]:
    """A town in which nothing was asked yet."""
    yield module
    module.hub.clock.moment = NOW  # type: ignore[attr-defined]
    module.sql("TRUNCATE case_register, case_subject, policy_usage, approval RESTART IDENTITY")


def test_zones_are_those_of_the_connection(place: Town) -> None:
    assert place.names("worker-1", "near") == ["王建国"]
    refused = place.query("worker-1", "far")
    assert refused.status_code == 403
    assert "network zones only: away" in refused.json()["detail"]


def test_a_forwarded_address_is_believed_from_trusted_proxies_alone(place: Town) -> None:
    """The connection comes from 127.0.0.1, which this hub trusts."""
    away = {"X-Forwarded-For": "127.0.0.9, 10.20.3.4"}
    assert place.names("worker-1", "far", headers=away) == ["王建国"]
    assert place.query("worker-1", "near", headers=away).status_code == 403
    # The client itself wrote the first address; the proxy saw the second one.
    forged = {"X-Forwarded-For": "10.20.3.4, 192.0.2.1"}
    assert place.query("worker-1", "far", headers=forged).status_code == 403
    with opened(place.hub) as plain:
        assert plain.query("worker-1", "far", headers=away).status_code == 403
        assert plain.names("worker-1", "near", headers=away) == ["王建国"]


@given(st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2", "192.0.2.7", "x", ""]), max_size=5))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_an_origin_is_never_what_only_a_stranger_said(hops: list[str]) -> None:
    trusted = networks("10.0.0.0/8, ::1")
    assert origin("192.0.2.1", hops, trusted) == "192.0.2.1"
    assert origin(None, hops, trusted) is None
    found, said = origin("10.0.0.9", hops, trusted), [hop for hop in hops if hop]
    after = said[len(said) - said[::-1].index(found) :] if found in said else said
    # Everything behind it was written by a proxy that is trusted.
    assert all(hop.startswith("10.") for hop in after)


def test_the_command_line_is_in_no_zone(place: Town) -> None:
    asked = place.hub.workspace().zones
    assert asked.of(None) == asked.of("") == asked.of("localhost") == frozenset()
    assert asked.of("::ffff:10.20.0.1") == {"away"}


def test_unknown_zones_are_mistakes(tmp_path: Path) -> None:
    made = workspace(tmp_path / "w")
    (made / "policies/zones.yaml").write_text("zones: []\n", "utf-8")
    with pytest.raises(InvalidFiles) as caught:
        folder.read(made)
    assert "there is no zone 'away'" in caught.value.words("en")


def test_a_registered_case_is_open_until_it_is_closed(place: Town) -> None:
    assert "registered beforehand" in place.query("worker-1", "filed").json()["detail"]
    assert place.ask("/v1/cases/open", "worker-1", "filed").status_code == 200
    assert place.names("worker-1", "filed") == ["王建国"]
    # It is of the whole department, for this purpose and number; no other department has it.
    assert place.names("worker-2", "filed") == ["王建国"]
    assert place.query("worker-1", "filed", case="C-2").status_code == 403
    assert place.query("phones-2", "filed").status_code == 403
    assert place.ask("/v1/cases/close", "phones-2", "filed").status_code == 404
    assert place.ask("/v1/cases/close", "worker-2", "filed").status_code == 200
    assert place.query("worker-1", "filed").status_code == 403
    assert place.ask("/v1/cases/open", "worker-1", "filed").json()["title"] == "case_known"
    assert place.ask("/v1/cases/list", "worker-1", "filed").json()["cases"] == []
    (case,) = place.ask("/v1/cases/list", "worker-1", "filed", closed=True).json()["cases"]
    assert (case["case"], case["purpose"], case["about"]) == ("C-1", "filed", {})


def test_a_case_may_be_for_its_client_alone(place: Town) -> None:
    assert place.ask("/v1/cases/open", "worker-1", "filed", own=True).status_code == 200
    assert place.names("worker-1", "filed") == ["王建国"]
    assert place.query("worker-2", "filed").status_code == 403


def about(*numbers: str) -> list[dict[str, str]]:
    return [
        {"subject": "resident", "attribute": "resident_id", "value": number} for number in numbers
    ]


def test_own_cases_reach_those_whom_the_case_may_name(place: Town) -> None:
    assert place.query("worker-1", "own").status_code == 403
    # The third lives in another grid; the last is nobody. Which of them there are is not told.
    nobody = "110105199002020050"
    named = about(FIRST, THIRD, nobody)
    opened = place.ask("/v1/cases/open", "worker-1", "own", about=named)
    assert opened.status_code == 200
    assert (opened.json()["named"], set(opened.json())) == (
        3,
        {"case", "purpose", "named", "receipt"},
    )
    assert place.names("worker-1", "own", FIRST) == ["王建国"]
    assert place.names("worker-1", "own", SECOND) == []
    assert place.names("worker-1", "own", THIRD) == []
    assert place.sql("SELECT count(*) FROM case_subject") == [(1,)]
    held = str(place.sql("SELECT s::text, r::text FROM case_subject s, case_register r"))
    assert not any(number in held for number in (FIRST, THIRD, nobody))


@pytest.mark.parametrize(
    ("by", "purpose", "more", "status", "code"),
    [
        ("nobody-1", "own", {}, 403, "forbidden"),
        ("worker-1", "hunting", {}, 403, "forbidden"),
        ("worker-1", "formed", {}, 403, "forbidden"),
        ("steward-1", "data_governance", {"about": about(FIRST)}, 403, "forbidden"),
        ("worker-1", "own", {"about": about("12")}, 400, "value_invalid"),
    ],
    ids=["client", "purpose", "number", "lookup", "value"],
)
def test_a_case_is_not_opened_on_anybody(
    place: Town, by: str, purpose: str, more: dict[str, Any], status: int, code: str
) -> None:
    refused = place.ask("/v1/cases/open", by, purpose, **more)
    assert (refused.status_code, refused.json()["title"]) == (status, code)
    assert FIRST not in refused.text
    assert place.sql("SELECT * FROM case_register") == []
    assert place.last()["what"]["action"] == "case_open"


def test_a_purpose_demands_the_form_of_its_case_numbers(place: Town) -> None:
    refused = place.query("worker-1", "formed")
    assert "not of the form" in refused.json()["detail"]
    assert place.last()["decision"]["reasons"] == ["policy_case_form"]
    assert place.names("worker-1", "formed", case="JD-2026") == ["王建国"]


def test_a_quota_is_spent_by_answers(place: Town) -> None:
    assert place.query("worker-1", "counted", items=["mobile"]).status_code == 403
    assert place.query("worker-1", "counted", "12").status_code == 400
    assert [place.names("worker-1", "counted") for _ in range(2)] == [["王建国"]] * 2
    refused = place.query("worker-1", "counted")
    assert refused.status_code == 403
    assert "quota 2/day of rules.csv:" in refused.json()["detail"]
    assert "2026-11-25 00:00" in refused.json()["detail"]
    assert place.last()["decision"]["reasons"] == ["policy_quota_spent"]
    # What needs no quota costs none; each client has its own; the next day begins anew.
    assert place.query("worker-1", "counted", items=["birth_date"]).status_code == 200
    assert place.names("worker-2", "counted") == ["王建国"]
    place.hub.clock.moment = NOW + timedelta(days=1)  # type: ignore[attr-defined]
    assert place.names("worker-1", "counted") == ["王建国"]


def test_files_and_yes_or_no_spend_quotas_too(place: Town) -> None:
    where = {"resident_id": FIRST}
    files = [
        place.ask("/v1/subjects/resident/exchange", "worker-1", "counted", items=["name"])
        for _ in range(2)
    ]
    assert [answer.status_code for answer in files] == [200, 403]
    told: dict[str, Any] = {"where": where, "claims": {"name": "王建国"}}
    asked = [
        place.ask("/v1/subjects/resident/verify", "worker-1", "counted", **told) for _ in range(2)
    ]
    assert [answer.status_code for answer in asked] == [200, 403]


def test_a_quota_holds_for_all_workers_at_once(place: Town) -> None:
    debts = (
        Owed("one", Quota(requests=7, per="day"), "a"),
        Owed("two", Quota(requests=30, per="hour"), "b"),
    )

    def take(_: int) -> bool:
        with place.hub.engine.connect() as connection:
            done = usage.take(connection, "c", debts, NOW) is None
            if done:
                connection.commit()
            return done

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(take, range(24))) == 7
    with place.hub.engine.connect() as connection:
        rows = connection.execute(text("SELECT key, used FROM policy_usage")).all()
        used = {row.key: row.used for row in rows}
    # What was refused for one quota took nothing of the other.
    assert used == {"a/c": 7, "b/c": 7}


@given(
    st.datetimes(NOW.replace(tzinfo=None), NOW.replace(tzinfo=None, year=2028)),
    st.sampled_from(["hour", "day", "month"]),
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_periods_follow_each_other(moment: datetime, per: Any) -> None:
    quota, now = Quota(requests=1, per=per), moment.replace(tzinfo=UTC)
    begins, ends = usage.period(quota, now)
    assert begins <= now < ends
    assert usage.period(quota, ends)[0] == ends
    assert usage.period(quota, begins) == (begins, ends)


def test_a_second_person_opens_a_request_once(place: Town) -> None:
    refused = place.query("worker-1/li", "twice")
    assert refused.status_code == 403
    assert "Approval 1 was asked for" in refused.json()["detail"]
    assert place.last()["what"]["rows"] == {"approval": 1}
    # Asked again, it is the same request; the requester is no second person, whatever client.
    assert "Approval 1 " in place.query("worker-1/li", "twice").json()["detail"]
    (waiting,) = place.ask("/v1/approvals/list", "worker-2/wang", "twice").json()["approvals"]
    assert (waiting["person"], waiting["items"]) == ("li", {"name": "reveal"})
    assert FIRST not in str(waiting)
    assert FIRST not in str(place.sql("SELECT a::text FROM approval a"))
    say: dict[str, Any] = {"approval": 1}
    for by, purpose, status in (
        ("worker-2", "twice", 403),
        ("worker-2/ LI", "twice", 403),
        ("phones-2/wang", "twice", 404),
        ("nobody-1/wang", "twice", 404),
        ("worker-2/wang", "visit", 404),
    ):
        assert place.ask("/v1/approvals/approve", by, purpose, **say).status_code == status, by
        assert (
            place.ask("/v1/approvals/list", by, purpose).json()["approvals"] == []
            or by == "worker-2"
        )
    assert place.query("worker-1/li", "twice").status_code == 403
    done = place.ask("/v1/approvals/approve", "worker-2/wang", "twice", **say)
    assert (done.status_code, done.json()["state"]) == (200, "approved")
    # Another request, or another person's, was not approved by that.
    assert place.query("worker-1/li", "twice", SECOND).status_code == 403
    assert place.query("worker-1/zhao", "twice").status_code == 403
    assert place.query("worker-1/li", "twice", case="C-9").status_code == 403
    assert place.names("worker-1/li", "twice") == ["王建国"]
    assert place.last()["what"]["rows"]["approval"] == 1
    assert "Approval 5 was asked for" in place.query("worker-1/li", "twice").json()["detail"]


def test_a_second_person_may_say_no_or_come_too_late(place: Town) -> None:
    assert "whose it is" in place.query("worker-1", "twice").json()["detail"]
    place.query("worker-1/li", "twice")
    place.ask("/v1/approvals/refuse", "worker-2/wang", "twice", approval=1)
    for written in ("li", " LI"):
        assert (
            "refused this request" in place.query(f"worker-1/{written}", "twice").json()["detail"]
        )
    assert (
        place.ask("/v1/approvals/approve", "worker-2/wang", "twice", approval=1).status_code == 404
    )
    file: dict[str, Any] = {"items": ["name"], "format": "jsonl"}
    exchange = "/v1/subjects/resident/exchange"
    assert place.ask(exchange, "worker-1/li", "twice", **file).status_code == 403
    assert (
        place.ask("/v1/approvals/approve", "worker-2/wang", "twice", approval=2).status_code == 200
    )
    place.hub.clock.moment = NOW + timedelta(minutes=59)  # type: ignore[attr-defined]
    assert place.ask(exchange, "worker-1/li", "twice", **file).status_code == 200
    place.query("worker-1/li", "twice", SECOND)
    place.ask("/v1/approvals/approve", "worker-2/wang", "twice", approval=3)
    place.hub.clock.moment += timedelta(hours=1)  # type: ignore[attr-defined]
    assert "Approval 4 was asked" in place.query("worker-1/li", "twice", SECOND).json()["detail"]


def test_a_person_is_told_that_a_request_waits_and_that_it_was_refused(place: Town) -> None:
    later = replace(place.hub, clock=FixedClock(NOW + timedelta(days=3650)))

    def newest() -> dict[str, Any]:
        call = Call(Caller("citizen-1"), "data_governance", "Z-1")
        (line, *_) = OwnView(Office(later)).read(call, THIRD)["entries"]
        assert (line["action"], line["items"]) == ("query", [])
        return dict(line)

    place.query("worker-1/li", "twice", THIRD)
    waits = newest()
    assert waits["outcome"] == "waiting"
    assert "a second person has to approve" in waits["words"]["en"]
    place.ask("/v1/approvals/refuse", "worker-2/wang", "twice", approval=1)
    place.query("worker-1/li", "twice", THIRD)
    assert newest()["outcome"] == "refused"


def test_one_approval_answers_one_of_many_at_once(place: Town) -> None:
    place.query("worker-1/li", "twice")
    place.ask("/v1/approvals/approve", "worker-2/wang", "twice", approval=1)
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: place.query("worker-1/li", "twice"), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, *[403] * 5]


def test_a_changed_policy_asks_anew(town: Hub, tmp_path: Path) -> None:
    made = workspace(tmp_path / "changed")
    apply_documents(town, folder.read(made).documents(), str(tmp_path))
    with opened(town) as place:
        place.query("worker-1/li", "twice")
        place.ask("/v1/approvals/approve", "worker-2/wang", "twice", approval=1)
    with (made / "policies/rules.csv").open("a", encoding="utf-8") as out:
        out.write("nobody,lookup,resident/resident_id,visit,all,reveal,allow\n")
    apply_documents(town, folder.read(made).documents(), str(tmp_path))
    with opened(town) as place:
        assert "Approval 2" in place.query("worker-1/li", "twice").text


def test_a_line_that_moves_keeps_its_count(town: Hub, tmp_path: Path) -> None:
    made = workspace(tmp_path / "moved")
    rules = made / "policies/rules.csv"
    line = "worker,query,resident/name,counted,all,reveal,allow,quota=2/day"

    def spent(content: str, times: int) -> list[int]:
        rules.write_text(content, "utf-8")
        apply_documents(town, folder.read(made).documents(), str(tmp_path))
        with opened(town) as place:
            return [place.query("worker-1", "counted").status_code for _ in range(times)]

    first = rules.read_text("utf-8")
    assert line in first
    assert spent(first, 1) == [200]
    moved = "# moves all below\n\n" + first.replace(line, "") + line + "\n" + line + "\n"
    assert spent(moved, 2) == [200, 403]
    assert spent(first.replace("quota=2/day", " quota=2/day ; zone=home"), 1) == [200]
    assert spent(first, 1) == [403]


def test_where_no_condition_is_nothing_is_looked_up(place: Town) -> None:
    """The tables of conditions are gone, and who has no conditions does not notice."""
    tables = ("approval", "policy_usage", "case_register")
    for table in tables:
        place.sql(f"ALTER TABLE {table} RENAME TO {table}_away")
    assert place.ask(PATH, "worker-1", "visit", where={"resident_id": FIRST}).status_code == 200
    for purpose in ("counted", "twice/li"):
        name, _, person = purpose.partition("/")
        assert place.query(f"worker-1/{person}", name).status_code == 503
    for table in tables:
        place.sql(f"ALTER TABLE {table}_away RENAME TO {table}")


def test_watching_knows_the_register(place: Town) -> None:
    size = place.hub.audit.head().size
    place.sql(f"INSERT INTO watch_mark VALUES (1, {size})")
    place.ask("/v1/cases/open", "worker-1", "filed")
    place.names("worker-1", "filed")
    place.query("worker-1", "counted", case="C-404")
    Watcher(place.hub).watch()
    found = place.sql("SELECT f.rule, f.client FROM finding f WHERE f.rule = 'case_unknown'")
    assert found == [("case_unknown", "worker-1")]


def test_cases_and_approvals_on_the_command_line(place: Town, tmp_path: Path) -> None:
    url = place.hub.engine.url.render_as_string(hide_password=False)
    line = Place(tmp_path, place.hub.settings.home, url)
    asked = ("--as", "worker-1", "--purpose", "own", "--case", "C-7")
    told = line.succeed(
        "cases", "open", *asked, "--about", "resident/resident_id", typed=f"{FIRST}\n"
    )
    assert "C-7 is open, about 1 named" in told
    assert "1 resident" in line.succeed("cases", "list", *asked)
    assert "C-7 is closed" in line.succeed("cases", "close", *asked)
    # The command line goes by the day it is, and a request waits for some days only.
    with opened(place.hub, clock=SystemClock()) as today:
        today.query("worker-1/li", "twice")
    second = ("--as", "worker-2", "--person", "wang", "--purpose", "twice", "--case", "C-1")
    assert "name=reveal" in line.succeed("approvals", "list", *second)
    assert "1 is approved" in line.succeed("approvals", "approve", "1", *second)
    where = ("--where", f"resident_id={FIRST}", "--items", "name")
    first = ("--as", "worker-1", "--purpose", "twice", "--case", "C-1")
    # The same person, but another request: the command line says more than the API's.
    assert line.command("query", "resident", *first, *where).returncode == 2
    refusal = line.command("approvals", "refuse", "2", *second)
    assert (refusal.returncode, "2 waits for you" in refusal.stderr) == (2, True)
