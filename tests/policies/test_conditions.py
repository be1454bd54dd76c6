from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import CHINA
from policies.conditions import Conditions, Context, Hours, Quota, failing, parse
from policies.decide import Ask, Denied, Grant, Policy, confine, decide, explain, may_filter
from policies.models import Action
from tests.policies import town
from tests.policies.town import ask

WEDNESDAY = datetime(2026, 3, 4, 12, tzinfo=CHINA)
FULL = "hours=08:30-18:00/working;zone=gov|police;quota=200/day;second_person;case=registered"
KNOWN = Context(frozenset({"gov"}), "another", case_open=True)

minutes = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda t: f"{t[0]:02}:{t[1]:02}")
conditions = st.builds(
    Conditions,
    hours=st.none()
    | st.tuples(minutes, minutes, st.sampled_from(["working", "every"]))
    .filter(lambda found: found[0] != found[1])
    .map(lambda found: Hours(since=found[0], until=found[1], days=found[2])),
    zones=st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), max_size=3).map(tuple),
    quota=st.none() | st.builds(Quota, requests=st.integers(1, 10**9), per=st.just("day")),
    second_person=st.booleans(),
    case=st.sampled_from([None, "registered"]),
)


def asked(now: datetime = WEDNESDAY, context: Context = KNOWN) -> Ask:
    return replace(ask("grid.app", now=now), context=context)


def codes(text: str, request: Ask) -> list[str]:
    return [reason.code.removeprefix("policy_condition_") for reason in failing(text, request)]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(conditions, st.randoms(use_true_random=False))
def test_conditions_are_read_as_they_are_written(made: Conditions, chance: object) -> None:
    assert parse(made.text) == made
    assert Conditions.model_validate(made.model_dump(mode="json")) == made
    parts = made.text.split(";")
    chance.shuffle(parts)  # type: ignore[attr-defined]
    assert parse(" ; ".join(parts)).text == made.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("moon=full", "there is no condition 'moon'"),
        ("hours=08:30", "written like"),
        ("hours=08:30-25:00", "pattern"),
        ("hours=08:30-08:30", "begin before they end"),
        ("hours=08:30-18:00/holidays", "'working' or 'every'"),
        ("zone=Gov", "pattern"),
        ("zone=", "pattern"),
        ("quota=many/day", "written like"),
        ("quota=1/year", "'hour', 'day' or 'month'"),
        ("second_person=yes", "takes no value"),
        ("case=any", "'registered'"),
        ("zone=a;zone=b", "described twice"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="(?s)" + words.replace("'", ".")):
        parse(text)


def test_nothing_known_holds_nothing() -> None:
    night = WEDNESDAY.replace(hour=3)
    every = ["working_hours", "zone", "case", "second_person"]
    assert codes(FULL, asked(night, Context())) == every
    assert codes(FULL, asked(WEDNESDAY, KNOWN)) == []
    assert codes("quota=1/day", asked(night, Context())) == []


@pytest.mark.parametrize(
    ("text", "moment", "holds"),
    [
        ("hours=08:30-18:00", "2026-03-04 08:29", False),
        ("hours=08:30-18:00", "2026-03-04 08:30", True),
        ("hours=08:30-18:00", "2026-03-04 18:00", False),
        ("hours=00:00-24:00/working", "2026-03-04 23:59", True),
        ("hours=08:30-18:00/working", "2026-02-28 12:00", True),  # a Saturday that is worked
        ("hours=08:30-18:00/working", "2026-03-07 12:00", False),  # a Saturday
        ("hours=08:30-18:00/working", "2026-02-17 12:00", False),  # Spring Festival, a Tuesday
        ("hours=22:00-06:00/working", "2026-03-07 05:59", True),  # began on Friday
        ("hours=22:00-06:00/working", "2026-03-08 05:59", False),  # began on Saturday
        ("hours=22:00-06:00", "2026-03-08 06:00", False),
    ],
)
def test_hours_are_those_of_china(text: str, moment: str, *, holds: bool) -> None:
    local = datetime.fromisoformat(moment).replace(tzinfo=CHINA)
    assert (not failing(text, asked(local.astimezone(UTC)))) is holds


