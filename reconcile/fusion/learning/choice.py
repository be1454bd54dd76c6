"""Which explanation of the claims to decide by, and how sure to be.

Claims often allow several explanations: that five sources agree because they are right, or
because four of them copy. The one that explains the claims best need not be the true one, and
the confidence it gives says nothing of the others. So explanations are averaged, each weighing
what the claims say for it; since no explanation is exact, ``n`` things count as no more than
:data:`EVIDENCE` of evidence (a coarsened posterior: Miller and Dunson, *Robust Bayesian Inference
via Coarsening*, JASA 2019). Decisions follow the explanation that is expected to be right most
often, and leave the majority only where it is all but sure that they get better by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma

import numpy as np
import numpy.typing as npt

from reconcile.fusion.learning.camps import VOICES, Camps, Floats, Indices, roots
from reconcile.fusion.learning.learner import COPY_CHANCE, COPY_MOST, START, Explanation, Learned

EVIDENCE = 500.0  # things, however many there are
TOGETHER = 0.1  # attributes that the first guess at how much of a register is copied is worth
RISK = 0.2  # that an explanation decides worse than the majority, at most
HIGHEST = 0.99  # past this, sources of few claims would outvote everybody
LEAST_VOTE = 0.05  # in nats: agreeing never speaks against a value
STEADY = 20.0  # things that confidence as computed is worth when it is calibrated
EVEN = 1e-9  # smaller differences are none
HARDLY = 0.5  # things more that are decided right
LOGIT = 12.0  # nats; more counts as this


@dataclass(frozen=True)
class Votes:
    """Per source its ``vote`` (nats), the share of it that is its ``own``, and its family's root
    (``family``; itself if it has none); ``rivals`` as in :class:`Learned`.
    """

    vote: Floats
    own: Floats
    family: Indices
    rivals: Floats


@dataclass(frozen=True)
class Chosen:
    """Per source: what was learned, the votes to decide with, and how to correct the confidence
    of decisions about its attribute: ``shift + slope × log-odds``.
    """

    learned: Learned
    votes: Votes
    shift: Floats
    slope: Floats


def choose(camps: Camps, explanations: Sequence[Explanation]) -> Chosen:
    """What to decide by, for each attribute; the first explanation is the plainest."""
    weight = _weights(camps, explanations)
    by_source = weight[:, camps.attribute]
    reliability = np.sum(
        [w * e.learned.reliability for w, e in zip(by_source, explanations, strict=True)], axis=0
    )
    tells = _telling(camps)
    reliability = np.where(tells, reliability, _standing(camps, reliability, tells))
    votes = [_votes(e.learned) for e in explanations]
    votes[0] = _majority(camps, votes[0], reliability)
    decisions = [_decisions(camps, _scores(camps, v)) for v in votes]
    best = _best(camps, weight, decisions, [e.truth for e in explanations])[camps.attribute]
    best = np.where(tells, best, 0)
    learned, chosen = explanations[0].learned, votes[0]
    for place in range(1, len(explanations)):
        learned = learned.choose(explanations[place].learned, best == place)
        chosen = _pick(chosen, votes[place], best == place)
    learned = Learned(
        np.where(best == 0, reliability, learned.reliability),
        learned.parent,
        learned.rate,
        learned.rivals,
    )
    truth = np.sum(
        [
            w * e.truth
            for w, e in zip(
                weight[:, camps.item_attribute[camps.camp_item]], explanations, strict=True
            )
        ],
        axis=0,
    )
    shift, slope = _calibrate(camps, chosen, truth)
    return Chosen(learned, chosen, shift[camps.attribute], slope[camps.attribute])


def _telling(camps: Camps) -> npt.NDArray[np.bool_]:
    """Per source, whether the claims about its attribute tell who is right where sources differ: of
    two alone they do not, unless the truth is known of some.
    """
    sources = np.bincount(camps.attribute, minlength=camps.attributes)
    known = camps.by_attribute(camps.item_known.astype(np.float64))
    return np.asarray(((sources > VOICES) | (known > 0))[camps.attribute])


def _standing(camps: Camps, reliability: Floats, tells: npt.NDArray[np.bool_]) -> Floats:
    """Reliabilities that differ as those of the datasets do about what ``tells``, of claims that do
    not.
    """
    claims = camps.by_source(camps.row_count)

    def mean(figures: Floats, over: Indices, weight: Floats) -> Floats:
        total = np.bincount(over, weight)
        return np.asarray(np.bincount(over, weight * figures) / np.maximum(total, 1))[over]

    known = np.bincount(camps.dataset, claims * tells)[camps.dataset]
    elsewhere = np.where(known > 0, mean(reliability, camps.dataset, claims * tells), START)
    level, usual = (mean(of, camps.attribute, claims) for of in (reliability, elsewhere))
    return np.clip(level + elsewhere - usual, EVEN, HIGHEST)


def _pick(one: Votes, other: Votes, where: npt.NDArray[np.bool_]) -> Votes:
    return Votes(
        *(
            np.where(where, getattr(other, n), getattr(one, n))
            for n in ("vote", "own", "family", "rivals")
        )
    )


def _distinct(camps: Camps, explanations: Sequence[Explanation], worth: Floats) -> Floats:
    """``worth`` (explanation × attribute); of those with the same families, and as ``hard``, only
    the best has any, lest what is found often counts more.
    """
    families = [roots(e.learned.parent) for e in explanations]
    for attribute in range(camps.attributes):
        of = camps.attribute == attribute
        best: dict[tuple[bool, bool, bytes], int] = {}
        for place, family in enumerate(families):
            key = (place == 0, explanations[place].hard, family[of].tobytes())
            rival = best.setdefault(key, place)
            if worth[place, attribute] > worth[rival, attribute]:
                worth[rival, attribute] = -np.inf
                best[key] = place
            elif rival != place:
                worth[place, attribute] = -np.inf
    return worth


def _weights(camps: Camps, explanations: Sequence[Explanation]) -> Floats:
    """Explanation × attribute: the share of belief. Evidence is coarsened, and what is plausible
    beforehand less so: with much evidence, it is what keeps mistakes of the model from being
    explained by copies.
    """
    things = np.bincount(camps.item_attribute, camps.count, camps.attributes)
    coarse = 1 + things / EVIDENCE
    evidence = np.array([e.worth / coarse + e.prior / np.sqrt(coarse) for e in explanations])
    worth = _distinct(camps, explanations, evidence.copy())
    return _shares(worth + _elsewhere(camps, explanations, coarse))


def _shares(worth: Floats) -> Floats:
    odds = np.exp(worth - worth.max(axis=0))
    return np.asarray(odds / odds.sum(axis=0))


def _elsewhere(camps: Camps, explanations: Sequence[Explanation], coarse: Floats) -> Floats:
    """Explanation × attribute: by how many nats it is more plausible than by itself, since who
    copies whom in one attribute likely does so in others: registers are copied, not columns.

    How much of a register another copies is thought to be drawn from a Beta distribution, of which
    the claims of each attribute tell as much as copying fits them better than none does (what either
    supposes beforehand is no news); an attribute whose claims cannot tell says nothing of others.
    """
    related = np.array([camps.related(e.learned.parent) for e in explanations])
    attribute = camps.attribute[camps.pair_one]
    fit = np.array([e.fit / coarse for e in explanations])[:, attribute]
    for_it = np.where(related, fit, -np.inf).max(axis=0)
    against = np.where(related, -np.inf, fit).max(axis=0)
    tells = np.isfinite(for_it) & np.isfinite(against)
    gap = np.where(tells, against, 0) - np.where(tells, for_it, 0)
    told = 1 / (1 + np.exp(np.clip(gap, -LOGIT, LOGIT)))
    datasets = camps.dataset[camps.pair_one] * len(camps.sources) + camps.dataset[camps.pair_other]
    chance = np.full(len(attribute), COPY_CHANCE)
    for pair in np.unique(datasets):
        of = np.flatnonzero(datasets == pair)
        for place in of:
            chance[place] = _predicted(told[of[tells[of] & (of != place)]])
    chance = np.clip(chance, COPY_CHANCE / 2, COPY_MOST)
    more = np.where(related, np.log(chance / COPY_CHANCE), np.log((1 - chance) / (1 - COPY_CHANCE)))
    found = np.zeros((len(explanations), camps.attributes))
    np.add.at(found.T, attribute, more.T)
    return found


def _predicted(told: Floats) -> float:
    """How likely a pair copies in one more attribute, where in others their own claims make it
    ``told`` likely: a mixture over how many of them are copied.
    """
    counts = np.ones(1)
    for chance in told:
        counts = np.convolve(counts, (1 - chance, chance))
    yes, no = TOGETHER * COPY_CHANCE, TOGETHER * (1 - COPY_CHANCE)
    copied = np.arange(len(counts))
    # The number is beta-binomial: what the prior says of it, for each way to come to it.
    prior = np.array([lgamma(yes + k) + lgamma(no + len(told) - k) for k in copied])
    odds = counts * np.exp(prior - prior.max())
    return float(np.sum(odds * (yes + copied)) / np.sum(odds) / (TOGETHER + len(told)))


def _log_odds(reliability: Floats, rivals: Floats) -> Floats:
    """What a claim adds for a value, in nats."""
    return np.maximum(np.log(rivals * reliability / (1 - reliability)), LEAST_VOTE)


def _votes(learned: Learned) -> Votes:
    reliability = np.minimum(learned.reliability, HIGHEST)
    family = roots(learned.parent)
    members = np.bincount(family, minlength=len(family))
    right = learned.rate + (1 - learned.rate) * reliability
    wrong = learned.rate + (1 - learned.rate) * (1 - reliability) / learned.rivals
    vote = _log_odds(reliability, learned.rivals)
    own = np.clip(np.log(right / wrong) / vote, 0, 1)
    root = learned.parent == np.arange(len(family))
    own = np.where(members[family] == 1, 1.0, np.where(root, 0.0, own))
    return Votes(vote, own, family, learned.rivals)


def _majority(camps: Camps, votes: Votes, reliability: Floats) -> Votes:
    """Equal votes, but for what breaks ties: the more reliable of two camps of one size wins."""
    sources = np.bincount(camps.attribute, minlength=camps.attributes)[camps.attribute]
    middle = (
        np.bincount(camps.attribute, reliability, camps.attributes)
        / np.maximum(np.bincount(camps.attribute, minlength=camps.attributes), 1)
    )[camps.attribute]
    tilt = np.clip(reliability - middle, -0.5, 0.5) / (sources + 1)
    return Votes(votes.vote * (1 + tilt), votes.own, votes.family, votes.rivals)


def _scores(camps: Camps, votes: Votes) -> Floats:
    """Per camp what its claims add up to, as decisions compute it."""
    vote, own = votes.vote[camps.row_source], votes.own[camps.row_source]
    score = np.bincount(camps.row_camp, vote * own, len(camps.camp_item))
    key = camps.row_camp * len(camps.sources) + votes.family[camps.row_source]
    families, place = np.unique(key, return_inverse=True)
    common = np.zeros(len(families))
    np.maximum.at(common, place, vote * (1 - own))
    shared = np.bincount(families // len(camps.sources), common, len(score))
    return (score + shared).astype(np.float64)


def _decisions(camps: Camps, score: Floats) -> Floats:
    """Per camp its share of being chosen: 1 for the best, shared out among equals."""
    best = np.full(len(camps.count), -np.inf)
    np.maximum.at(best, camps.camp_item, score)
    first = (score >= best[camps.camp_item] - EVEN).astype(np.float64)
    return first / np.bincount(camps.camp_item, first, len(camps.count))[camps.camp_item]


def _best(
    camps: Camps, weight: Floats, decisions: Sequence[Floats], truths: Sequence[Floats]
) -> Indices:
    """Per attribute the explanation whose decisions are expected to be right most often; of those
    that hardly differ the likeliest, which knows best how sure they are.
    """
    attribute, count = camps.item_attribute[camps.camp_item], camps.count[camps.camp_item]
    gains = np.array(
        [
            [
                np.bincount(attribute, count * truth * (chosen - decisions[0]), camps.attributes)
                for truth in truths
            ]
            for chosen in decisions
        ]
    )
    expected = np.einsum("kja,ja->ka", gains, weight)
    risk = np.einsum("kja,ja->ka", gains < -EVEN, weight)
    expected = np.where(risk <= RISK, expected, -np.inf)
    return np.asarray(
        np.argmax(np.where(expected > expected.max(axis=0) - HARDLY, weight, -1), axis=0)
    )


def _calibrate(camps: Camps, votes: Votes, truth: Floats) -> tuple[Floats, Floats]:
    """Per attribute the line through log-odds of decisions that agrees best with how likely,
    averaged over all explanations, they are right.
    """
    score = _scores(camps, votes)
    chosen = _decisions(camps, score)
    right = np.bincount(camps.camp_item, chosen * truth, len(camps.count))
    raw = _log_odds_of_best(camps, votes, score)
    shift, slope = np.zeros(camps.attributes), np.ones(camps.attributes)
    for attribute in range(camps.attributes):
        of = camps.item_attribute == attribute
        if of.any():
            shift[attribute], slope[attribute] = fit(raw[of], right[of], camps.count[of])
    return shift, slope


def _log_odds_of_best(camps: Camps, votes: Votes, score: Floats) -> Floats:
    """Per item the log-odds of its best camp, as decisions compute them."""
    best = np.full(len(camps.count), -np.inf)
    np.maximum.at(best, camps.camp_item, score)
    odds = np.bincount(camps.camp_item, np.exp(score - best[camps.camp_item]), len(best)) - 1
    rivals = camps.shared(votes.rivals)[camps.item_attribute]
    unclaimed = np.maximum(rivals + 1 - camps.item_camps, 0)
    return np.asarray(np.clip(-np.log(odds + unclaimed * np.exp(-best) + 1e-300), -LOGIT, LOGIT))


def fit(raw: Floats, right: Floats, count: Floats) -> tuple[float, float]:
    """Logistic regression, drawn to the identity."""
    line = np.array([0.0, 1.0])
    design = np.stack([np.ones_like(raw), raw])
    for _ in range(25):
        sure = 1 / (1 + np.exp(-(line @ design)))
        slope = design @ (count * (right - sure)) - STEADY * 0.25 * (line - [0, 1])
        bend = (design * (count * sure * (1 - sure))) @ design.T + STEADY * 0.25 * np.eye(2)
        step = np.linalg.solve(bend, slope)
        line = line + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-7:
            break
    return float(line[0]), float(max(line[1], 0.05))
