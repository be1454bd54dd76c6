"""Corrections: opened by rulings, answered by departments, settled by runs, counted in reports."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from catalog.standards import elements
from core.clock import FixedClock, add_working_days, count_working_days, start_of_day
from core.errors import BadInput, NotFound
from hub.app import Hub
from hub.serving.notes import Forbidden, SubjectUnknown
from hub.serving.office import Office
from hub.stewardship.corrections import Answer, Corrections, CorrectionUnknown, Which
from hub.stewardship.evidence import File
from hub.stewardship.report import report
from hub.stewardship.rulings import ReasonMissing, Rulings
from hub.stewardship.wishes import Choose, Defer, Ignore, Repair
from reconcile import rulings
from reconcile.corrections import (
    Book,
    CorrectionMoved,
    Escalation,
    Heard,
    Light,
    Settled,
    State,
    escalation,
    light,
)
from reconcile.stances import stances
from tests.hub.conftest import Place
from tests.hub.stewarding import (
    GIRL,
    call,
    entity_of,
    hub_of,
    options,
    published,
    run,
    say_phones,
    served,
    table,
)

PHONES = call("phones-1", "zhou")
ALL = tuple(State)


def ruled(hub: Hub, dataset: str = "police.people") -> tuple[int, int]:
    """A ruling on the girl's name, and the ticket to the other dataset."""
    girl = entity_of(hub, GIRL[0])
    wish = Choose(entity=girl, attribute="name", dataset=dataset, reason="seen the card")
    made = Rulings(Office(hub)).make(call(), "resident", wish)
    (ticket,) = made["corrections"]
    return made["ruling"], ticket


def state(hub: Hub, ticket: int) -> str:
    return str(Corrections(Office(hub)).show(call(), ticket)["state"])


def settle(
    hub: Hub,
    names: dict[str, str | None],
    pulled: Collection[str] = ("phones.users",),
    repaired: Collection[tuple[str, str]] = (),
) -> Settled:
    """What a run would do in which the datasets say these names of the girl."""
    gist = elements()["person_name"].gist
    girl = entity_of(hub, GIRL[0])
    claims = [row for row in table(hub, "claims") if row["attribute"] == "name"]
    told = []
    for row in claims:
        if row["entity"] == girl and row["dataset"] in names:
            name = names[row["dataset"]]
            told.append({**row, "value": name, "gist": name and gist(name)})
        else:
            told.append(row)
    told = [row for row in told if row["value"] is not None]
    subject = hub.workspace().subjects["resident"]
    departments = {"police.people": "police", "phones.users": "phones"}
    with hub.engine.begin() as connection:
        book = Book(connection, hub.keys, hub.clock.now())
        heard = Heard(pa.Table.from_pylist(told), frozenset(pulled), frozenset(repaired))
        return book.settle(subject, heard, departments, 2)


def test_a_ruling_asks_the_one_who_says_otherwise(town: Hub) -> None:
    _, ticket = ruled(town)
    found = Corrections(Office(town)).list(PHONES, Which())
    (told,) = found["corrections"]
    assert (told["correction"], told["dataset"], told["department"]) == (
        ticket, "phones.users", "phones",
    )  # fmt: skip
    assert (told["light"], told["escalation"], told["error"]) == ("green", "none", "same_sound")
    shown = Corrections(Office(town)).show(PHONES, ticket)
    # Its own record and value as it sent them; what others say, not at all.
    assert (shown["record"], shown["said"]) == (GIRL[0], "张晓明")
    assert shown["ruled"] == {"value": None, "mask": "suppress"}
    # A steward of another department's sees it the other way round.
    shown = Corrections(Office(town)).show(call(), ticket)
    assert (shown["record"], shown["said"]) == (None, None)
    assert shown["ruled"]["value"] == "张小明"


