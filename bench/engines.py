"""How long linking and fusing take on either engine, and how much they keep.

``python -m bench.engines [--people 200000] [--engine duckdb] [--engine local[2]]``
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from bench.machine import describe
from catalog.subjects import Subject
from core.engine import open_engine, streamed
from core.lake import Lake, TableVersion
from core.sql import EngineLimits
from reconcile import fusion, linkage

REGISTERS = ("civil", "grid", "health", "police", "tax")
ELEMENTS = {
    "resident_id": "resident_id",
    "name": "person_name",
    "birth_date": "date",
    "mobile": "mobile",
    "address": "address",
    "status": "text",
}
TODAY = date(2026, 1, 1)
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂文辉力健"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=200_000)
    parser.add_argument("--unkeyed", type=float, default=0.02)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--engine", action="append")
    options = parser.parse_args()
    print(describe())
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as folder:
        lake = Lake(str(Path(folder) / "lake"))
        fit = {
            register: lake.write(f"fit/{register}", table)
            for register, table in registers(options.people, options.unkeyed).items()
        }
        for engine in options.engine or ["duckdb"]:
            limits = EngineLimits(
                threads=2, memory=options.memory, spill=Path(folder) / "spill", engine=engine
            )
            open_engine(limits).disconnect()  # a cluster takes some seconds to come up
            for step, seconds in measure(lake, fit, limits):
                print(f"{engine:24} {step:8} {seconds:8.1f} s", flush=True)
        size = sum(f.stat().st_size for f in Path(folder, "lake", "claims").rglob("*.parquet"))
    runs = len(options.engine or ["duckdb"])
    print(f"claims: {size / runs / options.people:.0f} bytes per person")


def registers(people: int, unkeyed: float) -> dict[str, pa.Table]:
    """Each register holds four people in five, a tenth of its values being off."""
    chance = random.Random(1)
    everybody = [person(chance, n) for n in range(people)]
    found = {}
    for register in REGISTERS:
        rows = []
        for n, right in enumerate(everybody):
            if chance.random() < 0.8:
                row = {
                    name: value if chance.random() < 0.9 else everybody[n - 7][name]
                    for name, value in right.items()
                }
                row["resident_id"] = right["resident_id"] if chance.random() > unkeyed else None
                day = f"202{chance.randrange(6)}-0{chance.randrange(1, 10)}-15"
                rows.append({"_record": f"{n:09}", "_as_of": day, **row})
        found[register] = pa.Table.from_pylist(rows)
    return found


def person(chance: random.Random, n: int) -> dict[str, str | None]:
    day = (
        f"{chance.randrange(1940, 2010)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
    )
    return {
        "resident_id": f"440605{day.replace('-', '')}{n % 10000:04}",
        "name": chance.choice(SURNAMES) + "".join(chance.choices(GIVEN, k=2)),
        "birth_date": day,
        "mobile": f"139{chance.randrange(10**8):08}",
        "address": f"城北区人民路{chance.randrange(900)}号{chance.randrange(90)}室",
        "status": str(chance.randrange(4)),
    }


def measure(
    lake: Lake, fit: dict[str, TableVersion], limits: EngineLimits
) -> Iterator[tuple[str, float]]:
    title = {"zh": "居民", "en": "Resident"}
    subject = Subject.model_validate(
        {
            "subject": "resident",
            "title": title,
            "attributes": {
                name: {"title": title, "element": element, "key": name == "resident_id"}
                for name, element in ELEMENTS.items()
            },
            "feeds": {register: {name: name for name in ELEMENTS} for register in REGISTERS},
        }
    )
    tables = {register: lake.dataset(version) for register, version in fit.items()}
    started = time.perf_counter()
    linked = linkage.link(subject, tables, None, limits)
    yield "link", time.perf_counter() - started
    links = lake.dataset(lake.write("links", linked.links))
    engine = open_engine(limits)
    started = time.perf_counter()
    said = fusion.claims(engine, subject, tables, links)
    claims = lake.dataset(kept(lake, engine, f"claims/{limits.engine[:5]}", said))
    yield "claims", time.perf_counter() - started
    started = time.perf_counter()
    fused = fusion.fuse(engine, subject, claims, TODAY)
    kept(lake, engine, "golden", fused.golden)
    kept(lake, engine, "conflicts", fused.conflicts)
    yield "fuse", time.perf_counter() - started
    engine.disconnect()


def kept(lake: Lake, engine: BaseBackend, table: str, plan: ir.Table) -> TableVersion:
    with streamed(engine, plan) as rows:
        return lake.write(table, rows)


if __name__ == "__main__":
    main()
