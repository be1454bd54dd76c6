"""What is believed of a source that nothing can be compared with: as it proves right elsewhere.

Where one dataset alone knows a subject, nobody contradicts it, and its claims do not tell how good it
is. The same dataset, or another of its department, may be one of several about another subject, and
errs there about names or addresses as it does here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from math import log
from statistics import fmean
from typing import TypeAlias

import pyarrow as pa

from catalog.subjects import Subject
from reconcile.fusion.learning.camps import VOICES
from reconcile.fusion.learning.choice import HIGHEST
from reconcile.fusion.learning.learner import START
from reconcile.fusion.learning.trust import Trust, report, trusted

MOST_LASTING = 0.9999  # of values, at an average age

Near: TypeAlias = tuple[str, str]  # a dataset or a department; an element, or "" for any


def informed(
    learned: pa.Table, subject: Subject, others: Sequence[tuple[Subject, pa.Table]]
) -> pa.Table:
    """What was ``learned`` of the sources of ``subject``; those of which its claims cannot tell
    anything are believed as often as they, or else their departments, were found right about
    values of the same element in ``others``, or else about any values.

    Args:
        learned: as :func:`reconcile.fusion.learning.trust.report` gives it, like those of others.
    """
    known = _known(others)
    trust = trusted(learned)
    given = Counter(t.attribute for t in trust if t.kind is None)
    compared = {t.dataset for t in trust if given[t.attribute] > 1}
    return report(
        [
            t
            if t.dataset in compared or t.attribute in subject.many
            else _believed(t, subject, known)
            for t in trust
        ]
    )


def _known(others: Sequence[tuple[Subject, pa.Table]]) -> dict[Near, list[float]]:
    """How reliable sources were found, near to far."""
    found: dict[Near, list[float]] = defaultdict(list)
    for subject, learned in others:
        trust = [t for t in trusted(learned) if t.kind is None]
        given = Counter(t.attribute for t in trust)
        for t in trust:
            attribute = subject.attributes.get(t.attribute)
            # By keys records were linked, so that nearly all agree on them.
            if attribute is None or attribute.key or attribute.many or given[t.attribute] <= VOICES:
                continue
            for near in _nearest(t.dataset, attribute.element):
                found[near].append(t.reliability)
    return found


def _nearest(dataset: str, element: str) -> tuple[Near, ...]:
    department, _, _ = dataset.partition(".")
    return (dataset, element), (department, element), (dataset, ""), (department, "")


def _believed(trust: Trust, subject: Subject, known: dict[Near, list[float]]) -> Trust:
    element = subject.attributes[trust.attribute].element
    for near in _nearest(trust.dataset, element):
        if near in known:
            found = min(fmean(known[near]), HIGHEST)
            # That other values are often wrong, such as numbers of phones, says nothing of these.
            reliability = round(found if near[1] else max(found, START), 4)
            vote = round(log(trust.rivals * reliability / (1 - reliability)), 6)
            return _lasting(replace(trust, reliability=reliability, vote=vote))
    return trust


def _lasting(trust: Trust) -> Trust:
    """Where so many claims of average age are right, values do not change faster than that allows,
    whatever is usual.
    """
    fresh = min(trust.reliability / HIGHEST, MOST_LASTING)
    if trust.half_life_days is None or trust.undated >= fresh:
        return trust
    slower = log(trust.undated) / log(fresh)
    half_life = round(trust.half_life_days * slower, 1)
    return replace(trust, half_life_days=half_life, undated=round(fresh, 6))
