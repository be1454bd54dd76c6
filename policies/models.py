"""The documents policies are written in, and the set of lines they come down to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, field_validator

from catalog.contracts import MOST_RANKS, Contract
from catalog.directory import Regions
from catalog.standards import base, elements
from catalog.standards.base import Element
from catalog.subjects import Subject
from core.messages import message
from core.types import Model, Text
from policies.conditions import NONE, Conditions, parse

ANY = "*"
"""Every group, every purpose, every scope or every mask, where a line may say so."""

REVEAL, SUPPRESS, PSEUDONYM, FPE = base.REVEAL, base.SUPPRESS, base.PSEUDONYM, base.FPE
HOUSE_MASKS = base.HOUSE_MASKS
WHOLE = ("audit", "audit/own", "hub")
"""Objects of lines that there is one of each."""
KINDS = frozenset({*(name.partition("/")[0] for name in WHOLE), "check", "dataset"})
"""What objects begin with that are no subjects: no subject is called so."""

DEFAULT = "default"
"""What a permission or an agreement writes for the mask that follows from level and choice."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
ClientId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
AgreementId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Action(StrEnum):
    """What a caller wants to do."""

    DISCOVER = "discover"
    LOOKUP = "lookup"
    VERIFY = "verify"
    QUERY = "query"
    EXCHANGE = "exchange"
    CHECK = "check"
    STEWARD = "steward"
    AUDIT = "audit"
    ADMINISTER = "administer"


class Effect(StrEnum):
    """What a line does; a denial overrides."""

    ALLOW = "allow"
    DENY = "deny"


class Reach(StrEnum):
    """Over which records a line reaches. ``own_cases``: those of entities that stand in the
    caller's open registered case. ``*`` stands in denials only.
    """

    OWN_REGION = "own_region"
    OWN_CASES = "own_cases"
    ALL = "all"
    ANY = "*"


class CaseNumber(Model):
    """What case numbers look like: ``pattern`` is a regular expression for all of one."""

    pattern: Annotated[str, Field(min_length=1, max_length=200)]

    @field_validator("pattern")
    @classmethod
    def _can_be_read(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError):
            raise ValueError(message("rule_regex")) from None
        return pattern

    def fits(self, number: str) -> bool:
        """Whether a case number is of this form."""
        return re.fullmatch(self.pattern, number) is not None


class Purpose(Model):
    """A matter for which data may be asked, and its legal basis. ``delay_days``: a person is not
    told of requests for it until so many days have passed, as the law allows investigations.
    ``case``: the form of its case numbers; without it, they are not looked at.
    """

    id: Name
    title: Text
    basis: str
    delay_days: int | None = Field(default=None, ge=1, le=3650)
    case: CaseNumber | None = None


class Client(Model):
    """A system or person that asks. ``region``: the one it works in; without it, nothing can be
    seen under ``own_region``. ``rank``: of the leader it speaks for, 1 being the highest; without
    it, nothing can be seen that is for leaders.
    """

    id: ClientId
    title: Text
    department: Name
    roles: tuple[Name, ...] = Field(min_length=1)
    region: str | None = None
    rank: int | None = Field(default=None, ge=1, le=MOST_RANKS)

    @property
    def groups(self) -> frozenset[str]:
        """Everything the lines may call this client by."""
        joint = (f"{self.department}/{role}" for role in self.roles)
        return frozenset({ANY, self.department, *self.roles, *joint})

    def is_outside(self, group: str) -> bool:
        """Whether the client belongs to a group of outsiders (:func:`outsiders` or
        :func:`below`).
        """
        kind, _, rank = group.removeprefix("!").partition(":")
        if kind == "rank" and rank:
            return self.rank is None or self.rank > int(rank)
        return self.department not in kind.split("+")


def outsiders(departments: Iterable[str]) -> str:
    """The group of all clients but those of some departments, such as ``!health+police``."""
    return "!" + "+".join(sorted(set(departments)))


def below(rank: int) -> str:
    """The group of all clients that speak for nobody of at least a rank: ``!rank:2``."""
    return f"!rank:{rank}"


class Rule(Model):
    """One reviewed line of ``rules.csv``; ``line`` is its 1-based number in the file."""

    line: int
    role: str = Field(min_length=1)
    action: Action
    object: str = Field(min_length=1)
    purpose: str = Field(min_length=1)
    scope: Reach
    mask: str = Field(min_length=1)
    effect: Effect
    conditions: Conditions = Conditions()

    @field_validator("conditions", mode="before")
    @classmethod
    def _as_written(cls, conditions: Any) -> Any:
        return parse(conditions) if isinstance(conditions, str) else conditions


class Agreement(Model):
    """What a provider consents to share with the roles of a consumer, from the first to the last
    day, both included. ``items``: attribute → mask.
    """

    agreement: AgreementId
    title: str
    provider: Name
    consumer: Name
    roles: tuple[Name, ...] = Field(min_length=1)
    subject: Name
    actions: tuple[Action, ...] = Field(min_length=1)
    purposes: tuple[Name, ...] = Field(min_length=1)
    scope: Reach
    valid_from: date
    valid_to: date
    items: dict[str, str] = Field(min_length=1)
    conditions: Conditions = Conditions()


