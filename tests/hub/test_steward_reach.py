"""Stewards who may see or reach a part only: what they cannot see is not told to them on any way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from core.errors import BadInput, HubError
from hub.app import Hub
from hub.serving.notes import Call
from hub.serving.office import Office
from hub.stewardship.conflicts import Conflicts, Preview
from hub.stewardship.corrections import Answer, Corrections, CorrectionUnknown
from hub.stewardship.drafting import RulingImpossible
from hub.stewardship.evidence import File
from hub.stewardship.matches import Match, Matches
from hub.stewardship.material import Material
from hub.stewardship.rulings import Rulings, RulingUnknown
from hub.stewardship.sight import Look, StewardSight
from hub.stewardship.wishes import Choose, Enter, Ignore, Merge, Recode, Repair
from reconcile.conflicts import Stake, points
from reconcile.linkage.records import RELATED
from tests.hub.conftest import Place, copied, new_place
from tests.hub.stewarding import GIRL, call, entity_of
from tests.hub.village import PEOPLE

INSIDE = "440605001001001"
LOCAL = call("local-1", "fang")
MASKED = call("masked-1", "he")
CODES = {"1": "2", "2": "1"}


@pytest.fixture(scope="module")
def _wide(
    server_url: str, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("wide")
    with new_place(server_url, folder, f"wide_{worker_id}_{os.getpid()}") as place:
        policies(place)
        place.succeed("apply", str(place.workspace))
        place.succeed("run", "--as-of", "2026-06-30")
        yield place


@pytest.fixture
def wide(_wide: Place, server_url: str) -> Iterator[Hub]:
    """A village with a steward of one grid, and one who sees masked what others see."""
    with copied(_wide, server_url) as hub:
        yield hub


def policies(place: Place) -> None:
    lines = (
        "local, steward, resident/*, data_governance, own_region, reveal, allow",
        "masked, steward, resident/sex, data_governance, all, suppress, allow",
        "masked, steward, resident/mobile, data_governance, all, partial, allow",
        "masked, steward, resident/name, data_governance, own_region, reveal, allow",
    )
    path = place.workspace / "policies/rules.csv"
    path.write_text(path.read_text("utf-8") + "\n".join(lines) + "\n", "utf-8")
    path = place.workspace / "policies/clients.yaml"
    told = yaml.safe_load(path.read_text("utf-8"))
    for role in ("local", "masked"):
        words = {"zh": role, "en": role}
        client = {"id": f"{role}-1", "title": words, "department": "police", "roles": [role]}
        told["clients"].append({**client, "region": INSIDE})
    path.write_text(yaml.safe_dump(told, allow_unicode=True), "utf-8")


def choose(entity: str) -> Choose:
    return Choose(entity=entity, attribute="name", dataset="police.people", reason="seen")


def test_a_ticket_from_elsewhere_is_not_reopened(wide: Hub) -> None:
    girl = entity_of(wide, GIRL[0])
    (ticket,) = Rulings(Office(wide)).make(call(), "resident", choose(girl))["corrections"]
    desk = Corrections(Office(wide))
    desk.answer(call("phones-1", "zhou"), ticket, Answer("disputed", "so she says"))
    with pytest.raises(CorrectionUnknown):
        desk.answer(LOCAL, ticket, Answer("reopen", "look again"))
    assert desk.show(call(), ticket)["state"] == "disputed"


def test_who_reaches_one_side_does_not_decide_on_both(wide: Hub) -> None:
    near, far = entity_of(wide, PEOPLE[0][0]), entity_of(wide, GIRL[0])
    desk = Rulings(Office(wide))
    number = desk.make(call(), "resident", Merge(entity=near, other=far, reason="r"))["ruling"]
    for decide in (desk.show, desk.approve):
        with pytest.raises(RulingUnknown):
            decide(LOCAL, number)
    told = desk.list(LOCAL, "resident")
    assert (told["total"], told["rulings"]) == (0, [])


def test_codes_of_a_repair_are_masked_as_values_are(wide: Hub) -> None:
    desk = Rulings(Office(wide))
    repair = Recode(kind="recode", mapping=CODES)
    wish = Repair(dataset="police.people", attribute="sex", repair=repair, reason="r")
    number = desk.make(call(), "resident", wish)["ruling"]
    assert [[cell["value"] for cell in pair] for pair in _mapping(desk, call(), number)] == [
        ["1", "2"], ["2", "1"],
    ]  # fmt: skip
    hidden = {"value": None, "mask": "suppress"}
    assert _mapping(desk, MASKED, number) == [[hidden, hidden]] * 2


def _mapping(desk: Rulings, by: Call, number: int) -> Any:
    return desk.show(by, number)["repair"]["mapping"]


@pytest.mark.parametrize("mapping", [{"1": "zzz"}, {"zzz": "1"}, {"未知": "1"}])
def test_a_preview_takes_no_values_that_cannot_be(wide: Hub, mapping: dict[str, str]) -> None:
    looks = Conflicts(lambda look: StewardSight(Office(wide), call(), look))
    tried = Recode(kind="recode", mapping=mapping)
    with pytest.raises(BadInput):
        looks.preview("resident", Preview(None, "police.people", "sex", tried))


def test_codes_that_cannot_be_are_not_recoded(wide: Hub) -> None:
    repair = Recode(kind="recode", mapping={"zzz": "1"})
    wish = Repair(dataset="police.people", attribute="sex", repair=repair, reason="r")
    with pytest.raises(BadInput) as caught:
        Rulings(Office(wide)).make(call(), "resident", wish)
    # In words, not by the code of the rule.
    assert "flaw" not in caught.value.words("en")
    assert caught.value.words("zh") != caught.value.words("en")


def test_a_list_holds_what_each_attribute_reaches(wide: Hub) -> None:
    girl = entity_of(wide, GIRL[0])
    desk = Rulings(Office(wide))
    desk.make(call(), "resident", choose(girl))
    assert desk.list(MASKED, "resident")["total"] == 0


@pytest.mark.parametrize(
    ("attribute", "value", "error"),
    [
        # Nobody could reach the record any more, or two would be found by one number.
        ("grid", "440605009009009", BadInput),
        ("resident_id", PEOPLE[1][0], RulingImpossible),
        ("name", "未知", BadInput),
    ],
)
def test_a_value_that_would_lose_somebody_is_not_entered(
    town: Hub, attribute: str, value: str, error: type[HubError]
) -> None:
    wish = Enter(entity=entity_of(town, PEOPLE[0][0]), attribute=attribute, value=value, reason="r")
    with pytest.raises(error):
        Rulings(Office(town)).make(call(), "resident", wish, File("a.txt", b"seen"))


def test_a_masked_number_is_not_found_by_trying_numbers(wide: Hub) -> None:
    looks = Conflicts(lambda look: StewardSight(Office(wide), MASKED, look))
    guess = Recode(kind="recode", mapping={PEOPLE[0][4]: PEOPLE[1][4]})
    about = (None, "phones.users", "mobile")
    with pytest.raises(BadInput):
        looks.preview("resident", Preview(*about, guess))
    told = looks.preview("resident", Preview(*about, Ignore(kind="ignore")))
    assert told["claims"] == len(PEOPLE)


def test_others_in_common_are_told_to_whom_all_they_are_made_of_is_open(wide: Hub) -> None:
    """Names and what gathers people, of both."""
    first, wife, girl = (entity_of(wide, person[0]) for person in PEOPLE)

    def told(client: str, other: str) -> str | None:
        sight = StewardSight(Office(wide), call(client, "x"), Look("list_matches", "resident"))
        feeds = {name: {"name": "name", "household_id": "id"} for name in sight.subject.feeds}
        sight.subject = sight.subject.model_copy(update={"linkage": True, "feeds": feeds})
        match = Match(
            dataset="police.people",
            record="1",
            entity=first,
            other=other,
            method="model",
            score=0.5,
            explanation={"name": "exact", RELATED: "one_in_common"},
            points=points(Stake(1, 1), 0, 0.5),
        )
        stakes = dict.fromkeys(sight.subject.attributes, Stake(1, 1))
        (found,) = Matches(sight, Material(wide, "resident"), stakes).told([match])
        related: str | None = found["related"]
        return related

    assert told("steward-1", girl) == "one_in_common"
    assert told("masked-1", wife) is None, "no household is open to this one"
    assert (told("local-1", wife), told("local-1", girl)) == ("one_in_common", None)