def test_without_a_key_the_department_is_told_its_row_as_it_sent_it(place: Place) -> None:
    """What its record is called by then, a digest, nobody could find in the source."""
    file = place.workspace / "contracts/phones.users.odcs.yaml"
    file.write_text(file.read_text("utf-8").replace("primaryKey: true", "primaryKey: false"))
    published(place)
    with hub_of(place) as hub:
        _, ticket = ruled(hub)
        for client in ("steward-1", "police-1", "auditor-1"):
            asked = place.command("corrections", "show", str(ticket), *options(client))
            assert not {"张晓明", GIRL[4]} & set(asked.stdout.split('"'))
        shown = Corrections(Office(hub)).show(call(), ticket)
        assert (shown["row"], shown["original"]) == (None, None)
    shown = json.loads(place.succeed("corrections", "show", "1", *options("phones-1", "zhou")))
    assert GIRL[0] not in shown["record"]
    assert shown["row"] == 3
    assert shown["original"] == {
        "id": GIRL[0], "who": "张晓明", "mobile": GIRL[4], "on": "2026-06-01",
    }  # fmt: skip
    say_phones(place, {GIRL[0]: "张肖明"})
    run(place)
    # Another digest, since the row says something else, but still the row.
    shown = json.loads(place.succeed("corrections", "show", "1", *options("phones-1", "zhou")))
    assert (shown["said"], shown["row"]) == ("张晓明", 3)
    assert shown["original"]["who"] == "张肖明"
    phones = place.workspace / "data/phones.jsonl"
    phones.write_text("".join(phones.read_text("utf-8").splitlines(True)[:2]), "utf-8")
    run(place)
    shown = json.loads(place.succeed("corrections", "show", "1", *options("phones-1", "zhou")))
    assert (shown["state"], shown["row"], shown["original"]) == ("closed", None, None)


def test_with_a_key_the_record_tells_the_row(town: Hub) -> None:
    _, ticket = ruled(town)
    shown = Corrections(Office(town)).show(PHONES, ticket)
    assert (shown["record"], shown["row"], shown["original"]) == (GIRL[0], None, None)


def test_only_the_department_itself_and_stewards_meet_a_ticket(town: Hub) -> None:
    _, ticket = ruled(town)
    desk = Corrections(Office(town))
    assert desk.list(call("police-1", "x"), Which())["corrections"] == []
    for client in ("police-1", "nobody-1"):
        with pytest.raises(CorrectionUnknown):
            desk.show(call(client, "x"), ticket)
        with pytest.raises(CorrectionUnknown):
            desk.answer(call(client, "x"), ticket, Answer("fixed"))
    # It may know of the table, but not keep it.
    with pytest.raises(Forbidden):
        desk.show(call("worker-1", "x"), ticket)
    with pytest.raises(CorrectionUnknown):
        desk.show(PHONES, 99)


def test_a_ticket_closes_by_itself_and_the_ruling_retires(town: Hub) -> None:
    ruling, ticket = ruled(town)
    assert settle(town, {}) == Settled()
    done = settle(town, {"phones.users": "张小明"})
    assert done.counts() == {"tickets closed": 1, "rulings retired": 1}
    assert state(town, ticket) == "closed"
    with town.engine.connect() as connection:
        assert len(rulings.in_force(connection, town.keys, "resident")) == 0
    assert Rulings(Office(town)).show(call(), ruling)["state"] == "retired"
    assert settle(town, {}) == Settled()


def test_a_record_that_is_gone_is_no_longer_asked_for(town: Hub) -> None:
    _, ticket = ruled(town)
    done = settle(town, {"phones.users": None})
    assert (done.closed, done.retired) == (1, 1)
    assert state(town, ticket) == "closed"


def test_fixed_is_believed_until_a_pull_says_otherwise(town: Hub) -> None:
    _, ticket = ruled(town)
    desk = Corrections(Office(town))
    assert desk.answer(PHONES, ticket, Answer("fixed"))["state"] == "fixed"
    assert settle(town, {}, pulled=("police.people",)) == Settled()
    assert settle(town, {}).counts() == {"tickets reopened": 1}
    assert state(town, ticket) == "open"
    events = desk.show(PHONES, ticket)["events"]
    assert [(e["state"], e["release"]) for e in events] == [
        ("open", None), ("fixed", None), ("open", 2),
    ]  # fmt: skip


