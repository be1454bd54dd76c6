"""The others of a household as evidence."""

from __future__ import annotations

import json
import random

import pytest

from reconcile.linkage import link
from tests.reconcile.linkage_families import A, B, lists, subject, tables
from tests.reconcile.linkage_people import LIMITS, entities, quality, rows
from tests.reconcile.linkage_runs import Runs


def test_people_are_known_by_the_others_of_their_household() -> None:
    content, truth = lists(seed=2)
    linked = link(subject(), tables(content), None, LIMITS)
    precision, recall = quality(linked.links, truth)
    alone = quality(link(subject(numbers=False), tables(content), None, LIMITS).links, truth)
    assert precision >= 0.995
    assert recall >= 0.95
    assert alone[1] < 0.7
    told = [json.loads(str(row["explanation"])) for row in rows(linked.links)]
    assert {"several_in_common"} <= {why.get("_related") for why in told}
    assert all("household_id" not in why and "case_no" not in why for why in told)


def test_who_is_missing_from_a_list_is_not_taken_for_another_of_the_household() -> None:
    content, truth = lists(seed=3)
    content[B] = [row for row in content[B] if not str(row["record"]).endswith("2")]
    content[A] = [row for row in content[A] if not str(row["record"]).endswith("1")]
    found = entities(link(subject(), tables(content), None, LIMITS).links)
    assert all(
        found[A, record] != found[B, other]
        for _, record in (key for key in found if key[0] == A)
        for other in (f"{record[:4]}{n}" for n in range(2) if not record.endswith(str(n)))
    )
    assert quality(link(subject(), tables(content), None, LIMITS).links, truth)[0] >= 0.99


@pytest.mark.parametrize("size", [8, 9])
def test_a_number_that_many_share_is_no_household(size: int) -> None:
    """Of a number on more than eight records nobody is known by the others."""
    content, truth = lists(seed=4)
    for rows_of, own in ((content[A], "household_id"), (content[B], "case_no")):
        ordered = sorted(rows_of, key=lambda row: truth[A, str(row["record"])])
        for place, row in enumerate(ordered):
            row[own] = f"{own[0]}{place // size}"
    told = link(subject(), tables(content), None, LIMITS).links
    assert any("_related" in str(why) for why in told["explanation"].to_pylist()) == (size == 8)


def test_the_order_of_the_input_does_not_matter() -> None:
    content, _ = lists(seed=5, families=60)
    one = link(subject(), tables(content), None, LIMITS)
    chance = random.Random(1)
    mixed = {name: chance.sample(listed, len(listed)) for name, listed in content.items()}
    other = link(subject(), dict(reversed(tables(mixed).items())), None, LIMITS)
    assert one.links.equals(other.links)
    assert one.judgements.equals(other.judgements)


def test_a_change_of_one_is_news_of_the_others() -> None:
    """Who joins a household makes the others known, although nothing of theirs has changed."""
    content, truth = lists(seed=6)
    family = {A: "0007", B: "0007"}
    late = [row for row in content[B] if str(row["record"])[:4] == family[B]][1:]
    runs = Runs(subject())
    fewer = content | {B: [row for row in content[B] if row not in late]}
    for row in content[B]:
        if str(row["record"])[:4] == family[B]:
            row["birth_date"], row["sex"] = None, None
    before = runs.run(tables(fewer))
    assert entities(before.links)[B, "00070"] != entities(before.links)[A, "00070"]
    part = runs.run(tables(content))
    assert part.touched is not None
    assert entities(part.links)[B, "00070"] == entities(part.links)[A, "00070"]
    whole = Runs(subject()).run(tables(content))
    assert quality(part.links, truth) == quality(whole.links, truth)
