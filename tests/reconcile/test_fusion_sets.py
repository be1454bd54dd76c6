"""Attributes of which an entity has several values: which members count, and how sure that is."""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest

from bench.truth_sets import exact, f1, half
from bench.worlds_sets import WORLDS, Answer, Source, Table, World, make
from catalog.standards import elements
from catalog.standards.several import SEPARATOR, joined
from core.engine import streamed
from reconcile.fusion import Fused, fuse
from tests.reconcile.fusing import TODAY, Claim, conflicts, engine, fused, golden, subject, table

ENGINE = engine()
SETS = subject({"x": {"many": True}})


def told(lists: Table, attribute: str = "x") -> list[Claim]:
    return [(e, attribute, d, joined(m), None) for e, of in lists.items() for d, m in of.items()]


def answered(result: Fused, attribute: str = "x") -> Answer:
    return {
        entity: frozenset(row["value"].split(SEPARATOR))
        for (entity, name), row in golden(result).items()
        if name == attribute
    }


def lists(**said: str) -> Table:
    """One entity; ``said``: dataset → its members, one letter each."""
    return {"E": {f"{dataset}.t": frozenset(members) for dataset, members in said.items()}}


def decided(**said: str) -> str:
    return golden(fused(SETS, table(told(lists(**said))), ENGINE))["E", "x"]["value"]


@pytest.mark.parametrize("name", ["differing", "short lists, long lists", "copies", "long tail"])
def test_where_sources_differ_or_copy_sets_are_right_more_often_than_by_half(name: str) -> None:
    lists_, truth = make(5, 600, WORLDS[name])
    ours, halves = answered(fused(SETS, table(told(lists_)), ENGINE)), half(lists_)
    assert exact(ours, truth) >= exact(halves, truth) + 0.03
    assert f1(ours, truth) > f1(halves, truth)


def test_copies_do_not_outvote_the_rest() -> None:
    lists_, truth = make(5, 600, WORLDS["copies outvote"])
    result = fused(SETS, table(told(lists_)), ENGINE)
    assert exact(half(lists_), truth) < 0.6
    assert exact(answered(result), truth) > 0.85
    copiers = {t["dataset"] for t in result.sources.to_pylist() if t["family"]}
    assert copiers == {f"d{i}.t" for i in range(4, 9)}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["four alike", "two alike", "few things, alike"])
def test_without_evidence_it_is_no_worse_than_what_half_of_the_sources_list(
    name: str, seed: int
) -> None:
    lists_, truth = make(seed, 300, WORLDS[name])
    ours = answered(fused(SETS, table(told(lists_)), ENGINE))
    assert exact(ours, truth) >= exact(half(lists_), truth) - 0.01


def test_it_learns_who_leaves_out_and_who_makes_up() -> None:
    sources = (Source(0.95, 0.05), Source(0.45, 0.05), Source(0.9, 0.8), Source(0.8, 0.1))
    lists_, _ = make(1, 600, World(sources))
    trust = {t["dataset"]: t for t in fused(SETS, table(told(lists_)), ENGINE).sources.to_pylist()}
    assert trust["d1.t"]["sensitivity"] < trust["d0.t"]["sensitivity"] - 0.2
    assert trust["d2.t"]["false_rate"] > 3 * trust["d0.t"]["false_rate"]
    assert trust["d2.t"]["reliability"] < trust["d1.t"]["reliability"]


def test_whoever_lists_little_says_little_by_what_it_leaves_out() -> None:
    sources = (Source(0.95, 0.1), Source(0.4, 0.02), Source(0.4, 0.02), Source(0.95, 0.1))
    world, _ = make(2, 600, World(sources, more=2.0))
    asked: Table = {
        "short": {"d0.t": frozenset("ab"), "d1.t": frozenset("a"), "d2.t": frozenset("a")},
        "long": {"d0.t": frozenset("ab"), "d3.t": frozenset("a"), "d1.t": frozenset("a")},
    }
    found = answered(fused(SETS, table(told(world | asked)), ENGINE))
    assert found["short"] == {"a", "b"}
    assert found["long"] == {"a"}


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ({"a": "pq"}, "p；q"),
        ({"a": "pq", "b": "pq"}, "p；q"),
        ({"a": "pq", "b": "p"}, "p；q"),
        ({"a": "pq", "b": "p", "c": "p"}, "p"),
        ({"a": "pq", "b": "pr", "c": "ps"}, "p"),
        ({"a": "pq", "b": "pq", "c": "rs"}, "p；q"),
    ],
)
def test_of_sources_nothing_is_known_of_members_count_that_half_of_them_list(
    said: Mapping[str, str], value: str
) -> None:
    assert decided(**said) == value


