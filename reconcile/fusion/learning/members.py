"""How far each source can be believed in what it lists, and in what it leaves out.

An entity has several true members of an attribute, and each source lists some of them, and some
wrong ones: a source has two coins, its *sensitivity* (how often it lists a true member) and its
*false rate* (how often one of the wrong values that could be listed); after Zhao, Rubinstein,
Gemmell and Han, *A Bayesian Approach to Discovering Truth from Conflicting Sources for Data
Integration*, VLDB 2012. That a source leaves a member out speaks the less against it the lower
its sensitivity. Unlike there, wrong members come out of a pool of so many for each true one
(``rivals``), so that two sources that list the same are the surer the larger the pool; and who
lists just what another does may have copied it.

Learned in turns (EM) from several starts; of all these explanations of the claims the one decides
whose decisions are expected, over all of them, to be right most often, if they are all but sure
to be no worse than to keep what at least half of the sources list (:mod:`reconcile.fusion.learning.choice`
does the same for single values).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from reconcile.fusion.learning.camps import Floats, Indices
from reconcile.fusion.learning.choice import EVEN, EVIDENCE, LEAST_VOTE, LOGIT, RISK, fit
from reconcile.fusion.learning.learner import (
    COPY_CHANCE,
    COPY_LEAST,
    COPY_MOST,
    COPY_PRIOR,
    COPY_START,
)
from reconcile.fusion.learning.listings import Listings, Suspicion

ROUNDS = 20
STEPS = 6  # how many suspicions are tried at most
PRIOR = 20.0  # how many members, and entities, a first guess is worth
LEVELS = ((0.8, 0.2), (0.6, 0.1), (0.95, 0.4))  # starts: sensitivity, wrong members in a list
PLAIN = LEVELS[0]
PLAIN_RIVALS = 0.8  # below 1: what half of the sources list is kept, if they are a little older too
RIVALS = {1.0: -4.0, 3.0: -1.0, 10.0: 0.0, 30.0: -0.5}  # and how likely each is, in nats
SENSITIVITY = (0.02, 0.99)  # nobody lists nothing, nor all
LEAST_WRONG = 0.01  # wrong members in a list: nobody errs never
LEAST_GAIN = 1.0  # members more that a way is expected to hit, to be taken
TINY = 1e-300  # a number that has a logarithm


@dataclass(frozen=True)
class Coins:
    """Per source: its ``sensitivity``, its ``false_rate``, the root of its ``family``, and how
    often it copies within that (``rate``). ``rivals``: wrong values for each true one.
    """

    sensitivity: Floats
    false_rate: Floats
    family: Indices
    rate: Floats
    rivals: float

    @property
    def vote(self) -> Floats:
        """What listing a member adds for it, in nats."""
        return np.maximum(np.log(self.sensitivity / self.false_rate), LEAST_VOTE)

    @property
    def against(self) -> Floats:
        """What leaving a member out adds against it, in nats."""
        return against(self.sensitivity, self.false_rate)

    @property
    def own(self) -> Floats:
        """The share of a vote that counts beside that of the rest of the family."""
        right = self.rate + (1 - self.rate) * self.sensitivity
        wrong = self.rate + (1 - self.rate) * self.false_rate
        own = np.clip(np.log(right / wrong) / self.vote, 0, 1)
        alone = np.bincount(self.family, minlength=len(own))[self.family] == 1
        root = self.family == np.arange(len(own))
        return np.where(alone, 1.0, np.where(root, 0.0, own))


def against(sensitivity: Floats, false_rate: Floats) -> Floats:
    """What leaving a member out adds against it, in nats."""
    return np.maximum(np.log((1 - false_rate) / (1 - sensitivity)), 0)


@dataclass(frozen=True)
class Explanation:
    """One way to explain the claims: the ``coins``; how likely it makes each member (``truth``);
    how many true members of each item nobody lists (``unseen``); how likely it is (``worth``,
    nats).
    """

    coins: Coins
    truth: Floats
    unseen: Floats
    worth: float


@dataclass(frozen=True)
class Chosen:
    """What to decide by; per source how much of what it lists is right (``precision``); and how
    to correct the confidence in a whole set: ``shift + slope × log-odds``.
    """

    coins: Coins
    precision: Floats
    shift: float
    slope: float


def learn(listings: Listings) -> Chosen:
    """What to believe of the sources of one attribute."""
    found = list(_explain(listings))
    weight = _weights(listings, found)
    plain = _plain(listings)
    ways = [plain, *(explanation.coins for explanation in found)]
    coins = ways[_best(listings, weight, [e.truth for e in found], ways)]
    truth = np.asarray(weight @ np.array([e.truth for e in found]))
    keep, raw = decided(listings, coins)
    right = sum(w * np.exp(_whole(listings, e, keep)) for w, e in zip(weight, found, strict=True))
    listed = listings.listed.astype(np.float64)
    hits = listings.by_source(listed * truth[listings.entry_member])
    claims = listings.by_source(listed)
    shift, slope = fit(raw, np.asarray(right), listings.count)
    return Chosen(coins, (hits + PRIOR * PLAIN[0]) / (claims + PRIOR), shift, slope)


def _plain(listings: Listings) -> Coins:
    """All sources alike, and nothing learned."""
    everyone = np.arange(listings.sources)
    sensitivity, false_rate = (np.full(len(everyone), figure) for figure in PLAIN)
    return Coins(sensitivity, false_rate, everyone, np.zeros(len(everyone)), PLAIN_RIVALS)


def _explain(listings: Listings) -> Iterator[Explanation]:
    standing = _standing(listings)
    steps = min(listings.suspicions, STEPS)
    pairs = [round(step / steps * listings.suspicions) for step in range(1, steps + 1)]
    nobody = listings.suspicion(0, standing)
    suspicions = [nobody, *(listings.suspicion(number, standing) for number in pairs)]
    best, most = (PLAIN, 1.0, nobody), -np.inf
    for rivals in RIVALS:
        for level in LEVELS:
            for suspicion in suspicions if level == PLAIN else suspicions[:1]:
                found = _Learner(listings, level, rivals, suspicion).settle()
                yield found
                if found.worth > most:
                    best, most = (level, rivals, suspicion), found.worth
    _, rivals, suspicion = best
    if suspicion is not nobody:
        for level in LEVELS[1:]:
            yield _Learner(listings, level, rivals, suspicion).settle()


def _standing(listings: Listings) -> Floats:
    """Per source how much of what it lists at least half of the sources list as well."""
    truth = _sigmoid(_score(listings, _plain(listings)))
    listed = listings.listed.astype(np.float64)
    hits = listings.by_source(listed * truth[listings.entry_member])
    return np.asarray(hits / (listings.by_source(listed) + PRIOR)).round(9)


class _Learner:
    """Learns from one start: a ``level`` of sensitivity and errors, so many ``rivals``, and who
    is suspected to copy whom.
    """

    def __init__(
        self, listings: Listings, level: tuple[float, float], rivals: float, suspicion: Suspicion
    ) -> None:
        self.listings, self.level, self.suspicion = listings, level, suspicion
        self.rivals = rivals
        self.size = 1.0  # true members of an item
        self.sensitivity = np.full(listings.sources, level[0])
        self.wrong = np.full(listings.sources, level[1])  # wrong members in a list
        self.rate = np.where(
            np.bincount(listings.row_source, suspicion.may, listings.sources) > 0, COPY_START, 0.0
        )
        self.copied = np.zeros(len(listings.row_item))  # per row how likely it is a copy

    @property
    def false_rate(self) -> Floats:
        return np.minimum(self.wrong / (self.rivals * self.size), 0.9 * self.sensitivity)

    def settle(self) -> Explanation:
        for _ in range(ROUNDS - 1):
            self._look_at_members()
            self._look_for_copies()
            self._look_at_sources()
        self._look_at_members()
        copies = self.rate >= COPY_LEAST
        everyone = np.arange(self.listings.sources)
        family = np.where(copies, self.suspicion.family, everyone)
        coins = Coins(
            self.sensitivity, self.false_rate, family, np.where(copies, self.rate, 0.0), self.rivals
        )
        return Explanation(coins, self.truth, self.unseen, self._worth())

    def _look_at_members(self) -> None:
        """How likely each member is, and how many true ones of each item nobody lists."""
        listings, listed, of = self.listings, self.listings.listed, self.listings.entry_source
        sensitivity, false_rate = self.sensitivity, self.false_rate
        self.if_true = np.where(listed, np.log(sensitivity)[of], np.log(1 - sensitivity)[of])
        self.if_false = np.where(listed, np.log(false_rate)[of], np.log(1 - false_rate)[of])
        alone = 1 - self.copied
        own = alone[listings.entry_row]
        self.true = log(self.size) + listings.by_member(own * self.if_true)
        self.false = log(self.rivals * self.size) + listings.by_member(own * self.if_false)
        known = listings.known[listings.member_item]
        self.truth = np.where(known, listings.right, _sigmoid(self.true - self.false))
        missed, spared = (
            np.exp(listings.by_item(alone * np.log(1 - rate)[listings.row_source]))
            for rate in (sensitivity, false_rate)
        )
        self.unseen = np.where(listings.known, 0.0, self.size * missed)
        self.expected = self.size * (1 - missed) + self.rivals * self.size * (1 - spared)

    def _look_for_copies(self) -> None:
        may, repeats = self.suspicion.may, self.suspicion.repeats
        if not may.any():
            return
        listings, rate = self.listings, np.clip(self.rate, TINY, COPY_MOST)
        truth = self.truth[listings.entry_member]
        by_chance = np.bincount(
            listings.entry_row, truth * self.if_true + (1 - truth) * self.if_false, len(may)
        )
        odds = np.log(rate / (1 - rate))[listings.row_source] - by_chance
        self.copied = np.where(repeats, _sigmoid(odds), 0.0)
        copied, met = (
            np.bincount(listings.row_source, listings.row_count * rows, listings.sources)
            for rows in (self.copied, may)
        )
        self.rate = np.minimum(copied / (met + COPY_PRIOR), COPY_MOST)

    def _look_at_sources(self) -> None:
        """Sensitivity and errors of each source, drawn towards those of all, and these to the
        start; what was copied tells nothing.
        """
        listings, alone = self.listings, 1 - self.copied
        own, truth = alone[listings.entry_row], self.truth[listings.entry_member]
        hits = listings.by_source(own * truth * listings.listed)
        wrong = listings.by_source(own * (1 - truth) * listings.listed)
        rows = listings.row_count * alone
        claims, unseen = (
            np.bincount(listings.row_source, each, listings.sources)
            for each in (rows, rows * self.unseen[listings.row_item])
        )
        there = listings.by_source(own * truth) + unseen
        usual, errors = (
            (part.sum() + PRIOR * start) / (whole.sum() + PRIOR)
            for part, whole, start in zip((hits, wrong), (there, claims), self.level, strict=True)
        )
        self.sensitivity = np.clip((hits + PRIOR * usual) / (there + PRIOR), *SENSITIVITY)
        self.wrong = np.maximum((wrong + PRIOR * errors) / (claims + PRIOR), LEAST_WRONG)
        found = np.bincount(listings.member_item, self.truth, len(listings.count)) + self.unseen
        items = listings.count.sum()
        self.size = float(((listings.count * found).sum() + PRIOR) / (items + PRIOR))

    def _worth(self) -> float:
        """The likelihood, and what copies and the number of rivals suppose."""
        listings, may = self.listings, self.suspicion.may
        known = listings.known[listings.member_item]
        told = np.where(listings.right, self.true, self.false)
        members = np.where(known, told, np.logaddexp(self.true, self.false))
        items = np.bincount(listings.member_item, members, len(listings.count)) - self.expected
        rate = np.clip(self.rate, TINY, COPY_MOST)[listings.row_source]
        copied, alone = self.copied, 1 - self.copied
        chance = copied * np.log(rate / np.maximum(copied, TINY))
        chance += alone * np.log((1 - rate) / np.maximum(alone, TINY))
        total = (listings.count * items).sum() + (listings.row_count * chance * may).sum()
        copiers = np.unique(listings.row_source[may]).size
        return float(total + copiers * log(COPY_CHANCE / (1 - COPY_CHANCE)))


def _weights(listings: Listings, found: Sequence[Explanation]) -> Floats:
    """The share of belief in each; any number of items counts as no more than so many."""
    scale = 1 + listings.count.sum() / EVIDENCE
    nats = np.array([e.worth / scale + RIVALS[e.coins.rivals] for e in found])
    odds = np.exp(nats - nats.max())
    return np.asarray(odds / odds.sum())


def _best(
    listings: Listings, weight: Floats, truths: Sequence[Floats], ways: Sequence[Coins]
) -> int:
    """The way whose decisions are expected to hit most members; the first if none is all but
    sure to be no worse, and expected to hit one more at least.
    """
    count = listings.count[listings.member_item]
    decisions = [decided(listings, coins)[0].astype(np.float64) for coins in ways]
    gains = np.array(
        [
            [(count * (kept - decisions[0]) * (2 * truth - 1)).sum() for truth in truths]
            for kept in decisions
        ]
    )
    expected, risk = gains @ weight, (gains < -EVEN) @ weight
    better = (risk <= RISK) & (expected >= LEAST_GAIN)
    return int(np.argmax(np.where(better, expected, 0))) if better.any() else 0


def decided(listings: Listings, coins: Coins) -> tuple[Indices, Floats]:
    """Per member whether it is kept, as decisions are made, and per item the log-odds that the
    whole set is right, as they compute them.
    """
    items, of = len(listings.count), listings.member_item
    score = _score(listings, coins)
    best = np.full(items, -np.inf)
    np.maximum.at(best, of, score)
    keep = score >= np.minimum(best, 0)[of] - EVEN
    sure = np.bincount(of, -np.logaddexp(0, np.where(keep, -score, score)), items)
    against = coins.against[listings.row_source]
    unseen = np.exp(-_pooled(listings, against, coins, (listings.row_item, listings.row_source)))
    kept = np.bincount(of, keep, items)
    chance = np.minimum(sure - kept * unseen / np.maximum(1 - unseen, EVEN), -EVEN)
    return keep, np.clip(chance - np.log(-np.expm1(chance)), -LOGIT, LOGIT)


def _score(listings: Listings, coins: Coins) -> Floats:
    """Per member its log-odds, as decisions compute them."""
    source, place = listings.entry_source, (listings.entry_member, listings.entry_source)
    for_it = _pooled(listings, np.where(listings.listed, coins.vote[source], 0), coins, place)
    left_out = np.where(listings.listed, 0, coins.against[source])
    return for_it - _pooled(listings, left_out, coins, place) - log(coins.rivals)


def _pooled(
    listings: Listings, amount: Floats, coins: Coins, place: tuple[Indices, Indices]
) -> Floats:
    """Sums of amounts about each thing by each source (``place``), of a family's common part
    the largest.
    """
    thing, source = place
    own = coins.own[source]
    size = int(thing.max(initial=-1)) + 1
    key = thing * listings.sources + coins.family[source]
    keys, where = np.unique(key, return_inverse=True)
    common = np.zeros(len(keys))
    np.maximum.at(common, where, amount * (1 - own))
    together = np.bincount(keys // max(listings.sources, 1), common, size)
    return np.asarray(np.bincount(thing, amount * own, size) + together)


def _whole(listings: Listings, explanation: Explanation, keep: Indices) -> Floats:
    """Per item the log of how likely just these members are true."""
    truth = np.clip(np.where(keep, explanation.truth, 1 - explanation.truth), TINY, 1)
    chance = np.bincount(listings.member_item, np.log(truth), len(listings.count))
    return np.asarray(chance - explanation.unseen)


def _sigmoid(odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -700, 700))))
