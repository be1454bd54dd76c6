"""Past releases: what each did, how two differ, and what was known then and why.

Whoever works the hub's own machine sees values as they are; clients see what the policy lets
them as stewards see. Either way it is logged before it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, NoReturn

from core.errors import BadInput, HubError, NotFound
from core.messages import LANGUAGES, message, say
from hub.app import Hub
from hub.operator import operator_entry
from hub.pipeline.states import Before, SubjectState
from hub.serving.access import About, Access, Call, View
from hub.serving.office import Office
from policies.models import REVEAL
from reconcile import history, releases
from reconcile.history import Cell
from reconcile.models import Release


class ReleaseEntityUnknown(NotFound):
    """A release has no such entity, or the caller may not know of it."""

    code = "release_entity_unknown"


@dataclass(frozen=True)
class Asked:
    """Who asks for the past of a subject: a client with leave, or the operator (None)."""

    office: Office
    call: Call | None

    @property
    def hub(self) -> Hub:
        """The hub."""
        return self.office.hub

    def enter(
        self, deed: str, subject: str, content: Any, entity: str | None = None
    ) -> Access | None:
        """Leave to do ``deed``; the operator needs none but a subject that there is. ``entity``:
        the one that it is about.

        Raises:
            SubjectUnknown, Forbidden: the policy refuses; that is logged.
            NotFound: there is no such subject.
        """
        if self.call is not None:
            office = self.office if entity is None else self.office.concerning(subject, entity)
            return office.subject(self.call, deed, subject, None, content)
        if subject not in self.office.rules.workspace.subjects:
            raise NotFound(kind="subject", name=subject)
        return None

    def give(
        self, access: Access | None, deed: str, subject: str, body: dict[str, Any], release: int
    ) -> dict[str, Any]:
        """The answer, logged."""
        rows = {"answered": len(body.get("attributes") or body.get("releases") or ())}
        if access is not None:
            return access.give(body, About(rows=rows, release=release))
        self.hub.audit.append([operator_entry(deed, subject, rows, release=release)])
        return body


def find(hub: Hub, number: int | None = None, on: date | None = None) -> Release:
    """A release by number or day, or the current one; its signature is checked.

    Raises:
        ReleaseMissing, ReleaseUnknown: there is none such.
        ReleaseForged: it is not what this hub signed.
        BadInput: both a number and a day.
    """
    if number is not None and on is not None:
        raise BadInput(field="on", rule=message("rule_release_or_day"))
    with hub.engine.connect() as connection:
        if on is not None:
            release = releases.on(connection, on)
        elif number is not None:
            release = releases.at(connection, number)
        else:
            current = releases.current(connection)
            if current is None:
                raise releases.ReleaseMissing
            release = current
    releases.check_signature(release, hub.keys)
    return release


def listed(hub: Hub, limit: int, skip: int = 0) -> list[dict[str, Any]]:
    """The latest releases and what each did, the latest first, without the first ``skip``."""
    with hub.engine.connect() as connection:
        return [describe(release) for release in releases.newest(connection, limit, skip)]


def describe(release: Release) -> dict[str, Any]:
    """A release in short. ``extents``: subject → whether its values were decided whole."""
    manifest = release.manifest
    made = {
        step.removeprefix("fuse "): extent
        for step, extent in manifest.get("extents", {}).items()
        if step.startswith("fuse ")
    }
    return {
        "release": release.number,
        "published_at": release.published_at.isoformat(),
        "as_of": manifest["as_of"],
        "run": release.run,
        "restored_from": manifest.get("restored_from"),
        "extents": made,
        "outcomes": manifest["outcomes"],
    }


def of_subject(asked: Asked, subject: str, limit: int, skip: int = 0) -> dict[str, Any]:
    """The latest releases, with what each did to one subject."""
    deed = "list_releases"
    access = asked.enter(deed, subject, {"limit": limit, "skip": skip})
    found = listed(asked.hub, limit, skip)
    for release in found:
        for part in ("extents", "outcomes"):
            release[part] = release[part].get(subject)
    newest = found[0]["release"] if found else 0
    return asked.give(access, deed, subject, {"subject": subject, "releases": found}, newest)


def diff(
    asked: Asked, subject: str, before: int, after: int, entity: str | None = None
) -> dict[str, Any]:
    """How a subject differs between two releases; of one entity, each value as it was and is.

    Raises:
        ReleaseEntityUnknown: the entity stands in neither.
    """
    hub, deed = asked.hub, "diff_releases"
    access = asked.enter(deed, subject, {"from": before, "to": after, "entity": entity}, entity)
    try:
        states = [_state(find(hub, number), subject) for number in (before, after)]
    except HubError as error:
        _fail(access, error)
    versions = [None if state is None else state.golden for state in states]
    body: dict[str, Any] = {"subject": subject, "from": before, "to": after}
    if entity is None:
        found = history.difference(hub.lake, hub.settings.limits, *versions)
        return asked.give(access, deed, subject, {**body, **asdict(found)}, after)
    sides = [[] if v is None else history.cells(hub.lake, v, entity) for v in versions]
    views = [_Seen(asked, access, subject, cells) for cells in sides]
    if not any(view.reached for view in views):
        _fail(access, ReleaseEntityUnknown(release=after))
    body["entity"] = entity
    body["attributes"] = [
        {
            "attribute": name,
            "before": one and views[0].cell(one),
            "after": other and views[1].cell(other),
        }
        for name, one, other in history.differing(*sides)
    ]
    return asked.give(access, deed, subject, body, after)


def explain(
    asked: Asked, subject: str, entity: str, number: int | None = None, on: date | None = None
) -> dict[str, Any]:
    """What a release (by number or day; else the current one) says of an entity, and why: per
    attribute the reason, the sources for and against, and every claim. ``rules``: the version of
    all that values of the subject were decided by, beside the rows and the rulings.

    Raises:
        ReleaseEntityUnknown: the release has no such entity.
        As :func:`find`.
    """
    deed = "explain"
    said = {"entity": entity, "release": number, "on": on}
    access = asked.enter(deed, subject, said, entity)
    try:
        at = find(asked.hub, number, on)
    except HubError as error:
        _fail(access, error)
    state = _state(at, subject)
    found: Sequence[Cell] = ()
    if state is not None:
        found = history.cells(asked.hub.lake, state.golden, entity, state.claims)
    seen = _Seen(asked, access, subject, found)
    if not seen.reached:
        _fail(access, ReleaseEntityUnknown(release=at.number))
    body = {
        "subject": subject,
        "entity": entity,
        "release": at.number,
        "as_of": at.manifest["as_of"],
        "rules": None if state is None else state.rules,
        "attributes": [{"attribute": cell.attribute, **seen.reasoned(cell)} for cell in found],
    }
    return asked.give(access, deed, subject, body, at.number)


class _Seen:
    """One state of an entity as whoever asks may see it."""

    def __init__(
        self, asked: Asked, access: Access | None, subject: str, cells: Sequence[Cell]
    ) -> None:
        described = asked.office.rules.workspace.subjects[subject]
        self._view: View | None = None if access is None else access.view
        self._region = next((c.value for c in cells if c.attribute == described.region), None)
        self._known = described.attributes.keys()
        inside = self._view is None or self._view.reaches(self._region)
        self.reached = bool(cells) and inside

    def cell(self, cell: Cell) -> dict[str, Any]:
        """A golden value."""
        value, mask = self._show(cell.attribute, cell.value)
        if mask == "suppress":
            return {"value": None, "mask": mask}
        return {
            "value": value,
            "mask": mask,
            "status": cell.status,
            "dataset": cell.dataset,
            "as_of": cell.as_of,
        }

    def reasoned(self, cell: Cell) -> dict[str, Any]:
        """A golden value with its reason and the claims behind it. How sure it is may depend on
        the value, and is told to whom that is shown as it is.
        """
        shown = self.cell(cell)
        if shown["mask"] == "suppress":
            return shown
        claims = [
            {
                "dataset": claim["dataset"],
                "value": self._show(cell.attribute, claim["value"])[0],
                "as_of": claim["as_of"],
            }
            for claim in cell.claims
        ]
        words_of = {language: words(cell.reason, language) for language in LANGUAGES}
        return {
            **shown,
            "confidence": cell.confidence if shown["mask"] == REVEAL else None,
            "reason": {**cell.reason, **words_of},
            "supporting": list(cell.supporting),
            "opposing": list(cell.opposing),
            "claims": claims,
        }

    def _show(self, attribute: str, value: str | None) -> tuple[Any, str]:
        if self._view is None:
            return value, "reveal"
        if not self.reached or attribute not in self._known:
            return None, "suppress"
        cell = self._view.show(attribute, value, self._region)
        return cell.value, cell.mask


def words(reason: dict[str, Any], language: str) -> str:
    """A reason in words."""
    fields = {name: value for name, value in reason.items() if name != "code"}
    return say(reason["code"], language, **fields)


def _state(release: Release, subject: str) -> SubjectState | None:
    return Before.of(release.manifest).subjects.get(subject)


def _fail(access: Access | None, error: HubError) -> NoReturn:
    if access is not None:
        access.fail(error)
    raise error
