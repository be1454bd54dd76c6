from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog.contracts import Contract
from core.clock import FixedClock
from policies.agreements import assemble
from policies.decide import Denied, Grant, Policy, decide
from policies.documents import read
from policies.models import Action, Documents, Known, PolicySet
from tests.policies import town
from tests.policies.town import ask

FIRST_MOMENT = datetime(2026, 1, 31, 16, tzinfo=UTC)
"""Midnight in China at which 1 February 2026 begins."""
END = datetime(2026, 3, 1, 16, tzinfo=UTC)
"""Midnight in China at which 1 March 2026, the last day, is over."""


@pytest.mark.parametrize(
    ("moment", "granted"),
    [
        (FIRST_MOMENT - timedelta(microseconds=1), False),
        (FIRST_MOMENT, True),
        (END - timedelta(microseconds=1), True),
        (END, False),
    ],
)
def test_an_agreement_counts_from_its_first_day_to_its_last(
    tmp_path: Path, moment: datetime, granted: bool
) -> None:
    asked = ask("grid.app", items=("mobile",), purpose="relief", now=moment)
    assert isinstance(decide(town.policy(tmp_path), asked), Grant) is granted


def test_one_policy_follows_the_clock_over_the_boundary_and_back(tmp_path: Path) -> None:
    policy, clock = town.policy(tmp_path), FixedClock(END - timedelta(seconds=1))

    def verdict() -> Grant | Denied:
        return decide(policy, ask("grid.app", items=("mobile",), purpose="relief", now=clock.now()))

    before = verdict()
    assert isinstance(before, Grant)
    assert before.expires == END
    assert before.reasons == ("agreement:A-2026-001",)
    clock.moment = END
    after = verdict()
    assert isinstance(after, Denied)
    assert "agreement:A-2026-001 ended on 2026-03-01." in [r.words("en") for r in after.reasons]
    clock.moment = END - timedelta(seconds=1)
    assert verdict() == before


def test_an_agreement_that_has_not_begun_says_so(tmp_path: Path) -> None:
    early = FIRST_MOMENT - timedelta(days=1)
    verdict = decide(
        town.policy(tmp_path), ask("grid.app", items=("mobile",), purpose="relief", now=early)
    )
    assert isinstance(verdict, Denied)
    assert not verdict.hidden
    assert verdict.reasons[-1].code == "policy_rule_not_begun"


def test_the_last_day_of_time_is_no_boundary(tmp_path: Path) -> None:
    endless = town.AGREEMENT.replace("valid_to: 2026-03-01", "valid_to: 9999-12-31")
    policy = town.policy(tmp_path, agreement=endless)
    verdict = decide(policy, ask("grid.app", items=("mobile",), purpose="relief"))
    assert isinstance(verdict, Grant)
    assert verdict.expires is None


def test_only_keys_and_lookups_of_an_agreement_can_be_looked_up(tmp_path: Path) -> None:
    extended = town.AGREEMENT.replace("provider: health", "provider: police").replace(
        "  mobile: reveal\n", "  name: partial\n"
    )
    lines = town.policy(tmp_path, agreement=extended).policies.lines
    looked_up = {line.object for line in lines if line.action == Action.LOOKUP and line.valid_to}
    assert looked_up == {"resident/resident_id"}


def sharing(known: Known) -> dict[str, set[tuple[str, str, str]]]:
    """Object → (group, action, effect) of the lines that come from sharing attributes."""
    made: dict[str, set[tuple[str, str, str]]] = {}
    for line in assemble(Documents(), known).lines:
        made.setdefault(line.object, set()).add((line.group, line.action, line.effect))
    return made


def test_unconditional_items_that_are_not_personal_open_to_every_department() -> None:
    made = sharing(town.KNOWN)
    for target in ("resident/region", "shop/credit_code", "shop/name"):
        assert made[target] == {("*", "query", "allow")}


def test_personal_items_stay_closed_whatever_their_sharing_attribute() -> None:
    made = sharing(town.KNOWN)
    assert "resident/sex" not in made
    assert "shop/owner" not in made


