"""SIGKILL at any point of a run, and run again: nothing is lost, doubled or half published."""

from __future__ import annotations

import pytest

from hub.app import open_hub
from hub.serving.office import Office
from hub.stewardship.corrections import Corrections, Which
from hub.stewardship.rulings import Rulings
from hub.stewardship.wishes import Choose
from reconcile import releases
from tests.hub import village
from tests.hub.conftest import Place
from tests.hub.running import running
from tests.hub.stewarding import GIRL, call, entity_of, published, run, say_phones, served

# A run of the village says this many lines on its error stream; each is a place to be killed at.
LINES = 17


def _run_and_kill(place: Place, after: int) -> bool:
    """Starts a run and kills it when it has said ``after`` lines; whether it got that far."""
    with running(place.environment, "run", "--as-of", "2026-06-30") as (process, lines):
        for said, _ in enumerate(lines, start=1):
            if said == after:
                process.kill()
                return True
    return False


def _published(place: Place) -> tuple[int, int, list[str]]:
    """Releases, current records, and what is wrong with the log."""
    with open_hub(place.settings) as hub:
        with hub.engine.connect() as connection:
            release = releases.current(connection)
            assert release is not None
            records = connection.exec_driver_sql(
                "SELECT count(*), count(DISTINCT entity) FROM golden_record WHERE closed IS NULL"
            ).one()
        assert records[0] == records[1]
        for state in release.manifest["datasets"].values():
            assert state["landing"]["rows"] == state["fit"]["rows"] + state["quarantine"]["rows"]
        problems = [problem.code for problem in hub.audit.verify().problems]
        return release.number, records[0], problems


# Steps say two lines: some runs are killed before a step's outcome is kept, some after it.
@pytest.mark.parametrize("first", [2, 5, 9, 12, 16])
def test_a_killed_run_resumes(place: Place, first: int) -> None:
    place.succeed("apply", str(place.workspace))
    killed = _run_and_kill(place, first)
    if killed:
        # Killed a second time while it resumes, a little later.
        _run_and_kill(place, 3)
    place.succeed("run", "--as-of", "2026-06-30")
    number, records, problems = _published(place)
    assert records == len(village.PEOPLE)
    assert problems == []
    # The resumed run published once; only a run that had already ended is followed by another.
    assert number == 1 or first >= LINES - 2


def test_killed_while_publishing_a_change_the_old_release_stands(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    phones = place.workspace / "data/phones.jsonl"
    phones.write_text(phones.read_text("utf-8").replace("13800000001", "13900000001"), "utf-8")
    assert _run_and_kill(place, LINES - 2)
    number, records, problems = _published(place)
    assert (records, problems) == (len(village.PEOPLE), [])
    place.succeed("run", "--as-of", "2026-06-30")
    assert _published(place)[0] in (number, number + 1, number + 2)


def test_a_resumed_run_is_followed_by_the_one_that_was_asked_for(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    assert _run_and_kill(place, 9)
    place.succeed("run", "--as-of", "2026-07-01")
    with open_hub(place.settings) as hub, hub.engine.connect() as connection:
        days = connection.exec_driver_sql(
            "SELECT manifest ->> 'as_of' FROM release ORDER BY number"
        ).scalars()
        assert list(days) == ["2026-06-30", "2026-07-01"]


def test_a_run_killed_while_it_publishes_settles_a_ruling_once(place: Place) -> None:
    published(place)
    with open_hub(place.settings) as hub:
        girl = entity_of(hub, GIRL[0])
        wish = Choose(entity=girl, attribute="name", dataset="phones.users", reason="seen")
        made = Rulings(Office(hub)).make(call(), "resident", wish)
    say_phones(place, {GIRL[0]: "张肖明"})
    with running(place.environment, "run", "--as-of", "2026-06-30") as (process, lines):
        assert any("begin publish" in line for line in lines)
        process.kill()
    run(place)
    with open_hub(place.settings) as hub:
        assert served(hub, girl, "name") == ("张晓明", "ruled")
        tickets = Corrections(Office(hub)).list(call(), Which())["corrections"]
        told = sorted((ticket["dataset"], ticket["state"]) for ticket in tickets)
        # The source that was chosen says something else by now.
        assert told == [("phones.users", "open"), ("police.people", "open")]
        assert {ticket["ruling"] for ticket in tickets} == {made["ruling"]}
