"""Entities that carry a key each, of which one may be wrong."""

from __future__ import annotations

import json
import random

from catalog.subjects import Subject
from reconcile.linkage import link
from tests.reconcile.linkage_people import LIMITS, Row, entities, fit, person, rows

A, B = "club.members", "shop.customers"
ITEMS = {"number": "identifier", "name": "person_name", "birth_date": "date", "mobile": "mobile"}


def members(element: str) -> Subject:
    """People known by a number of their own, as ``element`` is one."""
    title = {"zh": "会员", "en": "Member"}
    kinds = ITEMS | {"number": element}
    return Subject.model_validate(
        {
            "subject": "member",
            "title": title,
            "attributes": {
                item: {"title": title, "element": kind, "key": item == "number"}
                for item, kind in kinds.items()
            },
            "feeds": {
                register: {"number": "resident_id"} | {i: i for i in ITEMS if i != "number"}
                for register in (A, B)
            },
        }
    )


def registers(change: Row) -> dict[str, object]:
    """Two registers of the same people; ``change`` is what the second says of the first one."""
    chance = random.Random(6)
    people = [person(chance, number) for number in range(200)]
    one = [row | {"record": f"a{n:03}"} for n, row in enumerate(people)]
    other = [row | {"record": f"b{n:03}"} for n, row in enumerate(people)]
    other[0] |= change
    return {A: fit(one), B: fit(other)}


def test_a_slip_in_a_number_is_made_up_for_where_all_else_agrees() -> None:
    linked = link(members("identifier"), registers({"resident_id": "440605X"}), None, LIMITS)
    found = entities(linked.links)
    assert found[A, "a000"] == found[B, "b000"]
    assert len(set(found.values())) == 200
    (joined,) = [row for row in rows(linked.links) if row["method"] == "model"]
    assert json.loads(str(joined["explanation"]))["number"] == "differs"


def test_one_of_another_number_that_only_shares_a_name_stays_apart() -> None:
    change: Row = {"resident_id": "440605X", "birth_date": "2001-01-31", "mobile": None}
    found = entities(link(members("identifier"), registers(change), None, LIMITS).links)
    assert found[A, "a000"] != found[B, "b000"]


def test_numbers_that_cannot_slip_leave_it_to_a_steward() -> None:
    linked = link(members("resident_id"), registers({"resident_id": "440605X"}), None, LIMITS)
    found = entities(linked.links)
    assert found[A, "a000"] != found[B, "b000"]
    doubts = {
        frozenset((found[str(r["dataset"]), str(r["record"])], r["other"]))
        for r in rows(linked.judgements)
        if r["decision"] == "possible"
    }
    assert doubts == {frozenset((found[A, "a000"], found[B, "b000"]))}


def test_a_key_shared_by_two_records_alone_is_a_conflict_where_all_differs() -> None:
    stranger: Row = {"name": "欧阳文静", "birth_date": "1931-12-31", "mobile": "15900000000"}
    linked = link(members("resident_id"), registers(stranger), None, LIMITS)
    found = entities(linked.links)
    assert found[A, "a000"] != found[B, "b000"]
    assert "possible" in {row["decision"] for row in rows(linked.judgements)}
