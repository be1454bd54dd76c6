"""One plan, two engines: linking and fusing give the same on DuckDB and on a Spark cluster."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from sqlglot.errors import UnsupportedError

from bench.worlds import WORLDS, make
from catalog.standards.several import joined
from catalog.subjects import Subject
from core.engine import connect, open_engine, streamed
from core.lake import Lake
from core.spark.dialect import statements, to_spark
from core.sql import EngineLimits
from reconcile import fusion, linkage
from reconcile.conflicts.reading import carried
from reconcile.fusion import kinds, values
from reconcile.fusion.ground import RULING
from reconcile.rulings import RULINGS
from tests.reconcile import fusing
from tests.reconcile import linkage_families as families
from tests.reconcile import linkage_people as people
from tests.spark import NEEDS_SPARK

pytestmark = NEEDS_SPARK

REGISTERS = ("police.residents", "tax.payers", "grid.visits")
TODAY = date(2026, 1, 1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def stored(lake: Lake, name: str, table: pa.Table) -> Any:
    """A version of the lake, which executors read from the store themselves."""
    return lake.dataset(lake.write(name, table))


def same(one: pa.Table, other: pa.Table) -> None:
    """Every value of every row; rows in the order of their values."""
    assert one.schema.equals(other.schema)
    order = [(name, "ascending") for name in one.column_names]
    left, right = one.sort_by(order).to_pylist(), other.sort_by(order).to_pylist()
    assert len(left) == len(right)
    assert [(a, b) for a, b in zip(left, right, strict=True) if a != b] == []


def households(chance: random.Random, number: int, keyed: float) -> dict[str, pa.Table]:
    """Fit tables of two lists of families in which keys are missing, shared by strangers, and
    values are misspelt.
    """
    content, _ = families.lists(seed=chance.randrange(100), families=number)
    for rows in content.values():
        for row in rows:
            if chance.random() > keyed:
                row["resident_id"] = None
            if chance.random() < 0.1:
                row["name"] = str(row["name"])[::-1]
        for n in range(0, len(rows) - 9, 40):
            rows[n]["resident_id"] = rows[n + 9]["resident_id"]
    for row in content[families.B][::9]:
        row["case_no"] = None
    items = (*families.ITEMS, "resident_id")
    return {name: families.fit(rows, items) for name, rows in content.items()}


def kin() -> Subject:
    """The people of those lists, whom a number tells, where it stands."""
    made = families.subject().model_dump(mode="json")
    number = {"title": made["title"], "element": "resident_id", "key": True}
    made["attributes"] = {"resident_id": number, **made["attributes"]}
    for items in made["feeds"].values():
        items["resident_id"] = "resident_id"
    return Subject.model_validate(made)


def linked_alike(
    subject: Subject, fit: dict[str, pa.Table], lake: Lake, cluster: EngineLimits
) -> pa.Table:
    """The ledger where some of the records were known, and then there are more, and rulings."""
    past = {name: table.slice(0, table.num_rows * 9 // 10) for name, table in fit.items()}
    known = linkage.link(subject, past, None, people.LIMITS, secret="salt")
    given = {name: stored(lake, f"fit/{name}", table) for name, table in fit.items()}
    before = linkage.Before(known.judgements)
    rulings = ruled(known.links)
    here = linkage.link(subject, given, before, people.LIMITS, rulings, "salt")
    there = linkage.link(subject, given, before, cluster, rulings, "salt")
    same(here.links, there.links)
    same(here.judgements, there.judgements)
    ledger = pa.concat_tables([known.judgements, there.judgements])
    assert linkage.rebuild(ledger) == there.links
    assert there.touched is None
    return ledger


def ruled(links: pa.Table) -> pa.Table:
    """One entity is split, and two are one."""
    rows = links.to_pylist()
    homes: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        homes.setdefault(row["entity"], []).append(row)
    several = [found for found in homes.values() if len(found) > 1]
    pairs = [("never", several[0][0], several[0][1]), ("same", several[1][0], several[2][0])]
    made = [
        {
            "number": number,
            "kind": kind,
            "dataset": one["dataset"],
            "record": one["record"],
            "other_dataset": other["dataset"],
            "other_record": other["record"],
        }
        for number, (kind, one, other) in enumerate(pairs)
    ]
    return pa.Table.from_pylist(made, RULINGS)


def test_linking_with_keys_strangers_a_model_and_others_of_a_household_gives_the_same(
    lake: Lake, cluster: EngineLimits
) -> None:
    fit = households(random.Random(1), 40, keyed=0.75)
    ledger = linked_alike(kin(), fit, lake, cluster)
    assert set(ledger["method"].to_pylist()) == {"key", "model", "alone", "steward"}
    assert "possible" in ledger["decision"].to_pylist()
    assert any("_in_common" in str(why) for why in ledger["explanation"].to_pylist())


def test_linking_without_any_key_gives_the_same(lake: Lake, cluster: EngineLimits) -> None:
    title = {"zh": "企业", "en": "Enterprise"}
    elements = {
        "name": "organisation_name", "address": "address", "phone": "mobile",
        "head": "person_name", "clerk": "person_name",
    }  # fmt: skip
    subject = Subject.model_validate(
        {
            "subject": "enterprise",
            "title": title,
            "attributes": {n: {"title": title, "element": e} for n, e in elements.items()},
            "feeds": {feed: {n: n for n in elements} for feed in ("market", "tax")},
        }
    )
    chance = random.Random(2)
    fit: dict[str, list[dict[str, str | None]]] = {"market": [], "tax": []}
    for n in range(120):
        name = "".join(chance.choice("东方新兴华美天地金龙科技") for _ in range(4))
        road, phone = chance.choice("人民解放建设"), f"139{chance.randrange(10**8):08}"
        names = ["".join(chance.choice("王李张伟芳娜敏静") for _ in range(3)) for _ in range(2)]
        for feed, rows in fit.items():
            slip = chance.random() < 0.3
            rows.append(
                {
                    "_record": f"{feed[0]}{n:04}",
                    "name": f"{name}有限公司" if slip else f"{name}有限责任公司",
                    "address": f"城北区{road}路{n % 30}号" + ("西侧" if slip else ""),
                    "phone": None if chance.random() < 0.1 else phone,
                    "head": names[slip],
                    "clerk": names[1 - slip],
                }
            )
    tables = {feed: pa.Table.from_pylist(rows) for feed, rows in fit.items()}
    ledger = linked_alike(subject, tables, lake, cluster)
    assert "model" in ledger["method"].to_pylist()


def facts(chance: random.Random, number: int) -> dict[str, pa.Table]:
    """Fit tables of some registers: wrong, copied, undated, outdated, awkward values."""
    found: dict[str, list[dict[str, Any]]] = {register: [] for register in REGISTERS}
    for n in range(number):
        copied: str | None = None
        for register, rows in found.items():
            for again in range(1 + (chance.random() < 0.05)):
                right = f"人{n}"
                wrong = right + chance.choice(['"q"', "\\z", "甲", "\x07", "乙"])
                name = right if chance.random() < 0.8 else wrong
                if register == "tax.payers" and copied:
                    name = copied
                copied = name
                road = f"城北区人民路{n}号"
                rows.append(
                    {
                        "_record": f"{n}-{again}",
                        "_as_of": None if chance.random() < 0.1 else day(chance),
                        "name": name if chance.random() < 0.9 else None,
                        "address": road if chance.random() < 0.6 else f"{road}1单元{n % 9}室",
                        "income": f"{1000 + n + chance.choice((0, 0, 1, 30))}.00",
                        "born": "1955-03-01" if chance.random() < 0.8 else day(chance),
                        "family": str(n % 5 if chance.random() < 0.9 else 7),
                        "dwelling": f"d{n % 5 if chance.random() < 0.9 else 8}",
                        "jobs": joined(f"职{n % i}" for i in (3, 4, 7) if chance.random() < 0.7)
                        or None,
                        "homes": joined([road, f"{road}{n % 7}室"][: chance.randrange(1, 3)]),
                    }
                )
    return {register: pa.Table.from_pylist(rows) for register, rows in found.items()}


def day(chance: random.Random) -> str:
    return f"20{chance.randrange(18, 27)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"


def fused_subject() -> Subject:
    attributes: dict[str, dict[str, Any]] = {
        "name": {},
        "address": {"element": "address"},
        "born": {"element": "date", "designated": "police.residents", "fresh_days": 400},
        "income": {"element": "money"},
        "family": {"group": "home"},
        "dwelling": {"group": "home"},
        "jobs": {"many": True, "designated": "grid.visits", "fresh_days": 200},
        "homes": {"many": True, "element": "address"},
        "listed": {"element": "flag"},
    }
    feeds = {register: {n: n for n in attributes if n != "listed"} for register in REGISTERS}
    listing = {"attribute": "listed", "datasets": ["grid.visits", "police.residents"]}
    made = fusing.subject(attributes, feeds).model_dump(mode="json")
    return Subject.model_validate(made | {"listing": listing})


def read(engine: Any, plan: Any) -> pa.Table:
    with streamed(engine, plan) as rows:
        return rows.read_all()


REPAIRS = [
    {"dataset": "grid.visits", "attribute": "born", "repair": '{"kind": "swap_day_month"}'},
    {"dataset": "tax.payers", "attribute": "family", "repair": '{"kind": "ignore"}'},
]


def value_rulings() -> pa.Table:
    """Values some of which are claimed by somebody, some by nobody, one for an unknown entity."""
    rows = [
        ("e1", "name", "人1", 1),
        ("e2", "name", "别人", 2),
        ("e3", "family", "7", 3),
        ("e4", "income", "1004.00", 4),
        ("nobody", "name", "人", 5),
        ("e6", "jobs", "职0；职1", 6),
    ]
    made = [dict(zip(RULING.names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(made, RULING)


def test_fusing_gives_the_same(lake: Lake, cluster: EngineLimits) -> None:
    subject = fused_subject()
    fit = facts(random.Random(3), 120)
    links = pa.Table.from_pylist(
        [
            {"dataset": register, "record": record, "entity": f"e{record.split('-')[0]}"}
            for register, table in fit.items()
            for record in table["_record"].to_pylist()
        ]
    )
    given = {register: stored(lake, f"fit/{register}", table) for register, table in fit.items()}
    near = stored(lake, "links", links)
    past = pa.table({"entity": ["e5"], "attribute": ["name"], "since": ["2025-01-01"]})
    before = stored(lake, "conflicts", past)
    found = []
    for limits in (people.LIMITS, cluster):
        engine = open_engine(limits)
        said = fusion.claims(engine, subject, given, near, pa.Table.from_pylist(REPAIRS))
        fused = fusion.fuse(engine, subject, said, TODAY, value_rulings())
        conflicts = carried(engine, fused.conflicts, before, TODAY)
        made = [read(engine, plan) for plan in (said, fused.golden, conflicts)]
        found.append([*made, fused.sources])
        engine.disconnect()
    for here, there in zip(*found, strict=True):
        assert here.num_rows
        same(here, there)


def both_fuse(lake: Lake, cluster: EngineLimits, rows: list[fusing.Claim]) -> pa.Table:
    """Fuses claims on either engine, one value being ruled; what was learned of sources."""
    subject = fusing.subject({"value": {}, "kind": {}})
    ruling = dict(zip(RULING.names, ("e000001", "value", "v3", 1), strict=True))
    rulings = pa.Table.from_pylist([ruling], RULING)
    said = stored(lake, "claims", fusing.table(rows))
    found = []
    for limits in (people.LIMITS, cluster):
        engine = open_engine(limits)
        fused = fusion.fuse(engine, subject, said, TODAY, rulings)
        found.append([*(read(engine, p) for p in (fused.golden, fused.conflicts)), fused.sources])
        engine.disconnect()
    for here, there in zip(*found, strict=True):
        same(here, there)
    return found[0][2]


def test_fusing_by_kind_gives_the_same(
    lake: Lake, cluster: EngineLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kinds of few things are told apart whatever it explains."""
    monkeypatch.setattr(kinds, "FEWEST", 30)
    monkeypatch.setattr(kinds, "GAIN", float("-inf"))
    made = make(3, 120, WORLDS["good about opposites"])
    sources = both_fuse(lake, cluster, fusing.told(made))
    assert set(sources["kind"].to_pylist()) == {"k0", "k1", None}


