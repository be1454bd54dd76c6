"""What a data element is: one kind of value, and everything the hub knows about the kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from catalog.standards.domains import Domain
from catalog.standards.hiding import Family, Mask
from core.types import Level, Text

REVEAL, SUPPRESS, PSEUDONYM, FPE = "reveal", "suppress", "pseudonym", "fpe"
HOUSE_MASKS = frozenset({REVEAL, SUPPRESS, PSEUDONYM})
"""The masks that every attribute has, whatever its element."""


class Invalid(ValueError):
    """A value that breaks a rule of its element. ``rule`` is a message code such as
    ``flaw_check_digit``; the value itself is not kept.
    """

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(rule)


@dataclass(frozen=True)
class Cleaned:
    """A cleaned column: two string arrays of equal length.

    ``values``: canonical text, null where missing or invalid.
    ``flaws``: null, or the rule that the original value breaks.
    """

    values: pa.StringArray
    flaws: pa.StringArray


@dataclass(frozen=True)
class Agreement:
    """One level of likeness between two values, from strongest to weakest.

    ``feature`` names a derived column of :class:`Comparison` (empty: the value itself).
    ``test``: ``equal``; ``edits`` (Damerau-Levenshtein distance at most ``bound``);
    ``jaro_winkler`` (at least ``bound``); ``within`` (numbers or days differ at most ``bound``);
    ``in_common`` (lists that share at least ``bound``); ``swapped`` (two attributes whose values
    are equal in ``feature``, each with the other one's).
    """

    label: str
    test: Literal["equal", "edits", "jaro_winkler", "within", "in_common", "swapped"]
    feature: str = ""
    bound: float = 0


@dataclass(frozen=True)
class Comparison:
    """How two values of an element are compared when records are linked.

    ``features``: name → function from a canonical value to a derived text (or None).
    ``levels``: tried in order; a pair that meets none differs.
    ``blocking``: features (empty: the value itself) selective enough to find candidate pairs by.
    ``frequency``: whether agreeing on a rare value weighs more than on a common one.
    ``unknown``: values that say nothing, such as the code for "not stated".
    ``checked``: values hold a check character: two valid ones that differ are no slip of the pen.
    ``gathers``: values name what a few may share, such as a household or a dwelling; who else has
    the same one then says something about a record.
    ``swaps``: names a feature, empty for none: where a record has two such values, such as a given
    and a family name, they may stand in each other's place.
    """

    levels: tuple[Agreement, ...] = (Agreement("exact", "equal"),)
    features: Mapping[str, Callable[[str], str | None]] = field(default_factory=dict)
    blocking: tuple[str, ...] = ()
    frequency: bool = False
    unknown: frozenset[str] = frozenset()
    checked: bool = False
    gathers: bool = False
    swaps: str = ""


MISSING = frozenset(
    {"", "-", "--", "—", "——", "/", "无", "未知", "不详", "空", "null", "none", "nan", "n/a", "na"}
)


class Element(ABC):
    """A data element. Subclasses state the rules of one kind of value in one file.

    ``masks``: name → function from a canonical value to what a caller sees. ``families``: such
    masks that take parameters. ``default_mask``: the name of the mask that applies where a rule
    asks for masking and names none. ``comparison`` None: the element is not compared when linking. ``missing``: what
    stands, in lower case, for no value.
    """

    code: ClassVar[str]
    title: ClassVar[Text]
    level: ClassVar[Level] = Level.L4
    personal: ClassVar[bool] = False
    comparison: ClassVar[Comparison | None] = None
    masks: ClassVar[Mapping[str, Mask]]
    families: ClassVar[Mapping[str, Family]] = MappingProxyType({})
    default_mask: ClassVar[str]
    missing: ClassVar[frozenset[str]] = MISSING

    @abstractmethod
    def clean_one(self, text: str) -> str:
        """The canonical text of a non-missing value.

        Raises:
            Invalid: the value breaks a rule.
        """

    def clean(self, values: pa.Array) -> Cleaned:
        """Cleans a column of any type; each distinct value is looked at once, and only those
        that are not :meth:`ready` one by one.
        """
        encoded = as_text(values).dictionary_encode()
        texts = encoded.dictionary
        rest = pc.invert(self._ready_and_present(texts))
        cleaned: list[str | None] = []
        flaws: list[str | None] = []
        for text in texts.filter(rest).to_pylist():
            value, flaw = self.examine(text)
            cleaned.append(value)
            flaws.append(flaw)
        nothing = pa.nulls(len(texts), pa.string())
        return Cleaned(
            pc.replace_with_mask(texts, rest, pa.array(cleaned, pa.string())).take(encoded.indices),
            pc.replace_with_mask(nothing, rest, pa.array(flaws, pa.string())).take(encoded.indices),
        )

    def ready(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Which texts are known at a glance, by vectorised tests, to be canonical: exactly those
        that :meth:`clean_one` would return as they are, or fewer.
        """
        return pa.repeat(False, len(texts))

    def _ready_and_present(self, texts: pa.StringArray) -> pa.BooleanArray:
        absent = pc.is_in(pc.utf8_lower(texts), pa.array(sorted(self.missing), pa.string()))
        return pc.and_not(self.ready(texts), absent)

    def examine(self, text: str) -> tuple[str | None, str | None]:
        """The canonical text of a value as it came, None where it says nothing; and the rule that
        it breaks, if it does.
        """
        stripped = text.strip()
        if stripped.casefold() in self.missing:
            return None, None
        try:
            value = self.clean_one(stripped)
        except Invalid as error:
            return None, error.rule
        if value != stripped and value.casefold() in self.missing:
            return None, None
        return value, None

    def typed(self, value: str) -> str | int | float | bool:
        """The canonical text as the JSON type it stands for."""
        return value

    def mask(self, name: str) -> Mask | None:
        """The element's own mask of a name such as ``partial`` or ``keep:3:4``: a pure function
        from a canonical value; None where it is not offered.
        """
        word, *parameters = name.split(":")
        if not parameters:
            return self.masks.get(word)
        family = self.families.get(word)
        return None if family is None else family.make(parameters)

    def offers(self, mask: str) -> bool:
        """Whether an attribute of this element can be shown under ``mask``."""
        if mask == FPE:
            return self.keeps_form
        return mask in HOUSE_MASKS or self.mask(mask) is not None

    @property
    def offered(self) -> tuple[str, ...]:
        """How the names of all masks are written, those of the house aside."""
        fpe = (FPE,) if self.keeps_form else ()
        return (*self.masks, *fpe, *(family.usage for family in self.families.values()))

    def domain(self, value: str) -> Domain | None:  # noqa: ARG002
        """The values among which encryption that keeps the form exchanges a canonical value;
        None: there are none or too few, and the value is hidden.
        """
        return None

    @property
    def keeps_form(self) -> bool:
        """Whether there is such encryption (the mask ``fpe``) for values of this element."""
        return type(self).domain is not Element.domain

    def gist(self, value: str) -> str:
        """What two canonical values have in common when they mean the same, such as an address
        without its district. Values with equal gists support each other.
        """
        return value

    def gists(self, values: pa.StringArray) -> pa.StringArray:
        """The :meth:`gist` of each value."""
        return pa.array([self.gist(value) for value in values.to_pylist()], pa.string())

    def tells(self, gist: str) -> tuple[str, ...]:  # noqa: ARG002 - what others override
        """What a gist tells, and after it all that tells less of the same, such as an address
        without its room; nothing where values do not differ so. A value that tells less supports
        the one that tells more.
        """
        return ()


def as_text(values: pa.Array) -> pa.StringArray:
    """A column of any source type as text: dates in ISO form, whole floats without a point."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_string(values.type):
        return values
    if pa.types.is_floating(values.type):
        texts = [None if v is None else f"{v:.15g}" for v in values.to_pylist()]
        return pa.array(texts, pa.string())
    return values.cast(pa.string())
