"""Things that everybody errs about at once make no copies of the best sources."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.peers import truth_finder
from bench.worlds import WORLDS, Made, World, make
from reconcile.fusion import Fused
from tests.reconcile.fusing import Claim, engine, fused, golden, subject, table

ENGINE = engine()
ABOUT = subject({"value": {}})


def decided(made: Made) -> Fused:
    rows: list[Claim] = [
        (entity, "value", dataset, value, None)
        for entity, said in made.claims.items()
        for dataset, value in said.items()
    ]
    return fused(ABOUT, table(rows), ENGINE)


def accuracy(found: dict[str, str], made: Made) -> float:
    return sum(found[e] == value for e, value in made.truth.items()) / len(made.truth)


def families(world: World, seed: int) -> list[str | None]:
    return list(decided(make(seed, 1000, world)).sources["family"].to_pylist())


@pytest.mark.parametrize("seed", range(3))
def test_hard_things_are_decided_as_well_as_by_truthfinder(seed: int) -> None:
    made = make(seed, 1000, WORLDS["hard things"])
    result = decided(made)
    found = {entity: row["value"] for (entity, _), row in golden(result).items()}
    assert accuracy(found, made) >= accuracy(truth_finder(made.claims), made) - 0.005
    assert set(result.sources["family"].to_pylist()) == {None}


@pytest.mark.parametrize("name", ["three copies", "copies outvote"])
def test_copies_are_found_beside_hard_things(name: str) -> None:
    assert set(families(replace(WORLDS[name], hard=0.2), 1)) > {None}


def test_where_there_are_few_mistakes_to_make_copies_are_thought_of() -> None:
    assert set(families(WORLDS["copies, yes or no"], 1)) > {None}
