"""Linking what changed beside linking everything again: seconds, and whether they agree.

Made-up residents in three registers; a share of the records then gets another phone number.

    python -m bench.relink --residents 77000 --keyless 0.1 --changed 0.01
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Mapping
from datetime import date, timedelta

import pyarrow as pa

from catalog.subjects import Subject
from core.sql import EngineLimits
from reconcile.differences import differing
from reconcile.linkage import Before, Linked, link

REGISTERS = ("police.residents", "civil.marriages", "health.patients")
ELEMENTS = {
    "resident_id": "resident_id", "name": "person_name", "birth_date": "date", "sex": "sex",
    "mobile": "mobile",
}  # fmt: skip
LIMITS = EngineLimits(threads=2, memory="4GB")
_SLIPS = 0.03
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧"
_GIVEN = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂文辉力健世广志义兴良海山仁波宁贵福生龙"

Row = dict[str, str | None]


def subject() -> Subject:
    """Residents that all registers know by the same attributes."""
    title = {"zh": "居民", "en": "Resident"}
    return Subject.model_validate(
        {
            "subject": "resident",
            "title": title,
            "attributes": {
                item: {"title": title, "element": element, "key": item == "resident_id"}
                for item, element in ELEMENTS.items()
            },
            "feeds": {register: {item: item for item in ELEMENTS} for register in REGISTERS},
        }
    )


def registers(size: int, keyless: float, seed: int) -> dict[str, pa.Table]:
    """Fit tables about ``size`` residents, of which a share lack the key in all but the first."""
    chance = random.Random(seed)
    people = [_person(chance, number) for number in range(size)]
    tables = {}
    for register in REGISTERS:
        first = register == REGISTERS[0]
        rows: list[Row] = []
        for who in chance.sample(range(size), size if first else size * 4 // 5):
            row = people[who] | {"_record": f"r{len(rows):07}"}
            if not first and chance.random() < keyless:
                row["resident_id"] = None
            rows.append(row)
        tables[register] = pa.Table.from_pylist(rows)
    return tables


def _person(chance: random.Random, number: int) -> Row:
    born = date(1940, 1, 1) + timedelta(days=chance.randrange(27_000))
    given = "".join(chance.choice(_GIVEN) for _ in range(chance.choice((1, 2, 2, 2))))
    return {
        "resident_id": f"440605{born:%Y%m%d}{number:07d}",
        "name": chance.choice(_SURNAMES) + given,
        "birth_date": born.isoformat(),
        "sex": chance.choice("12"),
        "mobile": f"13{chance.randrange(10**9):09d}",
    }


def changed(tables: Mapping[str, pa.Table], share: float, seed: int) -> dict[str, pa.Table]:
    """The registers, where a share of the records has another phone number."""
    chance = random.Random(seed)
    after = {}
    for register, table in tables.items():
        rows = table.to_pylist()
        for row in rows:
            if chance.random() < share:
                row["mobile"] = f"13{chance.randrange(10**9):09d}"
        after[register] = pa.Table.from_pylist(rows, schema=table.schema)
    return after


def timed(name: str, run: Callable[[], Linked]) -> tuple[Linked, float]:
    """Runs and prints how long it took."""
    begin = time.perf_counter()
    linked = run()
    seconds = time.perf_counter() - begin
    print(f"  {name:24} {seconds:7.2f} s, {linked.judgements.num_rows} judgements")
    return linked, seconds


def main() -> None:
    """Prints the seconds of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--residents", type=int, default=77_000)
    parser.add_argument("--keyless", type=float, default=0.1)
    parser.add_argument("--changed", type=float, default=0.01)
    asked = parser.parse_args()
    residents = subject()
    tables = changed(registers(asked.residents, asked.keyless, seed=1), _SLIPS, seed=3)
    after = changed(tables, asked.changed, seed=2)
    print(f"{sum(t.num_rows for t in tables.values())} records, {asked.changed:.1%} changed")
    first, whole = timed("everything", lambda: link(residents, tables, None, LIMITS))
    before = Before(first.judgements, first.state, {})
    timed("nothing changed", lambda: link(residents, tables, before, LIMITS))
    told = {name: differing(LIMITS, tables[name], after[name]) for name in tables}
    before = Before(first.judgements, first.state, told)
    part, seconds = timed("what changed", lambda: link(residents, after, before, LIMITS))
    again, _ = timed(
        "everything again", lambda: link(residents, after, Before(first.judgements), LIMITS)
    )
    same = sum(
        one == other
        for one, other in zip(
            part.links["entity"].to_pylist(), again.links["entity"].to_pylist(), strict=True
        )
    )
    print(f"  what changed takes {seconds / whole:.1%} of everything; ", end="")
    print(f"{same / part.links.num_rows:.3%} of the records have the same entity either way")


if __name__ == "__main__":
    main()
