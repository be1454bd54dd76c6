"""Conflicts that are alike, so that one ruling can settle many.

Each *contested* claim – one that does not say what the others say – stands in exactly one group:
that of its attribute, its dataset, and its relation to what the others say.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from heapq import nsmallest
from typing import Any, NamedTuple

from ibis.backends import BaseBackend

from catalog.standards import elements
from catalog.subjects import Subject
from reconcile.conflicts.reading import Conflict, Reader
from reconcile.conflicts.relations import SPECIFIC, STALE_DAYS, Relation, relation
from reconcile.conflicts.voices import Source, Voices, count
from reconcile.fusion.gather import TableLike

LEAST = 5
"""Claims that have a value in common, before it looks like more than chance."""
CONSISTENT = 0.9
"""The share of a dataset's claims that a rule must fit, before it is proposed."""
STAND_IN = 0.5
"""The share of the claims of one value that are contested, before it is no value at all."""
COMMON = 0.2
"""The share of a dataset's contested numbers that differ by one factor, before it is no chance."""
WORTHLESS, ENOUGH = 0.5, 20
"""The share of contested claims, and how many there must be, before a source is not worth asking."""

EXAMPLES = 5
_REMEMBERED = 1 << 18


class Example(NamedTuple):
    """One contested claim of a group: what the dataset says, and what stands against it."""

    entity: str
    value: str
    standard: str


