"""How mistakes fall together, and what that tells of who is right."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.fusion.learning.camps import Camps, Pattern
from reconcile.fusion.learning.mistakes import Mistakes
from reconcile.fusion.learning.trust import study

NAMES = tuple(f"s{place}.t" for place in range(6))


def divisions(names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], ...]]:
    """All ways to divide sources into camps."""
    if not names:
        yield ()
        return
    first, rest = names[0], names[1:]
    for camps in divisions(rest):
        yield ((first,), *camps)
        for place, camp in enumerate(camps):
            yield (*camps[:place], (first, *camp), *camps[place + 1 :])


def weighed(
    camps: Camps, rights: list[float], rivals: float
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], ...]:
    right = np.array(rights)[camps.row_source]
    own = np.ones(len(right), np.bool_)
    mistakes = Mistakes(camps, own, np.full(len(camps.sources), rivals))
    return mistakes.weighed(right, 1 - right)


@settings(deadline=None)
@given(st.lists(st.floats(0.05, 0.95), min_size=1, max_size=6), st.floats(1.0, 20.0))
def test_the_chances_of_all_that_may_be_claimed_add_up(rights: list[float], rivals: float) -> None:
    names = NAMES[: len(rights)]
    patterns = [Pattern("x", camps, 1) for camps in divisions(names)]
    camps = Camps(patterns, [("x", name) for name in names], {"x": rivals})
    _, likelihood = weighed(camps, rights, rivals)
    assert sum(map(exp, likelihood)) == pytest.approx(1)


def test_two_mistakes_are_the_same_once_in_rivals_times() -> None:
    patterns = [Pattern("x", (NAMES[:2],), 1), Pattern("x", (NAMES[:1], NAMES[1:2]), 1)]
    camps = Camps(patterns, [("x", name) for name in NAMES[:2]], {"x": 4.0})
    _, likelihood = weighed(camps, [1e-9, 1e-9], 4.0)
    same = camps.item_camps == 1
    assert exp(likelihood[same][0]) == pytest.approx(1 / 4)


def test_a_camp_is_the_likelier_to_be_right_the_more_sources_are_in_it() -> None:
    camps = Camps(
        [Pattern("x", (NAMES[:3], NAMES[3:5]), 1)], [("x", n) for n in NAMES[:5]], {"x": 3.0}
    )
    truth, _ = weighed(camps, [0.7] * 5, 3.0)
    larger, smaller = truth[np.argsort(-np.bincount(camps.row_camp))]
    assert larger > 0.6
    assert smaller < 0.4


def test_a_copier_is_known_where_most_mistakes_are_the_former_value() -> None:
    """Six sources, of which the second and third are one voice; four mistakes in five are the
    former value, others any.
    """
    chance = np.random.default_rng(5)
    size, rights = 1000, (0.6, 0.6, 0.4, 0.6, 0.55, 0.6)
    said = []
    for place, right in enumerate(rights):
        wrong = np.where(chance.random(size) < 0.8, 1, chance.integers(2, 12, size))
        own = np.where(chance.random(size) < right, 0, wrong)
        said.append(np.where(chance.random(size) < 0.7, said[1], own) if place == 2 else own)
    knows = chance.random((len(rights), size)) < 0.7
    patterns = []
    for thing in range(size):
        camps: dict[int, list[str]] = {}
        for place, name in enumerate(NAMES):
            if knows[place, thing]:
                camps.setdefault(int(said[place][thing]), []).append(name)
        patterns.append(Pattern("x", tuple(sorted(tuple(camp) for camp in camps.values())), 1))
    trust = study(patterns, [("x", name) for name in NAMES], {"x": 10.0}).trust
    family = {t.dataset for t in trust if t.family is not None}
    assert family == {NAMES[1], NAMES[2]}