def test_a_dispute_needs_a_reason_and_a_steward_decides_on_it(town: Hub) -> None:
    ruling, ticket = ruled(town)
    desk = Corrections(Office(town))
    with pytest.raises(ReasonMissing):
        desk.answer(PHONES, ticket, Answer("disputed"))
    proof = File("card.png", b"\x89PNG\r\n\x1a\n...")
    desk.answer(PHONES, ticket, Answer("disputed", "our copy of the card says so", proof))
    assert desk.evidence(call(), ticket) == (".png", proof.content)
    assert settle(town, {}) == Settled()
    # Not for those who were asked to say.
    with pytest.raises(CorrectionUnknown):
        desk.answer(PHONES, ticket, Answer("reopen", "no"))
    assert desk.answer(call(), ticket, Answer("reopen", "the copy is old"))["state"] == "open"
    Rulings(Office(town)).revoke(call(), ruling, "they were right")
    assert state(town, ticket) == "withdrawn"
    with pytest.raises(CorrectionMoved):
        desk.answer(PHONES, ticket, Answer("fixed"))


def test_a_source_that_turns_wrong_later_is_asked_too(town: Hub) -> None:
    ruling, _ = ruled(town)
    done = settle(town, {"police.people": "张笑明"})
    assert done.counts() == {"tickets opened": 1}
    assert settle(town, {"police.people": "张笑明"}) == Settled()
    found = Corrections(Office(town)).list(call(), Which(department="police"))["corrections"]
    assert [one["dataset"] for one in found] == ["police.people", "police.people"][: len(found)]
    assert {one["ruling"] for one in found} == {ruling}


def repaired(hub: Hub) -> tuple[int, int]:
    """A ruling that names of phones are not to be read, and its ticket."""
    desk, ignore = Rulings(Office(hub)), Ignore(kind="ignore")
    wish = Repair(dataset="phones.users", attribute="name", repair=ignore, reason="nicknames")
    number = desk.make(call(), "resident", wish)["ruling"]
    (ticket,) = desk.approve(call("steward-2", "wu"), number)["corrections"]
    return number, ticket


def test_a_repair_asks_once_and_ends_when_it_is_fixed(town: Hub) -> None:
    number, ticket = repaired(town)
    Corrections(Office(town)).answer(PHONES, ticket, Answer("fixed", "we ask for cards now"))
    assert Rulings(Office(town)).show(call(), number)["state"] == "retired"
    assert settle(town, {"phones.users": "张小明"}, pulled=("police.people",)) == Settled()
    assert settle(town, {"phones.users": "张小明"}).counts() == {"tickets closed": 1}
    assert state(town, ticket) == "closed"


def test_a_repair_that_was_not_fixed_is_asked_for_again(town: Hub) -> None:
    number, ticket = repaired(town)
    desk = Corrections(Office(town))
    # In force: as claims were read, they say nothing of the source; and what a run said that was on
    # its way when it was approved ends nothing.
    fixed: dict[str, str | None] = {"phones.users": "张小明"}
    assert settle(town, fixed, repaired=[("phones.users", "name")]) == Settled()
    assert settle(town, fixed) == Settled()
    desk.answer(PHONES, ticket, Answer("fixed", "we ask for cards now"))
    # A run that was on its way when the answer came was still read by it.
    none = {"phones.users": None}
    assert settle(town, none, repaired=[("phones.users", "name")]) == Settled()
    assert settle(town, {}).counts() == {"tickets reopened": 1}
    assert settle(town, {}) == Settled()
    assert state(town, ticket) == "open"
    # It has ended nevertheless.
    assert Rulings(Office(town)).show(call(), number)["state"] == "retired"
    assert desk.answer(PHONES, ticket, Answer("fixed"))["state"] == "fixed"
    assert settle(town, {}).reopened == 1
    # Answered or not, the ticket is closed once it is fixed.
    assert settle(town, fixed).counts() == {"tickets closed": 1}


