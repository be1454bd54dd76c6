"""Words that every room uses (docs/architecture.md, Words)."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Base of every document and value read from outside: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(Model):
    """A title in both languages."""

    zh: str
    en: str


class Level(IntEnum):
    """Sensitivity of an item, from not sensitive to sensitive. Unknown means the highest."""

    L1 = 1
    L2 = 2
    L3 = 3
    L4 = 4


class Sharing(StrEnum):
    """Sharing attribute among departments (State Council Order 809, Art. 14). Says nothing
    about openness to the public.
    """

    UNCONDITIONAL = "unconditional"
    CONDITIONAL = "conditional"
    NOT_SHARED = "not_shared"


class Audience(StrEnum):
    """For whom an item is, as its department says: everybody; every department; departments that
    have an agreement with it; itself alone; leaders of a rank.
    """

    PUBLIC = "public"
    DEPARTMENTS = "departments"
    TIED = "tied"
    LEADERS = "leaders"
    DEPARTMENT = "department"

    def is_within(self, sharing: Sharing) -> bool:
        """Whether a sharing attribute permits it."""
        if self in (Audience.PUBLIC, Audience.DEPARTMENTS):
            return sharing is Sharing.UNCONDITIONAL
        return self is not Audience.TIED or sharing is not Sharing.NOT_SHARED


class Status(StrEnum):
    """How a golden value came to count."""

    AGREED = "agreed"
    DESIGNATED = "designated"
    EVIDENCE = "evidence"
    RULED = "ruled"
    IN_DISPUTE = "in_dispute"
