"""The end of retention, as an administrator meets it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from core.clock import FixedClock
from core.errors import HubError
from hub.app import ORIGIN, Hub
from hub.audit.log import AuditLog
from hub.audit.receipts import Receipt
from hub.audit.retention import RetentionRunning
from hub.audit.search import Wanted
from hub.identity import Caller
from hub.serving.notes import Call
from hub.serving.office import Office
from hub.serving.retention import retire
from tests.hub.conftest import Place

CALL = Call(Caller("admin-1", "wu"), "data_governance", "D-7")


@pytest.fixture
def later(town: Hub) -> Hub:
    """The village four years on."""
    clock = FixedClock(town.clock.now() + timedelta(days=4 * 366))
    return replace(town, clock=clock, audit=AuditLog(town.engine, town.keys, clock, ORIGIN))


def test_what_is_due_is_told_then_erased_and_logged(later: Hub) -> None:
    size = later.audit.head().size
    asked = retire(Office(later), CALL, None, confirm=False)
    (month,) = asked["months"]
    assert (asked["erased"], month["entries"]) == (False, size)
    assert later.audit.verify().erased == 0
    done = retire(Office(later), CALL, None, confirm=True)
    assert (done["erased"], done["months"]) == (True, [month])
    later.audit.check_receipt(Receipt.model_validate(done["receipt"]))
    verdict = later.audit.verify()
    assert (verdict.ok, verdict.erased) == (True, size)
    (entry,) = later.audit.find(Wanted(action="retire_audit", limit=1))
    assert entry.entry["what"]["items"] == {month["month"]: "erased"}
    assert entry.entry["who"]["person"] == "wu"
    assert retire(Office(later), CALL, None, confirm=True)["months"] == []


def test_what_must_still_be_kept_is_refused_and_that_is_logged(later: Hub) -> None:
    with pytest.raises(RetentionRunning):
        retire(Office(later), CALL, later.clock.now().date(), confirm=True)
    (entry,) = later.audit.find(Wanted(action="retire_audit", limit=1))
    assert (entry.entry["outcome"], entry.entry["decision"]["reasons"]) == (
        "failed",
        ["audit_retention_running"],
    )
    stricter = replace(later, settings=later.settings.model_copy(update={"audit_years": 5}))
    assert retire(Office(stricter), CALL, None, confirm=True)["months"] == []
    assert later.audit.verify().erased == 0


def test_only_administrators_may(later: Hub) -> None:
    for client in ("worker-1", "auditor-1", "stranger"):
        with pytest.raises(HubError):
            retire(Office(later), replace(CALL, caller=Caller(client)), None, confirm=True)
    assert later.audit.verify().erased == 0


def test_the_command_line(published: Place) -> None:
    asked = ("--as", "admin-1", "--person", "wu", "--purpose", "data_governance", "--case", "D-7")
    assert "of 0 months may be erased" in published.succeed("audit", "retire", *asked)
    tomorrow = (date.today() + timedelta(days=1)).isoformat()  # noqa: DTZ011 - refused on any clock
    refused = published.command("audit", "retire", "--before", tomorrow, "--confirm", *asked)
    assert refused.returncode == 2
    assert "kept for 3 years" in refused.stderr
    less = published.command("audit", "retire", *asked, settings={"HUB_AUDIT_YEARS": "2"})
    assert less.returncode == 2
    assert "HUB_AUDIT_YEARS" in less.stderr
