"""Fusing some entities with what a whole run learned, and what one more source changes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from catalog.standards.several import joined
from reconcile.fusion import Fused, fuse
from tests.reconcile.fusing import TODAY, Claim, conflicts, engine, fused, golden, subject, table

ENGINE = engine()
ABOUT = subject(
    {
        "x": {"designated": "s1.t", "fresh_days": 400},
        "y": {},
        "g": {"group": "home"},
        "h": {"group": "home"},
        "s": {"many": True},
    }
)
RIGHT = (0.95, 0.85, 0.7, 0.6)


def made(seed: int, entities: int, attributes: str = "xygh") -> list[Claim]:
    chance = np.random.default_rng(seed)
    rows: list[Claim] = []
    for entity in range(entities):
        for attribute in attributes:
            for source, right in enumerate(RIGHT):
                if chance.random() < 0.8:
                    wrong = int(chance.integers(1, 6)) if chance.random() > right else 0
                    year = None if chance.random() < 0.3 else int(chance.integers(2016, 2026))
                    day = None if year is None else f"{year}-0{int(chance.integers(1, 10))}-15"
                    value = f"v{(entity + wrong) % 6}"
                    rows.append((f"E{entity}", attribute, f"s{source}.t", value, day))
    return rows


def sets(seed: int, entities: int) -> list[Claim]:
    """Lists of up to four members, some of them wrong, some copied."""
    chance = np.random.default_rng(seed)
    rows: list[Claim] = []
    for entity in range(entities):
        for source, right in enumerate(RIGHT):
            listed = {f"v{entity % 6}"} | {f"v{i}" for i in range(3) if chance.random() < right}
            listed |= {f"w{i}" for i in range(2) if chance.random() > right}
            if chance.random() < 0.8:
                day = f"20{int(chance.integers(18, 26))}-03-15"
                rows.append((f"E{entity}", "s", f"s{source}.t", joined(listed), day))
    return rows


RULINGS = pa.table(
    {
        "entity": ["E3", "E5", "E7", "E3", "E9"],
        "attribute": ["y", "g", "x", "s", "s"],
        "value": ["v9", "v5", "v0", "v0；v9", "v3"],
        "number": [1, 2, 3, 4, 5],
    }
)


@pytest.fixture(scope="module")
def whole() -> tuple[pa.Table, Fused]:
    claims = table([*made(1, 300), *sets(2, 300)])
    return claims, fuse(ENGINE, ABOUT, claims, TODAY, RULINGS)


@pytest.mark.parametrize("every", [2, 7, 60])
def test_some_entities_are_decided_as_in_the_whole_run(
    whole: tuple[pa.Table, Fused], every: int
) -> None:
    claims, before = whole
    chosen = {f"E{i}" for i in range(3, 300, every)}
    among = pa.array(sorted(chosen))
    some = claims.filter(pc.is_in(claims["entity"], among))
    rulings = RULINGS.filter(pc.is_in(RULINGS["entity"], among))
    again = fuse(ENGINE, ABOUT, some, TODAY, rulings, before.sources)
    for read in (golden, conflicts):
        assert read(again) == {key: row for key, row in read(before).items() if key[0] in chosen}
    assert again.sources.equals(before.sources)


def test_a_new_source_counts_like_one_that_nothing_is_known_of(
    whole: tuple[pa.Table, Fused],
) -> None:
    rows: list[Claim] = [("E1", "y", "new.t", "v1", None), ("E2", "y", "s0.t", "v2", None)]
    result = fuse(ENGINE, ABOUT, table(rows), TODAY, sources=whole[1].sources)
    trust = {row["dataset"]: row["reliability"] for row in result.sources.to_pylist()}
    assert (trust["new.t"], trust["s0.t"] > 0.85) == (0.8, True)


def test_a_new_source_of_sets_counts_like_one_that_nothing_is_known_of(
    whole: tuple[pa.Table, Fused],
) -> None:
    rows: list[Claim] = [("E1", "s", "new.t", "v1；v2", None), ("E1", "s", "s0.t", "v1", None)]
    result = fuse(ENGINE, ABOUT, table(rows), TODAY, sources=whole[1].sources)
    (new,) = (row for row in result.sources.to_pylist() if row["dataset"] == "new.t")
    assert (new["reliability"], new["sensitivity"], new["family"]) == (0.8, None, None)
    assert golden(result)["E1", "s"]["value"].startswith("v1")


@pytest.mark.parametrize("seed", [1, 2])
def test_a_source_that_agrees_with_every_value_lowers_no_confidence(seed: int) -> None:
    rows = made(seed, 400, "y")
    about = subject({"y": {"half_life_days": 36500}})
    undated: list[Claim] = [(e, a, d, v, None) for e, a, d, v, _ in rows]
    before = golden(fused(about, table(undated), ENGINE))
    agreeing: list[Claim] = [(e, a, "new.t", row["value"], None) for (e, a), row in before.items()]
    after = golden(fused(about, table([*undated, *agreeing]), ENGINE))
    assert all(after[key]["value"] == row["value"] for key, row in before.items())
    lowered = [
        (row["confidence"], after[key]["confidence"])
        for key, row in before.items()
        if after[key]["confidence"] < row["confidence"] - 0.005
    ]
    assert not lowered
