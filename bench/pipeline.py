"""Where the time of a run goes, on a sample city, beside bare engines doing the bulk of the work.

``python -m bench.pipeline [--residents 20000] [--seed 7]``: a whole run, the same again, and one
after every hundredth row of five of the tables changed.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from bench.machine import describe, show
from core.database import plain_url
from core.engine import view
from core.sql import open_sql
from hub.app import Hub, apply_documents, open_hub
from hub.folder import read
from hub.pipeline.workflow import Order, Pipeline, Report
from hub.settings import Settings

CITY = Path(__file__).parent.parent / "examples" / "city"
# The market's rows are served over HTTP; everything else needs no service.
SERVICE = ("market_service.py", "--data", "market/enterprises.json", "--token-file",
           "secrets/market_token", "--port-file", "secrets/market_url")  # fmt: skip


class Quiet:
    """Progress that says nothing."""

    def plan(self, steps: Sequence[str]) -> None: ...

    def begin(self, step: str) -> None: ...

    def end(self, step: str, seconds: float) -> None: ...


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--residents", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    print(describe())
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as folder:
        home = Path(folder) / "home"
        with open_hub(Settings(home=home, database_url=None, lake_url=None)) as hub:
            data = Path(folder) / "data"
            made = timed(lambda: generate(hub, data, options.residents, options.seed))
            first, seconds = run(hub, data)
            same = run(hub, data)
            changed = change(hub, data)
            part = run(hub, data)
            report(first, made, seconds)
            compare(first, seconds, {"nothing changed": same, f"{changed:,} rows changed": part})
            ceilings(hub, first)


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def generate(hub: Hub, data: Path, residents: int, seed: int, noise: float = 1) -> None:
    """A sample city whose departments err ``noise`` times as often as usual."""
    with psycopg.connect(plain_url(hub.engine.url), autocommit=True) as connection:
        connection.execute("CREATE DATABASE sample")
    url = plain_url(hub.engine.url.set(database="sample"))
    subprocess.run(
        [sys.executable, str(CITY / "generate.py"), "--out", str(data), "--residents",
         str(residents), "--seed", str(seed), "--noise", str(noise), "--police-url", url],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def run(hub: Hub, data: Path) -> tuple[Report, float]:
    name, *arguments = SERVICE
    given = [a if a.startswith("--") else str(data / a) for a in arguments]
    address = data / "secrets/market_url"
    address.unlink(missing_ok=True)
    service = subprocess.Popen(
        [sys.executable, str(CITY / name), *given], stdout=subprocess.DEVNULL
    )
    try:
        while not address.exists():
            time.sleep(0.02)
        apply_documents(hub, read(CITY).documents(), str(data))
        order = Order(revision=hub.revision().number, as_of=date(2026, 6, 30))
        started = time.perf_counter()
        found = Pipeline(hub, Quiet()).run(order)
        return found, time.perf_counter() - started
    finally:
        service.terminate()
        service.wait()


def change(hub: Hub, data: Path) -> int:
    """Gives every hundredth row of five tables another mobile number; how many rows."""
    url = plain_url(hub.engine.url.set(database="sample"))
    with psycopg.connect(url) as connection:
        done = connection.execute(
            "UPDATE residents SET mobile = regexp_replace(mobile, '.$', '7') "
            "WHERE abs(hashtext(person_no::text)) % 100 = 0"
        ).rowcount
    for name, encoding in (
        ("social_security/contributions", "gbk"),
        ("traffic/vehicles", "utf-8-sig"),
    ):
        done += change_csv(data / f"{name}.csv", encoding)
    accounts = data / "housing_fund/accounts.jsonl"
    lines = accounts.read_text("utf-8").splitlines()
    for place in range(0, len(lines), 100):
        with suppress(json.JSONDecodeError):  # some lines are broken, as they are in the field
            row = json.loads(lines[place])
            lines[place] = json.dumps({**row, "mobile": other(row["mobile"])}, ensure_ascii=False)
    accounts.write_text("\n".join(lines) + "\n", "utf-8")
    incomes = pq.read_table(data / "tax/incomes.parquet")
    mobiles = incomes.column("mobile").to_pylist()
    mobiles[::100] = [other(mobile) for mobile in mobiles[::100]]
    column = pa.array(mobiles, incomes.schema.field("mobile").type)
    place = incomes.schema.get_field_index("mobile")
    pq.write_table(incomes.set_column(place, "mobile", column), data / "tax/incomes.parquet")
    return done + len(lines[::100]) + len(mobiles[::100])


def change_csv(file: Path, encoding: str) -> int:
    with file.open(encoding=encoding, newline="") as source:
        rows = list(csv.reader(source))
    place = rows[0].index("手机号码")
    for row in rows[1::100]:
        row[place] = other(row[place])
    with file.open("w", encoding=encoding, newline="") as target:
        csv.writer(target).writerows(rows)
    return len(rows[1::100])


def other(mobile: str | None) -> str:
    return (mobile or "1380000000x")[:-1] + "7"


def by_stage(found: Report) -> dict[str, float]:
    stages: dict[str, float] = defaultdict(float)
    for step, spent in found.seconds.items():
        stages[step.split()[0]] += spent
    return stages


def compare(first: Report, seconds: float, later: dict[str, tuple[Report, float]]) -> None:
    """Later runs beside the whole one, stage by stage."""
    whole = by_stage(first)
    parts = {name: by_stage(found) for name, (found, _) in later.items()}
    table = [
        [stage, f"{spent:.1f}", *(f"{part.get(stage, 0):.2f}" for part in parts.values())]
        for stage, spent in whole.items()
    ]
    table.append(["whole run", f"{seconds:.1f}", *(f"{spent:.2f}" for _, spent in later.values())])
    shares = (f"{spent / seconds:.1%}" for _, spent in later.values())
    table.append(["of the whole run", "", *shares])
    show(["stage", "first run, s", *parts], table)
    for name, (found, _) in later.items():
        extents = Counter(f"{s.split()[0]} {e}" for s, e in found.extents.items())
        print(f"{name}: {dict(extents)} {found.outcomes}")


def report(found: Report, made: float, seconds: float) -> None:
    stages = by_stage(found)
    rows = sum(state.landing.rows for state in found.datasets.values())
    records = sum(state.links.rows for state in found.subjects.values())
    claims = sum(state.claims.rows for state in found.subjects.values())
    published = sum(o["opened"] for o in found.outcomes.values())
    amounts = {
        "pull": (rows, "rows"), "gate": (rows, "rows"), "link": (records, "records"),
        "fuse": (claims, "claims"), "publish": (published, "records"),
    }  # fmt: skip
    table = [["make the city", f"{made:.1f}", "", ""]]
    for stage, (amount, unit) in amounts.items():
        spent = stages[stage]
        table.append([stage, f"{spent:.1f}", f"{amount:,} {unit}", f"{amount / spent:,.0f}/s"])
    overhead = seconds - sum(stages.values())
    table.append(["between stages", f"{overhead:.1f}", "", ""])
    table.append(["whole run", f"{seconds:.1f}", "", ""])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    table.append(["peak of this process", "", f"{peak:.2f} GiB", ""])
    show(["stage", "seconds", "amount", "rate"], table)


def ceilings(hub: Hub, found: Report) -> None:
    """Bare engines on the same data: a majority vote in DuckDB, a COPY into PostgreSQL."""
    state = found.subjects["resident"]
    with open_sql(hub.settings.limits) as engine:
        view(engine, "incoming", hub.lake.open(state.claims))
        engine.execute("CREATE TABLE claims AS SELECT entity, attribute, value FROM incoming")
        vote = timed(
            lambda: engine.execute(
                """CREATE TABLE voted AS SELECT entity, attribute, value FROM (
                       SELECT entity, attribute, value, count(*) AS votes FROM claims GROUP BY ALL)
                   QUALIFY row_number() OVER (PARTITION BY entity, attribute ORDER BY votes DESC) = 1"""
            )
        )
    with psycopg.connect(plain_url(hub.engine.url)) as connection:
        size = connection.execute("SELECT count(*), avg(length(sealed)) FROM golden_record")
        count, width = size.fetchone() or (0, 0)
        connection.execute("CREATE TEMP TABLE bare (id text, body bytea)")
        body = bytes(int(width or 0))

        def copy() -> None:
            with connection.cursor().copy("COPY bare FROM STDIN") as out:
                for number in range(count):
                    out.write_row((str(number), body))

        copied = timed(copy)
    fuse, publish = found.seconds["fuse resident"], found.seconds["publish"]
    show(
        ["ours", "seconds", "ceiling", "seconds", "times"],
        [
            ["fuse resident", f"{fuse:.1f}", "bare majority vote, DuckDB", f"{vote:.2f}",
             f"{fuse / vote:.0f}"],
            ["publish all", f"{publish:.1f}", "bare COPY of as many bytes", f"{copied:.2f}",
             f"{publish / copied:.1f}"],
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
