"""The explanations of the claims among which it is chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reconcile.fusion.learning.camps import Camps, Floats
from reconcile.fusion.learning.difficulty import harder
from reconcile.fusion.learning.learner import Explanation, Learner, Way

PLAIN = 2  # of the explanations, the first ones, are plain
STARTS = 8  # how many suspicions are tried at most


def explain(camps: Camps) -> list[Explanation]:
    """Explanations of the claims, the plainest first: all sources alike."""
    learner = Learner(camps)
    nobody = camps.suspicion(0)
    independent = learner.settle(nobody, Way(firm=True))
    found = [*plainly(camps), harder(learner, independent)]
    steps = min(camps.suspicions, STARTS)
    for step in range(1, steps + 1):
        suspicion = camps.suspicion(step / steps)
        found += [learner.settle(suspicion), learner.settle(suspicion, Way(firm=True))]
    return found


def plainly(camps: Camps) -> list[Explanation]:
    """All sources alike, and each as reliable as it is, suspecting nobody at first."""
    learner, nobody = Learner(camps), camps.suspicion(0)
    return [learner.settle(nobody, Way(alike=True)), learner.settle(nobody)]


def worth(explanations: Sequence[Explanation]) -> Floats:
    """Per attribute how well the best of them explains its claims (nats)."""
    return np.asarray(np.max([e.worth + e.prior for e in explanations], axis=0))
