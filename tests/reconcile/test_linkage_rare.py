"""A value that hardly anybody has may be a slip of one that many have; two that many have are not."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pyarrow as pa
import pytest

from catalog.subjects import Subject
from reconcile.linkage import link
from tests.reconcile.linkage_people import LIMITS, entities

LIST = "club.members"
ITEMS = {"given": "person_name", "family": "person_name", "birth_date": "date"}
GIVEN = ("jan", "eva", "ute", "karl", "anna", "otto", "lena", "paul", "nina", "hugo")
FAMILY = ("schmidt", "schmitt", "mueller", "moeller", "meier", "meyer", "weber", "wagner")
Person = tuple[str, str, str]


def members() -> Subject:
    title = {"zh": "会员", "en": "Member"}
    return Subject.model_validate(
        {
            "subject": "member",
            "title": title,
            "attributes": {i: {"title": title, "element": kind} for i, kind in ITEMS.items()},
            "feeds": {LIST: {item: item for item in ITEMS}},
        }
    )


def listed(seed: int, extra: list[Person]) -> pa.Table:
    """People of whom every eighth stands there twice, with a slip in the family name; and ``extra``."""
    chance = random.Random(seed)
    people: list[Person] = []
    for number in range(800):
        born = date(1960, 1, 1) + timedelta(days=chance.randrange(9000))
        given, family = chance.choice(GIVEN), chance.choice(FAMILY)
        people.append((given, family, born.isoformat()))
        if number % 8 == 0:
            place = chance.randrange(1, len(family))
            slipped = f"{family[:place]}{chance.choice('bqxyzv')}{family[place:]}"
            people.append((given, slipped, born.isoformat()))
    columns = zip(*people, *extra, strict=True)
    records = pa.array([f"r{number:04}" for number in range(len(people) + len(extra))])
    return pa.table({"_record": records} | dict(zip(ITEMS, map(list, columns), strict=True)))


@pytest.mark.parametrize("seed", range(3))
def test_a_slip_is_joined_where_another_common_name_is_not(seed: int) -> None:
    slip = [("hugo", "wagner", "1971-11-17"), ("hugo", "waqgner", "1971-11-17")]
    others = [("lena", "schmidt", "1971-12-17"), ("lena", "schmitt", "1971-12-17")]
    table = listed(seed, [*slip, *others])
    found = entities(link(members(), {LIST: table}, None, LIMITS).links)
    one, same, another, stranger = (found[LIST, r] for r in table["_record"].to_pylist()[-4:])
    assert one == same
    assert another != stranger
