"""Checks: refused where a definition cannot be relied on, and never saying more than why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import text

from core import canonical
from core.clock import FixedClock
from hub.api.state import opened_state
from hub.app import open_hub
from hub.checks.definition import EVERYTHING, Check, reads
from hub.checks.evaluation import CheckRefused, Gathered, GatheredFact, Source, evaluate
from hub.identity import Caller
from hub.serving.desk import Request
from tests.hub import village
from tests.hub.conftest import Place

TITLE = {"zh": "词", "en": "word"}
TODAY = date(2026, 7, 1)
TAX = Source("tax", "2026-05-01")


def definition(**more: Any) -> dict[str, Any]:
    base = {
        "check": "low_income",
        "title": TITLE,
        "subject": "household",
        "ask": "household_id",
        "members": {"subject": "resident", "by": "household_id"},
        "parameters": {"standard": 1206.0},
        "facts": {
            "people": {"title": TITLE, "how": "count"},
            "income": {"title": TITLE, "attribute": "annual_income", "how": "sum"},
            "homes": {"title": TITLE, "of": "dwelling", "match": "owner", "key": "resident_id",
                      "how": "count"},
        },
        "rules": [
            {"id": "poor", "title": TITLE, "basis": "a law", "needs": ["people", "income"],
             "met": "facts.income / facts.people < parameters.standard",
             "doubt": "facts.income / facts.people < parameters.standard * 2.0"},
            {"id": "no_home", "title": TITLE, "basis": "a law", "needs": ["homes"],
             "met": "facts.homes == 0.0"},
        ],
    }  # fmt: skip
    return {**base, **more}


def check(**more: Any) -> Check:
    return Check.model_validate(definition(**more))


def fact(value: float = 0.0, **more: Any) -> GatheredFact:
    base: dict[str, Any] = {
        "value": value, "missing": False, "disputed": False, "available": True, "sources": (TAX,),
    }  # fmt: skip
    return GatheredFact(**{**base, **more})


def gathered(authorisations: tuple[str | None, ...] = (), **facts: Any) -> Gathered:
    base = {"people": fact(2.0), "income": fact(1000.0), "homes": fact(0.0)}
    return Gathered(3, 2, 5, authorisations, {**base, **facts})


def verdict(**facts: Any) -> dict[str, Any]:
    return evaluate(check(), gathered(**facts), TODAY)


def findings(answer: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {name: (rule["finding"], rule["reason"]) for name, rule in answer["rules"].items()}


BROKEN: dict[str, dict[str, Any]] = {
    "met is no CEL": {"rules": [{**definition()["rules"][1], "met": "facts.homes =="}]},
    "doubt is no CEL": {"rules": [{**definition()["rules"][1], "doubt": "(("}]},
    "where of a fact is no CEL": {
        "facts": {**definition()["facts"], "people": {"title": TITLE, "how": "count", "where": "]"}}
    },
    "where of the members is no CEL": {
        "members": {"subject": "resident", "by": "household_id", "where": "item.status = 'x'"}
    },
    "a sum of nothing": {
        "facts": {**definition()["facts"], "income": {"title": TITLE, "how": "sum"}}
    },
    "a greatest of nothing": {
        "facts": {**definition()["facts"], "income": {"title": TITLE, "how": "max"}}
    },
    "another subject without match": {
        "facts": {**definition()["facts"],
                  "homes": {"title": TITLE, "of": "dwelling", "key": "resident_id", "how": "count"}}
    },
    "another subject without key": {
        "facts": {**definition()["facts"],
                  "homes": {"title": TITLE, "of": "dwelling", "match": "owner", "how": "count"}}
    },
    "an unknown way of counting": {
        "facts": {**definition()["facts"], "people": {"title": TITLE, "how": "guess"}}
    },
    "two rules of one name": {"rules": [definition()["rules"][1]] * 2},
    "no rules": {"rules": []},
    "a name that is no word": {"check": "Low income"},
    "an unknown field": {"colour": "red"},
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_definition_that_cannot_be_relied_on(what: str) -> None:
    check()
    with pytest.raises(ValidationError):
        check(**BROKEN[what])


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (fact(1.0), "found"),
        (fact(0.0), "found"),
        (fact(sources=()), "none_on_record"),
        (fact(1.0, disputed=True), "in_dispute"),
        (fact(available=False, sources=()), "source_not_available"),
        (fact(1.0, available=False, disputed=True), "source_not_available"),
    ],
)
def test_the_states_of_a_fact(found: GatheredFact, state: str) -> None:
    assert found.state == state
    shown = verdict(homes=found)["facts"]["homes"]
    assert shown["state"] == state
    assert shown["sources"] == [vars(source) for source in found.sources]


@pytest.mark.parametrize(
    ("income", "homes", "expected", "poor", "no_home"),
    [
        (1000.0, 0.0, "eligible", ("met", "rule_holds"), ("met", "rule_holds")),
        (1000.0, 1.0, "not_eligible", ("met", "rule_holds"), ("not_met", "rule_broken")),
        (3000.0, 0.0, "needs_review", ("doubtful", "rule_borderline"), ("met", "rule_holds")),
        (9000.0, 0.0, "not_eligible", ("not_met", "rule_broken"), ("met", "rule_holds")),
        # One rule that is clearly broken decides, whatever is doubtful beside it.
        (3000.0, 1.0, "not_eligible", ("doubtful", "rule_borderline"), ("not_met", "rule_broken")),
        # The limit itself is not below it.
        (2412.0, 0.0, "needs_review", ("doubtful", "rule_borderline"), ("met", "rule_holds")),
    ],
)
def test_verdicts(
    income: float, homes: float, expected: str, poor: tuple[str, str], no_home: tuple[str, str]
) -> None:
    answer = verdict(income=fact(income), homes=fact(homes))
    assert answer["verdict"] == expected
    assert findings(answer) == {"poor": poor, "no_home": no_home}
    assert answer["rules"]["poor"]["basis"] == "a law"


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (fact(available=False, sources=()), "homes:source_not_available"),
        (fact(9.0, available=False), "homes:source_not_available"),
        (fact(9.0, disputed=True), "homes:in_dispute"),
        (fact(0.0, disputed=True), "homes:in_dispute"),
    ],
)
def test_nobody_is_refused_or_passed_on_facts_in_doubt(found: GatheredFact, reason: str) -> None:
    answer = verdict(homes=found)
    assert answer["verdict"] == "needs_review"
    assert findings(answer)["no_home"] == ("doubtful", reason)


def test_silence_means_what_the_definition_says() -> None:
    nothing, partly = fact(0.0, sources=()), fact(1.0, missing=True)
    assert verdict(homes=nothing)["verdict"] == "eligible"
    facts = definition()["facts"]
    careful = check(facts={**facts, "homes": {**facts["homes"], "silence": "unknown"}})
    for found in (nothing, partly):
        answer = evaluate(careful, gathered(homes=found), TODAY)
        assert findings(answer)["no_home"] == ("doubtful", "homes:none_on_record")
        assert answer["verdict"] == "needs_review"


@pytest.mark.parametrize(
    "met",
    [
        "facts.income / facts.people",
        "facts.income",  # neither true nor false
        "'false'",
        "parameters.nothing > 1.0",
        "facts.income < 'much'",
    ],
)
def test_a_rule_that_cannot_be_computed_is_a_person_s_to_decide(met: str) -> None:
    rule = {**definition()["rules"][0], "met": met}
    answer = evaluate(check(rules=[rule]), gathered(people=fact(0.0), income=fact(0.0)), TODAY)
    assert findings(answer)["poor"] == ("doubtful", "rule_not_computable")
    assert answer["verdict"] == "needs_review"


@pytest.mark.parametrize(
    ("until", "missing"),
    [
        (("2026-07-01", "2027-01-01"), None),
        (("2026-06-30", "2027-01-01"), 1),
        ((None, "2027-01-01"), 1),
        ((None, "2026-06-30"), 2),
    ],
)
def test_everybody_must_have_agreed(until: tuple[str | None, ...], missing: int | None) -> None:
    asked = check(authorisation="authorised_until")
    if missing is None:
        assert evaluate(asked, gathered(until), TODAY)["verdict"] == "eligible"
        return
    with pytest.raises(CheckRefused) as caught:
        evaluate(asked, gathered(until), TODAY)
    assert caught.value.fields == {"count": missing, "members": 2}
    assert caught.value.status == 403


def test_without_an_authorisation_asked_for_none_is_needed() -> None:
    assert evaluate(check(), gathered((None, None)), TODAY)["verdict"] == "eligible"


amounts = st.floats(10_000, 10_000_000).map(lambda amount: round(amount) + 0.25)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(income=amounts, homes=amounts, missing=st.booleans(), disputed=st.booleans())
def test_no_value_is_ever_in_an_answer(
    income: float, homes: float, missing: bool, disputed: bool
) -> None:
    answer = json.dumps(
        verdict(
            income=fact(income, missing=missing, disputed=disputed),
            homes=fact(homes, disputed=disputed),
        )
    )
    for value in (income, homes):
        assert str(value) not in answer
        assert str(int(value)) not in answer


def test_a_day_of_authorisation_ends_at_midnight_in_china(place: Place) -> None:
    """By the whole way: the date of birth of one stands for the day until which he agreed."""
    file = place.workspace / "checks/grown_up.yaml"
    described = {**yaml.safe_load(file.read_text("utf-8")), "authorisation": "birth_date"}
    file.write_text(yaml.safe_dump(described), "utf-8")
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    number, *_, birth_date = village.PEOPLE[2][:4]
    assert birth_date == "1990-02-02"

    def ask(moment: datetime) -> dict[str, Any]:
        request = Request("visit", "GD-1", {"resident_id": number})
        with open_hub(place.settings, FixedClock(moment)) as hub:

            async def answer() -> dict[str, Any]:
                async with opened_state(hub) as state:
                    return await state.desk.check(Caller("worker-2"), "grown_up", request)

            return asyncio.run(answer())

    # The log's time only grows, so that the checks are asked in the order of their moments.
    assert ask(datetime(1990, 2, 2, 15, 59, tzinfo=UTC))["verdict"] == "eligible"
    with pytest.raises(CheckRefused):
        ask(datetime(1990, 2, 2, 16, 0, tzinfo=UTC))


def test_what_a_check_reads_is_what_its_expressions_name() -> None:
    where = "(item).sex == '1' && has(item.mobile) && !item.name.startsWith('item.born')"
    made = check(members={"subject": "resident", "by": "household_id", "where": where})
    assert set(reads(made)) == {
        ("household", "household_id"),
        ("resident", "household_id"),
        *(("resident", name) for name in ("sex", "mobile", "name")),
        ("resident", "annual_income"),
        ("resident", "resident_id"),
        ("dwelling", "owner"),
    }


HOMES = definition()["rules"][1]


@pytest.mark.parametrize(
    ("more", "subject"),
    [
        (
            {"members": {"subject": "resident", "by": "household_id", "where": "size(item) > 3"}},
            "resident",
        ),
        (
            {"facts": {**definition()["facts"],
                       "homes": {**definition()["facts"]["homes"], "where": "item['x'] == '1'"}}},
            "dwelling",
        ),
        ({"rules": [{**HOMES, "met": "facts['homes'] == 0.0"}]}, "resident"),
        ({"rules": [{**HOMES, "doubt": "size(facts) > 1"}]}, "resident"),
    ],
)  # fmt: skip
def test_a_check_that_does_not_tell_what_it_reads_may_read_everything(
    more: dict[str, Any], subject: str
) -> None:
    assert (subject, EVERYTHING) in set(reads(check(**more)))


def test_a_check_of_an_older_hub_that_does_not_tell_what_it_reads_is_closed(place: Place) -> None:
    """The hub opens, answers all else, and is mended by applying what names its parts."""
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    ask = ("check", "grown_up", "--as", "worker-1", "--purpose", "visit", "--case", "GD-1",
           "--where", "resident_id=-")  # fmt: skip
    with open_hub(place.settings) as hub, hub.engine.begin() as connection:
        document = connection.execute(
            text("SELECT document FROM registered WHERE kind = 'check'")
        ).scalar_one()
        document["members"]["where"] = "item['sex'] == 'male'"
        connection.execute(
            text(
                "UPDATE registered SET document = :document, digest = :digest WHERE kind = 'check'"
            ),
            {"document": json.dumps(document), "digest": canonical.digest(document)},
        )
    refused = place.command(*ask, typed=village.PEOPLE[0][0])
    assert refused.returncode == 2
    assert "sharing:resident/* forbids grown_up" in refused.stderr
    explained = place.succeed("policy", "explain", *ask[2:-2], "--subject", "check/grown_up",
                              "--action", "check")  # fmt: skip
    assert "No item is known to feed resident/*" in explained
    place.succeed("apply", str(place.workspace))
    assert "eligible" in place.succeed(*ask, typed=village.PEOPLE[0][0])


def test_what_a_department_keeps_for_itself_closes_the_checks_that_read_it(place: Place) -> None:
    """Until it names the check; and `hub apply` says which check reads what."""
    file = place.workspace / "contracts/phones.users.odcs.yaml"
    written = yaml.safe_load(file.read_text("utf-8"))
    number = written["schema"][0]["properties"][0]
    assert number["name"] == "resident_id"
    ask = ("check", "grown_up", "--as", "worker-1", "--purpose", "visit", "--case", "GD-1",
           "--where", "resident_id=-")  # fmt: skip

    def applied(*said: dict[str, Any]) -> str:
        custom = [{"property": "element", "value": "resident_id"}, *said]
        number["customProperties"] = custom
        file.write_text(yaml.safe_dump(written, allow_unicode=True), "utf-8")
        return place.succeed("apply", str(place.workspace))

    assert "The check grown_up reads resident/resident_id." in applied()
    place.succeed("run", "--as-of", "2026-06-30")
    assert "eligible" in place.succeed(*ask, typed=village.PEOPLE[0][0])
    alone = {"property": "audience", "value": "department"}
    told = applied(alone)
    assert "must be one of those for whom these are: phones.users/resident_id (depart" in told
    refused = place.command(*ask, typed=village.PEOPLE[0][0])
    assert refused.returncode == 2
    assert "audience:resident/resident_id forbids grown_up" in refused.stderr
    explained = place.succeed("policy", "explain", *ask[2:-2], "--subject", "check/grown_up",
                              "--action", "check")  # fmt: skip
    assert "audience:resident/resident_id" in explained
    told = applied(alone, {"property": "checks", "value": ["grown_up"]})
    assert "lets grown_up read what is closed otherwise: phones.users/resident_id" in told
    assert "eligible" in place.succeed(*ask, typed=village.PEOPLE[0][0])
    number["customProperties"][-1]["value"] = ["grown_down"]
    file.write_text(yaml.safe_dump(written, allow_unicode=True), "utf-8")
    unknown = place.command("apply", str(place.workspace))
    assert unknown.returncode == 2
    assert "there is no check 'grown_down'" in unknown.stderr