class Documents(Model):
    """All policy documents of a workspace."""

    purposes: tuple[Purpose, ...] = ()
    clients: tuple[Client, ...] = ()
    rules: tuple[Rule, ...] = ()
    agreements: tuple[Agreement, ...] = ()


@dataclass(frozen=True)
class Offered(Collection[str]):
    """The names of the masks that exist for an attribute of an element; None: of one that is not
    known. It holds also those with parameters, which nobody could list.
    """

    element: Element | None

    def _plain(self) -> frozenset[str]:
        """Those without parameters."""
        if self.element is None:
            return HOUSE_MASKS
        fpe = {FPE} if self.element.keeps_form else set()
        return HOUSE_MASKS | self.element.masks.keys() | fpe

    def __contains__(self, mask: object) -> bool:
        if self.element is None or not isinstance(mask, str):
            return mask in HOUSE_MASKS
        return self.element.offers(mask)

    def __iter__(self) -> Iterator[str]:
        return iter(self._plain())

    def __len__(self) -> int:
        return len(self._plain())

    def usage(self) -> str:
        """How the element's own are written, for whoever wrote one wrongly."""
        return ", ".join(self.element.offered if self.element else ())


@dataclass(frozen=True)
class Known:
    """What policies may speak of: all that is registered elsewhere.

    ``contracts``: dataset → contract, from which the sharing attributes come.
    ``checks``: names of the registered checks → the attributes (subject, attribute) they read.
    """

    subjects: Mapping[str, Subject]
    regions: Regions
    departments: frozenset[str]
    contracts: Mapping[str, Contract]
    checks: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    elements: Mapping[str, Element] = field(default_factory=elements)

    def masks(self, subject: str, attribute: str) -> Offered:
        """The masks that exist for an attribute."""
        element = self.elements.get(self.subjects[subject].attributes[attribute].element)
        return Offered(element)

    def usual_mask(self, subject: str, attribute: str) -> str:
        """The usual mask of an attribute's element; empty where there is none."""
        described = self.subjects.get(subject)
        found = described.attributes.get(attribute) if described else None
        element = self.elements.get(found.element) if found else None
        return element.default_mask if element else ""


@dataclass(frozen=True, slots=True)
class Line:
    """One policy line as Casbin reads it, with the days on which it is in force (both included;
    None: no bound). ``id`` says where it comes from; ``conditions``: their canonical text, which
    only permissions have. ``counter``: what its quota, if it has one, is counted under: a digest of
    what the rule or agreement says, wherever that stands.
    """

    id: str
    group: str
    action: str
    object: str
    purpose: str
    scope: str
    mask: str
    effect: str
    valid_from: date | None = None
    valid_to: date | None = None
    conditions: str = NONE
    counter: str = ""


class Index:
    """Lines by what they are about, so that nothing reads twenty thousand to find two."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines: dict[str, list[tuple[int, Line]]] = {}
        for position, line in enumerate(lines):
            self._lines.setdefault(line.object, []).append((position, line))

    def about(self, name: str) -> tuple[Line, ...]:
        """The lines about an object, by its name or by ``<kind>/*``, in the order of the set."""
        exact = self._lines.get(name, [])
        kind, slash, _ = name.partition("/")
        wide = self._lines.get(f"{kind}/*", []) if slash else []
        if exact and wide:
            return tuple(line for _, line in sorted(exact + wide, key=lambda found: found[0]))
        return tuple(line for _, line in exact or wide)


@dataclass(frozen=True)
class PolicySet:
    """Everything decisions are made from, under one revision (a digest of the content).

    ``lines`` are those of all days; each says when it is in force.
    """

    revision: str
    purposes: Mapping[str, Purpose]
    clients: Mapping[str, Client]
    lines: tuple[Line, ...]
    known: Known

    @cached_property
    def index(self) -> Index:
        """The lines by what they are about."""
        return Index(self.lines)

    @cached_property
    def counters(self) -> Mapping[str, str]:
        """Id of a line with a quota → what that is counted under."""
        return {line.id: line.counter for line in self.lines if line.counter}

    @cached_property
    def _outsides(self) -> frozenset[str]:
        return frozenset(line.group for line in self.lines if line.group.startswith("!"))

    def groups(self, client: Client) -> frozenset[str]:
        """The client's own groups, and those of outsiders that it belongs to."""
        return client.groups.union(filter(client.is_outside, self._outsides))

    def objects(self, resource: str) -> tuple[str, ...]:
        """What a resource consists of: the attributes of a subject, in their order, as
        ``<subject>/<attribute>``; else the resource itself. Empty: there is no such resource.
        """
        known = self.known
        if resource in known.subjects:
            return tuple(f"{resource}/{name}" for name in known.subjects[resource].attributes)
        kind, _, name = resource.partition("/")
        exists = (
            (kind == "dataset" and name in known.contracts)
            or (kind == "check" and name in known.checks)
            or resource in WHOLE
        )
        return (resource,) if exists else ()
