"""What the model finds among records without a key, and what it leaves to a steward."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pytest

from catalog.standards import elements
from catalog.subjects import Subject
from reconcile.linkage import Linked, link
from tests.reconcile.linkage_people import (
    LIMITS,
    Row,
    entities,
    fit,
    quality,
    registers,
    rows,
    subject,
)

A, B, C = "police.residents", "civil.marriages", "health.patients"

# Cases in a town of made-up residents: register → records. What starts with the same word is
# about the same people.
TOWN: dict[str, list[Row]] = {
    A: [
        {
            "record": "sound",
            "resident_id": "s",
            "name": "王晓伟",
            "birth_date": "1980-05-01",
            "mobile": "13800000001",
        },
        {"record": "twin1", "resident_id": "t1", "name": "李思雨", "birth_date": "1990-07-07"},
        {"record": "twin2", "resident_id": "t2", "name": "李思雨", "birth_date": "1990-07-07"},
        {"record": "name", "resident_id": "n", "name": "欧阳文静", "birth_date": "1971-03-09"},
        {
            "record": "lender",
            "resident_id": "k",
            "name": "赵国庆",
            "birth_date": "1949-10-01",
            "sex": "1",
        },
        {
            "record": "borrower",
            "resident_id": "b",
            "name": "张丽娟",
            "birth_date": "1962-02-02",
            "mobile": "13900000002",
        },
    ],
    B: [
        {
            "record": "sound",
            "name": "王小玮",
            "birth_date": "1980-05-01",
            "mobile": "13800000001",
        },
        {"record": "twin", "name": "李思雨", "birth_date": "1990-07-07"},
        {"record": "name", "name": "欧阳文静"},
        {
            "record": "lender",
            "resident_id": "k",
            "name": "赵国庆",
            "birth_date": "1949-10-01",
            "sex": "1",
        },
    ],
    C: [
        {
            "record": "borrower",
            "resident_id": "k",
            "name": "张丽娟",
            "birth_date": "1962-02-02",
            "sex": "2",
            "mobile": "13900000002",
        },
    ],
}


@dataclass(frozen=True)
class Town:
    """What linking found, and who the made-up residents' records are about."""

    linked: Linked
    truth: dict[tuple[str, str], int]

    @cached_property
    def found(self) -> dict[tuple[str, str], str]:
        return entities(self.linked.links)

    def doubts(self, register: str, record: str) -> set[object]:
        """The entities that a record may be the same as."""
        return {
            row["other"]
            for row in rows(self.linked.judgements)
            if (row["dataset"], row["record"]) == (register, record)
            and row["decision"] == "possible"
        }


@pytest.fixture(scope="module")
def town() -> Town:
    tables, truth = registers(300, seed=4, keyless=0.15)
    for register, content in TOWN.items():
        tables[register] = pa.concat_tables([tables[register], fit(content)])
    return Town(link(subject(), tables, None, LIMITS), truth)


def test_missing_keys_are_made_up_for(town: Town) -> None:
    kept = [key in town.truth for key in town.found]
    precision, recall = quality(town.linked.links.filter(pa.array(kept)), town.truth)
    assert precision == 1.0
    assert recall >= 0.99
    for row in rows(town.linked.links):
        if row["method"] == "model":
            assert 0.8 <= float(str(row["score"])) <= 1
            assert "exact" in json.loads(str(row["explanation"])).values()


def test_a_name_that_sounds_alike_is_found(town: Town) -> None:
    assert town.found[B, "sound"] == town.found[A, "sound"]
    (why,) = [
        row["explanation"]
        for row in rows(town.linked.links)
        if (row["dataset"], row["record"]) == (B, "sound")
    ]
    assert json.loads(str(why)) == {
        "name": "same_sound", "birth_date": "exact", "mobile": "exact",
    }  # fmt: skip


def test_a_record_that_fits_two_people_is_left_open(town: Town) -> None:
    twins = {town.found[A, "twin1"], town.found[A, "twin2"]}
    assert len(twins) == 2
    assert town.found[B, "twin"] not in twins
    assert town.doubts(B, "twin") == twins


def test_a_name_alone_is_not_enough(town: Town) -> None:
    assert town.found[B, "name"] != town.found[A, "name"]


def test_a_stranger_with_a_borrowed_key_goes_home(town: Town) -> None:
    assert town.found[A, "lender"] == town.found[B, "lender"]
    assert town.found[C, "borrower"] == town.found[A, "borrower"] != town.found[A, "lender"]
    assert town.doubts(C, "borrower") == {town.found[A, "lender"]}


def test_without_any_key_everything_is_found_by_likeness(
    capfd: pytest.CaptureFixture[str],
) -> None:
    tables, truth = registers(300, seed=8)
    linked = link(subject(keys=()), tables, None, LIMITS)
    precision, recall = quality(linked.links, truth)
    assert precision >= 0.999
    assert recall >= 0.94
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("once", [(), (B,)])
def test_a_register_that_lists_everyone_once_gives_one_record_each(once: tuple[str, ...]) -> None:
    """Also where there is too little to learn from: then cautious defaults judge."""
    wang: Row = {"name": "王晓伟", "birth_date": "1980-05-01", "sex": "1", "mobile": "13800000001"}
    tables = {
        A: fit([wang | {"record": "a", "resident_id": "w"}]),
        B: fit(
            [
                wang | {"record": "better"},
                wang | {"record": "worse", "mobile": None},
                {"record": "other", "name": "李芳", "birth_date": "1999-09-09", "sex": "2"},
            ]
        ),
    }
    found = entities(link(subject((A, B), once=once), tables, None, LIMITS).links)
    assert found[B, "better"] == found[A, "a"] != found[B, "other"]
    assert (found[B, "worse"] == found[A, "a"]) == (not once)


FEBRL = {
    "given_name": "person_name",
    "surname": "person_name",
    "street_number": "identifier",
    "address_1": "organisation_name",
    "suburb": "organisation_name",
    "postcode": "identifier",
    "state": "place_name",
    "date_of_birth": "date",
}


def febrl_rows(file: Path) -> Iterator[dict[str, str]]:
    """The rows of a FEBRL file, with dates in ISO form."""
    with file.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines, skipinitialspace=True):
            day = row["date_of_birth"].strip()
            yield row | {"date_of_birth": f"{day[:4]}-{day[4:6]}-{day[6:]}"}


def test_febrl_is_linked_as_well_as_ever(shared_data: Path) -> None:
    folder = shared_data / "linkage" / "febrl"
    if not folder.is_dir():
        pytest.skip(f"FEBRL data is absent: {folder}")
    tables: dict[str, pa.Table] = {}
    truth: dict[tuple[str, str], str] = {}
    for register, name in (("febrl.a", "dataset4a.csv"), ("febrl.b", "dataset4b.csv")):
        content = list(febrl_rows(folder / name))
        columns = {
            item: elements()[code].clean(pa.array([row[item] for row in content])).values
            for item, code in FEBRL.items()
        }
        records = [row["rec_id"].strip() for row in content]
        tables[register] = pa.table({"_record": records, **columns})
        truth |= {(register, record): record.split("-")[1] for record in records}
    title = {"zh": "人", "en": "Person"}
    people = Subject.model_validate(
        {
            "subject": "person",
            "title": title,
            "attributes": {item: {"title": title, "element": e} for item, e in FEBRL.items()},
            "feeds": {register: {item: item for item in FEBRL} for register in tables},
            "once": tuple(tables),
        }
    )
    precision, recall = quality(link(people, tables, None, LIMITS).links, truth)
    assert 2 * precision * recall / (precision + recall) >= 0.998