def test_fusing_by_value_gives_the_same(
    lake: Lake, cluster: EngineLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values with shares by kind, some things with values beside the list, some claims dated."""
    monkeypatch.setattr(kinds, "FEWEST", 30)
    monkeypatch.setattr(values, "FEWEST", 5)
    made = make(3, 150, WORLDS["listed, two by kind"])
    days = ("2025-12-31", "2001-01-01", None)
    rows = fusing.told(made, days)
    rows += [("e000002", "value", "d2.t", "v9", None), ("e000003", "value", "d3.t", "v1", None)]
    sources = both_fuse(lake, cluster, rows)
    assert {(r["kind"], r["shares_of"]) for r in sources.to_pylist() if r["kind"]} == {
        ("v0", "kind"),
        ("v1", "kind"),
    }


STATEMENTS = [
    "CREATE TABLE t (a BIGINT, b VARCHAR)",
    "INSERT INTO t SELECT n, left(sha256(n::VARCHAR), 2) FROM numbers",
    "INSERT INTO t WITH more AS (SELECT n + 100 AS n FROM numbers) SELECT n, NULL FROM more",
    "INSERT INTO t BY NAME SELECT 'x' AS b, n - 50 AS a FROM numbers WHERE n < 3",
    "DELETE FROM t WHERE a IN (SELECT n FROM numbers WHERE n % 3 = 0)",
    "DELETE FROM t WHERE b = 'd4'",
    "CREATE OR REPLACE TABLE u AS FROM t WHERE a > ?",
    "CREATE VIEW v AS SELECT b FROM t WHERE a < 9",
]
QUERIES = [
    "SELECT a, b FROM t ORDER BY b, a",
    "SELECT b, a FROM t QUALIFY row_number() OVER (PARTITION BY b ORDER BY a DESC) = 1 ORDER BY a",
    "SELECT count(*), count(DISTINCT (a, b)), sum(a), count(*) FILTER (b IS NULL) FROM t",
    "SELECT l.a, r.a FROM u AS l JOIN u AS r USING (b) WHERE l.a < r.a ORDER BY 1, 2",
    "SELECT a FROM t ANTI JOIN u USING (a) ORDER BY a",
    "SELECT round(a / 7, 1), round(-a / 16, 2), a // 4, a & 5 FROM t ORDER BY a",
    "SELECT try_cast(x AS DATE)::VARCHAR, try_cast(x AS DOUBLE) FROM texts ORDER BY x",
    "SELECT concat_ws(',', b, a::VARCHAR), b || a FROM t ORDER BY a",
    "SELECT b IS DISTINCT FROM 'e7', coalesce(b, '-') FROM t ORDER BY a",
    "SELECT arg_max(b, (a % 5, b)), bool_and(a > 0), bit_or(a) FROM t",
    "SELECT md5(a::VARCHAR) FROM t ORDER BY 1 LIMIT 7",
    "SELECT * FROM (SELECT * REPLACE (coalesce(b, '-') AS b) FROM t) ORDER BY a",
    "SELECT b, a FROM (FROM t WHERE a > 3) SEMI JOIN u USING (a) ORDER BY a, b",
    "SELECT b FROM t EXCEPT SELECT b FROM v ORDER BY b",
]


def test_sql_means_the_same(cluster: EngineLimits) -> None:
    given = {
        "numbers": pa.table({"n": pa.array(range(30), pa.int64())}),
        "texts": pa.table({"x": ["1985", "1985-3-1", "1985-03-02", "", "3.5", "x", "2023-02-29"]}),
    }
    here, there = connect(people.LIMITS), open_engine(cluster)
    for engine in (here, there):
        for name, table in given.items():
            engine.con.register(name, table)
        for statement in STATEMENTS:
            engine.con.execute(statement, [20] if "?" in statement else [])
    for query in QUERIES:
        assert there.con.execute(query).fetchall() == here.con.execute(query).fetchall(), query
    there.con.execute("DROP TABLE t; DROP TABLE IF EXISTS absent")
    there.disconnect()
    here.disconnect()


@pytest.mark.parametrize("query", ["SELECT hash(a) FROM t", "SELECT list(a ORDER BY b) FROM t"])
def test_what_would_mean_something_else_is_refused(query: str) -> None:
    with pytest.raises(UnsupportedError):
        to_spark(statements(query)[0])


def test_likeness_of_texts_is_the_same(cluster: EngineLimits) -> None:
    chance = random.Random(4)
    words = ["".join(chance.choices("abcd", k=chance.randrange(9))) for _ in range(4000)]
    table = pa.table({"a": words[:2000], "b": words[2000:]})
    query = """SELECT levenshtein(a, b), damerau_levenshtein(a, b)::INT,
        round(jaro_winkler_similarity(a, b), 9) FROM words ORDER BY a, b"""
    with duckdb.connect() as connection:
        connection.register("words", table)
        expected = connection.execute(query).fetchall()
    engine = open_engine(cluster)
    linkage.backends.prepare(engine.con)
    engine.con.register("words", table)
    assert engine.con.execute(query).fetchall() == expected
    engine.disconnect()