@settings(max_examples=50, deadline=None, derandomize=True)
@given(minutes, minutes, st.integers(0, 10_000), st.integers(0, 3000))
def test_hours_are_steady_as_long_as_they_say(
    since: str, until: str, start: int, later: int
) -> None:
    if since == until:
        return
    hours = Hours(since=since, until=until, days="working")
    now = WEDNESDAY + timedelta(minutes=start)
    first, last = hours.steady(now)
    assert first <= now < last
    other = first + timedelta(minutes=later)
    if other < last:
        assert hours.hold(other) is hours.hold(now)


RULES = town.RULES.replace(
    "worker,query,resident/name,visit,own_region,reveal,allow",
    "worker,query,resident/name,visit,own_region,reveal,allow,hours=08:30-18:00;zone=gov",
)


def granted(policy: Policy, request: Ask) -> Grant:
    verdict = decide(policy, request)
    assert isinstance(verdict, Grant)
    return verdict


def test_a_condition_that_fails_gives_nothing(tmp_path: Path) -> None:
    policy = town.policy(tmp_path, rules=RULES)

    def masks(request: Ask) -> list[str]:
        return [
            tier.masks["name"] for tier in granted(policy, request).tiers if "name" in tier.masks
        ]

    assert masks(asked()) == ["partial", "reveal"]
    assert masks(asked(context=Context())) == ["partial"]
    assert masks(asked(WEDNESDAY.replace(hour=20))) == ["partial"]
    assert granted(policy, asked()).expires == WEDNESDAY.replace(hour=18)


def test_a_refusal_names_the_conditions(tmp_path: Path) -> None:
    rules = "worker,query,resident/name,visit,all,reveal,allow," + FULL + "\n"
    policy = town.policy(tmp_path, rules=rules)
    for _ in range(2):
        for context, missing in (
            (Context(), ["zone", "case", "second_person"]),
            (replace(KNOWN, second=None), ["second_person"]),
        ):
            verdict = decide(policy, replace(asked(context=context), items=("name",)))
            assert isinstance(verdict, Denied)
            found = [r.code for r in verdict.reasons]
            assert found == ["policy_item_closed", *(f"policy_condition_{m}" for m in missing)]
            assert all(r.words("zh") != r.words("en") for r in verdict.reasons)
    (option,) = explain(policy, asked(context=Context()), "name")
    assert option.granted
    assert option.conditions == FULL
    assert option.rules == ("rules.csv:1",)


def test_an_agreement_carries_conditions_but_finding_costs_no_quota(tmp_path: Path) -> None:
    agreement = town.AGREEMENT.replace(
        "items:", "conditions: {case: registered, quota: {requests: 5, per: day}}\nitems:"
    )
    policy = town.policy(tmp_path, agreement=agreement)
    now = town.NOON
    whole = replace(ask("grid.app", purpose="relief", now=now), context=KNOWN)
    (owed,) = granted(policy, whole).quotas
    assert (owed.rule, owed.quota) == ("agreement:A-2026-001", Quota(requests=5, per="day"))
    assert granted(policy, replace(whole, items=("mobile",))).quotas == (owed,)
    (option,) = explain(policy, replace(whole, action=Action.LOOKUP), "mobile")
    assert option.conditions == "case=registered"
    closed = replace(whole, context=Context(), items=("mobile",))
    assert isinstance(decide(policy, closed), Denied)


