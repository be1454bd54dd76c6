"""Who looks at conflicts, and how they see values: the machine's operator, or a steward."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from sqlalchemy import select

from catalog.standards import elements
from catalog.subjects import Subject
from core.errors import HubError, NotFound
from hub.app import Hub
from hub.operator import operator_entry
from hub.serving.access import About, Access, Call, regions
from hub.serving.office import Office, no_attribute
from hub.workspace import Workspace
from policies.models import REVEAL, SUPPRESS
from policies.scope import Scope, condition_of
from reconcile.models import GoldenRecord

_AT_ONCE = 5_000
"""Entities whose regions one statement asks for."""

Reach = frozenset[str] | None
"""Entities; None stands for all."""

Shown = dict[str, Any]
"""``value`` and ``mask``: a value as it may be seen."""


@dataclass(frozen=True)
class Look:
    """What is asked for: ``attributes`` None: all that are open; ``content``: what else the
    request says; ``links``: it is about who is who; ``entity``: it is about that one.
    """

    deed: str
    subject: str
    attributes: tuple[str, ...] | None = None
    content: Mapping[str, Any] | None = None
    links: bool = False
    entity: str | None = None


class Sight(ABC):
    """One look at the conflicts of a subject. ``attributes``: those whose conflicts may be seen.
    ``links``: whether possible matches may be.
    """

    hub: Hub
    workspace: Workspace
    subject: Subject
    attributes: frozenset[str]
    links: bool

    @abstractmethod
    def place(self, entities: Iterable[str]) -> None:
        """Says whose values are going to be shown."""

    @abstractmethod
    def show(self, attribute: str, value: str | None, entity: str | None) -> Shown:
        """A value of an entity – None: of nobody – as it may be seen."""

    @abstractmethod
    def reach(self, attribute: str) -> Reach:
        """The entities of which something of the attribute may be seen."""

    @abstractmethod
    def give(self, body: dict[str, Any], about: About) -> dict[str, Any]:
        """The answer, after it was logged."""

    @abstractmethod
    def fail(self, error: HubError) -> NoReturn:
        """Ends a look that was allowed and came to nothing."""


class OperatorSight(Sight):
    """The machine's owner sees everything as it is.

    Raises:
        NotFound, BadInput: there is no such subject or attribute.
    """

    def __init__(self, hub: Hub, look: Look) -> None:
        self.hub = hub
        self.workspace = hub.workspace()
        if look.subject not in self.workspace.subjects:
            raise NotFound(kind="subject", name=look.subject)
        self.subject = self.workspace.subjects[look.subject]
        self.attributes = frozenset(self.subject.attributes)
        for name in look.attributes or ():
            if name not in self.attributes:
                raise no_attribute(look.subject, name)
        self.links = True
        self._deed = look.deed

    def place(self, entities: Iterable[str]) -> None:
        """Nothing depends on where somebody lives."""

    def show(self, attribute: str, value: str | None, entity: str | None) -> Shown:  # noqa: ARG002
        """The value."""
        element = elements()[self.subject.attributes[attribute].element]
        return {"value": None if value is None else element.typed(value), "mask": REVEAL}

    def reach(self, attribute: str) -> Reach:  # noqa: ARG002
        """All."""
        return None

    def give(self, body: dict[str, Any], about: About) -> dict[str, Any]:
        """Logged under the operator's account."""
        entry = operator_entry(self._deed, self.subject.subject, about.rows, about.release)
        self.hub.audit.append([entry])
        return body

    def fail(self, error: HubError) -> NoReturn:
        """Says so."""
        raise error


class StewardSight(Sight):
    """A steward sees what the policy grants, masked as it says.

    Raises:
        SubjectUnknown, Forbidden: nothing is; that is logged.
        BadInput: there is no such attribute; that is logged.
    """

    def __init__(self, office: Office, call: Call, look: Look) -> None:
        self.hub = office.hub
        self._access = self._enter(office, call, look)
        self.workspace = self._access.rules.workspace
        self.subject = self.workspace.subjects[look.subject]
        self.attributes = frozenset(
            name
            for tier in self._access.grant.tiers
            for name, mask in tier.masks.items()
            if mask != SUPPRESS
        )
        self.links = office.may(call, look.subject, self.subject.keys or None)
        self._regions: dict[str, str | None] = {}
        self._reaches: dict[tuple[Scope, ...], frozenset[str]] = {}

    @staticmethod
    def _enter(office: Office, call: Call, look: Look) -> Access:
        """Beside what is asked for, the keys that are open: a person knows by them what it is
        about.
        """
        asked = look.attributes
        if look.entity is not None:
            office = office.concerning(look.subject, look.entity)
        if look.links:
            # Who may say who is who may see of the two whatever else is open.
            office.linking(call, look.deed, look.subject, look.content)
        if asked is None:
            return office.subject(call, look.deed, look.subject, None, look.content)
        described = office.rules.workspace.subjects.get(look.subject)
        if described is not None:
            keys = (key for key in described.keys if office.may(call, look.subject, (key,)))
            asked = (*asked, *keys)
        return office.named(call, look.deed, look.subject, asked, look.content)

    def place(self, entities: Iterable[str]) -> None:
        """Looks up where they live."""
        missing = sorted(set(entities) - self._regions.keys())
        with self.hub.engine.connect() as connection:
            for start in range(0, len(missing), _AT_ONCE):
                part = missing[start : start + _AT_ONCE]
                self._regions.update(regions(connection, self.subject.subject, part))

    def show(self, attribute: str, value: str | None, entity: str | None) -> Shown:
        """The value under the mask that the grant names for the record."""
        region = None if entity is None else self._regions.get(entity)
        view = self._access.view
        assert view is not None
        cell = view.show(attribute, value, region)
        return {"value": cell.value, "mask": cell.mask}

    def reach(self, attribute: str) -> Reach:
        """Those who live in a region for which the attribute is granted under some mask."""
        scopes = tuple(
            tier.scope
            for tier in self._access.grant.tiers
            if tier.masks.get(attribute, SUPPRESS) != SUPPRESS
        )
        if any(scope.is_all for scope in scopes):
            return None
        if scopes not in self._reaches:
            query = select(GoldenRecord.entity).where(
                GoldenRecord.subject == self.subject.subject,
                GoldenRecord.closed.is_(None),
                condition_of(
                    scopes, GoldenRecord.__table__.c.region, GoldenRecord.__table__.c.entity
                ),
            )
            with self.hub.engine.connect() as connection:
                self._reaches[scopes] = frozenset(connection.execute(query).scalars())
        return self._reaches[scopes]

    def give(self, body: dict[str, Any], about: About) -> dict[str, Any]:
        """With a receipt."""
        return self._access.give(body, about)

    def fail(self, error: HubError) -> NoReturn:
        """The failure is logged."""
        self._access.fail(error)
