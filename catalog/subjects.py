"""Subjects: what golden records are about, and which items feed their attributes."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from catalog.standards.several import SUFFIX
from core.types import Level, Model, Text

MOST_ONCE = 48
"""Datasets that may hold every entity once: linking tells each by a bit."""


class Attribute(Model):
    """One attribute of a subject.

    ``designated`` names the dataset whose department is the designated source (Order 809,
    Art. 19), which counts while its value is valid and no older than ``fresh_days``.
    ``half_life_days``: after how many days half of such values have changed; weighs recency.
    ``group``: attributes of one group are taken from one source together.
    ``many``: an entity may have several values; the ``element`` is then that of sets (``mobile[]``).
    """

    title: Text
    element: str
    many: bool = False
    level: Level = Level.L4
    personal: bool = False
    key: bool = False
    lookup: bool = False
    designated: str | None = None
    fresh_days: int | None = Field(default=None, gt=0)
    half_life_days: int = Field(default=7300, gt=0)
    group: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _set(cls, data: Any) -> Any:
        """What is written is the element of single values."""
        if isinstance(data, dict) and data.get("many") is True:
            return {**data, "element": str(data.get("element")).removesuffix(SUFFIX) + SUFFIX}
        return data


class Listing(Model):
    """Datasets that should each hold every entity of a subject, such as two ministries' lists of
    the same divisions. ``attribute`` (a flag) then says whether an entity is listed; where some
    of the datasets list it and others do not, that is a difference like any other.
    """

    attribute: str
    datasets: tuple[str, ...] = Field(min_length=2)


class Opening(Model):
    """What must hold of a table before it is released to the public. ``k``: every person looks
    like at least so many. ``diversity``: these have so many different values of every
    ``sensitive`` attribute among them. ``most_left_out``: the share of records that may be left
    out for it.
    """

    k: int = Field(default=5, ge=2)
    diversity: int = Field(default=2, ge=1)
    sensitive: tuple[str, ...] = ()
    most_left_out: float = Field(default=0.02, ge=0, le=0.05)


class Subject(Model):
    """A kind of thing the city keeps one golden record each of.

    ``feeds``: dataset → attribute → item. ``region`` names the attribute whose value is the
    code of the region a record lies in; without it no scope by region can be granted.
    ``once``: datasets in which each entity stands at most once; :data:`MOST_ONCE` at most.
    ``linkage``: whether records without a valid key are compared by model (Splink); otherwise
    they stand alone.
    """

    subject: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: Text
    region: str | None = None
    attributes: dict[str, Attribute]
    feeds: dict[str, dict[str, str]]
    once: tuple[str, ...] = Field(default=(), max_length=MOST_ONCE)
    linkage: bool = True
    listing: Listing | None = None
    small_count: int = Field(default=5, ge=2)
    opening: Opening = Opening()

    @property
    def keys(self) -> tuple[str, ...]:
        """The attributes that each identify an entity, in order of trust."""
        return tuple(name for name, attribute in self.attributes.items() if attribute.key)

    @property
    def many(self) -> tuple[str, ...]:
        """The attributes of which an entity may have several values, sorted."""
        return tuple(sorted(n for n, a in self.attributes.items() if a.many))

    @property
    def lookups(self) -> tuple[str, ...]:
        """The attributes a record can be found by."""
        return tuple(n for n, a in self.attributes.items() if a.key or a.lookup)
