"""Made-up residents in a few registers, each with its own gaps and slips."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import pyarrow as pa

from catalog.subjects import Subject
from core.sql import EngineLimits

LIMITS = EngineLimits(threads=2, memory="1GB")
ITEMS = ("resident_id", "name", "birth_date", "sex", "mobile")
ELEMENTS = {"name": "person_name", "birth_date": "date"}
REGISTERS = ("police.residents", "civil.marriages", "health.patients")

_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧"
_GIVEN = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂文辉力健世广志义兴良海山仁波宁贵福生龙"

Row = dict[str, str | None]


def subject(
    registers: Iterable[str] = REGISTERS,
    keys: Iterable[str] = ("resident_id",),
    once: tuple[str, ...] = (),
    linkage: bool = True,
) -> Subject:
    """Residents fed by ``registers``, each with all of ``ITEMS``."""
    title = {"zh": "居民", "en": "Resident"}
    keys = tuple(keys)
    return Subject.model_validate(
        {
            "subject": "resident",
            "title": title,
            "attributes": {
                item: {"title": title, "element": ELEMENTS.get(item, item), "key": item in keys}
                for item in ITEMS
            },
            "feeds": {register: {item: item for item in ITEMS} for register in registers},
            "once": once,
            "linkage": linkage,
        }
    )


def fit(rows: Iterable[Row]) -> pa.Table:
    """A fit table of rows that have ``record`` and some of ``ITEMS``."""
    rows = list(rows)
    content = {item: pa.array([row.get(item) for row in rows], pa.string()) for item in ITEMS}
    return pa.table({"_record": pa.array([row["record"] for row in rows], pa.string()), **content})


def person(chance: random.Random, number: int) -> Row:
    """One made-up resident; the number makes the key unique."""
    born = date(1940, 1, 1) + timedelta(days=chance.randrange(27_000))
    given = "".join(chance.choice(_GIVEN) for _ in range(chance.choice((1, 2, 2, 2))))
    return {
        "resident_id": f"{440605:06d}{born:%Y%m%d}{number:04d}",
        "name": chance.choice(_SURNAMES) + given,
        "birth_date": born.isoformat(),
        "sex": chance.choice("12"),
        "mobile": f"13{chance.randrange(10**9):09d}",
    }


def registers(
    size: int, seed: int, keyless: float = 0.1, slips: float = 0.02
) -> tuple[dict[str, pa.Table], dict[tuple[str, str], int]]:
    """The fit tables of ``REGISTERS`` about ``size`` residents, and who each record is about.

    ``keyless``: the share of records without a key in all but the first register; ``slips``: the
    share of names with a wrong last character.
    """
    chance = random.Random(seed)
    people = [person(chance, number) for number in range(size)]
    tables: dict[str, pa.Table] = {}
    truth: dict[tuple[str, str], int] = {}
    for register in REGISTERS:
        first = register == REGISTERS[0]
        rows: list[Row] = []
        for who in chance.sample(range(size), size if first else size * 4 // 5):
            row = people[who] | {"record": f"r{len(rows):05d}"}
            if not first and chance.random() < keyless:
                row["resident_id"] = None
            if chance.random() < slips:
                row["name"] = str(row["name"])[:-1] + chance.choice(_GIVEN)
            if chance.random() < 0.1:
                row["mobile"] = None
            rows.append(row)
            truth[register, str(row["record"])] = who
        tables[register] = fit(rows)
    return tables, truth


def rows(table: pa.Table) -> list[dict[str, object]]:
    """A table as a list of rows."""
    return list(table.to_pylist())


def entities(links: pa.Table) -> dict[tuple[str, str], str]:
    """Dataset and record → entity; each record may stand there once only."""
    found = {(row["dataset"], row["record"]): row["entity"] for row in links.to_pylist()}
    assert len(found) == links.num_rows
    return found


def quality(links: pa.Table, truth: Mapping[tuple[str, str], object]) -> tuple[float, float]:
    """Precision and recall over pairs of records."""
    found: dict[str, Counter[object]] = defaultdict(Counter)
    for record, entity in entities(links).items():
        found[entity][truth[record]] += 1
    right = sum(_pairs(count) for whose in found.values() for count in whose.values())
    claimed = sum(_pairs(whose.total()) for whose in found.values())
    true = sum(_pairs(count) for count in Counter(truth.values()).values())
    return right / claimed, right / true


def _pairs(count: int) -> int:
    return count * (count - 1) // 2