def test_only_quotas_that_were_needed_are_owed(tmp_path: Path) -> None:
    rules = """\
worker,query,resident/name,visit,all,reveal,allow,quota=9/day
worker,query,resident/name,visit,all,reveal,allow,quota=1/hour
worker,query,resident/name,visit,own_region,reveal,allow,quota=3/day
worker,query,resident/born,visit,all,year,allow,quota=9/month
worker,query,resident/born,visit,all,year,allow
worker,query,resident/sex,visit,all,partial,allow,quota=2/day
worker,query,resident/sex,visit,all,reveal,allow
"""
    policy = town.policy(tmp_path, rules=rules)
    most = granted(policy, asked()).quotas
    assert [(owed.rule, owed.quota.text) for owed in most] == [("rules.csv:2", "1/hour")]
    assert granted(policy, replace(asked(), items=("name", "born"))).quotas == most
    assert granted(policy, replace(asked(), items=("born", "sex"))).quotas == ()


QUOTA_LINES = (
    "worker,query,resident/name,visit,all,reveal,allow,quota=3/day",
    "grid,query,resident/name,visit,all,reveal,allow,quota=3/day",
    "worker,query,resident/*,relief,all,default,allow,quota=3/day",
)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.permutations([*QUOTA_LINES, QUOTA_LINES[0], *["# a comment", ""] * 5]))
def test_a_quota_is_counted_by_what_its_line_says(lines: list[str]) -> None:
    """Wherever the lines stand, how often, and whichever of two alike is named."""
    for purpose in ("visit", "relief"):
        assert counters(lines, purpose) == counters(QUOTA_LINES, purpose)
    changed = [line.replace("3/day", "4/day") for line in lines]
    assert counters(changed, "visit") != counters(QUOTA_LINES, "visit")


def test_a_quota_of_an_agreement_is_counted_by_its_words_as_a_set(tmp_path: Path) -> None:
    text = town.AGREEMENT + "conditions: {quota: {requests: 3, per: day}}\n"

    def counter(before: str, after: str) -> str:
        made = town.policy(tmp_path, agreement=text.replace(before, after))
        return made.policies.counters["agreement:A-2026-001"]

    alone = counter("", "")
    assert counter("[worker]", "[worker, worker]") == alone
    assert counter("[query, lookup]", "[lookup, query, lookup]") == alone
    assert counter("[worker]", "[worker, clerk]") != alone


def counters(lines: Sequence[str], purpose: str) -> str:
    request = replace(ask("grid.app", purpose=purpose, now=town.NOON), context=KNOWN)
    with TemporaryDirectory() as made:
        policy = town.policy(Path(made), rules="\n".join(lines))
    (owed,) = granted(policy, request).quotas
    return owed.counter


def test_own_cases_are_the_entities_of_the_case(tmp_path: Path) -> None:
    rules = """\
worker,query,resident/name,visit,own_cases,reveal,allow
worker,query,resident/name,visit,own_region,partial,allow
worker,lookup,resident/mobile,visit,own_cases,reveal,allow
worker,lookup,resident/mobile,visit,own_region,reveal,allow
"""
    policy = town.policy(tmp_path, rules=rules)
    mine = frozenset({"e1", "e2"})
    for entities in (mine, frozenset({"e3"})):
        known = Context(entities=entities)
        grant = granted(policy, replace(asked(context=known), items=("name",)))
        assert [(t.scope.name, dict(t.masks)) for t in grant.tiers] == [
            (town.TOWN, {"name": "partial"}),
            ("own_cases", {"name": "reveal"}),
        ]
        assert grant.tiers[1].scope.entities == entities
        assert may_filter(grant, "mobile")
        assert not may_filter(grant, "name")
        confined = confine(grant, ["mobile", "name"])
        assert isinstance(confined, Grant)
        assert may_filter(confined, "name")
        assert {s.name for s in confined.scopes} == {"own_cases", f"{town.TOWN}&own_cases"}
    lost = replace(ask("grid.lost", items=("name",)), context=Context(entities=mine))
    assert [t.scope.entities for t in granted(policy, lost).tiers] == [mine]
    verdict = decide(policy, ask("grid.lost", items=("name",)))
    assert isinstance(verdict, Denied)
    told = {reason.code for reason in verdict.reasons}
    assert told >= {"policy_cases_missing", "policy_region_missing"}
