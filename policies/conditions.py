"""Conditions: what must hold of a request, beside who asks for what and why.

A line's conditions travel as their canonical text, such as
``hours=08:30-18:00/working;zone=gov;quota=200/day;second_person;case=registered``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntFlag
from functools import cache, lru_cache
from typing import Annotated, Literal, Protocol, Self

from pydantic import Field, field_validator, model_validator

from core.clock import CHINA, is_working_day, start_of_day
from core.messages import message
from core.types import Model
from policies.reasons import Reason, reason

NONE = ""
"""The canonical text of no conditions."""

_HOURS, _ZONE, _CASE, _SECOND = 1, 2, 4, 8

Zone = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
_Minute = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]


@cache
def _minutes(of_day: str) -> int:
    """``08:30`` → 510; there are no more than a day has minutes."""
    hours, minutes = of_day.split(":")
    return int(hours) * 60 + int(minutes)


_working = lru_cache(maxsize=1000)(is_working_day)


@dataclass(frozen=True, slots=True)
class Context:
    """What the hub has found out about a request; nothing, unless it says so.

    ``zones``: the network zones it comes from. ``second``: the other person who approved this
    very request. ``case_open``: its case number is that of an open case registered by the
    caller. ``entities``: those of the subject asked about that stand in the open registered case
    of the request.
    """

    zones: frozenset[str] = frozenset()
    second: str | None = None
    case_open: bool = False
    entities: frozenset[str] = frozenset()


UNKNOWN = Context()
"""Of which nothing is known: no condition on it holds."""


def supposed(zones: Iterable[str], second: str | None, case_open: bool) -> Context:
    """What is only supposed of a request. The case supposed to be open holds one record, of
    nobody.
    """
    return Context(
        zones=frozenset(zones),
        second=second,
        case_open=case_open,
        entities=frozenset({"-"}) if case_open else frozenset(),
    )


class Need(IntFlag):
    """Parts of a context that would have to be found out."""

    NOTHING = 0
    ZONES = _ZONE
    CASE = _CASE
    SECOND = _SECOND


class Asked(Protocol):
    """A request, as far as conditions look at it."""

    @property
    def now(self) -> datetime:
        """The moment, in UTC."""

    @property
    def context(self) -> Context:
        """What is known beside."""


class Hours(Model):
    """From the minute ``since`` to before the minute ``until`` in China, past midnight where
    ``until`` is earlier. ``working``: on days that begin it and are working days.
    """

    since: _Minute
    until: _Minute
    days: Literal["working", "every"] = "every"

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.since in (self.until, "24:00"):
            raise ValueError(message("rule_hours_order"))
        return self

    def hold(self, now: datetime) -> bool:
        """Whether ``now`` lies inside."""
        local = now.astimezone(CHINA)
        minute, day = local.hour * 60 + local.minute, local.date()
        since, until = _minutes(self.since), _minutes(self.until)
        if since < until:
            inside = since <= minute < until
        else:
            inside = minute >= since or minute < until
            if minute < until:
                day -= timedelta(days=1)
        return inside and (self.days == "every" or _working(day))

    def steady(self, now: datetime) -> tuple[datetime, datetime]:
        """A time around ``now`` in which :meth:`hold` does not change."""
        day = now.astimezone(CHINA).date()
        midnight = start_of_day(day)
        moments = [midnight, midnight + timedelta(days=1)]
        moments += [
            midnight + timedelta(minutes=_minutes(minute)) for minute in (self.since, self.until)
        ]
        return max(m for m in moments if m <= now), min(m for m in moments if m > now)

    @property
    def text(self) -> str:
        """The canonical text."""
        return f"{self.since}-{self.until}/{self.days}"


class Quota(Model):
    """How many requests may be answered per hour, day or month (of China's calendar)."""

    requests: Annotated[int, Field(gt=0, le=1_000_000_000)]
    per: Literal["hour", "day", "month"]

    @property
    def text(self) -> str:
        """The canonical text."""
        return f"{self.requests}/{self.per}"

    @property
    def per_hour(self) -> float:
        """How generous it is."""
        return self.requests / {"hour": 1, "day": 24, "month": 720}[self.per]


class Conditions(Model):
    """What a line asks for; all of it must hold. ``zones``: the request comes from one of them.

    A quota is no condition of the moment: it stands on the grant, to be spent before answering.
    """

    hours: Hours | None = None
    zones: tuple[Zone, ...] = ()
    quota: Quota | None = None
    second_person: bool = False
    case: Literal["registered"] | None = None

    @field_validator("zones")
    @classmethod
    def _in_order(cls, zones: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(zones)))

    @property
    def text(self) -> str:
        """The canonical text; equal conditions have equal texts."""
        parts = (
            self.hours and f"hours={self.hours.text}",
            self.zones and f"zone={'|'.join(self.zones)}",
            self.quota and f"quota={self.quota.text}",
            self.second_person and "second_person",
            self.case and f"case={self.case}",
        )
        return ";".join(part for part in parts if part)


