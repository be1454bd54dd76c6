"""Fusing in parts: what each part gives is what all at once give."""

from __future__ import annotations

from pathlib import Path

import duckdb
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from catalog.subjects import Subject
from reconcile.fusion import Feeds, Parts, fuse, gather
from reconcile.fusion.ground import SAMPLE
from tests.reconcile.fusing import TITLE, TODAY, engine

ENTITIES = SAMPLE + 900  # more than trust is learned from
ATTRIBUTES = {
    "number": {"element": "identifier", "key": True},
    "address": {"element": "address", "designated": "d1.t", "fresh_days": 300},
    "income": {"element": "money"},
    "state": {},
    "listed": {"element": "flag"},
}
REPAIRS = pa.Table.from_pylist(
    [{"dataset": "d2.t", "attribute": "state",
      "repair": '{"kind": "recode", "mapping": {"s1": "s2"}}'}]
)  # fmt: skip
# Of 50 entities one has two records in a dataset, every other of which a steward joined.
_RECORDS = """
    SELECT i, i || '-' || n AS record, hash(i, {s}, n) AS h,
           hash(i, n) % 1000 AS number
    FROM range({entities}) r(i), range(2) k(n)
    WHERE hash(i, {s}) % 10 < 7 AND (n = 0 OR (i + {s}) % 50 = 0)
"""
_FIT = """
    SELECT record AS _record, '202' || h % 6 || '-0' || 1 + h % 9 || '-15' AS _as_of,
           i || '/' || number AS number,
           CASE WHEN h % 3 = 0 THEN '' ELSE '清澜区' END || '枫桥街道长安路' || (i % 90)
               || '号' || CASE WHEN h % 7 = 0 THEN 3 ELSE 8 END || '栋501室' AS address,
           CASE WHEN h % 4 > 0 THEN 1000 + h % 3 * 4 + h % 5 // 4 * 200 END::VARCHAR AS income,
           's' || h % 11 // 8 AS state, NULL::VARCHAR AS nothing
    FROM records
"""


@pytest.fixture(scope="module")
def given() -> tuple[Feeds, pa.Table, pa.Table]:
    """Feeds, links and rulings."""
    fit, links = {}, []
    with duckdb.connect() as con:
        for s in range(4):
            query = _RECORDS.format(s=s, entities=ENTITIES)
            con.execute(f"CREATE OR REPLACE TABLE records AS {query}")
            fit[f"d{s}.t"] = con.sql(_FIT).to_arrow_table()
            links.append(
                con.sql(
                    f"""SELECT 'd{s}.t' AS dataset, record, left(md5('x' || i), 12) AS entity,
                    CASE WHEN i % 100 = {s} THEN 'steward' ELSE 'key' END AS method FROM records"""
                ).to_arrow_table()
            )
    linked = pa.concat_tables(links)
    known = sorted(set(linked.column("entity").to_pylist()))
    ruled = ["", known[7], known[5000], known[ENTITIES // 2], known[-1], "~"]
    rulings = pa.table(
        {
            "entity": ruled,
            "attribute": ["state", "address", "state", "income", "state", "state"],
            "value": ["s9", "清澜区长安路1号", "s1", "1000", "s2", "s0"],
            "number": [1, 2, 3, 4, 5, 6],
        }
    )
    return Feeds.of(about(), fit, REPAIRS), linked, rulings


def about() -> Subject:
    feeds = {f"d{s}.t": {n: n for n in ("number", "address", "income", "state")} for s in range(4)}
    feeds["d3.t"]["income"] = "nothing"
    attributes = {name: {"title": TITLE, "element": "text", **a} for name, a in ATTRIBUTES.items()}
    return Subject.model_validate(
        {
            "subject": "thing",
            "title": TITLE,
            "attributes": attributes,
            "feeds": feeds,
            "listing": {"attribute": "listed", "datasets": ["d0.t", "d1.t"]},
        }
    )


def in_order(*tables: ir.Table) -> pa.Table:
    read = pa.concat_tables([table.to_pyarrow() for table in tables])
    return read.sort_by([(name, "ascending") for name in sorted(read.column_names)])


@pytest.fixture(scope="module")
def whole(given: tuple[Feeds, pa.Table, pa.Table]) -> tuple[dict[str, pa.Table], pa.Table]:
    """What all at once give: claims, golden values and conflicts, and the trust in sources."""
    feeds, links, rulings = given
    on = engine()
    said = gather(on, about(), feeds.fit, links, REPAIRS)
    fused = fuse(on, about(), said, TODAY, rulings)
    made = {"claims": said.text(about()), "golden": fused.golden, "conflicts": fused.conflicts}
    return {name: in_order(table) for name, table in made.items()}, fused.sources


@pytest.mark.parametrize("parts", [1, 3])
def test_parts_are_decided_as_all_at_once(
    given: tuple[Feeds, pa.Table, pa.Table],
    whole: tuple[dict[str, pa.Table], pa.Table],
    tmp_path: Path,
    parts: int,
) -> None:
    (feeds, links, rulings), (at_once, sources) = given, whole
    limit = ENTITIES * len(feeds.sources) // parts + 1
    divided = Parts(engine(), feeds, links, tmp_path, limit)
    trust = divided.learn(TODAY, rulings)
    found = [
        (piece, fuse(divided.engine, about(), piece, TODAY, mine, trust))
        for piece, mine in divided.split(rulings)
    ]
    assert len(found) == parts
    assert in_order(*(piece.text(about()) for piece, _ in found)) == at_once["claims"]
    for name in ("golden", "conflicts"):
        assert in_order(*(getattr(fused, name) for _, fused in found)) == at_once[name]
    assert all(fused.sources == sources for _, fused in found)
    assert any(tmp_path.iterdir()) == (parts > 1)