def test_of_a_repair_that_has_ended_a_steward_decides_what_is_left(town: Hub) -> None:
    number, ticket = repaired(town)
    desk = Corrections(Office(town))
    desk.answer(PHONES, ticket, Answer("fixed"))
    settle(town, {})
    desk.answer(PHONES, ticket, Answer("disputed", "that is her name"))
    # Another repair of the same asks in place of the one that ended.
    again, asked = repaired(town)
    assert (again, state(town, ticket), state(town, asked)) == (number + 1, "withdrawn", "open")
    desk.answer(PHONES, asked, Answer("fixed"))
    settle(town, {})
    desk.answer(PHONES, asked, Answer("disputed", "that is her name"))
    # Or the department is right.
    Rulings(Office(town)).revoke(call(), again, "seen the card")
    assert state(town, asked) == "withdrawn"


def test_deferrals_end_on_their_day(town: Hub) -> None:
    girl = entity_of(town, GIRL[0])
    until = town.clock.now().date() + timedelta(days=10)
    wish = Defer(entity=girl, attribute="name", until=until, reason="waits")
    number = Rulings(Office(town)).make(call(), "resident", wish)["ruling"]
    assert settle(town, {}) == Settled()
    object.__setattr__(town, "clock", FixedClock(start_of_day(until).astimezone(UTC)))
    assert settle(town, {}).counts() == {"deferrals expired": 1}
    assert Rulings(Office(town)).show(call(), number)["state"] == "expired"


def test_lights_and_escalation_follow_working_days() -> None:
    # 2026-09-25 (Friday) to 2026-10-12: the Mid-Autumn and National Day holidays lie between.
    due = add_working_days(date(2026, 9, 21), 10)
    assert count_working_days(date(2026, 9, 21), due) == 10
    days = [due - timedelta(days=n) for n in range(20, -1, -1)]
    lights = [light(due, day) for day in days]
    assert lights == sorted(lights, key=[Light.GREEN, Light.YELLOW, Light.RED].index)
    assert light(due, due) is Light.YELLOW
    assert light(due, due + timedelta(days=1)) is Light.RED
    assert escalation(due, due) is Escalation.NONE
    assert escalation(due, add_working_days(due, 1)) is Escalation.HEAD
    assert escalation(due, add_working_days(due, 5)) is Escalation.HEAD
    assert escalation(due, add_working_days(due, 6)) is Escalation.OFFICE


def test_a_late_ticket_is_red_and_told_further(town: Hub) -> None:
    ruled(town)
    late = datetime(2036, 1, 1, tzinfo=UTC)
    object.__setattr__(town, "clock", FixedClock(late))
    (told,) = Corrections(Office(town)).list(call(), Which())["corrections"]
    assert (told["light"], told["escalation"]) == ("red", "sharing_office")
    (own,) = report(Office(town), PHONES)["departments"]
    assert (own["overdue"], own["answered_in_time"]) == (1, 0.0)


def test_a_report_counts_and_advises_without_a_value(town: Hub) -> None:
    _, ticket = ruled(town)
    Corrections(Office(town)).answer(PHONES, ticket, Answer("fixed"))
    settle(town, {"phones.users": "张小明"})
    found = report(Office(town), call())
    assert [one["department"] for one in found["departments"]] == ["phones", "police"]
    phones: dict[str, Any] = found["departments"][0]
    assert (phones["tickets"], phones["unsettled"], phones["answered_in_time"]) == (1, 0, 1.0)
    kind = next(k for k in phones["kinds"] if k["tickets"])
    assert (kind["attribute"], kind["error"]) == ("name", "same_sound")
    assert "card" in kind["advice"]["en"]
    (month,) = phones["trend"]
    assert (month["opened"], month["closed"], month["releases"]) == (1, 1, [2])
    text = str(found)
    assert not {"张小明", "张晓明", GIRL[0]} & set(text.split("'"))
    assert [d["department"] for d in report(Office(town), PHONES)["departments"]] == ["phones"]


def test_an_unknown_department_is_said_to_be_unknown(town: Hub) -> None:
    for ask in (
        lambda: report(Office(town), call(), "ghosts"),
        lambda: Corrections(Office(town)).list(call(), Which(department="ghosts")),
    ):
        with pytest.raises(NotFound, match="no department 'ghosts'"):
            ask()


