"""Rulings: who may make them, what stands in their way, what they do, and what is left behind."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from core.clock import today
from core.errors import BadInput, HubError
from hub.app import Hub
from hub.audit.receipts import Receipt
from hub.identity import Caller, Tokens
from hub.serving.access import PersonMissing
from hub.serving.notes import Forbidden, SubjectUnknown
from hub.serving.office import Office
from hub.stewardship import evidence
from hub.stewardship.drafting import ClaimMissing, EntityUnknown, RulingImpossible
from hub.stewardship.evidence import EvidenceMissing, EvidenceUnusable, File
from hub.stewardship.requests import KeyReused
from hub.stewardship.rulings import (
    ReasonMissing,
    Rulings,
    RulingUnknown,
    SecondPersonNeeded,
)
from hub.stewardship.standing import RulingExists
from hub.stewardship.wishes import (
    Choose,
    Defer,
    Enter,
    Ignore,
    Member,
    Merge,
    Never,
    Repair,
    Split,
    SwapDayMonth,
    Wish,
)
from reconcile import rulings
from reconcile.rulings import RulingMoved
from tests.hub.conftest import Place, serving
from tests.hub.stewarding import GIRL, call, entity_of, hub_of, options, published, run, served
from tests.hub.village import PEOPLE

PROOF = File("card.pdf", b"%PDF-1.7 a scan")


@pytest.fixture
def girl(town: Hub) -> str:
    return entity_of(town, GIRL[0])


def choose(entity: str, dataset: str = "phones.users", reason: str = "seen the card") -> Choose:
    return Choose(entity=entity, attribute="name", dataset=dataset, reason=reason)


def in_force(hub: Hub) -> list[dict[str, object]]:
    with hub.engine.connect() as connection:
        rows: list[dict[str, object]] = rulings.in_force(
            connection, hub.keys, "resident"
        ).to_pylist()
        return rows


def logged(hub: Hub, action: str) -> list[dict[str, object]]:
    with hub.engine.connect() as connection:
        bodies = connection.execute(
            text("SELECT body FROM audit_entry WHERE action = :a ORDER BY index"), {"a": action}
        ).scalars()
        return [json.loads(bytes(body))["entry"] for body in bodies]


def test_a_chosen_value_is_in_force_at_once_and_copied(town: Hub, girl: str) -> None:
    made = Rulings(Office(town)).make(call(), "resident", choose(girl))
    assert (made["state"], made["made"]) == ("in_force", True)
    (row,) = in_force(town)
    assert (row["kind"], row["entity"], row["value"]) == ("value", girl, "张晓明")
    assert (row["dataset"], row["record"]) == ("phones.users", GIRL[0])
    town.audit.check_receipt(Receipt.model_validate(made["receipt"]))


def test_a_ruling_acts_on_the_next_run_and_ends_with_its_revocation(place: Place) -> None:
    published(place)
    with hub_of(place) as hub:
        girl = entity_of(hub, GIRL[0])
        assert served(hub, girl, "name") == ("张小明", "designated")
        number = Rulings(Office(hub)).make(call(), "resident", choose(girl))["ruling"]
    run(place)
    with hub_of(place) as hub:
        assert served(hub, girl, "name") == ("张晓明", "ruled")
        Rulings(Office(hub)).revoke(call(), number, "it was another card")
        assert in_force(hub) == []
    run(place)
    with hub_of(place) as hub:
        assert served(hub, girl, "name") == ("张小明", "designated")


def test_an_entered_value_is_cleaned_and_needs_evidence(town: Hub, girl: str) -> None:
    desk = Rulings(Office(town))
    wish = Enter(entity=girl, attribute="mobile", value=" +86 138-1234-5678 ", reason="called")
    with pytest.raises(EvidenceMissing):
        desk.make(call(), "resident", wish)
    number = desk.make(call(), "resident", wish, PROOF)["ruling"]
    assert [row["value"] for row in in_force(town)] == ["13812345678"]
    assert desk.evidence(call("steward-2", "wu"), number) == (".pdf", PROOF.content)
    shown = desk.show(call(), number)
    assert shown["value"] == "13812345678"
    assert shown["evidence"]["size"] == len(PROOF.content)
    invalid = Enter(entity=girl, attribute="mobile", value="12", reason="called")
    with pytest.raises(BadInput) as caught:
        desk.make(call(), "resident", invalid, PROOF)
    assert str(caught.value.fields["rule"]).startswith("flaw_")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("card.exe", b"MZ"),
        ("card.pdf", b"not a pdf"),
        ("card.pdf", b""),
        ("note.txt", b"\xff\xfe"),
        ("card.pdf", b"%PDF-" + bytes(evidence.LARGEST)),
        ("card", b"%PDF-"),
    ],
)
def test_evidence_that_cannot_be_taken(town: Hub, girl: str, name: str, content: bytes) -> None:
    wish = Enter(entity=girl, attribute="mobile", value="13812345678", reason="called")
    with pytest.raises(EvidenceUnusable):
        Rulings(Office(town)).make(call(), "resident", wish, File(name, content))
    assert in_force(town) == []


def test_nothing_of_a_ruling_stands_in_the_clear(town: Hub, girl: str) -> None:
    desk = Rulings(Office(town))
    proof = File("said.txt", "王建国 said 13998765432".encode())
    wish = Enter(entity=girl, attribute="mobile", value="13998765432", reason="王建国 said so")
    number = desk.make(call(), "resident", wish, proof)["ruling"]
    desk.revoke(call(), number, "王建国 took it back")
    with town.engine.connect() as connection:
        kept = ""
        for table in ("ruling", "ruling_event", "evidence", "audit_entry"):
            rows = connection.execute(text(f"SELECT t::text FROM {table} t")).scalars()
            kept += "\n".join(rows)
        bodies = connection.execute(text("SELECT body FROM audit_entry")).scalars()
        kept += "\n".join(bytes(body).decode() for body in bodies)
        for column, source in (
            ("body", "ruling"),
            ("reason", "ruling_event"),
            ("body", "evidence"),
        ):
            cells = connection.execute(text(f"SELECT {column} FROM {source}")).scalars()
            kept += "\n".join(bytes(cell or b"").decode("utf-8", "replace") for cell in cells)
    assert "13998765432" not in kept
    assert "王建国" not in kept


def test_two_rulings_on_one_value_do_not_stand_beside_each_other(town: Hub, girl: str) -> None:
    desk = Rulings(Office(town))
    first = desk.make(call(), "resident", choose(girl))
    again = desk.make(call("steward-2", "wu"), "resident", choose(girl))
    assert (again["ruling"], again["made"]) == (first["ruling"], False)
    with pytest.raises(RulingExists) as caught:
        desk.make(call("steward-2", "wu"), "resident", choose(girl, "police.people"))
    assert caught.value.fields == {"number": first["ruling"]}
    assert caught.value.status == 409
    desk.revoke(call("steward-2", "wu"), first["ruling"], "the card is old")
    assert desk.make(call(), "resident", choose(girl, "police.people"))["made"]


def test_two_stewards_at_the_same_moment_make_one_ruling(town: Hub, girl: str) -> None:
    office, outcomes = Office(town), []
    gate = threading.Barrier(4)

    def rule(number: int) -> None:
        dataset = ("police.people", "phones.users")[number % 2]
        gate.wait()
        try:
            made = Rulings(office).make(
                call(person=f"p{number}"), "resident", choose(girl, dataset)
            )
            outcomes.append(made["made"])
        except RulingExists:
            outcomes.append(None)

    threads = [threading.Thread(target=rule, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [False, None, None, True]
    assert len(in_force(town)) == 1
    assert town.audit.verify().ok


def test_a_request_sent_twice_makes_one_ruling(town: Hub, girl: str) -> None:
    desk = Rulings(Office(town))
    first = desk.make(call(), "resident", choose(girl), key="k1")
    desk.revoke(call(), first["ruling"], "a mistake")
    again = desk.make(call(), "resident", choose(girl), key="k1")
    assert (again["ruling"], again["state"], again["made"]) == (first["ruling"], "revoked", False)
    with pytest.raises(KeyReused):
        desk.make(call(), "resident", choose(girl, reason="for another reason"), key="k1")


def test_a_request_for_what_was_ruled_already_is_remembered_as_well(town: Hub, girl: str) -> None:
    desk = Rulings(Office(town))
    first = desk.make(call(), "resident", choose(girl))
    for _ in range(2):
        again = desk.make(call(), "resident", choose(girl), key="k1")
        assert (again["ruling"], again["made"]) == (first["ruling"], False)
    with pytest.raises(KeyReused):
        desk.make(call(), "resident", choose(girl, reason="for another reason"), key="k1")
    # Keys are each client's own.
    assert not desk.make(call("steward-2", "wu"), "resident", choose(girl), key="k1")["made"]
    desk.revoke(call(), first["ruling"], "a mistake")
    again = desk.make(call(), "resident", choose(girl), key="k1")
    assert (again["ruling"], again["state"], again["made"]) == (first["ruling"], "revoked", False)


def sensitive(town: Hub) -> tuple[Wish, ...]:
    one, two, three = (entity_of(town, person[0]) for person in PEOPLE)
    gone = Ignore(kind="ignore")
    return (
        Choose(entity=one, attribute="resident_id", dataset="phones.users", reason="r"),
        Merge(entity=one, other=two, reason="r"),
        Never(entity=one, other=three, reason="r"),
        Split(entity=three, records=(Member(dataset="phones.users"),), reason="r"),
        Repair(dataset="phones.users", attribute="name", repair=gone, reason="r"),
    )


def test_what_is_sensitive_needs_a_second_person(town: Hub) -> None:
    desk = Rulings(Office(town))
    for wish in sensitive(town):
        number = desk.make(call(), "resident", wish)["ruling"]
        assert desk.show(call(), number)["state"] == "proposed"
        with pytest.raises(SecondPersonNeeded):
            desk.approve(call(), number)
        # Another client does not make another person.
        with pytest.raises(SecondPersonNeeded):
            desk.approve(call("steward-2", "li"), number)
        # Neither do a blank and a capital.
        for written in (" li", "Li", "l\u200bi"):
            with pytest.raises(SecondPersonNeeded):
                desk.approve(call("steward-2", written), number)
        with pytest.raises(SecondPersonNeeded):
            desk.refuse(call("steward-2", "LI "), number, "r")
        for nobody in (None, " ", "\u200b"):
            with pytest.raises(PersonMissing):
                desk.approve(call("steward-2", nobody), number)
        with pytest.raises((SubjectUnknown, RulingUnknown)):
            desk.approve(call("police-1", "wu"), number)
        assert not [row for row in in_force(town) if row["number"] == number]
        assert desk.approve(call("steward-2", "wu"), number)["state"] == "in_force"
        assert [row for row in in_force(town) if row["number"] == number]
        for person in ("wu", "li"):
            with pytest.raises(RulingMoved):
                desk.approve(call("steward-2", person), number)


def test_a_proposal_can_be_refused_and_then_made_again(town: Hub) -> None:
    desk, wish = Rulings(Office(town)), sensitive(town)[1]
    number = desk.make(call(), "resident", wish)["ruling"]
    with pytest.raises(ReasonMissing):
        desk.refuse(call("steward-2", "wu"), number, " ")
    assert desk.refuse(call("steward-2", "wu"), number, "twins")["state"] == "refused"
    for after in (desk.refuse, desk.revoke, desk.approve):
        with pytest.raises(RulingMoved):
            after(call("steward-2", "wu"), number, "again")
    assert desk.make(call(), "resident", wish)["ruling"] == number + 1


def test_links_that_contradict_each_other_are_refused(town: Hub) -> None:
    desk = Rulings(Office(town))
    one, two, three = (entity_of(town, person[0]) for person in PEOPLE)
    desk.make(call(), "resident", Merge(entity=one, other=two, reason="r"))
    for wish in (
        Never(entity=one, other=two, reason="r"),
        Never(entity=two, other=one, reason="r"),
    ):
        with pytest.raises(RulingExists):
            desk.make(call(), "resident", wish)
    desk.make(call(), "resident", Never(entity=one, other=three, reason="r"))
    with pytest.raises(RulingExists):
        desk.make(call(), "resident", Merge(entity=three, other=one, reason="r"))


@pytest.mark.parametrize("kind", [Merge, Never])
def test_who_is_who_is_the_same_either_way_round(town: Hub, kind: type[Merge | Never]) -> None:
    desk = Rulings(Office(town))
    one, two, three = (entity_of(town, person[0]) for person in PEOPLE)
    first = desk.make(call(), "resident", kind(entity=one, other=two, reason="r"))
    again = desk.make(call("steward-2", "wu"), "resident", kind(entity=two, other=one, reason="s"))
    assert (again["ruling"], again["made"]) == (first["ruling"], False)
    assert desk.make(call(), "resident", kind(entity=two, other=three, reason="r"))["made"]


@pytest.mark.parametrize(("wish", "kind"), [(Never, "never"), (Merge, "same")])
def test_a_link_is_of_every_record_of_one_and_every_record_of_the_other(
    town: Hub, wish: type[Never | Merge], kind: str
) -> None:
    desk = Rulings(Office(town))
    one, two = (entity_of(town, person[0]) for person in PEOPLE[:2])
    number = desk.make(call(), "resident", wish(entity=one, other=two, reason="twins"))["ruling"]
    desk.approve(call("steward-2", "wu"), number)
    rows = in_force(town)
    assert {(row["kind"], row["record"], row["other_record"]) for row in rows} == {
        (kind, PEOPLE[0][0], PEOPLE[1][0])
    }
    pairs = {(row["dataset"], row["other_dataset"]) for row in rows}
    assert len(pairs) == len(rows) == 4


def test_a_split_sends_records_off_together(town: Hub, girl: str) -> None:
    desk = Rulings(Office(town))
    wish = Split(entity=girl, records=(Member(dataset="phones.users"),), reason="a namesake")
    number = desk.make(call(), "resident", wish)["ruling"]
    desk.approve(call("steward-2", "wu"), number)
    (row,) = in_force(town)
    assert (row["kind"], row["dataset"], row["other_dataset"]) == (
        "never", "phones.users", "police.people",
    )  # fmt: skip


def test_whoever_seconds_sees_who_is_joined_or_parted(town: Hub, girl: str) -> None:
    desk = Rulings(Office(town))
    one, two = (entity_of(town, person[0]) for person in PEOPLE[:2])
    both = {"phones.users": 1, "police.people": 1}
    wishes = (
        (Merge(entity=one, other=two, reason="r"), two, [both, both]),
        (Split(entity=girl, records=(Member(dataset="phones.users"),), reason="r"), None,
         [{"phones.users": 1}, {"police.people": 1}]),
    )  # fmt: skip
    for wish, other, sides in wishes:
        number = desk.make(call(), "resident", wish)["ruling"]
        shown = desk.show(call("steward-2", "wu"), number)
        assert (shown["other"], shown["sides"]) == (other, sides)
    choice = Choose(entity=girl, attribute="name", dataset="phones.users", reason="r")
    number = desk.make(call(), "resident", choice)["ruling"]
    shown = desk.show(call(), number)
    assert (shown["other"], shown["sides"]) == (None, [])
    pages = [desk.list(call(), "resident", limit=2, skip=n) for n in (0, 2)]
    assert [[row["ruling"] for row in page["rulings"]] for page in pages] == [[3, 2], [1]]
    assert {page["total"] for page in pages} == {3}


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        (Choose(entity="nobody", attribute="name", dataset="phones.users", reason="r"),
         EntityUnknown),
        (Choose(entity="GIRL", attribute="name", dataset="no.such", reason="r"), ClaimMissing),
        (Choose(entity="GIRL", attribute="grid", dataset="phones.users", reason="r"), ClaimMissing),
        (Choose(entity="GIRL", attribute="name", dataset="phones.users", reason="  "),
         ReasonMissing),
        (Choose(entity="GIRL", attribute="shoe_size", dataset="phones.users", reason="r"),
         BadInput),
        (Merge(entity="GIRL", other="GIRL", reason="r"), RulingImpossible),
        (Merge(entity="GIRL", other="nobody", reason="r"), EntityUnknown),
        (Split(entity="GIRL", records=(Member(dataset="no.such"),), reason="r"), RulingImpossible),
        (Split(entity="GIRL", records=(Member(dataset="phones.users", record="?"),), reason="r"),
         RulingImpossible),
        (Split(entity="GIRL", records=tuple(Member(dataset=d)
               for d in ("phones.users", "police.people")), reason="r"), RulingImpossible),
        (Repair(dataset="phones.users", attribute="grid", repair=Ignore(kind="ignore"), reason="r"),
         ClaimMissing),
        (Repair(dataset="phones.users", attribute="name",
                repair=SwapDayMonth(kind="swap_day_month"), reason="r"), RulingImpossible),
    ],
)  # fmt: skip
def test_what_cannot_be_ruled_is_refused_and_logged(
    town: Hub, girl: str, wish: Wish, error: type[HubError]
) -> None:
    fields = {name: girl if value == "GIRL" else value for name, value in vars(wish).items()}
    meant = wish.model_copy(update=fields)
    with pytest.raises(error):
        Rulings(Office(town)).make(call(), "resident", meant)
    assert in_force(town) == []
    entry = logged(town, f"ruling_{wish.kind}")[-1]
    assert entry["outcome"] == "failed"


@pytest.mark.parametrize("days", [-1, 0, 400])
def test_a_deferral_has_a_day_to_come(town: Hub, girl: str, days: int) -> None:
    until = today(town.clock) + timedelta(days=days)
    with pytest.raises(BadInput):
        Rulings(Office(town)).make(
            call(), "resident", Defer(entity=girl, attribute="name", until=until, reason="r")
        )


def test_a_deferral_leaves_the_queue_alone_until_its_day_or_a_ruling(town: Hub, girl: str) -> None:
    desk, day = Rulings(Office(town)), today(town.clock)

    def deferred() -> set[tuple[str, str]]:
        with town.engine.connect() as connection:
            return set(rulings.deferred(connection, "resident", day))

    def put_off(days: int) -> int:
        until = day + timedelta(days=days)
        wish = Defer(entity=girl, attribute="name", until=until, reason="waits for the police")
        return int(desk.make(call(), "resident", wish)["ruling"])

    first = put_off(1)
    assert deferred() == {(girl, "name")}
    second = put_off(5)
    assert desk.show(call(), first)["state"] == "retired"
    desk.make(call(), "resident", choose(girl))
    assert desk.show(call(), second)["state"] == "retired"
    assert deferred() == set()
    with pytest.raises(RulingExists):
        put_off(3)


def test_who_may_not_steward_is_refused_and_logged(town: Hub, girl: str) -> None:
    desk = Rulings(Office(town))
    for client, error in (("worker-1", Forbidden), ("nobody-1", SubjectUnknown),
                          ("phones-1", SubjectUnknown), ("stranger", Forbidden)):  # fmt: skip
        with pytest.raises(error):
            desk.make(call(client, "x"), "resident", choose(girl))
    assert [entry["outcome"] for entry in logged(town, "ruling_choose")] == ["refused"] * 4
    with pytest.raises(PersonMissing):
        desk.make(call(person=None), "resident", choose(girl))
    with pytest.raises(RulingUnknown):
        desk.show(call("nobody-1", "x"), 99)
    number = desk.make(call(), "resident", choose(girl))["ruling"]
    with pytest.raises(RulingUnknown):
        desk.show(call("nobody-1", "x"), number)


def test_rulings_are_never_changed(town: Hub, girl: str) -> None:
    Rulings(Office(town)).make(call(), "resident", choose(girl))
    for statement in (
        "UPDATE ruling SET entity = 'x'", "DELETE FROM ruling_event", "TRUNCATE evidence",
        "DELETE FROM ruling_key",
    ):  # fmt: skip
        with pytest.raises(Exception, match="only be added"), town.engine.begin() as connection:
            connection.execute(text(statement))


def test_nothing_is_ruled_where_the_log_cannot_be_written(town: Hub, girl: str) -> None:
    with town.engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit_entry RENAME TO gone"))
    with pytest.raises(HubError) as caught:
        Rulings(Office(town)).make(call(), "resident", choose(girl))
    assert caught.value.status == 503
    with town.engine.connect() as connection:
        assert rulings.standing(connection, None) == []


def test_a_split_holds_when_one_of_those_that_stay_goes(place: Place) -> None:
    published(place)
    with hub_of(place) as hub:
        one, two = (entity_of(hub, person[0]) for person in PEOPLE[:2])
        desk = Rulings(Office(hub))
        link = desk.make(call(), "resident", Merge(entity=one, other=two, reason="two cards"))
        desk.approve(call("steward-2", "wu"), link["ruling"])
    run(place)
    with hub_of(place) as hub:
        desk = Rulings(Office(hub))
        mine = Member(dataset="phones.users", record=PEOPLE[0][0])
        split = desk.make(call(), "resident", Split(entity=two, records=(mine,), reason="a son"))
        desk.approve(call("steward-2", "wu"), split["ruling"])
        rows = [row for row in in_force(hub) if row["number"] == split["ruling"]]
    stay = {("police.people", PEOPLE[0][0]), ("police.people", PEOPLE[1][0]),
            ("phones.users", PEOPLE[1][0])}  # fmt: skip
    assert {(row["other_dataset"], row["other_record"]) for row in rows} == stay
    assert {(row["kind"], row["dataset"], row["record"]) for row in rows} == {
        ("never", "phones.users", PEOPLE[0][0])
    }


def test_rulings_about_what_is_gone_are_marked_and_act_again(place: Place) -> None:
    published(place)
    with hub_of(place) as hub:
        girl = entity_of(hub, GIRL[0])
        Rulings(Office(hub)).make(call(), "resident", choose(girl))
        Rulings(Office(hub)).make(call(), "resident", choose(entity_of(hub, PEOPLE[0][0])))
    assert "idle" not in place.succeed("rulings", "list", "resident", *options())
    files = [place.workspace / "data" / name for name in ("people.csv", "phones.jsonl")]
    whole = [file.read_text("utf-8") for file in files]
    for file, content in zip(files, whole, strict=True):
        lines = content.splitlines(keepends=True)
        file.write_text("".join(line for line in lines if GIRL[0] not in line), "utf-8")
    run(place)
    with hub_of(place) as hub:
        listed = Rulings(Office(hub)).list(call(), "resident")["rulings"]
        assert {row["ruling"]: (row["state"], row["idle"]) for row in listed}[1] == (
            "in_force", True,
        )  # fmt: skip
    assert place.succeed("rulings", "list", "resident", *options()).count("idle") == 1
    assert "1 rulings in force about resident are idle" in place.succeed("doctor")
    for file, content in zip(files, whole, strict=True):
        file.write_text(content, "utf-8")
    run(place)
    with hub_of(place) as hub:
        assert not any(
            row["idle"] for row in Rulings(Office(hub)).list(call(), "resident")["rulings"]
        )
        assert served(hub, girl, "name") == ("张晓明", "ruled")


def test_the_command_line(place: Place, tmp_path: Path) -> None:
    published(place)
    with hub_of(place) as hub:
        girl = entity_of(hub, GIRL[0])
    card = tmp_path / "card.pdf"
    card.write_bytes(PROOF.content)
    said = place.succeed(
        "rulings", "enter", "resident", girl, "name", "--evidence", str(card),
        "--reason", "card", *options(), typed="张肖明\n",
    )  # fmt: skip
    assert "Ruling 1 is in_force." in said
    assert "1, 2" in said  # both sources say otherwise
    listed = place.succeed("rulings", "list", "resident", *options())
    assert "enter" in listed
    assert "张肖明" not in listed
    back = tmp_path / "back.pdf"
    shown = place.succeed("rulings", "show", "1", "--evidence", str(back), *options())
    assert json.loads(shown)["value"] == "张肖明"
    assert back.read_bytes() == PROOF.content
    assert "revoked" in place.succeed("rulings", "revoke", "1", "--reason", "-", *options(),
                                      typed="an error\n")  # fmt: skip
    for wrong, word in (
        (["choose", "resident", "a b", "name", "--dataset", "d", "--reason", "r"], "entity"),
        (["choose", "resident", girl, "name", "--dataset", "police.people", "--reason", ""], "why"),
        (["defer", "resident", girl, "name", "--until", "2020-01-01", "--reason", "r"], "until"),
        (["repair", "resident", "--reason", "r"], "--dataset"),
        (["repair", "resident", "--group", "1", "--dataset", "phones.users", "--reason", "r"],
         "give either"),
        (["repair", "resident", "--group", "1", "--attribute", "name", "--reason", "r"],
         "give either"),
        (["enter", "resident", girl, "name", "--evidence", "/no/such", "--reason", "r"], "No such"),
    ):  # fmt: skip
        done = place.command("rulings", *wrong, *options(), typed="张肖明\n")
        assert done.returncode == 2, done.stderr
        assert word in done.stderr


def test_over_http(town: Hub, girl: str) -> None:
    """A file travels in the body, the same request twice makes one, and a stranger to it hears
    that there is no such ruling.
    """
    tokens = Tokens(town.keys, town.clock)
    token = tokens.issue(Caller("steward-1", "li"), timedelta(minutes=5))
    content = base64.b64encode(b"%PDF-" + bytes(1_500_000)).decode()
    said = {"purpose": "data_governance", "case": "JH-1"}
    wish = {"kind": "enter", "entity": girl, "attribute": "name", "value": "张肖明", "reason": "r"}
    body = {**said, "subject": "resident", "ruling": wish}
    with serving(town) as address:

        def post(path: str, json: Mapping[str, object], token: str = token) -> httpx.Response:
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
            return httpx.post(f"{address}/v1/{path}", json=json, headers=headers, timeout=60)

        assert post("rulings", body).json()["title"] == "evidence_missing"
        made = [
            post("rulings", {**body, "evidence": {"name": "a.pdf", "content": content}}).json()
            for _ in range(2)
        ]
        assert [one["made"] for one in made] == [True, False]
        number = {**said, "number": made[0]["ruling"]}
        back = post("rulings/evidence", number).json()
        assert base64.b64decode(back["content"]).startswith(b"%PDF-")
        other = tokens.issue(Caller("police-1", "x"), timedelta(minutes=5))
        assert post("rulings/show", number, other).status_code == 404
        long = {**said, "number": 1, "reason": "x" * 70_000}
        assert post("rulings/revoke", long).status_code == 413
        tickets = post("corrections/list", said, other).json()["corrections"]
        assert [ticket["dataset"] for ticket in tickets] == ["police.people"]
        answer = {**said, "number": tickets[0]["correction"], "verdict": "disputed", "reason": "r"}
        assert post("corrections/answer", answer, other).json()["state"] == "disputed"
