"""Releases as wholes, for auditors and administrators: listed, shown with what they were made of,
and restored.
"""

from __future__ import annotations

from typing import Any

from core.errors import HubError
from hub.audit.entries import Who
from hub.pipeline.workflow import restore
from hub.serving import history
from hub.serving.access import About, Access
from hub.serving.notes import Call
from hub.serving.office import Office
from policies.models import Action

_WAYS = ((Action.AUDIT, "audit"), (Action.ADMINISTER, "hub"))


class Releases:
    """What may be done with releases. Every answer is a JSON-able body with a receipt."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def list(self, call: Call, limit: int, skip: int) -> dict[str, Any]:
        """The latest releases and what each did, the latest first.

        Raises:
            SubjectUnknown, Forbidden: the policy refuses; that is logged.
        """
        access = self._looking(call, "list_releases", [limit, skip])
        found = history.listed(self._office.hub, limit, skip)
        return access.give({"releases": found}, About(rows={"answered": len(found)}))

    def show(self, call: Call, number: int) -> dict[str, Any]:
        """The manifest of a release, after its signature was checked.

        Raises:
            SubjectUnknown, Forbidden: the policy refuses; that is logged.
            ReleaseUnknown, ReleaseForged: there is none such.
        """
        access = self._looking(call, "show_release", number)
        try:
            release = history.find(self._office.hub, number)
        except HubError as error:
            access.fail(error)
        body = {"release": number, "manifest": release.manifest}
        return access.give(body, About(rows={"answered": 1}, release=number))

    def restore(self, call: Call, number: int) -> dict[str, Any]:
        """Publishes a new release that says what an earlier one did, for administrators.

        Raises:
            SubjectUnknown, Forbidden, PersonMissing: the caller may not.
            ReleaseUnknown, ReleaseForged, RunBusy, LakeVersionMissing: it cannot be.
        """
        access = self._office.enter(call, Action.ADMINISTER, "restore_release", "hub", number)
        by = Who(access.client, access.department, access.person())
        try:
            done = restore(self._office.hub, number, by)
        except HubError as error:
            access.fail(error)
        body = {**done, "restored_from": number}
        return access.give(body, About(rows={"restored": number}, release=done["release"]))

    def _looking(self, call: Call, deed: str, content: Any) -> Access:
        return self._office.by_any(call, deed, _WAYS, content)
