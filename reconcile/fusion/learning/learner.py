"""How far each source can be believed, learned without labels from who agrees with whom.

In turns, values are weighed by the sources that claim them, and sources by the values they claim
and the mistakes they share (after Dong, Berti-Équille and Srivastava, *Integrating Conflicting
Data: The Role of Source Dependence*, VLDB 2009). Sources that repeat one another can outvote the
truth and then look right in everything; so the learning starts several times, each time taking
more of the most agreeing sources for copies, and keeps the explanation under which the claims are
likeliest. Priors shared by the attributes of a source keep small data safe: without evidence
every source counts the same, which is plain majority.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from reconcile.fusion.learning.camps import Camps, Floats, Indices
from reconcile.fusion.learning.mistakes import Mistakes

WARMING = 2  # rounds before anybody changes whom it copies: all-round agreement is no copying
ROUNDS = 6  # further rounds
SETTLING = 3  # last rounds, in which nobody changes whom it copies
TUNING = 8  # rounds in which the number of rivals is put to the test
TUNING_STEP = 1.25  # by which factor it may become smaller in each
START = 0.8  # the reliability of a source nothing is known of
SOURCE_PRIOR = 20.0  # how many claims that start is worth for a source as a whole
ATTRIBUTE_PRIOR = 20.0  # how many claims the source as a whole is worth for one attribute
RIVAL_PRIOR = 20.0  # how many shared mistakes the first guess at the number of rivals is worth
MOST_RIVALS = 20.0
HIGHEST = 0.9999  # nobody is believed always
COPY_START = 0.9  # the rate of copying that a suspected pair starts with
COPY_PRIOR = 10.0  # how many shared mistakes independence is worth
COPY_CAUTION = 3.0  # standard deviations that an estimated rate of copying is lowered by
COPY_LEAST = 0.15  # a lower rate counts as independence
COPY_MOST = 0.95  # lower than HIGHEST: sources that never differ are right rather than copies
COPY_CHANCE = 0.1  # how likely a source copies, before its claims are looked at


@dataclass(frozen=True)
class Learned:
    """Per source: its ``reliability``; ``parent`` whom it copies (index; itself if nobody) and at
    which ``rate``; ``rivals`` how many wrong values a claim about its attribute falls on.
    """

    reliability: Floats
    parent: Indices
    rate: Floats
    rivals: Floats

    @property
    def copies(self) -> npt.NDArray[np.bool_]:
        """Per source, whether it copies."""
        return np.asarray(self.parent != np.arange(len(self.parent)))

    def choose(self, other: Learned, where: npt.NDArray[np.bool_]) -> Learned:
        """``other`` for the sources ``where`` says so, else this."""
        return Learned(
            *(np.where(where, getattr(other, f.name), getattr(self, f.name)) for f in fields(self))
        )


@dataclass(frozen=True)
class Explanation:
    """One way to explain the claims: what it says of the sources, how likely it makes each camp
    (``truth``), how well it fits the claims of each attribute (``fit``, nats), how well it explains
    them (``worth``: less for unlikely reliabilities), and how plausible the copying that it supposes
    is beforehand (``prior``, nats). ``hard``: it supposes that some things are harder than others
    (:mod:`reconcile.fusion.learning.difficulty`).
    """

    learned: Learned
    truth: Floats
    fit: Floats
    worth: Floats
    prior: Floats
    hard: bool = False


@dataclass(frozen=True)
class Way:
    """How to learn: all sources ``alike``; a ``firm`` suspicion is not given up."""

    alike: bool = False
    firm: bool = False


@dataclass(frozen=True)
class _Belief:
    """Per source its ``reliability``, that of what it does not copy (``alone``) and its
    ``rivals``; per pair the ``rate`` of copying; per row the ``model`` (:meth:`Camps.models`).
    """

    reliability: Floats
    alone: Floats
    rivals: Floats
    rate: Floats
    model: Indices


class Learner:
    """Learns from camps, starting from a suspicion who copies whom."""

    def __init__(self, camps: Camps) -> None:
        self.camps = camps

    def settle(self, suspects: npt.NDArray[np.bool_], way: Way = Way()) -> Explanation:
        """What a first suspicion leads to."""
        camps = self.camps
        start = np.full(len(camps.sources), START)
        rate = np.where(suspects, COPY_START, 0.0)
        _, rank = camps.forest(camps.closest(suspects), start)
        rivals = camps.rivals[camps.attribute]
        belief = _Belief(start, start, rivals, rate, camps.models(rate, rank))
        for turn in range(WARMING + ROUNDS + SETTLING):
            truth, _ = self._truth(belief)
            belief = self._update(belief, truth)
            if way.alike:
                belief = self._level(belief)
            elif WARMING <= turn < WARMING + ROUNDS and not way.firm:
                belief = self._rewire(belief, truth)
        for _ in range(TUNING):
            belief = self._tuned(belief, way)
        truth, likelihood = self._truth(belief)
        learned = self._sum_up(belief)
        fit = likelihood - self.copying(learned)
        worth = fit - self.complexity(learned, way)
        return Explanation(learned, truth, fit, worth, self._plausibility(learned))

    def _tuned(self, belief: _Belief, way: Way) -> _Belief:
        """``rivals`` a step lower where that makes the claims likelier, and what follows from it.
        What is learned of rivals from shared mistakes (:meth:`_rivals`) holds itself up: with many
        in mind, the truth may well be what nobody claims, and then all err, each in its own way.
        """
        camps = self.camps
        lower = replace(belief, rivals=np.maximum(belief.rivals / TUNING_STEP, 1))
        better = self._fits(lower) > self._fits(belief)
        found = replace(self._update(lower, self._truth(lower)[0]), rivals=lower.rivals)
        found = self._level(found) if way.alike else found
        source, pair = better[camps.attribute], better[camps.attribute[camps.pair_one]]
        return _Belief(
            np.where(source, found.reliability, belief.reliability),
            np.where(source, found.alone, belief.alone),
            np.where(source, found.rivals, belief.rivals),
            np.where(pair, found.rate, belief.rate),
            belief.model,
        )

    def _fits(self, belief: _Belief) -> Floats:
        """Per attribute how well the ``rivals`` fit: the log-likelihood of the claims, with what was
        thought of rivals at first.
        """
        camps = self.camps
        _, likelihood = self._truth(belief)
        rivals = camps.shared(belief.rivals)
        guess, share = (np.clip(1 / r, 0.01, 0.99) for r in (camps.rivals, rivals))
        first = guess * np.log(share) + (1 - guess) * np.log(1 - share)
        return likelihood + RIVAL_PRIOR * first

    def _level(self, belief: _Belief) -> _Belief:
        """All sources of an attribute as reliable as their claims are on average."""
        camps = self.camps
        claims = camps.by_source(camps.row_count)
        total = np.bincount(camps.attribute, claims, camps.attributes)
        right = np.bincount(camps.attribute, claims * belief.reliability, camps.attributes)
        mean = (right / np.maximum(total, 1))[camps.attribute]
        mean = np.where(total[camps.attribute] > 0, mean, belief.reliability)
        return replace(belief, reliability=mean, alone=mean)

    def copying(self, learned: Learned) -> Floats:
        """Per attribute, by how many nats an explanation must fit better for the rates of copying
        that were learned from so many claims.
        """
        claims = self.camps.by_source(self.camps.row_count)
        each = np.log(np.maximum(claims, 1)) / 2 * learned.copies
        return np.bincount(self.camps.attribute, each, self.camps.attributes).astype(np.float64)

    def complexity(self, learned: Learned, way: Way) -> Floats:
        """Per attribute, by how many nats an explanation must be better for what it supposes:
        reliabilities far from the usual, and what was learned from so many claims.
        """
        camps = self.camps
        claims = camps.by_source(camps.row_count)
        a = np.clip(learned.reliability, 0.01, 0.99)
        usual = ATTRIBUTE_PRIOR * (
            START * np.log(a / START) + (1 - START) * np.log((1 - a) / (1 - START))
        )
        learning = np.log1p(claims / ATTRIBUTE_PRIOR) / 2
        sources = np.bincount(camps.attribute, minlength=camps.attributes)
        cost = learning - usual
        if way.alike:
            cost = cost / np.maximum(sources[camps.attribute], 1)
        return np.bincount(camps.attribute, cost, camps.attributes).astype(np.float64)

    def _plausibility(self, learned: Learned) -> Floats:
        """Per attribute: each copier is as unlikely as copying is, and copies one of so many."""
        camps = self.camps
        sources = np.bincount(camps.attribute, minlength=camps.attributes)
        each = np.log(COPY_CHANCE / sources[camps.attribute]) * learned.copies
        return np.bincount(camps.attribute, each, camps.attributes).astype(np.float64)

    def _rows(self, belief: _Belief) -> tuple[Floats, Floats, Floats]:
        """Per row: how likely its claim is if its camp is right, and if it is wrong (of one that is
        not copied: that it errs, wherever it falls); and the rate of copying, 0 unless its model
        says the same.
        """
        camps = self.camps
        copier = belief.model >= 0
        model = belief.model[copier]
        rate, same = np.zeros(len(copier)), np.zeros(len(copier))
        rate[copier] = belief.rate[camps.meeting_pair[model]]
        same[copier] = rate[copier] * camps.meeting_same[model]
        source = camps.row_source
        skill = np.where(copier, belief.alone[source], belief.reliability[source])
        right = same + (1 - rate) * skill
        wrong = (1 - rate) * (1 - skill)
        return right, np.where(same > 0, same + wrong / belief.rivals[source], wrong), same

    def _truth(self, belief: _Belief) -> tuple[Floats, Floats]:
        """Per camp how likely its value is the true one, values nobody claims having their share;
        and per attribute the log-likelihood of all claims.
        """
        right, wrong, same = self._rows(belief)
        mistakes = Mistakes(self.camps, same == 0, belief.rivals)
        truth, likelihood = mistakes.weighed(right, wrong)
        return truth, self.camps.by_attribute(likelihood)

    def _update(self, belief: _Belief, truth: Floats) -> _Belief:
        """Reliabilities and rates of copying, given how likely each value is true."""
        camps = self.camps
        right, wrong, rate = self._rows(belief)
        weight, p = camps.row_count, truth[camps.row_camp]
        copied = p * rate / right + (1 - p) * rate / wrong
        own_right = camps.by_source(weight * p * (1 - rate / right)) + ATTRIBUTE_PRIOR * START
        own_claims = camps.by_source(weight * (1 - copied)) + ATTRIBUTE_PRIOR
        pooled = self._pooled(camps.by_source(weight * p), camps.by_source(weight))
        lowest = 1 / (belief.rivals + 1) + 0.01  # nobody is believed less than chance
        copiers = np.flatnonzero(belief.model >= 0)
        pair = camps.meeting_pair[belief.model[copiers]]
        met = np.bincount(pair, weight[copiers], len(belief.rate))
        taken = np.bincount(pair, (weight * copied)[copiers], len(belief.rate))
        learned = np.minimum(taken / np.maximum(met, 1), COPY_MOST)
        return _Belief(
            np.clip(pooled, lowest, HIGHEST),
            np.clip(own_right / own_claims, lowest, HIGHEST),
            self._rivals(belief, truth),
            np.where(met >= 1, learned, belief.rate),
            belief.model,
        )

    def _pooled(self, right: Floats, claims: Floats) -> Floats:
        """The share of right claims, drawn towards that of the dataset as a whole."""
        dataset = self.camps.dataset
        all_right = np.bincount(dataset, right) + SOURCE_PRIOR * START
        all_claims = np.bincount(dataset, claims) + SOURCE_PRIOR
        prior = (all_right / all_claims)[dataset]
        return (right + ATTRIBUTE_PRIOR * prior) / (claims + ATTRIBUTE_PRIOR)

    def _rivals(self, belief: _Belief, truth: Floats) -> Floats:
        """Of two mistakes about one item, one in so many is the same: the median over the pairs
        of sources, so that few copies do not count.
        """
        camps = self.camps
        one, other = (truth[camp] for camp in camps.meeting_camps)
        wrong = np.where(camps.meeting_same, 1 - one, np.maximum(1 - one - other, 0))
        both = camps.by_pair(camps.meeting_count * wrong)
        shared = camps.by_pair(camps.meeting_count * wrong * camps.meeting_same)
        found = np.flatnonzero((both > 0) & (belief.rate == 0))
        found = found[np.argsort(shared[found] / both[found], kind="stable")]
        chance = 1 / camps.rivals
        for attribute in range(camps.attributes):
            of = found[camps.attribute[camps.pair_one[found]] == attribute]
            if len(of):
                mass = np.cumsum(both[of])
                middle = of[np.searchsorted(mass, mass[-1] / 2)]
                median = shared[middle] / both[middle]
                total = mass[-1] + RIVAL_PRIOR
                chance[attribute] += (median - chance[attribute]) * mass[-1] / total
        return np.clip(1 / np.maximum(chance, 1 / MOST_RIVALS), 1, MOST_RIVALS)[camps.attribute]

    def _rewire(self, belief: _Belief, truth: Floats) -> _Belief:
        """Takes those for copies that share mistakes."""
        estimate = self._copy_rate(belief, truth)
        estimate = np.where(estimate >= COPY_LEAST, estimate, 0.0)
        rate = np.where((estimate > 0) & (belief.rate > 0), belief.rate, estimate)
        rate = np.where(estimate > 0, np.maximum(rate, COPY_LEAST), 0.0)
        parent, rank = self.camps.forest(_strongest(rate), belief.reliability)
        rate = np.where(self.camps.related(parent), rate, 0.0)
        return replace(belief, rate=rate, model=self.camps.models(rate, rank))

    def _sum_up(self, belief: _Belief) -> Learned:
        camps = self.camps
        found = _strongest(belief.rate)
        parent, _ = camps.forest(found, belief.reliability)
        one, other = camps.pair_one[found], camps.pair_other[found]
        rate = np.zeros(len(parent))
        for child, model in ((one, other), (other, one)):
            copies = parent[child] == model
            rate[child[copies]] = belief.rate[found[copies]]
        return Learned(belief.reliability, parent, rate, belief.rivals)

    def _copy_rate(self, belief: _Belief, truth: Floats) -> Floats:
        """Per pair, a cautious estimate of how often one of them repeats the other.

        Of the items about which at least one of the two errs, copies share the mistake; by
        chance they would share it once in ``rivals`` times. Right values tell nothing.
        """
        camps = self.camps
        same = camps.meeting_same
        shared = camps.by_pair(camps.meeting_count * (1 - truth[camps.meeting_camps[0]]) * same)
        apart = camps.by_pair(camps.meeting_count * ~same)
        a, b = belief.reliability[camps.pair_one], belief.reliability[camps.pair_other]
        chance = (1 - a) * (1 - b) / belief.rivals[camps.pair_one]
        size = shared + apart + COPY_PRIOR
        share = (shared + COPY_PRIOR * chance / (1 - a * b)) / size
        share = np.clip(share - COPY_CAUTION * np.sqrt(share * (1 - share) / size), 0, 0.999)
        odds = (share / (1 - share) * (1 - a * b - chance) - chance) / (1 - (a + b) / 2)
        odds = np.maximum(odds, 0)
        return odds / (1 + odds)


def _strongest(rate: Floats) -> Indices:
    found = np.flatnonzero(rate > 0)
    return found[np.argsort(-rate[found], kind="stable")]
