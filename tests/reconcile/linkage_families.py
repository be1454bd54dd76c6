"""Families in two lists, each of which numbers them in its own way."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pyarrow as pa

from catalog.subjects import Subject
from tests.reconcile.linkage_people import Row, person

A, B = "police.residents", "relief.families"
ITEMS = {
    "name": "person_name", "sex": "sex", "birth_date": "date", "mobile": "mobile",
    "household_id": "identifier", "case_no": "identifier",
}  # fmt: skip
OWN = {A: "household_id", B: "case_no"}


def subject(numbers: bool = True) -> Subject:
    """People of two lists; without ``numbers`` nothing tells who belongs to whom."""
    title = {"zh": "居民", "en": "Resident"}
    told = [item for item in ITEMS if not item.endswith(("id", "no"))]
    return Subject.model_validate(
        {
            "subject": "resident",
            "title": title,
            "attributes": {n: {"title": title, "element": e} for n, e in ITEMS.items()},
            "feeds": {
                name: {item: item for item in [*told, *([own] if numbers else [])]}
                for name, own in OWN.items()
            },
            "once": (A, B),
        }
    )


def fit(listed: Iterable[Row], items: Iterable[str] = tuple(ITEMS)) -> pa.Table:
    """A fit table of rows that have ``record`` and some of ``items``."""
    listed = list(listed)
    content = {item: pa.array([row.get(item) for row in listed], pa.string()) for item in items}
    return pa.table(
        {"_record": pa.array([row["record"] for row in listed], pa.string()), **content}
    )


def lists(
    seed: int, families: int = 150
) -> tuple[dict[str, list[Row]], dict[tuple[str, str], int]]:
    """Families of three, of one surname but for the second. The second list knows the day of birth
    of one in three, and other phones.
    """
    chance = random.Random(seed)
    content: dict[str, list[Row]] = {A: [], B: []}
    truth = {}
    numbers = chance.sample(range(families), families)
    for family, number in enumerate(numbers):
        members = [person(chance, family * 3 + n) for n in range(3)]
        members[2]["name"] = str(members[0]["name"])[0] + str(members[2]["name"])[1:]
        for place, row in enumerate(members):
            record = f"{family:04}{place}"
            own = {"record": record, "household_id": f"H{family:06}"}
            content[A].append({**row, **own})
            born = row["birth_date"] if chance.random() < 0.3 else None
            other = {"record": record, "case_no": f"J{number:04}", "birth_date": born}
            content[B].append({**row, **other, "mobile": None})
            truth[A, record] = truth[B, record] = family * 3 + place
    return content, truth


def tables(content: dict[str, list[Row]]) -> dict[str, pa.Table]:
    """The fit tables of lists."""
    return {name: fit(listed) for name, listed in content.items()}
