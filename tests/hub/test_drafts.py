"""Drafts of a policy are put to what was asked before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.clock import FixedClock
from hub.app import Hub
from hub.audit.entries import Decision, Entry, What, Who, Why
from hub.audit.search import Wanted
from hub.conditions import register
from hub.conditions.register import Opening
from hub.deciding import drafts, past, replay
from hub.deciding.doors import Asker
from hub.serving.office import Office
from tests.hub import village
from tests.hub.conftest import Api
from tests.hub.matrix.base import PAST
from tests.hub.policing import NAMES, VISIT, apply, served
from tests.hub.village import PEOPLE

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
