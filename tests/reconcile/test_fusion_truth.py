"""Learning whom to believe: on made-up claims whose truth is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.fusion.learning.camps import Pattern
from reconcile.fusion.learning.trust import study
from tests.reconcile.fusing import Claim, engine, fused, golden, subject, table

ENGINE = engine()
SIZE = 1000
SEEDS = 5
WRONG = 10
POPULAR = 0.6


@dataclass(frozen=True)
class Source:
    """A made-up source: how often it is right by itself, and whom (by place) it copies how often."""

    right: float
    copies: int | None = None
    rate: float = 0.9


GOOD_AND_POOR = tuple(Source(right) for right in (0.95, 0.9, 0.6, 0.6, 0.55, 0.5))
COPIES = (Source(0.9), Source(0.85), Source(0.85), Source(0.6), Source(0.6, 3), Source(0.6, 3))
BLOC = (*[Source(0.8)] * 4, Source(0.6), *[Source(0.6, 4)] * 4)
ALIKE = (Source(0.85),) * 6
MIXED = tuple(Source(right) for right in (0.9, 0.8, 0.7, 0.7, 0.6))

World = dict[str, dict[str, str]]  # entity → dataset → value; the truth is "0" in disguise


def make(
    seed: int, sources: tuple[Source, ...], values: int = WRONG, popular: float = 0.0
) -> tuple[World, dict[str, str]]:
    """``values`` wrong ones beside the truth, of which ``popular`` of all mistakes fall on one."""
    chance = np.random.default_rng(seed)
    says: list[np.ndarray] = []
    for source in sources:
        wrong = chance.integers(1, values + 1, SIZE)
        if popular:
            wrong = np.where(chance.random(SIZE) < popular, 1, wrong)
        own = np.where(chance.random(SIZE) < source.right, 0, wrong)
        if source.copies is not None:
            own = np.where(chance.random(SIZE) < source.rate, says[source.copies], own)
        says.append(own)
    disguise = np.array([chance.permutation(values + 1) for _ in range(SIZE)])
    world: World = {}
    for i in range(SIZE):
        for s in np.flatnonzero(chance.random(len(sources)) < 0.8):
            world.setdefault(f"E{i}", {})[f"s{s}.t"] = f"v{disguise[i, says[s][i]]}"
    return world, {entity: f"v{disguise[int(entity[1:]), 0]}" for entity in world}


def vote(world: World, weight: Callable[[str], float]) -> dict[str, str]:
    answer = {}
    for entity, claims in world.items():
        score: Counter[str] = Counter()
        for dataset, value in claims.items():
            score[value] += weight(dataset)  # type: ignore[assignment]
        answer[entity] = max(sorted(score), key=score.__getitem__)
    return answer


def accuracy(answer: Mapping[str, str], truth: Mapping[str, str]) -> float:
    return sum(answer[entity] == value for entity, value in truth.items()) / len(truth)


def scores(
    sources: tuple[Source, ...], values: int = WRONG, popular: float = 0.0
) -> list[tuple[float, ...]]:
    """Per seed the accuracy of majority, of fusion, and of a vote that knows who is how good and
    who copies. Each seed is an attribute, so that all are fused in one go.
    """

    def known(dataset: str) -> float:
        source = sources[int(dataset[1:-2])]
        odds = values * source.right / (1 - source.right)
        return 0.01 if source.copies is not None else log(odds)

    worlds = {f"x{seed}": make(seed, sources, values, popular) for seed in range(SEEDS)}
    rows = [claim for name, (world, _) in worlds.items() for claim in told(name, world)]
    decided = golden(fused(subject({name: {} for name in worlds}), table(rows), ENGINE))
    found = []
    for name, (world, truth) in worlds.items():
        ours = {entity: decided[entity, name]["value"] for entity in world}
        plain = vote(world, lambda _: 1.0)
        answers = (plain, ours, vote(world, known))
        found.append(tuple(accuracy(answer, truth) for answer in answers))
    return found


def told(attribute: str, world: World) -> list[Claim]:
    return [(e, attribute, d, v, None) for e, claims in world.items() for d, v in claims.items()]


@pytest.mark.parametrize(
    "sources", [GOOD_AND_POOR, COPIES, BLOC], ids=["quality", "copies", "bloc"]
)
def test_where_sources_differ_or_copy_fusion_beats_majority(sources: tuple[Source, ...]) -> None:
    for majority, ours, oracle in scores(sources):
        assert ours >= majority + (oracle - majority) / 3


@pytest.mark.parametrize(("values", "popular"), [(WRONG, POPULAR), (2, 0.0)])
def test_mistakes_that_fall_together_are_not_taken_for_copies(values: int, popular: float) -> None:
    for majority, ours, oracle in scores(MIXED, values, popular):
        assert ours >= majority + (oracle - majority) / 3


def test_where_sources_are_alike_fusion_is_as_good_as_majority() -> None:
    for majority, ours, _ in scores(ALIKE):
        assert ours >= majority - 0.01


def test_the_report_ranks_sources_and_names_copiers() -> None:
    world, _ = make(7, COPIES)
    report = fused(subject({"x": {}}), table(told("x", world)), ENGINE).sources.to_pylist()
    known = {row["dataset"]: row for row in report}
    assert known["s0.t"]["reliability"] > known["s3.t"]["reliability"] + 0.15
    bloc = {"s3.t", "s4.t", "s5.t"}
    copied = {d: row["copies_from"] for d, row in known.items() if row["copies_from"]}
    assert len(copied) == 2
    assert copied.keys() | set(copied.values()) <= bloc


def test_who_copies_is_known_by_other_attributes() -> None:
    sources = (Source(0.9), Source(0.75), Source(0.75, 1), Source(0.85), Source(0.8))
    # Of three sources alone, two that agree may be right or copies; the claims do not tell.
    world, truth = make(50, sources[:3])
    rows = told("y", world)
    names = [f"x{seed}" for seed in range(4)]
    right = []
    for others in ([], names):
        told_of = [claim for n in others for claim in told(n, make(int(n[1:]), sources)[0])]
        about = subject({name: {} for name in ["y", *others]})
        decided = golden(fused(about, table([*rows, *told_of]), ENGINE))
        right.append(accuracy({e: decided[e, "y"]["value"] for e in world}, truth))
    assert right[1] > right[0] + 0.04


def test_what_cannot_tell_who_copies_does_not_speak_against_it() -> None:
    sources = (Source(0.9), Source(0.75), Source(0.75, 1), Source(0.85), Source(0.8))
    world, truth = make(50, sources[:3])
    # The names tell it; what only two of them know does not, whoever is right.
    rows = [*told("y", world), *told("name", make(0, sources)[0])]
    for name in ("z0", "z1", "z2"):
        both = make(int(name[1:]), sources[:3])[0]
        alone = {e: {d: v for d, v in c.items() if d != "s0.t"} for e, c in both.items()}
        rows += told(name, alone)
    about = subject({name: {} for name in ("y", "name", "z0", "z1", "z2")})
    decided = golden(fused(about, table(rows), ENGINE))
    two = [e for e, c in world.items() if c.get("s0.t") != c.get("s1.t") == c.get("s2.t")]
    sure = np.mean([decided[e, "y"]["confidence"] for e in two])
    right = np.mean([decided[e, "y"]["value"] == truth[e] for e in two])
    assert sure < right + 0.15


@pytest.mark.parametrize("seed", [1, 4, 7])
def test_it_does_not_matter_what_sources_are_called(seed: int) -> None:
    # Of yes or no, five that copy one of them are nearly as likely right as the four that differ.
    world, truth = make(2, BLOC, values=1)
    called = np.random.default_rng(seed).permutation(len(BLOC))
    rows = [(e, a, f"s{called[int(d[1:-2])]}.t", v, day) for e, a, d, v, day in told("x", world)]
    decided = golden(fused(subject({"x": {}}), table(rows), ENGINE))
    assert accuracy({e: decided[e, "x"]["value"] for e in world}, truth) > 0.85


@pytest.mark.parametrize("better", ["a.t", "b.t"])
def test_of_two_that_differ_the_one_that_is_right_about_other_things_counts(better: str) -> None:
    poorer = "ab".replace(better[0], "") + ".t"
    others = ("c.t", "d.t", "e.t")
    # Whoever is better, both agree as often, and each is alone as often.
    told_apart = [
        Pattern("x", ((poorer,), tuple(sorted((better, *others)))), 150),
        Pattern("x", (tuple(sorted((better, poorer, *others))),), 500),
        Pattern("x", ((better,), tuple(sorted((poorer, *others)))), 20),
        Pattern("z", (("a.t",), ("b.t",)), 100),
        Pattern("z", (("a.t", "b.t"),), 400),
    ]
    sources = [("x", d) for d in ("a.t", "b.t", *others)] + [("z", d) for d in ("a.t", "b.t")]
    trust = {(t.attribute, t.dataset): t for t in study(told_apart, sources, {}).trust}
    assert trust["z", better].vote > trust["z", poorer].vote
    assert trust["z", better].reliability > trust["z", poorer].reliability + 0.05


def test_of_three_sources_two_that_may_be_copies_are_not_taken_for_the_better_ones() -> None:
    fund, insurance, tax = "fund.t", "insurance.t", "tax.t"
    # Mistakes are mostly the one former value; that copies are likely is known by the names.
    employers = [
        Pattern("employer", camps, count)
        for camps, count in (
            (((fund, insurance),), 104),
            (((fund, insurance, tax),), 903),
            (((insurance, tax),), 340),
            (((fund, insurance), (tax,)), 484),
            (((fund,), (tax,)), 58),
            (((fund,), (insurance, tax)), 146),
            (((fund, tax), (insurance,)), 87),
            (((fund,), (insurance,)), 25),
            (((insurance,), (tax,)), 196),
            (((fund, tax),), 43),
        )
    ]
    names = [
        Pattern("name", camps, count)
        for camps, count in (
            (((fund, insurance, tax, "police.t"),), 1500),
            (((fund, insurance), ("police.t", tax)), 60),
            (((fund,), (insurance, "police.t", tax)), 20),
            (((insurance,), (fund, "police.t", tax)), 12),
            (((fund, insurance, "police.t"), (tax,)), 40),
        )
    ]
    sources = sorted({(p.attribute, d) for p in [*employers, *names] for c in p.camps for d in c})
    learned = study([*employers, *names], sources, {"employer": 10.0, "name": 10.0}).trust
    vote = {t.dataset: t.vote for t in learned if t.attribute == "employer"}
    assert vote[insurance] < 1.5 * vote[tax]


def test_sources_that_never_differ_are_right_rather_than_copies() -> None:
    names = tuple(f"s{i}.t" for i in range(6))
    patterns = [Pattern("x", (names,), 5000), Pattern("x", (names[:3],), 500)]
    trust = study(patterns, [("x", name) for name in names], {"x": 10.0}).trust
    assert all(t.copies_from is None and t.reliability == 0.99 for t in trust)


def test_a_poor_source_is_known_by_its_other_attributes() -> None:
    names = ("a.t", "b.t", "c.t")
    patterns = [
        Pattern("x", (names,), 300),
        Pattern("x", (("a.t", "b.t"), ("c.t",)), 300),
        Pattern("y", (("a.t",), ("c.t",)), 1),
    ]
    sources = [(attribute, name) for attribute in "xy" for name in names]
    trust = {
        (t.attribute, t.dataset): t for t in study(patterns, sources, {"x": 5.0, "y": 5.0}).trust
    }
    assert trust["y", "a.t"].vote > trust["y", "c.t"].vote


def test_what_one_source_alone_says_is_as_sure_as_the_source_is_about_other_things() -> None:
    rows: list[Claim] = []
    chance = Random(1)
    for n in range(400):
        said = {f"s{s}.t": chance.random() < right for s, right in enumerate((0.97, 0.95, 0.6))}
        rows += [
            (f"E{n}", "shared", name, f"v{n}" if right else f"w{n}-{chance.randrange(9)}", None)
            for name, right in said.items()
        ]
        rows += [(f"E{n}", f"of {name}", name, "v", None) for name in (*said, "new.t")]
    names = ("s0.t", "s1.t", "s2.t", "new.t")
    found = golden(
        fused(subject({name: {} for name in ("shared", *(f"of {n}" for n in names))}), table(rows))
    )
    sure = [found["E7", f"of {name}"]["confidence"] for name in names]
    assert sure[0] == pytest.approx(0.96, abs=0.02)
    assert sure[1] == pytest.approx(0.94, abs=0.02)
    assert sure[2] == pytest.approx(0.61, abs=0.05)
    assert sure[3] == pytest.approx(0.8, abs=0.01)


camps = st.lists(st.sampled_from("abcde"), min_size=2, max_size=5, unique=True).flatmap(
    lambda names: st.lists(st.integers(0, 2), min_size=len(names), max_size=len(names)).map(
        lambda sides: tuple(
            sorted(
                tuple(sorted(n for n, s in zip(names, sides, strict=True) if s == side))
                for side in set(sides)
            )
        )
    )
)
worlds = st.dictionaries(st.tuples(st.sampled_from("xy"), camps), st.integers(1, 500), max_size=12)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(worlds, st.randoms(use_true_random=False))
def test_learning_is_bounded_and_blind_to_order(
    world: dict[tuple[str, tuple[tuple[str, ...], ...]], int], chance: Random
) -> None:
    sources = [(attribute, name) for attribute in "xy" for name in "abcde"]
    patterns = [Pattern(attribute, split, count) for (attribute, split), count in world.items()]
    first = study(patterns, sources, {"x": 1.0, "y": 8.0})
    chance.shuffle(patterns)
    assert study(patterns, sources[::-1], {"x": 1.0, "y": 8.0}) == first
    for trust in first.trust:
        assert 0 < trust.reliability <= 0.99
        assert trust.vote > 0
        assert 0 <= trust.own <= 1
        assert (trust.copies_from is None) or (trust.family is not None)
        assert trust.copies_from != trust.dataset
