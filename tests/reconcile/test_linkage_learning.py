"""What is learned without labels, from pairs made up with known habits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.linkage.clusters import FLOOR, MATCH, PRECISION, threshold
from reconcile.linkage.learning import Floats, Learned, Seen, learn

STRANGERS = [np.array([0.99, 0.01])] * 4
ASSUMED = [np.array([0.1, 0.9])] * 4
TOTAL = 1_000_000.0


def pairs(chance: np.random.Generator, size: int, agree: list[float]) -> Floats:
    """So many pairs, of which each attribute agrees as often as said."""
    return (chance.random((size, len(agree))) < np.array(agree)).astype(np.int64)


def seen(*levels: Floats) -> Seen:
    """The pairs that agree anywhere, as blocking would find them."""
    every = np.concatenate(levels)
    found, counts = np.unique(every[every.any(axis=1)], axis=0, return_counts=True)
    return Seen(found, counts.astype(float), TOTAL)


def learned(levels: Seen) -> Learned:
    return learn(levels, STRANGERS, ASSUMED, [True] * 4)


def test_habits_are_learned_from_a_mixture_with_strangers() -> None:
    chance = np.random.default_rng(3)
    habits = [0.95, 0.6, 0.8, 0.5]
    same, strangers = pairs(chance, 2000, habits), pairs(chance, int(TOTAL), [0.01] * 4)
    found = learned(seen(same, strangers))
    assert found.related is None
    assert [share[1] for share in found.same.shares] == pytest.approx(habits, abs=0.05)
    assert found.same.prior == pytest.approx(2000 / TOTAL, rel=0.1)


def test_colleagues_are_not_taken_for_the_same() -> None:
    """They outnumber the same by far and agree on all but name and day of birth."""
    chance = np.random.default_rng(5)
    same = pairs(chance, 1000, [0.9, 0.9, 0.9, 0.9])
    colleagues = pairs(chance, 20_000, [0.02, 0.02, 0.99, 0.99])
    strangers = pairs(chance, int(TOTAL), [0.01] * 4)
    found = learned(seen(same, colleagues, strangers))
    assert found.related is not None
    assert found.same.shares[0][1] > 0.8
    assert found.same.prior == pytest.approx(1000 / TOTAL, rel=0.3)


def test_without_pairs_the_assumptions_stand() -> None:
    nothing = Seen(np.zeros((0, 4), np.int64), np.zeros(0), 0.0)
    found = learned(nothing)
    for share, assumed in zip(found.same.shares, ASSUMED, strict=True):
        assert share == pytest.approx(assumed)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.floats(0, 1), max_size=60))
def test_accepted_matches_are_as_sure_as_is_wanted(certainties: list[float]) -> None:
    least = threshold(certainties)
    accepted = [certainty for certainty in certainties if certainty >= least]
    assert FLOOR <= least <= MATCH
    assert sum(accepted) >= PRECISION * len(accepted) - 1e-9
    assert least == threshold(certainties[::-1])
