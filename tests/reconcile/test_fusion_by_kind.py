"""Sources that are right about things of one kind and wrong about those of another."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bench.worlds import WORLDS, Made, make
from reconcile.fusion import Fused, fuse, kinds
from reconcile.fusion.ground import RULING
from tests.reconcile.fusing import TODAY, Claim, accuracy, engine, golden, subject, table, told

ENGINE = engine()
ABOUT = subject({"value": {}, "kind": {}})
SIZE = 1600


def decided(rows: list[Claim], **more: Any) -> Fused:
    return fuse(ENGINE, ABOUT, table(rows), TODAY, **more)


def by_kind(result: Fused) -> pa.Table:
    return result.sources.filter(pc.is_valid(result.sources["kind"]))


@pytest.fixture(scope="module")
def opposites() -> tuple[Made, Fused]:
    made = make(3, SIZE, WORLDS["good about opposites"])
    return made, decided(told(made))


def test_sources_are_believed_about_what_they_know(
    opposites: tuple[Made, Fused], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, result = opposites
    monkeypatch.setattr(kinds, "GAIN", float("inf"))
    plain = decided(told(made))
    assert not by_kind(plain).num_rows
    assert accuracy(result, made) > accuracy(plain, made) + 0.015
    rows = by_kind(result).to_pylist()
    assert {row["kind_of"] for row in rows} == {"kind"}
    right = {(row["dataset"], row["kind"]): row["reliability"] for row in rows}
    world = WORLDS["good about opposites"]
    for place, source in enumerate(world.sources):
        expected = {"k0": source.right, "k1": source.other}
        for kind, share in expected.items():
            assert right[made.called[place], kind] == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize("name", ["differing quality", "copies outvote", "hard things"])
@pytest.mark.parametrize("seed", [1, 2])
def test_kinds_that_make_no_difference_are_not_told_apart(name: str, seed: int) -> None:
    made = make(seed, SIZE, WORLDS[name])
    named = [
        (entity, "kind", "d0.t", f"k{number % 2}", None)
        for number, entity in enumerate(sorted(made.claims))
    ]
    assert not by_kind(decided(told(made) + named)).num_rows


def test_few_things_are_not_told_apart() -> None:
    made = make(3, 2 * kinds.FEWEST - 100, WORLDS["good about opposites"])
    assert not by_kind(decided(told(made))).num_rows


def test_what_was_learned_decides_the_same_of_some_things(opposites: tuple[Made, Fused]) -> None:
    made, result = opposites
    some = set(sorted(made.claims)[:200])
    rows = [claim for claim in told(made) if claim[0] in some]
    again = golden(decided(rows, sources=result.sources))
    assert again == {key: row for key, row in golden(result).items() if key[0] in some}


def test_a_source_that_nobody_knew_joins_the_others_of_each_kind(
    opposites: tuple[Made, Fused],
) -> None:
    made, result = opposites
    known = result.sources.filter(pc.not_equal(result.sources["dataset"], "d4.t"))
    found = golden(decided(told(made), sources=known))  # which fails where two rows tell of one
    assert {e for e, attribute in found if attribute == "value"} == set(made.claims)
    for entity, said in made.claims.items():
        row = found[entity, "value"]
        assert len(json.loads(row["supporting"])) + len(json.loads(row["opposing"])) == len(said)


def test_a_thing_of_no_known_kind_is_decided_by_what_holds_of_all(
    opposites: tuple[Made, Fused],
) -> None:
    made, result = opposites
    overall = result.sources.filter(pc.is_null(result.sources["kind"]))
    some = set(sorted(made.claims)[:200])
    rows = [c for c in told(made) if c[0] in some and c[1] == "value"]
    here = golden(decided(rows, sources=result.sources))
    assert here == golden(decided(rows, sources=overall))


def test_a_ruling_wins_whatever_the_kind(opposites: tuple[Made, Fused]) -> None:
    made, _ = opposites
    entity = min(made.claims)
    claimed = min(made.claims[entity].values())
    ruled = [(entity, "value", claimed, 1), ("nobody", "value", "v", 2)]
    rulings = pa.Table.from_pylist(
        [dict(zip(RULING.names, row, strict=True)) for row in ruled], RULING
    )
    result = decided(told(made), rulings=rulings)
    found = golden(result)
    assert by_kind(result).num_rows
    assert (found[entity, "value"]["status"], found[entity, "value"]["value"]) == (
        "ruled",
        claimed,
    )
    assert found["nobody", "value"]["value"] == "v"


def test_for_and_against_are_told_by_name(opposites: tuple[Made, Fused]) -> None:
    made, result = opposites
    for (entity, attribute), row in golden(result).items():
        if attribute == "value":
            said = made.claims[entity]
            supporting = sorted(d for d, value in said.items() if value == row["value"])
            assert row["supporting"] == f"""[{",".join(f'"{d}"' for d in supporting)}]"""


def test_decades_tell_kinds() -> None:
    made = make(3, SIZE, WORLDS["good about opposites"])
    about = subject({"value": {}, "kind": {"element": "date"}})
    decade = {"k0": "193", "k1": "200"}
    rows: list[Claim] = [
        (e, a, d, v if a == "value" else f"{decade[v]}{int(e[1:]) % 10}-05-01", None)
        for e, a, d, v, _ in told(made)
    ]
    result = fuse(ENGINE, about, table(rows), TODAY)
    assert set(by_kind(result)["kind"].to_pylist()) == {"193", "200"}
    assert accuracy(result, made) > 0.96


def test_what_tells_kinds_may_stand_alone() -> None:
    made = make(3, SIZE, WORLDS["good about opposites"])
    rows = [claim for claim in told(made) if claim[1] == "kind"]
    result = fuse(ENGINE, subject({"kind": {}}), table(rows), TODAY)
    assert len(golden(result)) == len(made.kinds)
    assert not by_kind(result).num_rows


def test_neither_keys_nor_sets_tell_kinds() -> None:
    made = make(3, SIZE, WORLDS["good about opposites"])
    for more in ({"many": True}, {"key": True}):
        about = subject({"value": {}, "kind": more})
        result = fuse(ENGINE, about, table(told(made)), TODAY)
        assert not by_kind(result).num_rows
