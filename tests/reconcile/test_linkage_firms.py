"""Firms whose names are written with another place or another legal form."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from catalog.subjects import Subject
from reconcile.linkage import link
from tests.reconcile.linkage_people import LIMITS, entities

ITEMS = {"name": "organisation_name", "phone": "identifier", "head": "person_name"}
LISTS = ("market.enterprises", "tax.payers")


def firms() -> Subject:
    title = {"zh": "企业", "en": "Enterprise"}
    return Subject.model_validate(
        {
            "subject": "enterprise",
            "title": title,
            "attributes": {i: {"title": title, "element": kind} for i, kind in ITEMS.items()},
            "feeds": {name: {item: item for item in ITEMS} for name in LISTS},
            "once": LISTS,
        }
    )


@pytest.mark.parametrize("seed", range(2))
def test_firms_are_found_by_what_sets_them_apart(seed: int) -> None:
    """The second list leaves the place out and writes another form, and has one in three phones and
    one in three heads anew.
    """
    chance = random.Random(seed)
    rows: dict[str, list[dict[str, str]]] = {name: [] for name in LISTS}
    for n in range(300):
        core = "".join(chance.choice("华宏恒鑫瑞泰盛隆昌达丰利源兴博信诚远通顺") for _ in range(3))
        core += chance.choice(["电子", "贸易", "陶瓷", "家具", "物流"])
        full, short = f"佛山市南海区{core}有限公司", f"{core}股份有限公司"
        phones = [str(chance.randrange(10**7, 10**8)) for _ in range(2)]
        heads = ["".join(chance.choice("王李张刘陈伟芳娜敏静") for _ in range(3)) for _ in range(2)]
        for place, name in enumerate((full, short)):
            rows[LISTS[place]].append(
                {
                    "_record": f"{place}{n:04}",
                    "name": name,
                    "phone": phones[place if n % 3 == 0 else 0],
                    "head": heads[place if n % 3 == 1 else 0],
                }
            )
    tables = {name: pa.Table.from_pylist(content) for name, content in rows.items()}
    found = entities(link(firms(), tables, None, LIMITS).links)
    same = [found[LISTS[0], f"0{n:04}"] == found[LISTS[1], f"1{n:04}"] for n in range(300)]
    assert sum(same) > 0.98 * len(same)
    assert len(set(found.values())) == len(found) - sum(same)
