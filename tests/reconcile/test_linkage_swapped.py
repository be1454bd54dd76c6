"""Given and family names that changed places."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pytest

from catalog.subjects import Subject
from reconcile.linkage import Linked, link
from reconcile.linkage.records import columns
from tests.reconcile.linkage_people import LIMITS, entities, rows

LIST = "club.members"
ITEMS = {"given": "person_name", "family": "person_name", "born": "date", "phone": "identifier"}
Person = dict[str, str | None]


def members(**more: str) -> Subject:
    title = {"zh": "会员", "en": "Member"}
    items = ITEMS | more
    return Subject.model_validate(
        {
            "subject": "member",
            "title": title,
            "attributes": {i: {"title": title, "element": kind} for i, kind in items.items()},
            "feeds": {LIST: {item: item for item in items}},
        }
    )


def word(chance: random.Random) -> str:
    return "".join(chance.choice("bdfgklmnprst") + chance.choice("aeiou") for _ in range(3))


def people(seed: int, swapped: float) -> tuple[list[Person], list[int]]:
    """Three hundred people, each listed twice, and who is who; of the second rows the share
    ``swapped`` has the names in each other's place, and one in three another phone.
    """
    chance = random.Random(seed)
    listed: list[Person] = []
    for _ in range(300):
        day = f"19{chance.randrange(30, 99)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
        one: Person = {
            "given": word(chance), "family": word(chance), "born": day,
            "phone": str(chance.randrange(10**7, 10**8)),
        }  # fmt: skip
        other = dict(one)
        if chance.random() < swapped:
            other |= {"given": one["family"], "family": one["given"]}
        if chance.random() < 1 / 3:
            other["phone"] = str(chance.randrange(10**7, 10**8))
        listed += [one, other]
    return listed, [number // 2 for number in range(len(listed))]


def linked(listed: list[Person], subject: Subject) -> Linked:
    table = {item: [one.get(item) for one in listed] for item in subject.attributes}
    records = [f"r{number:04}" for number in range(len(listed))]
    typed = {name: pa.array(column, pa.string()) for name, column in table.items()}
    return link(subject, {LIST: pa.table({"_record": records, **typed})}, None, LIMITS)


@pytest.mark.parametrize("seed", range(3))
def test_names_that_changed_places_are_found(seed: int) -> None:
    listed, who = people(seed, swapped=0.1)
    found = linked(listed, members())
    of = list(entities(found.links).values())
    together = [of[n] == of[n + 1] for n in range(0, len(of), 2)]
    assert sum(together) >= 0.99 * len(together)
    assert len(set(of)) == len(set(who)) + sum(not t for t in together)
    told = {json.loads(row["explanation"]).get("given") for row in rows(found.links)}
    assert "swapped" in told


def test_of_names_that_changed_places_one_says_so_and_the_other_nothing() -> None:
    listed, _ = people(1, swapped=0.1)
    for row in rows(linked(listed, members()).links):
        told = json.loads(str(row["explanation"]))
        assert (told.get("given") == "swapped") <= ("family" not in told)


def test_a_missing_name_changes_no_places() -> None:
    listed, _ = people(2, swapped=0.0)
    first, second = listed[:2]
    first["family"] = second["given"] = None
    second["family"] = first["given"]
    told = [json.loads(str(row["explanation"])) for row in rows(linked(listed, members()).links)]
    assert "swapped" not in {one.get("given") for one in told}


def test_only_two_names_can_change_places() -> None:
    assert [a.swaps is not None for a in columns(members()).compared] == [True, True, False, False]
    assert not any(a.swaps for a in columns(members(maiden="person_name")).compared)
