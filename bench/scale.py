"""A whole city's residents: linked records of five sources are fused and published.

``python -m bench.scale [--residents 1000000]``; five million need some 12 GiB of disk.

The fit tables and links are made up, as the gate and linkage would leave them: a source errs in 3
of 100 values, and writes one address in ten in a shorter form. Beside our figures stand a bare
weighted vote over the same claims in DuckDB and a bare COPY of as many bytes.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg

from bench.machine import describe, show
from catalog.subjects import Subject
from core.database import plain_url
from core.engine import connect, streamed, view
from core.lake import Lake, TableVersion
from core.sql import EngineLimits, open_sql
from hub.app import Hub, open_hub
from hub.folder import read
from hub.pipeline.stages import Stages
from hub.pipeline.states import LinkState, SubjectState
from hub.pipeline.tasks import Task
from hub.settings import Settings
from reconcile import fusion
from reconcile.fusion.parts import CLAIMS
from reconcile.publisher import Candidate, Publisher

CITY = Path(__file__).parent.parent / "examples" / "city"
SOURCES = 5
TODAY = date(2026, 6, 30)
_TITLE = {"zh": "居民", "en": "Resident"}
_ELEMENTS = {
    "resident_id": "identifier", "name": "person_name", "birth_date": "date",
    "mobile": "mobile", "address": "address",
}  # fmt: skip
_FIT = """
SELECT i AS _row, 'r' || i AS _record,
       (DATE '2022-01-01' + (hash(i, {s}) % 1600)::INTEGER)::VARCHAR AS _as_of,
       'ID' || lpad(i::VARCHAR, 16, '0') AS resident_id,
       CASE WHEN hash(i, {s}, 1) % 100 < 3 THEN '王' || chr(20000 + (hash(i, {s}, 2) % 3000)::INT)
            ELSE chr(20000 + (hash(i, 3) % 300)::INT) || chr(20000 + (hash(i, 4) % 3000)::INT) END
           AS name,
       (DATE '1940-01-01' + (hash(i, 5) % 29000 + CASE WHEN hash(i, {s}, 6) % 100 < 3 THEN 9
            ELSE 0 END)::INTEGER)::VARCHAR AS birth_date,
       '13' || lpad((hash(i, CASE WHEN hash(i, {s}, 7) % 100 < 3 THEN {s} ELSE -1 END)
            % 1000000000)::VARCHAR, 9, '0') AS mobile,
       CASE WHEN hash(i, {s}, 8) % 10 = 0 THEN '' ELSE '清澜区' END || '枫桥街道长安路'
            || (hash(i, CASE WHEN hash(i, {s}, 9) % 100 < 3 THEN {s} ELSE -1 END) % 900)
            || '号' || i % 30 || '栋' || i % 900 || '室' AS address,
       NULL::VARCHAR AS _flaws
FROM range({n}) r(i)
"""
_LINKS = """
SELECT 'd{s}.people' AS dataset, 'r' || i AS record, left(sha256('x' || i), 20) AS entity,
       'key' AS method, 1.0::DOUBLE AS score, '{{}}' AS explanation
FROM range({n}) r(i)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--residents", type=int, default=1_000_000)
    parser.add_argument("--memory", default="6GB", help="what the engine may use")
    options = parser.parse_args()
    print(describe())
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as folder:
        home = Path(folder) / "home"
        with open_hub(Settings(home=home, database_url=None, lake_url=None)) as hub:
            limits = EngineLimits(memory=options.memory, spill=home / "spill")
            measure(hub, options.residents, limits)


def measure(hub: Hub, residents: int, limits: EngineLimits) -> None:
    subject = resident()
    fit, links = make(hub.lake, residents, limits)
    stages = Stages(read(CITY), "", hub.lake, limits, "bench", "")
    task = Task(subject=subject, fit=fit, rulings=None, rules="", as_of=TODAY)
    linked = LinkState(links=links, judgements=links, kept={})
    rows = []
    with seconds() as fused:
        state = stages.fuse(task, linked)
    rows.append(["rows to claims, fuse, write", f"{fused[0]:.1f}", f"{state.claims.rows:,} claims"])
    with seconds() as published:
        publish(hub, subject, state, limits)
    rows.append(["publish", f"{published[0]:.1f}", f"{state.entities:,} records"])
    rows.append(["fuse and publish", f"{fused[0] + published[0]:.1f}", ""])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    rows.append(["peak of this process", "", f"{peak:.2f} GiB"])
    voted, copied = vote(hub, state.claims, limits), copy(hub)
    rows.append(["bare weighted vote, DuckDB", f"{voted:.1f}", f"{fused[0] / voted:.1f} x"])
    rows.append(["bare COPY of as many bytes", f"{copied:.1f}", f"{published[0] / copied:.1f} x"])
    part, its_claims = one_part(hub, subject, limits)
    voted = vote(hub, its_claims, limits)
    rows.append(["one part, claims to values, write", f"{part:.1f}", f"{its_claims.rows:,} claims"])
    rows.append(["bare weighted vote over the same", f"{voted:.1f}", f"{part / voted:.1f} x"])
    show(["", "seconds", ""], rows)