def without_quota(conditions: Conditions) -> Conditions:
    """The same for what gives nothing by itself, such as finding records."""
    return conditions.model_copy(update={"quota": None})


def parse(text: str) -> Conditions:
    """Reads conditions as rules.csv writes them, in any order.

    Raises:
        ValueError: the words say what cannot be read (pydantic's own error among them).
    """
    found: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, value = part.partition("=")
        if name not in _READ:
            raise ValueError(message("rule_condition_unknown", name=name, known=", ".join(_READ)))
        field, read = _READ[name]
        if field in found:
            raise ValueError(message("rule_described_twice", name=name))
        found[field] = read(value)
    return Conditions.model_validate(found)


def _hours(value: str) -> dict[str, str]:
    match = re.fullmatch(r"(\d\d:\d\d)-(\d\d:\d\d)(?:/(\w+))?", value)
    if match is None:
        raise ValueError(message("rule_hours"))
    return dict(
        zip(("since", "until", "days"), (*match.groups()[:2], match[3] or "every"), strict=True)
    )


def _quota(value: str) -> dict[str, str]:
    requests, slash, per = value.partition("/")
    if not slash or re.fullmatch(r"[0-9]{1,10}", requests) is None:
        raise ValueError(message("rule_quota"))
    return {"requests": requests, "per": per}


def _second(value: str) -> bool:
    if value:
        raise ValueError(message("rule_second_person"))
    return True


_READ: dict[str, tuple[str, Callable[[str], object]]] = {
    "hours": ("hours", _hours),
    "zone": ("zones", lambda value: value.split("|")),
    "quota": ("quota", _quota),
    "second_person": ("second_person", _second),
    "case": ("case", str),
}

read = lru_cache(maxsize=10_000)(parse)
""":func:`parse`, remembered: lines are read at every decision."""


def failing(text: str, asked: Asked) -> tuple[Reason, ...]:
    """Why conditions (as their text) do not hold of a request; empty: they hold."""
    return tuple(_failing(read(text), shortfall(text, asked))) if text else ()


def shortfall(text: str, asked: Asked) -> int:
    """Which parts of conditions (as their text) do not hold of a request, as bits; 0: they hold.
    Of requests with the same shortfall, the same is said.
    """
    conditions, context = read(text), asked.context
    return (
        (conditions.hours is not None and not conditions.hours.hold(asked.now)) * _HOURS
        | (conditions.zones != () and context.zones.isdisjoint(conditions.zones)) * _ZONE
        | (conditions.case is not None and not context.case_open) * _CASE
        | (conditions.second_person and context.second is None) * _SECOND
    )


def steady(texts: Iterable[str], now: datetime) -> tuple[datetime, datetime] | None:
    """A time around ``now`` in which the hours of none of the conditions begin or end; None: they
    name no hours.
    """
    hours = [found for text in texts if (found := read(text).hours) is not None]
    times = [found.steady(now) for found in hours]
    return (max(s for s, _ in times), min(u for _, u in times)) if times else None


def needs(texts: Iterable[str]) -> Need:
    """What must be known of a request to judge conditions (as their texts), beside the moment."""
    found = Need.NOTHING
    for conditions in map(read, texts):
        found |= Need.ZONES if conditions.zones else Need.NOTHING
        found |= Need.CASE if conditions.case is not None else Need.NOTHING
        found |= Need.SECOND if conditions.second_person else Need.NOTHING
    return found


def quota_of(text: str) -> Quota | None:
    """The quota that conditions (as their text) name."""
    return read(text).quota if text else None


def _failing(conditions: Conditions, short: int) -> Iterator[Reason]:
    hours = conditions.hours
    if short & _HOURS and hours is not None:
        code = "hours" if hours.days == "every" else "working_hours"
        yield reason(f"policy_condition_{code}", since=hours.since, until=hours.until)
    if short & _ZONE:
        yield reason("policy_condition_zone", zones=", ".join(conditions.zones))
    if short & _CASE:
        yield reason("policy_condition_case")
    if short & _SECOND:
        yield reason("policy_condition_second_person")
