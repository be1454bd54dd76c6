"""Erasing the personal parts of old entries: an administrator's deed, in the log like any other."""

from __future__ import annotations

from datetime import date
from typing import Any

from hub.audit import retention
from hub.audit.persons import ERASED, RETIRE
from hub.serving.access import About
from hub.serving.notes import Call
from hub.serving.office import Office
from policies.models import Action


def retire(office: Office, call: Call, before: date | None, confirm: bool) -> dict[str, Any]:
    """Months whose retention has ended; with ``confirm``, they are erased for good.

    Raises:
        SubjectUnknown, Forbidden: the policy refuses; that is logged.
        RetentionRunning: what is from before ``before`` must still be kept.
    """
    said = {"before": before, "confirm": confirm}
    access = office.enter(call, Action.ADMINISTER, RETIRE, "hub", said)
    now, years = office.hub.clock.now(), office.hub.settings.audit_years
    with access.change() as connection:
        months = retention.due(connection, now, years, before)
        if confirm:
            retention.retire(connection, months, now)
        entries = sum(month.stop - month.first for month in months)
        told = access.over("audit", {m.period: ERASED if confirm else "due" for m in months})
        body = {
            "erased": confirm,
            "months": [{"month": m.period, "entries": m.stop - m.first} for m in months],
        }
        return told.give(body, About(rows={"months": len(months), "entries": entries}), connection)
