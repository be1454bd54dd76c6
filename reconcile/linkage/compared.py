"""How two records compare: attributes, the levels at which they agree, and the SQL of these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from catalog.standards.base import Agreement, Comparison

NAMES = 6  # of others, as many as are compared
MARK = "|"
_TELLING = 0.02


@dataclass(frozen=True)
class Grade:
    """A level of likeness as the model weighs it. ``rare``: only where hardly anybody has the one
    value or the other, so that it may well be a slip of the pen.
    """

    level: Agreement
    rare: bool = False


@dataclass(frozen=True)
class Compared:
    """An attribute that is compared: its name, its column, and how its element compares.

    Columns of ours have plain made-up names, so that no name of an attribute reaches SQL.
    ``chance``: the share of strangers that have the same value. ``steady``: whether the records
    of one entity mostly have the same value, so that differing says something; addresses change
    and are written in many ways. ``swaps``: the attribute whose value may stand in its place, and
    its own in that one's; the ``leading`` of the two says so, and the other one then nothing.
    """

    name: str
    column: str
    comparison: Comparison
    chance: float = 0.0
    steady: bool = True
    swaps: Compared | None = None
    leading: bool = False

    @property
    def telling(self) -> bool:
        """Whether agreeing says something about who it is; by sex alone nobody is known."""
        return self.chance <= _TELLING

    @property
    def grades(self) -> tuple[Grade, ...]:
        """What the model tells apart, from strongest to weakest."""
        found = []
        for level in self.comparison.levels:
            if self.comparison.frequency and (level.feature or level.test != "equal"):
                found.append(Grade(level, rare=True))
            found.append(Grade(level))
        if self.leading:
            found.insert(1, Grade(Agreement("swapped", "swapped", self.comparison.swaps)))
        return tuple(found)

    @property
    def rarely(self) -> str:
        """The column that says of a value whether hardly anybody has it."""
        return f"{self.column}_r"

    @property
    def usual(self) -> str:
        """The table of the values that some have."""
        return f"usual_{self.column}"

    def derived(self, feature: str) -> str:
        """The column of a feature; the empty feature is the value itself."""
        if not feature:
            return self.column
        return f"{self.column}_f{sorted(self.comparison.features).index(feature)}"

    @property
    def blocking(self) -> tuple[str, ...]:
        """The columns by which candidate pairs are found."""
        features = dict.fromkeys(["", *self.comparison.blocking])
        return tuple(self.derived(feature) for feature in features)

    @property
    def both(self) -> tuple[str, ...]:
        """The column of this value and the one it may have changed places with, in any order; of
        the leading one alone.
        """
        return (f"{self.column}_w",) if self.leading else ()

    def missing(self, left: str, right: str) -> str:
        """SQL: whether there is nothing to compare; ``left`` and ``right`` as in :meth:`condition`."""
        missing = f"{left.format(self.column)} IS NULL OR {right.format(self.column)} IS NULL"
        if self.swaps is None or self.leading:
            return missing
        return f"{missing} OR {self._swapped(self.swaps, left, right)}"

    def graded(self, grade: Grade, left: str, right: str) -> str:
        """SQL: whether two values agree at ``grade``; the rest as in :meth:`condition`."""
        agree = self.condition(grade.level, left, right)
        if not grade.rare:
            return agree
        return _if(f"{left.format(self.rarely)} OR {right.format(self.rarely)}", agree)

    def condition(self, level: Agreement, left: str, right: str) -> str:
        """SQL: whether two values agree at ``level``; ``left`` and ``right`` are patterns of
        column names such as ``l.{}`` or ``{}_l``.
        """
        column = self.derived(level.feature)
        if level.test == "swapped" and self.swaps is not None:
            return self._swapped(self.swaps, left, right)
        if level.test == "equal":
            return f"{left.format(column)} = {right.format(column)}"
        if level.test == "within":
            number = f"{column}_n"
            return f"abs({left.format(number)} - {right.format(number)}) <= {level.bound}"
        (a, b), (c, d) = (
            (left.format(f"{column}_s{n}"), right.format(f"{column}_s{n}")) for n in (0, 1)
        )
        if level.test == "jaro_winkler":
            function = "jaro_winkler_similarity"
            # Less a hair, since the last bit of what is exactly at the bound depends on the engine.
            least = f"{level.bound - 1e-9:.9f}"
            return _if(f"{function}({a}, {b}) >= {least}", f"{function}({c}, {d}) >= {least}")
        # The plain distance is many times faster, and a swap counts two in it.
        function = "damerau_levenshtein"
        return _if(
            f"levenshtein({a}, {b}) <= {2 * level.bound}",
            f"greatest({function}({a}, {b}), {function}({c}, {d})) <= {level.bound}",
        )

    def _swapped(self, other: Compared, left: str, right: str) -> str:
        """SQL: whether each value agrees with the one of the ``other`` attribute, and not with
        its own.
        """
        one, another = self.derived(self.comparison.swaps), other.derived(self.comparison.swaps)
        (a, b), (c, d) = ((side.format(one), side.format(another)) for side in (left, right))
        return f"coalesce({a} = {d} AND {b} = {c} AND {a} <> {c}, false)"

    def extra_columns(self) -> Iterator[tuple[str, str]]:
        """Column → SQL of what is computed from values in the engine."""
        if self.leading and self.swaps is not None:
            one, other = self.column, self.swaps.column
            ways = (f"{one} || '{MARK}' || {other}", f"{other} || '{MARK}' || {one}")
            yield self.both[0], f"CASE WHEN {one} < {other} THEN {ways[0]} ELSE {ways[1]} END"
        for level in self.comparison.levels:
            if level.test == "within":
                column = self.derived(level.feature)
                days = f"date_diff('day', DATE '1970-01-01', try_cast({column} AS DATE))"
                yield f"{column}_n", f"coalesce({days}, try_cast({column} AS DOUBLE))"

    def spelt_features(self) -> frozenset[str]:
        """The features whose spelling is compared character by character."""
        spelling = ("edits", "jaro_winkler")
        return frozenset(x.feature for x in self.comparison.levels if x.test in spelling)


@dataclass(frozen=True)
class Related(Compared):
    """Who stands beside a record in its dataset: the names of the others with the same household
    number, address or whatever is ``gathering``. ``own``: the attribute that has names.

    Where two records agree on what gathers, the same others follow from that, and say nothing.
    Nor do others count in common where the one is itself among the others of the other: then
    they are not the same, but of one household.
    """

    own: Compared = field(kw_only=True)
    gathering: tuple[Compared, ...] = field(kw_only=True)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of single names."""
        return tuple(f"{self.column}_{n}" for n in range(1, NAMES + 1))

    def missing(self, left: str, right: str) -> str:
        """SQL: whether there is nothing to compare, or it follows from what gathers."""
        agree = " OR ".join(
            f"coalesce({left.format(column)} = {right.format(column)}, false)"
            for attribute in self.gathering
            for column in attribute.blocking
        )
        return f"{super().missing(left, right)} OR {agree}"

    def condition(self, level: Agreement, left: str, right: str) -> str:
        """SQL: whether so many of the others are the same."""
        common = " + ".join(f"{self._among(left, name, right)}::INT" for name in self.names)
        own = self.own.column
        named = f"{self._among(left, own, right)} OR {self._among(right, own, left)}"
        return f"{common} >= {level.bound:.0f} AND NOT ({named})"

    def _among(self, one: str, name: str, other: str) -> str:
        listed = ", ".join(other.format(column) for column in self.names)
        return f"coalesce({one.format(name)} IN ({listed}), false)"

    def extra_columns(self) -> Iterator[tuple[str, str]]:
        """Each name by itself."""
        for number, name in enumerate(self.names, 1):
            yield name, f"nullif(split_part({self.column}, '{MARK}', {number}), '')"


@dataclass(frozen=True)
class Attributes:
    """The columns of the records: ``keys`` (attribute → column, in order of trust), the compared
    attributes that are no keys, and ``numbers``: the keys as they are compared between entities,
    since one may have slipped. ``related``: who stands beside a record, where anything tells.
    """

    keys: Mapping[str, str]
    compared: tuple[Compared, ...]
    numbers: tuple[Compared, ...] = ()
    related: tuple[Related, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the compared attributes."""
        return tuple(attribute.column for attribute in self.compared)

    @property
    def judged(self) -> tuple[Compared, ...]:
        """All that the model weighs: the compared attributes, the keys, the others."""
        return (*self.compared, *self.numbers, *self.related)

    @property
    def judged_columns(self) -> tuple[str, ...]:
        """The columns of all that the model weighs."""
        return tuple(attribute.column for attribute in self.judged)


def _if(sieve: str, test: str) -> str:
    """SQL of both, where ``test`` is only tried on what passes ``sieve``."""
    return f"CASE WHEN {sieve} THEN {test} ELSE false END"