@dataclass(frozen=True)
class Group:
    """Contested claims of one dataset about one attribute that differ in the same way.

    ``number``: of this release. ``said``, ``others``: the value they have in common, and what
    others say in its place; ``factor``: by what numbers differ. ``count``: contested claims;
    ``disputed``: those of values in dispute. ``of_contested``, ``of_claims``: their share of the
    dataset's contested claims, and of all its claims, about the attribute. ``fits``: of the
    claims that ``repair`` would change and that others have a say about, the share that it makes
    agree. ``repair``: what could settle them, if anything.
    """

    number: int
    attribute: str
    dataset: str
    relation: Relation
    said: str | None
    others: str | None
    factor: str | None
    count: int
    disputed: int
    of_contested: float
    of_claims: float
    fits: float | None
    repair: Mapping[str, Any] | None
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Grouping:
    """All groups of a subject, and in which of them the claims of a conflict (entity, attribute)
    stand.
    """

    groups: tuple[Group, ...] = ()
    members: Mapping[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    contested: int = 0


class _Claim(NamedTuple):
    conflict: Conflict
    dataset: str
    value: str
    standard: str
    relation: Relation
    factor: str | None
    stale: bool

    @property
    def source(self) -> Source:
        return self.conflict.attribute, self.dataset


_Key = tuple[str, str, Relation, str | None, str | None, str | None]


def grouped(
    engine: BaseBackend, subject: Subject, conflicts: Iterable[Conflict], claims: TableLike
) -> Grouping:
    """Groups all contested claims. Neither the order of the conflicts nor of the claims matters.

    Args:
        claims: all claims of the subject (``entity, attribute, value, dataset``), by which it is
            known how much of what a dataset says is contested.
    """
    found = _contested(subject, conflicts)
    if not found:
        return Grouping()
    values = Counter((*claim.source, claim.value) for claim in found)
    common = [value for value, times in values.items() if times >= LEAST]
    voices = count(engine, claims, {claim.conflict.attribute for claim in found}, common)
    return _form(found, _Sorter(found, voices), subject, voices)


def _contested(subject: Subject, conflicts: Iterable[Conflict]) -> list[_Claim]:
    known = elements()
    reader = Reader(subject)

    @lru_cache(_REMEMBERED)
    def related(attribute: str, value: str, standard: str) -> tuple[Relation, str | None]:
        return relation(known[subject.attributes[attribute].element], value, standard)

    found = []
    for conflict in conflicts:
        if conflict.attribute not in subject.attributes:
            continue
        fresh: date | None = None
        for said, standard in reader.contested(conflict):
            fresh = fresh or _newest(reader, conflict, standard)
            how, factor = related(conflict.attribute, said.value, standard)
            behind = _days_between(said.as_of, fresh)
            found.append(_Claim(conflict, said.dataset, said.value, standard, how, factor, behind))
    return found


def _newest(reader: Reader, conflict: Conflict, standard: str) -> date | None:
    """The newest day on which the standard was said."""
    gists = reader.gists(conflict)
    days = [
        said.as_of
        for said in conflict.claims
        if said.as_of and gists[said.value] == gists[standard]
    ]
    return date.fromisoformat(max(days)) if days else None


def _days_between(as_of: str | None, fresh: date | None) -> bool:
    if as_of is None or fresh is None:
        return False
    return (fresh - date.fromisoformat(as_of)).days > STALE_DAYS


class _Sorter:
    """Says which group a claim belongs to, knowing what all claims have in common."""

    def __init__(self, found: Sequence[_Claim], voices: Voices) -> None:
        self._voices = voices
        self._pairs = Counter((*claim.source, claim.value, claim.standard) for claim in found)
        self._values = Counter((*claim.source, claim.value) for claim in found)
        against: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for claim in found:
            against[*claim.source, claim.value].add(claim.standard)
        self._against = {value: len(standards) for value, standards in against.items()}
        self._factors = Counter((*claim.source, claim.factor) for claim in found)
        self._contested = Counter(claim.source for claim in found)

    def key(self, claim: _Claim) -> _Key:
        """Attribute, dataset, relation, and what the claims of a group have in common."""
        said = others = None
        how, factor = claim.relation, claim.factor
        if how is Relation.OTHER and self._is_common_factor(claim):
            how = Relation.FACTOR
        elif how not in SPECIFIC:
            factor = None
            if self.consistency(claim) is not None:
                how, said, others = Relation.RECODE, claim.value, claim.standard
            elif self._is_stand_in(claim):
                how, said = Relation.CONSTANT, claim.value
            elif how is Relation.OTHER and claim.stale:
                how = Relation.STALE
            elif how is Relation.OTHER and self._times(claim) >= LEAST:
                said, others = claim.value, claim.standard
        return (*claim.source, how, said, others, factor)

    def consistency(self, claim: _Claim) -> float | None:
        """How often others say the same in place of the claim's value, if nearly always."""
        times = self._times(claim)
        if times < LEAST:
            return None
        share = times / max(self._voices.values.get((*claim.source, claim.value), 0), times)
        return share if share >= CONSISTENT else None

    def _is_common_factor(self, claim: _Claim) -> bool:
        times = 0 if claim.factor is None else self._factors[*claim.source, claim.factor]
        return times >= max(LEAST, COMMON * self._contested[claim.source])

    def _times(self, claim: _Claim) -> int:
        return self._pairs[*claim.source, claim.value, claim.standard]

    def _is_stand_in(self, claim: _Claim) -> bool:
        """Whether the value stands for so many others that it must stand for none."""
        value = (*claim.source, claim.value)
        times = self._values[value]
        heard = max(self._voices.values.get(value, 0), times)
        return self._against[value] >= max(LEAST, 0.8 * times) and times / heard >= STAND_IN


def _form(found: Sequence[_Claim], sorter: _Sorter, subject: Subject, voices: Voices) -> Grouping:
    by_key: dict[_Key, list[_Claim]] = defaultdict(list)
    for claim in found:
        by_key[sorter.key(claim)].append(claim)
    contested = Counter(claim.source for claim in found)
    made = [_group(key, claims, contested, voices) for key, claims in by_key.items()]
    made = _with_repairs(made, contested, subject, voices)
    made.sort(key=_place)
    numbered = tuple(replace(group, number=n) for n, group in enumerate(made, start=1))
    numbers = {_key(group): group.number for group in numbered}
    members: dict[tuple[str, str], set[int]] = defaultdict(set)
    for key, claims in by_key.items():
        for claim in claims:
            members[claim.conflict.entity, claim.conflict.attribute].add(numbers[key])
    return Grouping(numbered, {item: tuple(sorted(at)) for item, at in members.items()}, len(found))


def _key(group: Group) -> _Key:
    return (
        group.attribute, group.dataset, group.relation, group.said, group.others, group.factor,
    )  # fmt: skip


def _place(group: Group) -> tuple[Any, ...]:
    """Those that a ruling could settle come first, then the largest."""
    return group.repair is None, -group.count, *(text or "" for text in _key(group))


def _group(
    key: _Key, claims: Sequence[_Claim], contested: Mapping[Source, int], voices: Voices
) -> Group:
    attribute, dataset, how, said, others, factor = key
    source = (attribute, dataset)
    shown = nsmallest(EXAMPLES, (Example(c.conflict.entity, c.value, c.standard) for c in claims))
    return Group(
        number=0,
        attribute=attribute,
        dataset=dataset,
        relation=how,
        said=said,
        others=others,
        factor=factor,
        count=len(claims),
        disputed=sum(claim.conflict.in_dispute for claim in claims),
        of_contested=round(len(claims) / contested[source], 4),
        of_claims=round(len(claims) / max(voices.claims.get(source, 0), contested[source]), 4),
        fits=None,
        repair=None,
        examples=tuple(shown),
    )


def _with_repairs(
    made: Sequence[Group], contested: Mapping[Source, int], subject: Subject, voices: Voices
) -> list[Group]:
    """The groups with what could settle them. Recodes of one source are one repair: it is one
    list of codes that is old.
    """
    by_source: dict[Source, list[Group]] = defaultdict(list)
    for group in made:
        by_source[group.attribute, group.dataset].append(group)
    done = []
    for source, groups in by_source.items():
        recodes = [group for group in groups if group.relation is Relation.RECODE]
        mapping = {group.said: group.others for group in sorted(recodes, key=_place)}
        worthless = _worthless(source, contested, subject, voices)
        for group in groups:
            fits: float | None = None
            repair: dict[str, Any] | None = None
            if group.relation is Relation.RECODE:
                repair = {"kind": "recode", "mapping": mapping}
                heard = sum(voices.values.get((*source, x.said or ""), 0) for x in recodes)
                fits = sum(x.count for x in recodes) / max(heard, 1)
            elif group.relation is Relation.SWAPPED:
                fits = group.count / max(voices.swappable.get(source, 0), group.count)
                repair = {"kind": "swap_day_month"} if _enough(group, fits) else None
            elif worthless is not None:
                repair, fits = {"kind": "ignore"}, worthless
            done.append(replace(group, repair=repair, fits=fits and round(min(fits, 1.0), 4)))
    return done


def _enough(group: Group, fits: float) -> bool:
    return group.count >= LEAST and fits >= CONSISTENT


def _worthless(
    source: Source, contested: Mapping[Source, int], subject: Subject, voices: Voices
) -> float | None:
    """How much of what a source says is contested, if it is so much that asking it does harm.
    What the law makes a source of is not for a repair to silence.
    """
    attribute, dataset = source
    share = contested[source] / max(voices.heard.get(source, 0), contested[source])
    if subject.attributes[attribute].designated == dataset:
        return None
    return share if contested[source] >= ENOUGH and share >= WORTHLESS else None
