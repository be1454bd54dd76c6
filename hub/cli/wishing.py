"""From what is typed to what a steward asks for."""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from core.errors import BadInput
from core.forms import rule_of
from core.messages import Message
from hub.stewardship.wishes import Reading, Wish

T = TypeVar("T")

_WISH: TypeAdapter[Wish] = TypeAdapter(Annotated[Wish, Field(discriminator="kind")])
_READING: TypeAdapter[Reading] = TypeAdapter(Reading)


def wished(given: dict[str, Any]) -> Wish:
    """A ruling that is asked for.

    Raises:
        BadInput: it does not have the form of its kind.
    """
    return _formed(_WISH, given, "ruling")


def reading(text: str, field: str, otherwise: Message) -> Reading:
    """A repair in JSON, given as ``field``.

    Raises:
        BadInput: it is no JSON (the rule is ``otherwise``), or does not have the form of its kind.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput(field=field, rule=otherwise) from None
    return _formed(_READING, given, field)


def _formed(kind: TypeAdapter[T], given: Any, field: str) -> T:
    try:
        return kind.validate_python(given)
    except ValidationError as error:
        mistake = error.errors()[0]
        # The first step is the kind.
        place = ".".join(str(step) for step in mistake["loc"][1:])
        raise BadInput(field=place or field, rule=rule_of(mistake)) from None
