"""What one department alone knows is believed as its tables prove right about other subjects."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from hub.app import open_hub
from hub.pipeline.states import SubjectState
from tests.hub.conftest import Place
from tests.hub.test_incremental import run, write

TITLE = {"zh": "住处", "en": "Home"}
# Before ``resident`` in the alphabet.
HOME = {
    "subject": "home",
    "title": TITLE,
    "attributes": {
        "household_id": {"title": TITLE, "element": "identifier", "level": 3, "key": True},
        "head": {"title": TITLE, "element": "person_name", "level": 3},
    },
    "feeds": {"police.people": {"household_id": "household_id", "head": "name"}},
}


def prepare(place: Place) -> None:
    """A third department that knows names, and a subject that only the police know."""
    folder = place.workspace
    for name in ("contracts/{}.odcs.yaml", "sources/{}.yaml"):
        text = (folder / name.format("phones.users")).read_text("utf-8")
        text = text.replace("phones.users", "clubs.users").replace("phones-users", "clubs-users")
        text = text.replace("value: phones\n", "value: clubs\n")
        (folder / name.format("clubs.users")).write_text(text, "utf-8")
    departments = folder / "departments.yaml"
    known = yaml.safe_load(departments.read_text("utf-8"))
    last = known["departments"][-1]
    known["departments"].append(
        {**last, next(k for k, v in last.items() if v == "phones"): "clubs"}
    )
    departments.write_text(yaml.safe_dump(known, allow_unicode=True), "utf-8")
    resident = folder / "subjects/resident.yaml"
    about = yaml.safe_load(resident.read_text("utf-8"))
    about["feeds"]["clubs.users"] = {"resident_id": "resident_id", "name": "name"}
    resident.write_text(yaml.safe_dump(about, allow_unicode=True), "utf-8")
    (folder / "subjects/home.yaml").write_text(yaml.safe_dump(HOME, allow_unicode=True), "utf-8")
    write(place)


def reliability(place: Place, found: dict[str, Any], subject: str, attribute: str) -> float:
    state = SubjectState.model_validate(found["subjects"][subject])
    with open_hub(place.settings) as hub:
        learned = hub.lake.read(state.sources).to_pylist()
    [mine] = [
        row["reliability"]
        for row in learned
        if (row["attribute"], row["dataset"]) == (attribute, "police.people")
    ]
    return float(mine)


@pytest.mark.parametrize("more", [(), ("--subject", "home", "--whole")])
def test_what_one_department_alone_knows_is_believed_as_it_proves_elsewhere(
    place: Place, more: tuple[str, ...]
) -> None:
    prepare(place)
    place.succeed("apply", str(place.workspace))
    found = run(place, "2026-06-30")
    if more:
        found = run(place, "2026-06-30", *more)
    proved = reliability(place, found, "resident", "name")
    assert proved != 0.8
    assert reliability(place, found, "home", "head") == proved
