"""What fusion makes of kinds of values: amounts that are nearly equal, values that change."""

from __future__ import annotations

from datetime import timedelta
from math import log

import numpy as np
import pyarrow as pa
import pytest

from reconcile.fusion import claims, fuse
from reconcile.fusion.learning.trust import Trust, report
from tests.reconcile.fusing import (
    TODAY,
    Claim,
    conflicts,
    engine,
    fused,
    golden,
    subject,
    table,
)

ENGINE = engine()


def decided(element: str, values: dict[str, str]) -> tuple[dict[str, object], bool]:
    """What is decided of one thing if each dataset says so, and whether it is a conflict."""
    about = subject({"x": {"element": element}}, {dataset: {"x": "item"} for dataset in values})
    fit = {
        dataset: pa.table({"_record": ["1"], "_as_of": pa.nulls(1, pa.string()), "item": [value]})
        for dataset, value in values.items()
    }
    links = pa.Table.from_pylist(
        [{"dataset": dataset, "record": "1", "entity": "E1"} for dataset in values]
    )
    result = fused(about, claims(ENGINE, about, fit, links).to_pyarrow(), ENGINE)
    return golden(result)["E1", "x"], bool(conflicts(result))


@pytest.mark.parametrize("element", ["money", "decimal"])
def test_amounts_that_differ_by_rounding_support_each_other(element: str) -> None:
    values = {"a.t": "3500.00", "b.t": "3500.40", "c.t": "3500.00", "d.t": "9000.00"}
    row, conflict = decided(element, values)
    assert (row["value"], conflict) == ("3500.00", True)
    assert row["supporting"] == '["a.t","b.t","c.t"]'


@pytest.mark.parametrize(("element", "one", "other"), [("money", "100.00", "101.00")])
def test_amounts_further_apart_differ(element: str, one: str, other: str) -> None:
    assert decided(element, {"a.t": one, "b.t": other})[1]


def test_whole_numbers_are_never_rounded() -> None:
    assert decided("integer", {"a.t": "1985", "b.t": "1986"})[1]


def changing(half_life: float, mistaken: float = 0.0) -> list[Claim]:
    """Sources that were right on the day they asked, of a value that changes, or had the value of
    before or after.
    """
    chance = np.random.default_rng(3)
    rows: list[Claim] = []
    for entity in range(600):
        changes = np.cumsum(chance.exponential(half_life / np.log(2), 40))
        for source in range(4):
            age = int(chance.integers(0, 1500))
            value = int(np.searchsorted(changes, age))
            if chance.random() < mistaken:
                value = max(value + int(chance.choice([-1, 1])), 0)
            day = str(np.datetime64("2026-01-01") - np.timedelta64(age, "D"))
            rows.append((f"E{entity}", "x", f"s{source}.t", f"v{value}", day))
    return rows


@pytest.mark.parametrize("half_life", [200.0, 3000.0])
def test_how_fast_values_change_is_learned(half_life: float) -> None:
    about = subject({"x": {"half_life_days": 800}})
    (learned,) = set(
        fused(about, table(changing(half_life)), ENGINE).sources["half_life_days"].to_pylist()
    )
    assert abs(np.log(learned / half_life)) < abs(np.log(800 / half_life)) / 2


def test_mistakes_that_fall_on_former_values_do_not_hide_how_fast_values_change() -> None:
    about = subject({"x": {"half_life_days": 800}})
    said = table(changing(300, mistaken=0.35))
    (learned,) = set(fused(about, said, ENGINE).sources["half_life_days"].to_pylist())
    assert 300 / 1.25 < learned < 300 * 1.25


@pytest.mark.parametrize(("age", "counts"), [(100, "old"), (1000, "new")])
def test_three_claims_that_are_likely_outdated_do_not_outvote_one_of_today(
    age: int, counts: str
) -> None:
    datasets = [f"s{place}.t" for place in range(4)]
    # One in five claims of today is wrong; of those 1000 days old, every second.
    trust = [Trust("x", dataset, 0.8, log(4), 1.0, half_life_days=1000) for dataset in datasets]
    then = (TODAY - timedelta(days=age)).isoformat()
    rows: list[Claim] = [("E1", "x", dataset, "old", then) for dataset in datasets[1:]]
    rows.append(("E1", "x", datasets[0], "new", TODAY.isoformat()))
    found = fuse(ENGINE, subject({"x": {}}), table(rows), TODAY, sources=report(trust))
    assert golden(found)["E1", "x"]["value"] == counts


def test_what_is_old_may_be_right_by_mistake_the_sooner_the_fewer_mistakes_there_are() -> None:
    sure = []
    for rivals in (1.0, 10.0):
        vote = log(rivals * 0.6 / 0.4)
        trust = Trust("x", "a.t", 0.6, vote, rivals, half_life_days=1000, undated=0.8)
        then = (TODAY - timedelta(days=600)).isoformat()
        rows: list[Claim] = [("E1", "x", "a.t", "v", then)]
        found = fuse(ENGINE, subject({"x": {}}), table(rows), TODAY, sources=report([trust]))
        sure.append(golden(found)["E1", "x"]["confidence"])
    # Of claims of average age six in ten are right: of today's two in three or three in four.
    kept = 0.5**0.6
    assert sure == [
        pytest.approx(new * kept + (1 - kept) * (1 - new) / rivals, abs=2e-3)
        for rivals, new in ((1, 0.4 / 0.6), (10, 0.58 / 0.78))
    ]


def test_a_claim_without_a_date_counts_like_one_of_average_age() -> None:
    trust = Trust("x", "a.t", 0.8, log(4), 1.0, half_life_days=1000, undated=0.5**0.2)
    average = (TODAY - timedelta(days=200)).isoformat()
    sure = []
    for day in (None, average):
        rows: list[Claim] = [("E1", "x", "a.t", "v", day)]
        found = fuse(ENGINE, subject({"x": {}}), table(rows), TODAY, sources=report([trust]))
        sure.append(golden(found)["E1", "x"]["confidence"])
    assert sure == [pytest.approx(0.8, abs=1e-3)] * 2


@pytest.mark.parametrize(("day", "most"), [(1000, 0.5), (0, 1.0)])
def test_nothing_is_surer_than_that_it_has_not_changed_since(day: int, most: float) -> None:
    datasets = [f"s{place}.t" for place in range(5)]
    trust = [Trust("x", dataset, 0.9, log(9), 1.0, half_life_days=1000) for dataset in datasets]
    seen = (TODAY - timedelta(days=day)).isoformat()
    rows: list[Claim] = [("E1", "x", dataset, "v", seen) for dataset in datasets]
    found = fuse(ENGINE, subject({"x": {}}), table(rows), TODAY, sources=report(trust))
    assert golden(found)["E1", "x"]["confidence"] == pytest.approx(most, abs=1e-3)