def one_part(hub: Hub, subject: Subject, limits: EngineLimits) -> tuple[float, TableVersion]:
    """Seconds from claims to values and conflicts in the lake, learning included, of as many
    residents as are decided at a time; and their claims.
    """
    fit, links = make(hub.lake, CLAIMS // len(_ELEMENTS) // SOURCES, limits)
    engine = connect(limits)
    tables = {dataset: hub.lake.dataset(version) for dataset, version in fit.items()}
    said = fusion.gather(engine, subject, tables, hub.lake.dataset(links))
    with streamed(engine, said.text(subject)) as rows:
        claims = hub.lake.write("part/claims", rows)
    with seconds() as spent:
        fused = fusion.fuse(engine, subject, said, TODAY)
        for name, plan in (("golden", fused.golden), ("conflicts", fused.conflicts)):
            with streamed(engine, plan) as rows:
                hub.lake.write(f"part/{name}", rows)
    engine.disconnect()
    return spent[0], claims


def resident() -> Subject:
    """A resident of five attributes, known to five sources."""
    attributes = {
        name: {"title": _TITLE, "element": element, "level": 3, "personal": True,
               "key": name == "resident_id"}
        for name, element in _ELEMENTS.items()
    }  # fmt: skip
    feeds = {f"d{s}.people": {name: name for name in _ELEMENTS} for s in range(SOURCES)}
    document = {"subject": "resident", "title": _TITLE, "attributes": attributes, "feeds": feeds}
    return Subject.model_validate(document)


def make(
    lake: Lake, residents: int, limits: EngineLimits
) -> tuple[dict[str, TableVersion], TableVersion]:
    """The fit tables of all sources and the links of their records."""
    fit = {}
    with open_sql(limits) as engine:
        for s in range(SOURCES):
            rows = engine.sql(_FIT.format(s=s, n=residents)).to_arrow_reader(100_000)
            fit[f"d{s}.people"] = lake.write(f"fit/d{s}.people", rows)
        union = " UNION ALL ".join(_LINKS.format(s=s, n=residents) for s in range(SOURCES))
        return fit, lake.write("links/resident", engine.sql(union).to_arrow_reader(100_000))


def publish(hub: Hub, subject: Subject, state: SubjectState, limits: EngineLimits) -> None:
    with hub.engine.begin() as connection:
        publisher = Publisher(hub.lake, hub.keys, limits)
        number = publisher.begin(connection)
        publisher.publish(connection, number, Candidate(subject, state.golden, None))
        publisher.conclude(connection, number, "bench", datetime.now(UTC), {})


def vote(hub: Hub, claims: TableVersion, limits: EngineLimits) -> float:
    """Seconds of a bare weighted vote over the same claims, its result written to the lake."""
    with open_sql(limits) as engine:
        view(engine, "claims", hub.lake.dataset(claims))
        with seconds() as spent:
            rows = engine.sql(
                """SELECT entity, attribute, arg_max(gist, score) AS value
                FROM (SELECT entity, attribute, gist,
                             sum(CASE dataset WHEN 'd1.people' THEN 3 ELSE 2 END) AS score
                      FROM claims GROUP BY ALL) GROUP BY ALL"""
            ).to_arrow_reader(100_000)
            hub.lake.write("voted", rows)
    return spent[0]


def copy(hub: Hub) -> float:
    """Seconds of a bare COPY of as many rows of as many bytes."""
    with psycopg.connect(plain_url(hub.engine.url)) as connection:
        size = connection.execute("SELECT count(*), avg(length(sealed)) FROM golden_record")
        count, width = size.fetchone() or (0, 0)
        connection.execute("CREATE TEMP TABLE bare (id text, body bytea)")
        body = bytes(int(width or 0))
        with seconds() as spent, connection.cursor().copy("COPY bare FROM STDIN") as out:
            for number in range(count):
                out.write_row((str(number), body))
        return spent[0]


@contextmanager
def seconds() -> Iterator[list[float]]:
    """A list that holds the seconds spent inside, once it is left."""
    spent: list[float] = []
    started = time.perf_counter()
    yield spent
    spent.append(time.perf_counter() - started)


if __name__ == "__main__":
    main()
