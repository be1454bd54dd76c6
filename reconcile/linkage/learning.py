"""What agreements say, learned without labels: expectation maximisation over candidate pairs.

Candidate pairs are those of people who are the same, among many of strangers. How often strangers
agree (u) is known from random pairs and held fixed; how often the same agree (m), and how many
pairs are of the same, is what makes the pairs at hand most likely. All candidates are looked at
together, so nothing depends on which attribute pairs were found by.

People of one household or employer agree on much and are not the same. They are learned as a kind
of pairs of their own, so that what they share does not count as evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
CAUTION = 20.0  # pairs, as many as what is assumed of the same counts for
_APART = 0.85  # related people differ at least so often
_APART_IN = 2  # in so many attributes that say who somebody is
_ROUNDS = 200
_STILL = 1e-6
_FEWEST = 1e-9


@dataclass(frozen=True)
class Seen:
    """Candidate pairs, counted by how their attributes agree.

    ``levels``: pattern × attribute, the level counted from 0 (differs), -1 where a value is
    missing. ``counts``: pairs of each pattern. ``total``: all pairs of records, candidates or not.
    """

    levels: npt.NDArray[np.int64]
    counts: Floats
    total: float


@dataclass(frozen=True)
class Kind:
    """Pairs of one kind: how often they agree, per attribute and level from 0 (differs), and their
    share of all pairs.
    """

    shares: tuple[Floats, ...]
    prior: float


@dataclass(frozen=True)
class Learned:
    """Pairs of the same, and those that are related, such as people of one household or employer,
    if there are so many that they would pass for the same.
    """

    same: Kind
    related: Kind | None


def learn(
    seen: Seen, strangers: Sequence[Floats], assumed: Sequence[Floats], telling: Sequence[bool]
) -> Learned:
    """Learns from ``seen``.

    Args:
        strangers: per attribute, how often strangers agree at each level.
        assumed: per attribute, what is assumed of the same, as if seen in ``CAUTION`` pairs.
        telling: which attributes say who somebody is.
    """
    halfway = [(a + b) / 2 for a, b in zip(assumed, strangers, strict=True)]
    same, related = _fit(seen, strangers, [assumed, halfway])
    apart = sum(
        bool(tells and found[0] > _APART)
        for tells, found in zip(telling, related.shares, strict=True)
    )
    if apart >= _APART_IN:
        return Learned(same, related)
    return Learned(_fit(seen, strangers, [assumed])[0], None)


def _fit(
    seen: Seen, strangers: Sequence[Floats], assumed: Sequence[Sequence[Floats]]
) -> list[Kind]:
    """One kind of pairs for each way of agreeing that is assumed, besides the strangers."""
    kinds = [
        Kind(tuple(shares), max(1.0, float(seen.counts.sum()) / 2) / max(seen.total, 2.0))
        for shares in assumed
    ]
    apart = _log(seen.levels, strangers)
    for _ in range(_ROUNDS):
        weights = _weights(seen, kinds, apart)
        before, kinds = (
            kinds,
            [
                Kind(
                    tuple(
                        _shares(seen.levels[:, n], weight, shares[n]) for n in range(len(shares))
                    ),
                    float(min(0.5, max(_FEWEST, weight.sum() / max(seen.total, 1.0)))),
                )
                for weight, shares in zip(weights, assumed, strict=True)
            ],
        )
        if all(_still(one, other) for one, other in zip(before, kinds, strict=True)):
            break
    return kinds


def _weights(seen: Seen, kinds: Sequence[Kind], apart: Floats) -> list[Floats]:
    """How many pairs of each pattern are of each kind."""
    evidence = np.array([_log(seen.levels, kind.shares) - apart for kind in kinds])
    priors = np.array([kind.prior for kind in kinds])
    odds = np.clip(evidence + np.log(priors / (1 - min(0.99, priors.sum())))[:, None], -500, 500)
    likely = np.exp(odds)
    return list(likely / (1 + likely.sum(axis=0)) * seen.counts)


def _still(before: Kind, after: Kind) -> bool:
    return all(
        float(np.abs(a - b).max()) < _STILL
        for a, b in zip(before.shares, after.shares, strict=True)
    )


def _log(levels: npt.NDArray[np.int64], shares: Sequence[Floats]) -> Floats:
    """The logarithm of how likely each pattern is; what is missing says nothing."""
    total = np.zeros(len(levels))
    for column, share in zip(levels.T, shares, strict=True):
        known = np.log(np.append(np.maximum(share, _FEWEST), 1.0))
        total += known[column]  # -1, missing, is the last
    return total


def _shares(levels: npt.NDArray[np.int64], weight: Floats, assumed: Floats) -> Floats:
    seen = levels >= 0
    found = np.bincount(levels[seen], weight[seen], len(assumed)) + assumed * CAUTION
    shares: Floats = found / found.sum()
    return shares
