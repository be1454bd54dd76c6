"""What fusion costs beside the barest weighted vote over the same claims."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from ibis.backends.duckdb import Backend

from bench import own
from core.engine import connect
from core.sql import EngineLimits
from reconcile.fusion import fuse

TODAY = date(2026, 1, 1)


@contextmanager
def measured(name: str) -> Iterator[dict[str, float]]:
    """Prints wall and processor seconds and the peak memory of the process so far."""
    found: dict[str, float] = {}
    before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    yield found
    after = resource.getrusage(resource.RUSAGE_SELF)
    found["wall"] = time.perf_counter() - begin
    found["cpu"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = after.ru_maxrss / 1024
    print(f"  {name:34} {found['wall']:6.2f} s, {found['cpu']:6.2f} cpu s, peak {peak:.0f} MiB")


def speed(entities: int) -> None:
    """Prints what fusion costs beside the barest weighted vote over the same claims."""
    engine = connect(EngineLimits())
    sources, attributes = 5, 4
    made = make_claims(engine, entities, sources, attributes)
    print(
        f"speed: {entities} entities x {sources} sources x {attributes} attributes = {made} claims"
    )
    with measured("bare weighted vote") as bare:
        engine.raw_sql(
            """CREATE TEMP TABLE vote AS SELECT entity, attribute, arg_max(value, score) AS value
            FROM (SELECT entity, attribute, value,
                         sum(CASE dataset WHEN 'd1.t' THEN 3 ELSE 2 END) AS score
                  FROM made GROUP BY ALL) GROUP BY ALL"""
        )
    names = tuple(f"a{i}" for i in range(attributes))
    with measured("fuse") as decided:
        fused = fuse(engine, own.about(names), engine.table("made"), TODAY)
    with measured("golden table and conflicts told") as told:
        rows = [
            engine.create_table(f"told{i}", t)
            for i, t in enumerate((fused.golden, fused.conflicts))
        ]
    counts = [engine.to_pyarrow(table.count()).as_py() for table in rows]
    print(f"  {counts[0]} golden values, {counts[1]} conflicts")
    for clock in ("wall", "cpu"):
        ratio = (decided[clock] + told[clock]) / bare[clock]
        print(
            f"  {clock}: {decided[clock] / bare[clock]:.1f} x the bare vote, {ratio:.1f} x with telling"
        )


def make_claims(engine: Backend, entities: int, sources: int, attributes: int) -> int:
    """Claims of which 3% are wrong, in the table ``made``; returns their number."""
    engine.con.execute(
        """CREATE TEMP TABLE made AS
        SELECT 'r-' || substr(md5(i::VARCHAR), 1, 16) AS entity, 'a' || a AS attribute,
               v AS value, v AS gist, 'd' || s || '.t' AS dataset, 'k' || i AS record,
               (DATE '2020-01-01' + (hash(i, s) % 2000)::INTEGER)::VARCHAR AS as_of
        FROM (SELECT *, CASE WHEN hash(i, s, a) % 100 < 3 THEN 'wrong' || hash(i, s, a, 1) % 1000
                             ELSE 'value' || hash(i, a) % 100000 END AS v
              FROM range($1) e(i), range($2) b(s), range($3) c(a))""",
        [entities, sources, attributes],
    )
    return entities * sources * attributes
