"""The explanations of the claims among which it is chosen."""

from __future__ import annotations

from reconcile.fusion.camps import Camps
from reconcile.fusion.difficulty import harder
from reconcile.fusion.learning import Explanation, Learner, Way

STARTS = 8  # how many suspicions are tried at most


def explain(camps: Camps) -> list[Explanation]:
    """Explanations of the claims, the plainest first: all sources alike."""
    learner = Learner(camps)
    nobody = camps.suspicion(0)
    independent = learner.settle(nobody, Way(firm=True))
    found = [
        learner.settle(nobody, Way(alike=True)),
        learner.settle(nobody),
        harder(learner, independent),
    ]
    steps = min(camps.suspicions, STARTS)
    for step in range(1, steps + 1):
        suspicion = camps.suspicion(step / steps)
        found += [learner.settle(suspicion), learner.settle(suspicion, Way(firm=True))]
    return found
