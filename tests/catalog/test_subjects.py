"""Subjects: what identifies them, what they are found by, and what is assumed where nothing is said."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from catalog.subjects import Subject
from core.types import Level

TITLE = {"zh": "词", "en": "word"}


def subject(**more: Any) -> Subject:
    attributes = {
        "household": {"title": TITLE, "element": "identifier", "lookup": True, "level": 2},
        "resident_id": {"title": TITLE, "element": "resident_id", "key": True},
        "name": {"title": TITLE, "element": "person_name"},
        "passport": {"title": TITLE, "element": "identifier", "key": True, "lookup": True},
    }
    base = {"subject": "resident", "title": TITLE, "attributes": attributes, "feeds": {}}
    return Subject.model_validate({**base, **more})


def test_keys_and_lookups_stand_in_the_order_of_the_file() -> None:
    assert subject().keys == ("resident_id", "passport")
    assert subject().lookups == ("household", "resident_id", "passport")


def test_what_is_not_said_is_the_safest() -> None:
    name = subject().attributes["name"]
    assert name.level is Level.L4
    assert not name.lookup
    assert not name.key
    assert name.designated is None
    assert subject().region is None


def test_it_comes_back_from_its_document_in_the_same_order() -> None:
    document = subject().model_dump(mode="json")
    assert Subject.model_validate(document) == subject()
    assert list(Subject.model_validate(document).attributes) == list(subject().attributes)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("subject", "Resident"),
        ("subject", "re sident"),
        ("subject", ""),
        ("colour", "red"),
        ("once", [f"a.t{n}" for n in range(49)]),
        ("feeds", {"police.people": ["name"]}),
        ("attributes", {"name": {"title": TITLE, "element": "text", "fresh_days": 0}}),
        ("attributes", {"name": {"title": TITLE, "element": "text", "half_life_days": -1}}),
        ("attributes", {"name": {"title": TITLE, "element": "text", "level": 5}}),
        ("attributes", {"name": {"title": {"en": "word"}, "element": "text"}}),
        ("attributes", {"name": {"title": TITLE, "element": "text", "secret": True}}),
    ],
)
def test_what_cannot_be_is_refused(where: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        subject(**{where: value})
