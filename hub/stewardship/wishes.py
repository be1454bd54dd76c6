"""What a steward asks for, by kind: the bodies of requests, checked for form."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from core.clock import FIRST_DAY, LAST_DAY
from core.errors import BadInput
from core.messages import message
from core.types import Model

Entity = Annotated[str, Field(pattern=r"^[\w\-]{1,64}$")]
Attribute = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Dataset = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,127}$")]
LONGEST_REASON = 2000
Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_REASON)]
Value = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]


class Choose(Model):
    """The value that ``dataset`` has in the current release counts."""

    kind: Literal["choose"] = "choose"
    entity: Entity
    attribute: Attribute
    dataset: Dataset
    reason: Reason = ""


class Enter(Model):
    """A value that is proved by evidence counts."""

    kind: Literal["enter"] = "enter"
    entity: Entity
    attribute: Attribute
    value: Value
    reason: Reason = ""


class Merge(Model):
    """Two entities are one."""

    kind: Literal["merge"] = "merge"
    entity: Entity
    other: Entity
    reason: Reason = ""


class Never(Model):
    """Two entities are never one."""

    kind: Literal["never"] = "never"
    entity: Entity
    other: Entity
    reason: Reason = ""


class Member(Model):
    """A record of an entity; without ``record``, all that the dataset has in it."""

    dataset: Dataset
    record: Annotated[str, Field(max_length=400)] | None = None


class Split(Model):
    """Some records leave an entity, together."""

    kind: Literal["split"] = "split"
    entity: Entity
    records: Annotated[tuple[Member, ...], Field(min_length=1, max_length=200)]
    reason: Reason = ""


class Defer(Model):
    """A value need not be looked at before a day."""

    kind: Literal["defer"] = "defer"
    entity: Entity
    attribute: Attribute
    until: Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]
    reason: Reason = ""


class SwapDayMonth(Model):
    """The source swaps day and month."""

    kind: Literal["swap_day_month"]


class Recode(Model):
    """The source uses other codes: its code → ours."""

    kind: Literal["recode"]
    mapping: Annotated[dict[Value, Value], Field(min_length=1, max_length=500)]

    @field_validator("mapping", mode="wrap")
    @classmethod
    def _quietly(cls, given: Any, form: ValidatorFunctionWrapHandler) -> Any:
        """Pydantic would name the place of a mistake by the value that is mapped."""
        try:
            return form(given)
        except ValidationError:
            raise ValueError(message("rule_recode")) from None


class Ignore(Model):
    """What the source says about the attribute is of no use."""

    kind: Literal["ignore"]


Reading = Annotated[SwapDayMonth | Recode | Ignore, Field(discriminator="kind")]


class Repair(Model):
    """How what a dataset says about an attribute is read from now on."""

    kind: Literal["repair"] = "repair"
    dataset: Dataset
    attribute: Attribute
    repair: Reading
    reason: Reason = ""


Wish = Choose | Enter | Merge | Never | Split | Defer | Repair


def said(wish: Wish) -> dict[str, Any]:
    """A wish as JSON, for the digest of its request."""
    return wish.model_dump(mode="json")


def check_length(reason: str) -> None:
    """Of a reason that is given beside a wish.

    Raises:
        BadInput: it is too long to be kept.
    """
    if len(reason.strip()) > LONGEST_REASON:
        rule = message("form_string_too_long", max_length=LONGEST_REASON)
        raise BadInput(field="reason", rule=rule)