def test_a_handful_of_things_teaches_nothing() -> None:
    few: Table = {
        "E": {"a.t": frozenset("pq"), "b.t": frozenset("pr")},
        "F": {"a.t": frozenset("pq")},
        "G": {"a.t": frozenset("qr"), "b.t": frozenset("qr")},
    }
    found = answered(fused(SETS, table(told(few)), ENGINE))
    assert found == {"E": {"p", "q", "r"}, "F": {"p", "q"}, "G": {"q", "r"}}


def test_a_source_that_is_a_little_fresher_takes_nothing_away() -> None:
    rows: list[Claim] = [
        ("E", "x", "a.t", "p；q", "2025-09-01"), ("E", "x", "b.t", "p", "2025-12-01"),
        ("F", "x", "a.t", "p；q", "2010-09-01"), ("F", "x", "b.t", "p", "2025-12-01"),
    ]  # fmt: skip
    found = golden(fused(SETS, table(rows), ENGINE))
    assert (found["E", "x"]["value"], found["F", "x"]["value"]) == ("p；q", "p")
    assert found["E", "x"]["status"] == "in_dispute"


def test_a_set_nobody_gives_as_a_whole_is_told_so() -> None:
    result = fused(SETS, table(told(lists(a="pqr", b="pqs", c="prs", d="qrt"))), ENGINE)
    row = golden(result)["E", "x"]
    assert row["value"] == "p；q；r；s"
    assert (row["supporting"], row["opposing"]) == ("[]", '["a.t","b.t","c.t","d.t"]')
    assert row["dataset"] is None
    (conflict,) = conflicts(result).values()
    assert [claim["value"] for claim in conflict["claims"]] == [
        "p；q；r",
        "p；q；s",
        "p；r；s",
        "q；r；t",
    ]


def test_statuses_are_those_of_single_values() -> None:
    about = subject({"x": {"many": True, "designated": "law.t", "fresh_days": 400}})
    day, old = "2025-10-01", "2020-10-01"
    world, _ = make(5, 300, WORLDS["differing"])
    rows: list[Claim] = [
        ("agreed", "x", "d0.t", "p；q", day), ("agreed", "x", "law.t", "p；q", day),
        ("fresh", "x", "d0.t", "p；q", day), ("fresh", "x", "d1.t", "p；q", day),
        ("fresh", "x", "law.t", "r", day),
        ("stale", "x", "d0.t", "p；q", day), ("stale", "x", "d1.t", "p；q", day),
        ("stale", "x", "law.t", "r", old),
        ("single", "x", "d0.t", "p；q", day), ("alone", "x", "law.t", "p", day),
        ("even", "x", "d2.t", "p", day), ("even", "x", "d3.t", "q；r", day),
        *told(world),
    ]  # fmt: skip
    found = golden(fused(about, table(rows), ENGINE))
    values = {name: found[name, "x"]["value"] for name in ("agreed", "fresh", "stale", "alone")}
    assert values == {"agreed": "p；q", "fresh": "r", "stale": "p；q", "alone": "p"}
    statuses = {e: found[e, "x"]["status"] for e, _ in found if not e.startswith("e0")}
    assert statuses == {
        "agreed": "agreed", "fresh": "designated", "stale": "evidence", "single": "evidence",
        "alone": "designated", "even": "in_dispute",
    }  # fmt: skip
    assert found["stale", "x"]["reason"]["code"] == "fusion_members"
    assert found["fresh", "x"]["dataset"] == "law.t"
    assert found["fresh", "x"]["supporting"] == '["law.t"]'