def test_a_dataset_is_looked_for_at_its_own_department(town: Hub) -> None:
    ruled(town)
    desk = Corrections(Office(town))
    own = desk.list(call(), Which("phones.users", "phones"))
    assert own["corrections"] == desk.list(call(), Which("phones.users"))["corrections"] != []
    with pytest.raises(BadInput, match="no dataset of police"):
        desk.list(call(), Which("phones.users", "police"))
    with pytest.raises(NotFound, match="no department 'ghosts'"):
        desk.list(call(), Which("phones.users", "ghosts"))
    # Whose it is, is not told to whom it is closed.
    for which in (Which("phones.users", "police"), Which("phones.users", "phones")):
        with pytest.raises(SubjectUnknown):
            desk.list(call("police-1", "wu"), which)


def test_from_a_ruling_to_agreement_by_runs_alone(place: Place) -> None:
    """The whole way: ruled, asked for, fixed at the source, pulled, closed, retired."""
    published(place)
    girl_number = GIRL[0]
    with hub_of(place) as hub:
        girl = entity_of(hub, girl_number)
    place.succeed("rulings", "choose", "resident", girl, "name", "--dataset", "police.people",
                  "--reason", "card", *options())  # fmt: skip
    run(place)
    with hub_of(place) as hub:
        assert served(hub, girl, "name") == ("张小明", "ruled")
    assert "phones.users" in place.succeed("corrections", "list", *options("phones-1", "zhou"))
    place.succeed("corrections", "answer", "1", "fixed", *options("phones-1", "zhou"))
    say_phones(place, {girl_number: GIRL[1]})
    run(place)
    assert "closed" in place.succeed("corrections", "show", "1", *options("phones-1", "zhou"))
    assert "retired" in place.succeed("rulings", "show", "1", *options())
    run(place)
    with hub_of(place) as hub:
        assert served(hub, girl, "name") == ("张小明", "agreed")
    told = place.succeed("corrections", "report", "--department", "phones", *options())
    assert "100%" in told


def test_a_repair_is_asked_for_until_a_pull_shows_that_it_is_fixed(place: Place) -> None:
    published(place)
    with hub_of(place) as hub:
        repaired(hub)
    phones = options("phones-1", "zhou")
    run(place)
    place.succeed("corrections", "answer", "1", "fixed", *phones)
    run(place)
    shown = json.loads(place.succeed("corrections", "show", "1", *phones))
    assert [(e["state"], e["release"]) for e in shown["events"]] == [
        ("open", None), ("fixed", None), ("open", 3),
    ]  # fmt: skip
    say_phones(place, {GIRL[0]: GIRL[1]})
    run(place)
    assert json.loads(place.succeed("corrections", "show", "1", *phones))["state"] == "closed"


@pytest.mark.parametrize(
    ("names", "retire"), [(("李秀英", "王建国"), {}), (("王建国", "王建国"), {2: [1, 2]})]
)
def test_a_ruling_is_kept_while_it_stands_for_another(
    hub: Hub, names: tuple[str, str], retire: dict[int, list[int]]
) -> None:
    """Two entities that were ruled on became one: no source contradicts the later ruling, but
    without it the earlier one would count.
    """
    rows = [
        {"number": n, "kind": "value", "entity": entity, "attribute": "name", "value": name,
         "dataset": "police.people", "record": record}
        for n, entity, record, name in ((1, "gone", "B", names[0]), (2, "stays", "A", names[1]))
    ]  # fmt: skip
    ruled = pa.Table.from_pylist(rows, schema=rulings.RULINGS)
    links = pa.Table.from_pylist(
        [{"dataset": "police.people", "record": r, "entity": "stays"} for r in "AB"]
    )
    said = {"entity": "stays", "attribute": "name", "value": names[1]}
    claims = pa.Table.from_pylist([{**said, "dataset": "police.people", "record": "A"}])
    found, _ = stances(hub.workspace().subjects["resident"], ruled, claims, links)
    assert found == retire
