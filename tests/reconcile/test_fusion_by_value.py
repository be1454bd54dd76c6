"""Values from a short list, of which every source takes some for others."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bench.peers import majority
from bench.worlds import WORLDS, Made, make
from reconcile.fusion import Fused, fuse
from reconcile.fusion.ground import RULING
from reconcile.fusion.learning import confusion
from reconcile.fusion.learning.confusion import Saying, Source, confuse
from tests.reconcile.fusing import TODAY, Claim, accuracy, engine, golden, subject, table, told

ENGINE = engine()
ABOUT = subject({"value": {"half_life_days": 36500}, "kind": {}})
SIZE = 800
LATE = WORLDS["listed, late, four"]


def decided(rows: list[Claim], **more: Any) -> Fused:
    return fuse(ENGINE, ABOUT, table(rows), TODAY, **more)


def by_value(result: Fused) -> list[dict[str, Any]]:
    return [row for row in result.sources.to_pylist() if row["kind_of"] == row["attribute"]]


def chosen(made: Made) -> float:
    return sum(majority(made.claims)[e] == v for e, v in made.truth.items()) / len(made.truth)


@pytest.fixture(scope="module")
def late() -> tuple[Made, Fused]:
    made = make(3, SIZE, LATE)
    return made, decided(told(made))


def test_what_sources_take_for_what_is_learned(late: tuple[Made, Fused]) -> None:
    made, result = late
    rows = by_value(result)
    values = sorted({row["kind"] for row in rows})
    first = max(values, key=lambda v: sum(row["kind"] == v and row["vote"] < 2 for row in rows))
    for place, source in enumerate(LATE.sources):
        (row,) = (r for r in rows if r["dataset"] == made.called[place] and r["kind"] == first)
        chances = dict(zip(values, json.loads(row["chances"]), strict=True))
        # Of the most common value beside the first, so many things are still said to have the first.
        common = max((v for v in values if v != first), key=lambda v: share(rows, v))
        assert chances[common] == pytest.approx(source.missed, abs=0.08)
        assert chances[first] > 0.9
    assert share(rows, first) == pytest.approx(LATE.shares[0], abs=0.08)


def share(rows: list[dict[str, Any]], value: str) -> float:
    return float(next(row["share"] for row in rows if row["kind"] == value))


@pytest.mark.parametrize(
    "name", [name for name in WORLDS if name.startswith("listed") and name != "listed, even"]
)
def test_values_tell_more_than_a_majority_and_confidence_holds(name: str) -> None:
    made = make(5, SIZE, WORLDS[name])
    result = decided(told(made))
    assert by_value(result)
    right = accuracy(result, made)
    assert right > chosen(made) + 0.01
    found = golden(result)
    sure = np.mean([found[entity, "value"]["confidence"] for entity in made.truth])
    assert right == pytest.approx(float(sure), abs=0.03)


@pytest.mark.parametrize("name", ["differing, yes or no", "copies, yes or no", "three values"])
@pytest.mark.parametrize("seed", [1, 2])
def test_values_that_tell_nothing_are_not_told_apart(name: str, seed: int) -> None:
    """What they are called is shuffled for each thing."""
    made = make(seed, SIZE, WORLDS[name])
    assert not by_value(decided(told(made)))


def test_two_sources_alone_do_not_tell_who_errs_about_what() -> None:
    made = make(3, SIZE, WORLDS["listed, two by kind"])
    rows = told(made)
    assert by_value(decided(rows))
    assert not by_value(decided([row for row in rows if row[1] == "value"]))


def test_neither_order_nor_other_things_matter(late: tuple[Made, Fused]) -> None:
    made, result = late
    rows = told(made)
    shuffled = decided([rows[i] for i in np.random.default_rng(1).permutation(len(rows))])
    assert golden(shuffled) == golden(result)
    assert shuffled.sources.equals(result.sources)
    some = set(sorted(made.claims)[:100])
    again = golden(decided([r for r in rows if r[0] in some], sources=result.sources))
    assert again == {key: row for key, row in golden(result).items() if key[0] in some}


def test_what_is_on_no_list_still_counts(late: tuple[Made, Fused]) -> None:
    made, result = late
    alone = [("new", "value", f"d{place}.t", "v77", None) for place in range(4)]
    split = [("old", "value", f"d{place}.t", "v77" if place else "v1", None) for place in range(4)]
    found = golden(decided([*told(made), *alone, *split], sources=result.sources))
    assert (found["new", "value"]["value"], found["new", "value"]["status"]) == ("v77", "agreed")
    assert found["old", "value"]["value"] == "v77"
    assert found["old", "value"]["reason"]["code"] == "fusion_evidence"
    others = {key: row for key, row in found.items() if key[0] not in ("new", "old")}
    assert others == golden(result)
    reasons = {row["reason"]["code"] for row in others.values()}
    assert reasons == {"fusion_agreed", "fusion_single", "fusion_listed", "fusion_in_dispute"}


def test_one_more_source_that_agrees_lowers_no_confidence(late: tuple[Made, Fused]) -> None:
    made, result = late
    before = golden(result)
    agreeing: list[Claim] = [(e, a, "new.t", row["value"], None) for (e, a), row in before.items()]
    after = golden(decided([*told(made), *agreeing], sources=result.sources))
    for key, row in before.items():
        assert after[key]["value"] == row["value"]
        assert after[key]["confidence"] >= row["confidence"]
        everybody = json.loads(after[key]["supporting"])
        assert "new.t" in everybody


def test_no_claim_speaks_against_itself() -> None:
    """One source says no of what is yes, and yes of what is no; four others know better."""
    made = make(3, SIZE, WORLDS["listed, late news"])
    other = {"v0": "v1", "v1": "v0"}
    lies: list[Claim] = [(e, "value", "liar.t", other[v], None) for e, v in made.truth.items()]
    result = decided([*told(made), *lies])
    rows = by_value(result)
    values = sorted({row["kind"] for row in rows})
    assert "liar.t" in {row["dataset"] for row in rows}
    for row in rows:
        chances = json.loads(row["chances"])
        assert chances[values.index(row["kind"])] == max(chances)
    assert accuracy(result, made) > chosen(made) + 0.02


def test_a_ruling_wins_and_teaches(late: tuple[Made, Fused]) -> None:
    made, _ = late
    entities = sorted(made.truth)
    ruled = [(e, "value", made.truth[e], n) for n, e in enumerate(entities[::4], 1)]
    ruled += [("nobody", "value", "v1", 900), (entities[1], "value", "v88", 901)]
    rulings = pa.Table.from_pylist(
        [dict(zip(RULING.names, row, strict=True)) for row in ruled], RULING
    )
    result = decided(told(made), rulings=rulings)
    assert by_value(result)
    found = golden(result)
    for entity, _, value, _ in ruled:
        row = found[entity, "value"]
        assert (row["value"], row["status"], row["confidence"]) == (value, "ruled", 1.0)
    others = [e for e in entities if found[e, "value"]["status"] != "ruled"]
    right = sum(found[e, "value"]["value"] == made.truth[e] for e in others) / len(others)
    assert right > chosen(made) + 0.1


def test_old_claims_fade(late: tuple[Made, Fused]) -> None:
    """The same claims, one of them as old as its value lasts."""
    result = late[1]
    values = sorted({row["kind"] for row in by_value(result)})
    for value in values:
        sure = []
        for day in ("2025-12-31", "1926-01-01"):
            other = next(v for v in values if v != value)
            rows: list[Claim] = [
                ("x", "value", "d0.t", value, day),
                ("x", "value", "d1.t", other, "2025-12-31"),
                ("x", "value", "d2.t", other, "2025-12-31"),
            ]
            row = golden(decided(rows, sources=result.sources))["x", "value"]
            likely = row["confidence"]
            sure.append(likely if row["value"] == value else 1 - likely)
        assert sure[0] > sure[1]


def test_what_was_learned_holds_of_claims_of_average_age(late: tuple[Made, Fused]) -> None:
    """Claims without a date count as those, however much has changed since."""
    made, result = late
    known = result.sources
    aged = known.set_column(
        known.schema.get_field_index("undated"), "undated", pa.array([0.9] * len(known))
    )
    some = [row for row in told(made) if row[0] in set(sorted(made.claims)[:200])]
    before = golden(decided(some, sources=known))
    after = golden(decided(some, sources=aged))
    for key, row in before.items():
        assert after[key]["value"] == row["value"]
        assert after[key]["confidence"] == pytest.approx(row["confidence"], abs=0.01)


def test_codes_that_mean_the_same_are_one_value() -> None:
    """Being married for the first time is being married: where sources agree on that, it stays."""
    about = subject({"state": {"element": "marital_status"}})
    made = make(4, SIZE, LATE)
    codes = {"v0": "10", "v1": "20", "v2": "30", "v3": "40"}
    rows: list[Claim] = []
    for n, (entity, said) in enumerate(sorted(made.claims.items())):
        for dataset, value in said.items():
            code = codes[value]
            rows.append((entity, "state", dataset, "21" if code == "20" and n % 3 else code, None))
    result = fuse(ENGINE, about, table(rows), TODAY)
    assert {row["kind"] for row in by_value(result)} == set(codes.values())
    found = golden(result)
    right = sum(
        found[e, "state"]["value"][:1] == codes[v][:1] for e, v in made.truth.items()
    ) / len(made.truth)
    assert right > chosen(made) + 0.05
    assert {row["value"] for row in found.values()} == {"10", "20", "21", "30", "40"}


def test_who_repeats_another_counts_less() -> None:
    made = make(3, SIZE, WORLDS["listed, uneven copies"])
    result = decided(told(made))
    copies = {row["dataset"] for row in by_value(result) if row["copies_from"]}
    assert copies < set(made.called[3:6])
    assert accuracy(result, made) > chosen(made) + 0.08


def test_what_copies_say_is_explained_by_copies() -> None:
    """One source and two that repeat it, beside two good ones; errors fall on one value."""
    chance = np.random.default_rng(7)
    counts: dict[tuple[tuple[int, int], ...], int] = {}
    for _ in range(2000):
        truth = int(chance.random() < 0.3)
        told = [truth if chance.random() < 0.9 else 1 - truth for _ in range(2)]
        first = truth if chance.random() < 0.7 else 1 - truth
        told += [first, *(first if chance.random() < 0.95 else truth for _ in range(2))]
        said = tuple(enumerate(told))
        counts[said] = counts.get(said, 0) + 1
    sayings = [Saying(said, count) for said, count in counts.items()]
    known = [Source(2.0, 0, 0.0), Source(2.0, 1, 0.0), Source(0.8, 2, 0.0)]
    known += [Source(0.8, 2, 0.9), Source(0.8, 2, 0.9)]
    found = confuse(sayings, 2, known, usual=-1e9)
    assert found is not None
    _, learned = found
    assert learned.copies
    assert learned.shares[0, 1] == pytest.approx(0.3, abs=0.04)
    for source, right in ((0, 0.9), (1, 0.9), (2, 0.7)):
        assert np.diag(learned.chances[source]) == pytest.approx([right, right], abs=0.06)


def test_nothing_is_supposed_that_explains_no_more() -> None:
    sayings = [Saying(((0, 0), (1, 0), (2, 0)), 50), Saying(((0, 1), (1, 1), (2, 1)), 50)]
    known = [Source(2.0, place, 0.0) for place in range(3)]
    assert confuse(sayings, 2, known, usual=0.0) is None
    assert confusion.GAIN > 0


def test_known_truths_are_believed() -> None:
    """All say the first, of which rulings say that it is the second."""
    sayings = [
        Saying(((0, 0), (1, 0), (2, 0)), 300, right=1),
        Saying(((0, 1), (1, 1), (2, 1)), 300),
    ]
    known = [Source(2.0, place, 0.0) for place in range(3)]
    found = confuse(sayings, 2, known, usual=-1e9)
    assert found is not None
    assert found[1].shares[0, 1] > 0.99
    assert found[1].chances[:, 1, 0] == pytest.approx([0.5] * 3, abs=0.02)


def test_kinds_have_shares_of_their_own() -> None:
    made = make(3, SIZE, WORLDS["listed, two by kind"])
    rows = by_value(decided(told(made)))
    assert {row["shares_of"] for row in rows} == {"kind"}
    shares = [json.loads(row["shares"]) for row in rows if row["dataset"] == "d0.t"]
    assert all(set(told) == {"k0", "k1", ""} for told in shares)
    # Of two sources, one of which has missed much, no more can be known.
    most = {kind: max(shares, key=lambda told: told[kind]) for kind in ("k0", "k1")}
    assert most["k0"] != most["k1"]
    assert all(told[kind] > 0.6 for kind, told in most.items())
    assert pc.sum(pa.array([told[""] for told in shares])).as_py() == pytest.approx(1, abs=0.01)