def test_a_ruling_binds_the_whole_set_and_teaches() -> None:
    world, truth = make(3, 300, WORLDS["copies outvote"])
    before = fused(SETS, table(told(world)), ENGINE)
    wrong = sorted(e for e, members in answered(before).items() if members != truth[e])
    rulings = pa.table(
        {
            "entity": [*wrong[:5], "nobody"],
            "attribute": ["x"] * 6,
            "value": [joined(truth[e]) for e in wrong[:5]] + ["z"],
            "number": range(6),
        }
    )
    found = golden(fuse(ENGINE, SETS, table(told(world)), TODAY, rulings))
    for entity in wrong[:5]:
        row = found[entity, "x"]
        assert frozenset(row["value"].split(SEPARATOR)) == truth[entity]
        assert (row["status"], row["confidence"]) == ("ruled", 1.0)
        supports = [d for d, mine in world[entity].items() if mine == truth[entity]]
        assert row["supporting"] == str(sorted(supports)).replace("'", '"').replace(" ", "")
    assert found["nobody", "x"]["value"] == "z"


def test_members_that_mean_the_same_count_together() -> None:
    about = subject({"x": {"many": True, "element": "address"}})
    short, full = "人民路1号", "城北区人民路1号"
    rows: list[Claim] = [
        ("E", "x", "a.t", joined([short, "解放路2号"]), None),
        ("E", "x", "b.t", joined([full, "建设路3号"]), None),
        ("E", "x", "c.t", joined([short, "和平路4号"]), None),
    ]
    element = about.attributes["x"].element
    gists = {value: elements()[element].gist(value) for _, _, _, value, _ in rows}
    assert golden(fused(about, table(rows, gists), ENGINE))["E", "x"]["value"] == full


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_claims_does_not_matter(seed: int) -> None:
    rows = told(make(4, 60, WORLDS["copies"])[0])
    before = fused(SETS, table(rows), ENGINE)
    random.Random(seed).shuffle(rows)
    after = fused(SETS, table(rows), ENGINE)
    assert golden(after) == golden(before)
    assert conflicts(after) == conflicts(before)
    assert after.sources.equals(before.sources)


@pytest.mark.parametrize("name", ["differing", "three", "copies", "few things"])
def test_a_source_that_agrees_with_every_set_lowers_no_confidence(name: str) -> None:
    rows = told(make(6, 300, WORLDS[name])[0])
    before = golden(fused(SETS, table(rows), ENGINE))
    agreeing: list[Claim] = [(e, a, "new.t", row["value"], None) for (e, a), row in before.items()]
    after = golden(fused(SETS, table([*rows, *agreeing]), ENGINE))
    lowered = {
        key: (row["confidence"], after[key]["confidence"])
        for key, row in before.items()
        if after[key]["value"] != row["value"]
        or after[key]["confidence"] < row["confidence"] - 0.005
    }
    assert not lowered


def test_confidence_is_that_of_the_whole_set_being_right() -> None:
    sure, right = [], []
    for name in ("differing", "three", "copies", "eight alike"):
        lists_, truth = make(7, 500, WORLDS[name])
        found = golden(fused(SETS, table(told(lists_)), ENGINE))
        for entity, members in truth.items():
            sure.append(found[entity, "x"]["confidence"])
            right.append(found[entity, "x"]["value"] == joined(members))
    confidence, is_right = np.array(sure), np.array(right)
    assert abs(confidence.mean() - is_right.mean()) < 0.03
    assert is_right[confidence > 0.9].mean() > 0.9
    assert is_right[confidence < 0.6].mean() < 0.65


def test_single_values_beside_sets_are_decided_as_without_them() -> None:
    about = subject({"x": {"many": True}, "y": {}})
    world, _ = make(8, 100, WORLDS["differing"])
    single: list[Claim] = [
        (e, "y", d, min(mine), None) for e, of in world.items() for d, mine in of.items()
    ]
    both = golden(fused(about, table([*told(world), *single]), ENGINE))
    alone = golden(fused(subject({"y": {}}), table(single), ENGINE))
    assert {key: row for key, row in both.items() if key[1] == "y"} == alone


def test_sources_of_before_sets_were_known_are_read() -> None:
    world, _ = make(8, 50, WORLDS["differing"])
    result = fused(SETS, table(told(world)), ENGINE)
    older = result.sources.drop_columns(["sensitivity", "false_rate"])
    again = fuse(ENGINE, SETS, table(told(world)), TODAY, sources=older)
    with streamed(ENGINE, again.golden) as rows:
        assert rows.read_all().num_rows == len(world)
