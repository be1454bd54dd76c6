"""What is believed of a source, in the form that decisions use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import exp, log

import numpy as np
import pyarrow as pa

from reconcile.fusion.learning.camps import Camps, Floats, Pattern
from reconcile.fusion.learning.choice import HIGHEST, Chosen, choose
from reconcile.fusion.learning.explaining import PLAIN, explain, plainly, worth
from reconcile.fusion.learning.learner import START

FEW_RIVALS = 1.0  # of an attribute that nothing is known of
LEAST = 1e-9  # a share to divide by


@dataclass(frozen=True)
class Trust:
    """What is believed of ``dataset`` about ``attribute``.

    ``vote``: the log-odds (nats) its claim of average age adds for a value. ``own``: the share of the vote that
    counts beside other members of its ``family``, sources that repeat each other's mistakes and
    have the rest of their vote in common. ``copies_from``: the source it seems to repeat, the
    less reliable of two being taken for the copier.

    Of the attribute, the same for all its sources: ``rivals``: how many wrong values a claim
    typically falls on; ``shift`` and ``slope``: how the log-odds of a decision are corrected;
    ``half_life_days``: after how many days half of its values have changed; ``undated``: the
    recency of a claim without a date.

    Where an entity may have several values, ``reliability`` is how much of what the source lists
    is right, ``sensitivity`` how often it lists a true member, ``false_rate`` how often one of
    the wrong values that it could list, ``rivals`` how many of these there are for a true one.

    ``kind``: the kind of things that all this is about, a value of the attribute ``kind_of``; None:
    all things of which nothing else is told. Where that is the attribute itself (``by_value``), all
    this is about claims of that value: ``chances`` is a JSON list of how likely the source makes
    them about things that have each of the values, sorted; ``share`` of all things have this one,
    and of those of some kinds, values of the attribute ``shares_of``, the share in ``shares``, a
    JSON object.
    """

    attribute: str
    dataset: str
    reliability: float
    vote: float
    rivals: float
    own: float = 1.0
    family: str | None = None
    copies_from: str | None = None
    shift: float = 0.0
    slope: float = 1.0
    half_life_days: float | None = None
    undated: float = 1.0
    sensitivity: float | None = None
    false_rate: float | None = None
    kind: str | None = None
    kind_of: str | None = None
    share: float | None = None
    chances: str | None = None
    shares: str | None = None
    shares_of: str | None = None

    @property
    def by_value(self) -> bool:
        """Whether this is about claims of one value."""
        return self.kind is not None and self.kind_of == self.attribute

    @property
    def current(self) -> float:
        """How likely a claim of today is right: ``vote`` is that of a claim of average age, and
        of what has changed since, only mistakes may be right now.
        """
        on_average = 1 / (1 + self.rivals * exp(-self.vote))
        anyway = (1 - self.undated) / self.rivals
        found = (on_average - anyway) / max(self.undated - anyway, LEAST)
        return min(max(found, on_average), HIGHEST)


_TYPES = {"str": pa.string(), "str | None": pa.string()}
_SCHEMA = pa.schema([(f.name, _TYPES.get(str(f.type), pa.float64())) for f in fields(Trust)])


@dataclass(frozen=True)
class Lesson:
    """What was learned: the ``trust`` in sources, and per attribute how well the best explanation,
    and the best ``plain`` one, explains its claims (nats) and of how many ``things`` these are.
    ``copied``: at which rate a source repeats another, where it does.
    """

    trust: list[Trust]
    worth: Mapping[str, float]
    plain: Mapping[str, float]
    things: Mapping[str, float]
    copied: Mapping[tuple[str, str], float]


def study(
    patterns: Iterable[Pattern],
    sources: Iterable[tuple[str, str]],
    rivals: Mapping[str, float],
) -> Lesson:
    """What is learned of every (attribute, dataset) of ``sources``, sorted.

    Args:
        patterns: items that at least two sources know, or whose truth is known.
        rivals: attribute → a first guess at how many wrong values there are; at least 1.
    """
    camps = Camps(patterns, sources, rivals)
    explanations = explain(camps)
    things = camps.by_attribute(np.ones(len(camps.count)))
    chosen = choose(camps, explanations)
    return Lesson(
        _trust(camps, chosen),
        worth=_named(camps, worth(explanations)),
        plain=_named(camps, worth(explanations[:PLAIN])),
        things=_named(camps, things),
        copied=dict(zip(camps.sources, chosen.learned.rate.tolist(), strict=True)),
    )


def glance(
    patterns: Iterable[Pattern],
    sources: Iterable[tuple[str, str]],
    rivals: Mapping[str, float],
) -> Mapping[str, float]:
    """What :attr:`Lesson.plain` would be, without the rest."""
    camps = Camps(patterns, sources, rivals)
    return _named(camps, worth(plainly(camps)))


def _named(camps: Camps, figures: Floats) -> Mapping[str, float]:
    return dict(zip(camps.names, figures.tolist(), strict=True))


def _trust(camps: Camps, chosen: Chosen) -> list[Trust]:
    learned, votes = chosen.learned, chosen.votes
    members = np.bincount(votes.family, minlength=len(votes.family))
    found = []
    for i, (attribute, dataset) in enumerate(camps.sources):
        root, parent = int(votes.family[i]), int(learned.parent[i])
        trust = Trust(
            attribute,
            dataset,
            reliability=round(float(min(learned.reliability[i], HIGHEST)), 4),
            vote=round(float(votes.vote[i]), 6),
            rivals=round(float(votes.rivals[i]), 3),
            own=round(float(votes.own[i]), 6),
            family=None if members[root] == 1 else camps.sources[root][1],
            copies_from=None if parent == i else camps.sources[parent][1],
            shift=round(float(chosen.shift[i]), 6),
            slope=round(float(chosen.slope[i]), 6),
        )
        found.append(trust)
    return found


def report(trust: Sequence[Trust]) -> pa.Table:
    """All that is believed, one column for each field of :class:`Trust`."""
    return pa.Table.from_pylist([vars(t) for t in trust], _SCHEMA)


def trusted(known: pa.Table) -> list[Trust]:
    """What an earlier :func:`report` has."""
    names = [name for name in _SCHEMA.names if name in known.column_names]
    return [Trust(**row) for row in known.select(names).to_pylist()]


def recall(known: pa.Table, sources: Sequence[tuple[str, str]]) -> list[Trust]:
    """The trust in ``sources``, in their order, as an earlier :func:`report` has it, then that in
    some of them by kind. A source that was not there then counts like any nothing is known of, of
    each kind.
    """
    rows = trusted(known)
    trust = {(row.attribute, row.dataset): row for row in rows if row.kind is None}
    of_attribute = {row.attribute: row for row in trust.values()}
    overall = [
        trust.get((attribute, dataset)) or _stranger(attribute, dataset, of_attribute)
        for attribute, dataset in sources
    ]
    kinds: dict[tuple[str, str], dict[str, Trust]] = {}
    for row in rows:
        if row.kind is not None:
            kinds.setdefault((row.attribute, row.kind), {})[row.dataset] = row
    by_kind = []
    for (name, _), those in sorted(kinds.items()):
        like = next(iter(those.values()))
        values = sorted(kind for about, kind in kinds if about == name)
        for attribute, dataset in sources:
            if attribute == name:
                other = _stranger(attribute, dataset, {attribute: like})
                other = _of_value(other, values) if like.by_value else other
                by_kind.append(those.get(dataset) or other)
    return [*overall, *by_kind]


def _stranger(attribute: str, dataset: str, known: Mapping[str, Trust]) -> Trust:
    like = known.get(attribute) or Trust(attribute, dataset, START, 0.0, FEW_RIVALS)
    vote = round(log(like.rivals * START / (1 - START)), 6)
    return replace(
        like,
        dataset=dataset,
        reliability=START,
        vote=vote,
        own=1.0,
        family=None,
        copies_from=None,
        sensitivity=None,
        false_rate=None,
    )


def _of_value(stranger: Trust, values: Sequence[str]) -> Trust:
    """What is believed of claims of one value by a source of which no more is known."""
    others = (1 - START) / max(len(values) - 1, 1)
    chances = [START if value == stranger.kind else others for value in values]
    return replace(stranger, chances=json.dumps(chances))
