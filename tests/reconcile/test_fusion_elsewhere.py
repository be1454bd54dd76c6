"""What nothing can be compared with is believed as it proves right about other subjects."""

from __future__ import annotations

from math import log

import pytest

from catalog.subjects import Subject
from reconcile.fusion import fuse, informed
from reconcile.fusion.learning.trust import Trust, report, trusted
from tests.reconcile.fusing import TODAY, Claim, golden, subject, table
from tests.reconcile.fusing import engine as started

ENGINE = started()
PEOPLE = subject(
    {
        "id": {"element": "identifier", "key": True},
        "name": {"element": "person_name"},
        "address": {"element": "address"},
        "phone": {"element": "mobile"},
        "children": {"element": "person_name", "many": True},
    }
)
CARS = subject(
    {
        "owner": {"element": "person_name"},
        "home": {"element": "address"},
        "seats": {"element": "integer"},
        "drivers": {"element": "person_name", "many": True},
    }
)
FOUND = {
    ("id", "police.people"): 0.99, ("id", "tax.people"): 0.99, ("id", "school.people"): 0.99,
    ("name", "police.people"): 0.96, ("name", "tax.people"): 0.7, ("name", "school.people"): 0.9,
    ("address", "police.people"): 0.7, ("address", "tax.people"): 0.8,
    ("address", "school.people"): 0.7,
    # Of two alone, the claims do not tell who is right.
    ("phone", "police.people"): 0.5, ("phone", "tax.people"): 0.5,
    ("children", "police.people"): 0.3, ("children", "tax.people"): 0.3,
    ("children", "school.people"): 0.3,
}  # fmt: skip


def trust(reliability: dict[tuple[str, str], float]) -> list[Trust]:
    return [Trust(*source, r, log(r / (1 - r)), 1.0) for source, r in reliability.items()]


def believed(about: Subject, learned: dict[tuple[str, str], float]) -> dict[tuple[str, str], Trust]:
    found = informed(report(trust(learned)), about, [(PEOPLE, report(trust(FOUND)))])
    return {(t.attribute, t.dataset): t for t in trusted(found)}


@pytest.mark.parametrize(
    ("attribute", "dataset", "reliability"),
    [
        ("owner", "police.people", 0.96),
        ("home", "police.people", 0.7),
        ("seats", "police.people", 0.83),
        ("owner", "police.cars", 0.96),
        ("home", "police.cars", 0.7),
        ("seats", "police.cars", 0.83),
        # What is wrong with names and addresses says nothing against other values.
        ("seats", "tax.cars", 0.8),
        ("owner", "roads.cars", 0.8),
        ("drivers", "police.people", 0.8),
    ],
)
def test_the_nearest_that_is_known_counts(attribute: str, dataset: str, reliability: float) -> None:
    found = believed(CARS, {(attribute, dataset): 0.8})[attribute, dataset]
    assert found.reliability == pytest.approx(reliability)
    assert found.vote == pytest.approx(log(reliability / (1 - reliability)), abs=1e-5)


def test_what_the_subject_itself_tells_comes_first() -> None:
    learned = {
        ("owner", "police.people"): 0.7,
        ("owner", "b.cars"): 0.8,
        ("home", "police.people"): 0.7,
    }
    found = believed(CARS, learned)
    assert {source: t.reliability for source, t in found.items()} == learned


@pytest.mark.parametrize(("fresh", "kept"), [(0.9, 0.9697), (0.98, 0.98)])
def test_values_last_as_long_as_so_many_right_ones_need(fresh: float, kept: float) -> None:
    alone = Trust("owner", "police.cars", 0.8, log(4), 1.0, half_life_days=1000, undated=fresh)
    known = informed(report([alone]), CARS, [(PEOPLE, report(trust(FOUND)))])
    [found] = trusted(known)
    assert found.undated == pytest.approx(kept, abs=1e-4)
    assert found.half_life_days == pytest.approx(1000 * log(fresh) / log(kept), rel=1e-2)


def test_values_are_as_sure_as_their_source_proves_elsewhere() -> None:
    rows: list[Claim] = [("E1", "owner", "police.cars", "v", None)]
    learned = fuse(ENGINE, CARS, table(rows), TODAY).sources
    known = informed(learned, CARS, [(PEOPLE, report(trust(FOUND)))])
    sure = [
        golden(fuse(ENGINE, CARS, table(rows), TODAY, sources=sources))["E1", "owner"]
        for sources in (learned, known)
    ]
    assert [row["confidence"] for row in sure] == [pytest.approx(0.8), pytest.approx(0.96)]
    assert informed(learned, CARS, []) == learned