def test_conditional_items_need_a_rule() -> None:
    assert "resident/name" not in sharing(town.KNOWN)


def test_what_is_not_shared_closes_to_all_other_departments() -> None:
    reading = ("lookup", "verify", "query", "exchange", "steward")
    expected = {("!health", action, "deny") for action in reading}
    assert sharing(town.KNOWN)["resident/treated"] == expected
    checks = {"ill": frozenset({("resident", "treated")}), **town.KNOWN.checks}
    made = sharing(replace(town.KNOWN, checks=checks))
    assert made["check/ill"] == {("!health", "check", "deny")}
    assert "check/low_income" not in made


def with_second_source(item: tuple[str, str, int]) -> Known:
    """The town, where the shops' names also come from the police."""
    feeds = dict(town.SHOP.feeds) | {"police.shops": {"name": "name"}}
    second: dict[str, Contract] = {"police.shops": town.contract("police.shops", {"name": item})}
    return replace(
        town.KNOWN,
        subjects={"shop": town.SHOP.model_copy(update={"feeds": feeds})},
        contracts=town.CONTRACTS | second,
    )


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (("organisation_name", "unconditional", 2), {("*", "query", "allow")}),
        (("organisation_name", "conditional", 1), None),
        (("organisation_name", "unconditional", 3), None),
    ],
)
def test_the_strictest_feeding_item_counts(
    item: tuple[str, str, int], expected: set[tuple[str, str, str]] | None
) -> None:
    assert sharing(with_second_source(item)).get("shop/name") == expected


def test_one_feed_that_is_not_shared_closes_the_attribute() -> None:
    made = sharing(with_second_source(("organisation_name", "not_shared", 1)))["shop/name"]
    assert {(group, effect) for group, _, effect in made} == {("!police", "deny")}


def test_a_feed_that_nobody_registered_closes_the_attribute_to_everyone() -> None:
    known = with_second_source(("organisation_name", "unconditional", 1))
    unregistered = replace(known, contracts=town.CONTRACTS)
    made = sharing(unregistered)["shop/name"]
    assert {(group, effect) for group, _, effect in made} == {("*", "deny")}


def test_no_rule_opens_to_others_what_is_not_shared(tmp_path: Path) -> None:
    policy = town.policy(tmp_path)
    treated = ("treated",)
    own = decide(policy, ask("health.desk", items=treated, purpose="relief"))
    other = decide(policy, ask("civil.desk", items=treated, purpose="relief"))
    assert isinstance(own, Grant)
    assert isinstance(other, Denied)
    assert ("policy_rule_denies", "sharing:resident/treated") in [
        (reason.code, reason.fields.get("rule")) for reason in other.reasons
    ]


def revision(folder: Path, known: Known = town.KNOWN, **changed: str) -> str:
    loaded = read(town.write(folder, **changed))
    made: PolicySet = assemble(loaded.documents, known, loaded.files)
    return made.revision


def test_the_revision_is_of_the_content(tmp_path: Path) -> None:
    first = revision(tmp_path)
    assert revision(tmp_path) == first
    comment = town.CLIENTS.replace("clients:\n", "clients: # all of them\n")
    assert revision(tmp_path, clients=comment) == first
    shorter = town.AGREEMENT.replace("2026-03-01", "2026-02-28")
    assert revision(tmp_path, agreement=shorter) != first
    moved = replace(town.KNOWN, contracts=town.CONTRACTS | {"police.residents": _unshared()})
    assert revision(tmp_path, moved) != first


def _unshared() -> Contract:
    contract = town.CONTRACTS["police.residents"]
    items = [i.model_copy(update={"sharing": "not_shared"}) for i in contract.items]
    return contract.model_copy(update={"items": tuple(items)})


def test_a_policy_never_speaks_of_another_revision(tmp_path: Path) -> None:
    policy: Policy = town.policy(tmp_path)
    verdict = decide(policy, ask("grid.app"))
    assert isinstance(verdict, Grant)
    assert verdict.policy_revision == policy.policies.revision
