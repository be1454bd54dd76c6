"""Things that are hard to get right, whoever tries.

About a person who has just moved every register errs at once, and about others nobody does. Sources
then agree more than their reliabilities allow, which looks like copying, most of all between the
best ones: both right about what is easy, both wrong about what is hard. So one more explanation
supposes two classes of things instead of copies, in each of which every source is as reliable as it
is there, and leaves it to the claims which of the two explains them better. Mistakes that copies
share are the same mistake, those of hard things are as different as any: where there are few
mistakes to make, as of values of which everybody knows the former one, claims cannot tell, and
copies are what is thought of.
"""

from __future__ import annotations

import numpy as np

from reconcile.fusion.learning.camps import Camps, Floats
from reconcile.fusion.learning.learner import (
    ATTRIBUTE_PRIOR,
    HIGHEST,
    Explanation,
    Learned,
    Learner,
    Way,
)
from reconcile.fusion.learning.mistakes import Mistakes

ROUNDS = 30
SHARE = 0.2  # of things that are hard, at first
SHARE_PRIOR = 10.0  # how many things that is worth
FEWEST_RIVALS = 5.0  # mistakes there are to make, that copies and hard things can be told apart
EASIER, HARDER = 0.5, 2.0  # times as many mistakes, at first


def harder(learner: Learner, plain: Explanation) -> Explanation:
    """How the claims are explained by things of two classes, of which one is harder.

    Args:
        plain: the explanation by sources alone, from which this one starts.
    """
    camps, known = learner.camps, plain.learned
    error, lowest = 1 - known.reliability, 1 / (known.rivals + 1) + 0.01
    classes = [np.clip(1 - error * much, lowest, HIGHEST) for much in (EASIER, HARDER)]
    share = np.full(camps.attributes, SHARE)
    things = camps.by_attribute(np.ones(len(camps.count)))
    for _ in range(ROUNDS):
        truths, hard, likelihood = _told(camps, classes, share, known.rivals)
        share = (camps.by_attribute(hard) + SHARE_PRIOR * SHARE) / (things + SHARE_PRIOR)
        classes = [
            np.clip(_reliability(camps, truth, of, known.reliability), lowest, HIGHEST)
            for truth, of in zip(truths, (1 - hard, hard), strict=True)
        ]
    mixed = hard[camps.camp_item]
    truth = truths[0] * (1 - mixed) + truths[1] * mixed
    overall = _reliability(camps, truth, np.ones(len(hard)), known.reliability)
    learned = Learned(np.clip(overall, lowest, HIGHEST), known.parent, known.rate, known.rivals)
    claims = camps.by_source(camps.row_count)
    further = np.bincount(camps.attribute, np.log1p(claims / ATTRIBUTE_PRIOR), camps.attributes)
    supposed = (further + np.log1p(things)) / 2
    fit = camps.by_attribute(likelihood) - learner.copying(learned) - supposed
    fit = np.where(camps.shared(known.rivals) >= FEWEST_RIVALS, fit, -np.inf)
    worth = fit - learner.complexity(learned, Way())
    return Explanation(learned, truth, fit, worth, plain.prior, hard=True)


def _told(
    camps: Camps, classes: list[Floats], share: Floats, rivals: Floats
) -> tuple[list[Floats], Floats, Floats]:
    """Per class how likely each camp is right; per item how likely it is hard, and the
    log-likelihood of its claims.
    """
    source = camps.row_source
    mistakes = Mistakes(camps, np.ones(len(source), np.bool_), rivals)
    found = [mistakes.weighed(a[source], 1 - a[source]) for a in classes]
    hard = share[camps.item_attribute]
    logs = [np.log(1 - hard) + found[0][1], np.log(hard) + found[1][1]]
    likelihood = np.logaddexp(*logs)
    return [truth for truth, _ in found], np.exp(logs[1] - likelihood), likelihood


def _reliability(camps: Camps, truth: Floats, of: Floats, usual: Floats) -> Floats:
    """Per source the share of right claims about items that count ``of``, drawn to the usual."""
    weight = camps.row_count * of[camps.row_item]
    right = camps.by_source(weight * truth[camps.row_camp]) + ATTRIBUTE_PRIOR * usual
    return right / (camps.by_source(weight) + ATTRIBUTE_PRIOR)
