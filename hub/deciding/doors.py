"""Who may ask what would be decided: anyone about itself; whoever keeps a table about that table;
auditors and administrators about everybody. Each time is logged before it is answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from core.errors import HubError
from hub.app import Hub
from hub.operator import operator_entry
from hub.serving.access import About, Access, Call
from hub.serving.board import Rules
from hub.serving.office import Office
from policies.models import Action

Ways = Sequence[tuple[Action, str]]

ADMINISTRATORS: Ways = ((Action.ADMINISTER, "hub"),)
OVERSEERS: Ways = ((Action.AUDIT, "audit"), *ADMINISTRATORS)
"""Whoever may know what every client may do."""


@dataclass(frozen=True)
class Leave:
    """Leave to be told. ``access`` is None for the operator, whose account stands in the log."""

    hub: Hub
    rules: Rules
    access: Access | None
    deed: str
    about: str

    def give(self, body: Mapping[str, Any], rows: Mapping[str, int]) -> dict[str, Any]:
        """The answer, logged as being about ``about``; with its receipt, where a client asked.

        Raises:
            AuditUnavailable: the log cannot be written, so nothing is given.
        """
        if self.access is None:
            self.hub.audit.append([operator_entry(self.deed, self.about, rows)])
            return dict(body)
        return self.access.over(self.about, {}).give(body, About(rows=rows))

    def fail(self, error: HubError) -> NoReturn:
        """Logs that it came to nothing, and says so."""
        if self.access is None:
            raise error
        self.access.over(self.about, {}).fail(error)


@dataclass(frozen=True)
class Asker:
    """Who asks: a client with its call, or the operator on the hub's own machine (None)."""

    office: Office
    call: Call | None

    def enter(self, deed: str, about: str, ways: Ways, content: Any) -> Leave:
        """Leave by any of ``ways``. ``about``: the log's word for what is asked about.

        Raises:
            SubjectUnknown, Forbidden: none is open to the caller; that is logged.
        """
        if self.call is None:
            return self._leave(None, deed, about)
        return self._leave(self.office.by_any(self.call, deed, ways, content), deed, about)

    def about_client(self, deed: str, client: str, content: Any) -> Leave:
        """Leave to be told what ``client`` may do.

        Raises:
            SubjectUnknown, Forbidden: it is another client, and the caller may not know of it; or
                the caller is not registered.
        """
        about = f"client/{client}"
        if self.call is None or self.call.caller.client != client:
            return self.enter(deed, about, OVERSEERS, content)
        return self._leave(self.office.itself(self.call, deed, content), deed, about)

    def _leave(self, access: Access | None, deed: str, about: str) -> Leave:
        # What is asked is answered by the same rules as the leave was given by.
        rules = self.office.rules if access is None else access.rules
        return Leave(self.office.hub, rules, access, deed, about)
