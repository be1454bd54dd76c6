"""How mistakes about one thing fall together.

A mistake repeats one that others made, the sooner the more of them did, or is of its own (Ewens, *The
Sampling Theory of Selectively Neutral Alleles*, Theoretical Population Biology 1972). So few wrong values
that are the same for all who err, as the former one, go with many that are not; were all wrong values
alike, a third mistake of another kind would speak for many of them, and two that agree for a copy.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reconcile.fusion.learning.camps import Camps, Floats

SPARE = 0.05  # rivals beyond one, at least: a mistake of its own is always possible
LEAST_ODDS = 1e-300  # a number that has a logarithm


class Mistakes:
    """What camps of claims are like if they are wrong.

    Args:
        own: per row, whether it errs by itself; else it repeats another row of its camp.
        rivals: per source; of two mistakes about one item, one in so many is the same.
    """

    def __init__(self, camps: Camps, own: npt.NDArray[np.bool_], rivals: Floats) -> None:
        self._camps = camps
        strength = np.maximum(camps.shared(rivals) - 1, SPARE)
        size = np.bincount(camps.row_camp, own, len(camps.camp_item)).astype(np.intp)
        sizes = np.bincount(camps.camp_item, size, len(camps.count)).astype(np.intp)
        places = np.arange(sizes.max(initial=0))
        # Row: attribute; column: n; the logs of strength × (strength + 1) × … of n factors.
        rising = np.zeros((len(strength), len(places) + 1))
        rising[:, 1:] = np.cumsum(np.log(strength[:, None] + places), axis=1)
        follow = np.zeros(len(places) + 1)
        follow[2:] = np.cumsum(np.log(places[1:]))
        attribute, of = camps.item_attribute, camps.camp_item
        self._together = np.where(size > 0, np.log(strength)[attribute[of]] + follow[size], 0)
        self._all = rising[attribute, sizes]
        self._others = rising[attribute[of], sizes[of] - size]

    def weighed(self, right: Floats, wrong: Floats) -> tuple[Floats, Floats]:
        """Per camp how likely its value is the true one, and not one that nobody claims; and per item
        the log-likelihood of its claims.

        Args:
            right: per row how likely its claim is if its camp is right, ``wrong``: if it is wrong,
                apart from where own mistakes fall.
        """
        camps, of, items = self._camps, self._camps.camp_item, len(self._camps.count)
        alone = self._together + self._others - self._all[of]
        score = np.bincount(camps.row_camp, np.log(right / wrong), len(of)) - alone
        best = np.zeros(items)
        np.maximum.at(best, of, score)
        odds = np.exp(score - best[of]) * camps.camp_possible
        unclaimed = np.where(camps.item_known & ~camps.item_missed, 0, np.exp(-best))
        total = np.maximum(np.bincount(of, odds, items) + unclaimed, LEAST_ODDS)
        apart = np.bincount(of, self._together, items) - self._all
        base = np.bincount(camps.row_item, np.log(wrong), items) + apart
        return odds / total[of], np.asarray(base + best + np.log(total))
