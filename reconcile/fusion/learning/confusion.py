"""What sources take for what, where values come from a short list: a register that nobody tells of a
wedding says *single* of the married, and never *married* of the single.

One reliability each makes claims of such a source all alike. Here every source has a chance for
each value it may claim, given each that may be true, and values have shares of their own (after
Dawid and Skene, *Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm*,
Applied Statistics 1979). Small data is kept safe by priors: each chance is drawn to what the
reliability of the source alone would say. Whether an attribute is decided like that, its claims
tell: it must explain them better by more than it supposes than the best explanation that knows no
values (:mod:`reconcile.fusion.learning.explaining`), coarsened like all evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import lgamma, log

import numpy as np

from reconcile.fusion.learning.camps import Floats
from reconcile.fusion.learning.choice import EVIDENCE
from reconcile.fusion.learning.learner import ATTRIBUTE_PRIOR, COPY_CHANCE, START

ROUNDS = 60
CHANCE_PRIOR = 10.0  # claims about things of one value that the reliability is worth
SHARE_PRIOR = 2.0  # things of each value that are known beforehand
WITNESSES = 3
FEWEST = 100  # things that so many sources know
GAIN = 3.0  # nats of coarsened evidence, for values to count
LEAST = 1e-300  # a number that has a logarithm


@dataclass(frozen=True)
class Saying:
    """``count`` things of one ``kind`` of which the same is said: ``told`` pairs of source and value
    (places), ``right`` the value that is known to be true, None if none is.
    """

    told: tuple[tuple[int, int], ...]
    count: int
    right: int | None = None
    kind: int = 0


@dataclass(frozen=True)
class Source:
    """What is known of a source beside its values: the log-odds of its claims (``vote``, nats), and
    by its place the source that it repeats at a ``rate`` (itself if none).
    """

    vote: float
    model: int
    rate: float


@dataclass(frozen=True)
class Confusion:
    """``shares`` (kind, value) of things of each kind, and of all together (``overall``);
    ``chances`` (source, true value, claimed value).
    ``copies``: those who repeat others count less. ``own``: the chances are learned, and not only
    those that the sources' votes stand for.
    """

    shares: Floats
    chances: Floats
    overall: Floats
    copies: bool
    own: bool


def confuse(
    sayings: Sequence[Saying], values: int, sources: Sequence[Source], usual: float
) -> tuple[float, Confusion] | None:
    """What is learned of the sources of one attribute, and by how many nats of coarsened evidence
    it explains what is said better than what knows no values; None where it does not.

    Args:
        values: how many there are.
        usual: how well that explains it (nats).
    """
    coarse = _coarse(sayings)
    plain = usual - _labels(sayings, values)
    coins = _coins(values, sources)
    copied = _Learner(sayings, values, sources)
    even, _ = copied.shared(coins, even=True)
    shared, shares = copied.shared(coins)
    common = Confusion(shares, coins, shares[0], copies=True, own=False)
    ways = [(plain + shared - even, common), _learned(sayings, values, sources, copies=False)]
    if any(source.rate for source in sources):
        ways.append(_learned(sayings, values, sources, copies=True))
    gain, best = 0.0, None
    for worth, learned in ways:
        more = (worth - plain) / coarse
        if more > gain + (0 if best is not None and best.own else GAIN):
            gain, best = more, learned
    return None if best is None else (gain, best)


def witnessed(sayings: Sequence[Saying]) -> bool:
    """Whether enough things are known to three sources. Of two that differ about values, either may
    be the one that errs, unless kinds of things tell.
    """
    return sum(saying.count for saying in sayings if len(saying.told) >= WITNESSES) >= FEWEST


def confuse_by_kind(
    found: Confusion, sayings: Sequence[Saying], kinds: int, sources: Sequence[Source]
) -> tuple[float, Confusion]:
    """``found`` with shares of their own for things of each kind, and by how many nats of coarsened
    evidence that explains better what is said.

    Args:
        sayings: the same that it was learned from, by kind.
    """
    values = found.shares.shape[1]
    given = sources if found.copies else [_alone(i, s) for i, s in enumerate(sources)]
    together, _ = _Learner([replace(s, kind=0) for s in sayings], values, given).shared(
        found.chances
    )
    learner = _Learner(sayings, values, given, kinds)
    apart, shares = learner.shared(found.chances)
    return (apart - together) / _coarse(sayings), replace(found, shares=shares)


def relearned(found: Confusion, sayings: Sequence[Saying], sources: Sequence[Source]) -> Confusion:
    """``found``, with chances that fit its shares by kind."""
    if not found.own:
        return found
    kinds, values = found.shares.shape
    return _learned(sayings, values, sources, found.copies, kinds)[1]


def _learned(
    sayings: Sequence[Saying], values: int, sources: Sequence[Source], copies: bool, kinds: int = 1
) -> tuple[float, Confusion]:
    given = sources if copies else [_alone(i, s) for i, s in enumerate(sources)]
    learner = _Learner(sayings, values, given, kinds)
    worth, shares, chances = learner.learned()
    overall = learner.count @ learner.kind @ shares / learner.count.sum()
    copiers = sum(source.rate > 0 for source in given)
    worth += copiers * log(COPY_CHANCE / len(sources))
    return worth, Confusion(shares, chances, overall, copies, own=True)


def _coarse(sayings: Sequence[Saying]) -> float:
    return 1 + sum(saying.count for saying in sayings) / EVIDENCE


def _coins(values: int, sources: Sequence[Source]) -> Floats:
    """The chances that votes stand for: all mistakes alike."""
    votes = np.array([source.vote for source in sources])
    coins = np.where(np.eye(values, dtype=bool), 1.0, np.exp(-votes)[:, None, None])
    return np.asarray(coins / coins.sum(axis=2, keepdims=True))


def _alone(place: int, source: Source) -> Source:
    return replace(source, model=place, rate=0.0)


def _labels(sayings: Sequence[Saying], values: int) -> float:
    """What explains who agrees with whom leaves open which values are claimed: any are as likely.
    The nats that knowing them is worth.
    """
    total = 0.0
    for saying in sayings:
        camps = min(len({value for _, value in saying.told}), values)
        total += saying.count * (lgamma(values + 1) - lgamma(values - camps + 1))
    return total


class _Learner:
    def __init__(
        self, sayings: Sequence[Saying], values: int, sources: Sequence[Source], kinds: int = 1
    ) -> None:
        ordered = sorted(
            sayings, key=lambda s: (s.kind, s.told, -1 if s.right is None else s.right)
        )
        self.values, self.sources = values, len(sources)
        self.kind = np.eye(kinds)[[s.kind for s in ordered]]
        self.count = np.array([s.count for s in ordered], np.float64)
        rows = [(i, source, value) for i, s in enumerate(ordered) for source, value in s.told]
        self.item, self.source, self.value = np.array(rows, np.intp).reshape(-1, 3).T
        known = np.array([-1 if s.right is None else s.right for s in ordered], np.intp)
        self.possible = (known[:, None] < 0) | (known[:, None] == np.arange(values))
        # Per row the rate at which it is copied, 0: not at all, from a row that says the same or not.
        said = np.full((len(self.count), self.sources), -1, np.intp)
        said[self.item, self.source] = self.value
        parent = np.array([source.model for source in sources], np.intp)[self.source]
        model = np.where(parent != self.source, said[self.item, parent], -1)
        rates = np.array([source.rate for source in sources])
        self.rate = np.where(model >= 0, rates[self.source], 0.0)
        self.same = (model == self.value).astype(np.float64)

    def learned(self) -> tuple[float, Floats, Floats]:
        """How well shares and chances explain what is said, less what they suppose (nats); and
        these, found in turns with how likely each value is true.
        """
        truth, own = self._first(), np.ones((len(self.item), self.values))
        for _ in range(ROUNDS):
            shares = self._shares(truth)
            chances, supposed = self._chances(truth, own)
            truth, own, likelihood = self._truth(shares, chances)
        return likelihood - supposed - self._supposed(), shares, chances

    def shared(self, chances: Floats, even: bool = False) -> tuple[float, Floats]:
        """As :meth:`learned`, where the chances are known. ``even``: shares are all the same."""
        shares = np.full((self.kind.shape[1], self.values), 1 / self.values)
        for _ in range(1 if even else ROUNDS):
            truth, _, likelihood = self._truth(shares, chances)
            if not even:
                shares = self._shares(truth)
        return likelihood - (0 if even else self._supposed()), shares

    def _supposed(self) -> float:
        """What shares of its own suppose (nats)."""
        return float((self.values - 1) * np.log1p(self.count @ self.kind).sum() / 2)

    def _first(self) -> Floats:
        """Per item how many of its sources claim each value, as shares."""
        votes = np.zeros((len(self.count), self.values))
        np.add.at(votes, (self.item, self.value), 1 - self.rate * self.same)
        votes = np.where(self.possible, np.maximum(votes, LEAST), 0)
        return np.asarray(votes / votes.sum(axis=1, keepdims=True))

    def _shares(self, truth: Floats) -> Floats:
        weight = self.count[:, None] * truth
        usual = weight.sum(axis=0) + SHARE_PRIOR
        usual = usual / usual.sum() * (SHARE_PRIOR * self.values)
        shares = self.kind.T @ weight + usual
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def _chances(self, truth: Floats, own: Floats) -> tuple[Floats, float]:
        """Chances, and how much they suppose (nats).

        Args:
            own: per row and true value how likely the claim is the source's own, no copy.
        """
        values = self.values
        claims = np.zeros((self.sources, values, values))
        weight = self.count[self.item, None] * truth[self.item] * own
        for value in range(values):
            said = self.value == value
            np.add.at(claims[:, :, value], self.source[said], weight[said])
        of_source, of_value = claims.sum(axis=(1, 2)), claims.sum(axis=2)
        right = np.trace(claims, axis1=1, axis2=2) + ATTRIBUTE_PRIOR * START
        right = (right / (of_source + ATTRIBUTE_PRIOR))[:, None, None]
        usual = np.where(np.eye(values, dtype=bool), right, (1 - right) / max(values - 1, 1))
        chances = (claims + CHANCE_PRIOR * usual) / (of_value + CHANCE_PRIOR)[:, :, None]
        free = (values - 1) * np.log1p(of_value / CHANCE_PRIOR).sum()
        return chances, float(np.log1p(of_source / ATTRIBUTE_PRIOR).sum() + free) / 2

    def _truth(self, shares: Floats, chances: Floats) -> tuple[Floats, Floats, float]:
        """Per item how likely each value is true; per row and value how likely the claim is no
        copy; and the log-likelihood of all claims.
        """
        alone = (1 - self.rate)[:, None] * chances[self.source, :, self.value]
        likely = np.maximum(alone + (self.rate * self.same)[:, None], LEAST)
        score = self.kind @ np.log(shares)
        np.add.at(score, self.item, np.log(likely))
        best = score.max(axis=1, keepdims=True)
        odds = np.exp(score - best) * self.possible
        total = np.maximum(odds.sum(axis=1, keepdims=True), LEAST)
        likelihood = float(self.count @ (best + np.log(total))[:, 0])
        return odds / total, alone / likely, likelihood
