"""A workspace: read whole, parsed the same from its documents, and wrong in words only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from core.canonical import digest
from core.yamlfile import InvalidFile, InvalidFiles
from hub.folder import read
from hub.workspace import Workspace
from tests.hub import village

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return village.make(tmp_path / "village")


def change(file: Path, **parts: Any) -> None:
    """Replaces parts of a document; a path is written with two underscores."""
    document = yaml.safe_load(file.read_text("utf-8"))
    for where, value in parts.items():
        *steps, last = where.split("__")
        part = document
        for step in steps:
            part = part[int(step) if step.isdigit() else step]
        part[last] = value
    file.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), "utf-8")


def refused(folder: Path) -> list[str]:
    """What reading the folder says."""
    with pytest.raises(InvalidFiles) as caught:
        read(folder)
    for mistake in caught.value.mistakes:
        assert int(mistake.fields["line"]) >= 1
        assert Path(str(mistake.fields["file"])).exists()
    return [mistake.words("en") for mistake in caught.value.mistakes]


@pytest.mark.parametrize("name", ["village", "divisions"])
def test_it_is_the_same_from_its_documents(folder: Path, name: str) -> None:
    told = read(folder if name == "village" else EXAMPLES / name)
    again = Workspace.from_documents(told.documents())
    assert again == told
    assert again.documents() == told.documents()
    for subject, described in told.subjects.items():
        assert list(again.subjects[subject].attributes) == list(described.attributes)


def test_reading_twice_gives_equal_documents(folder: Path) -> None:
    def digests() -> dict[Any, str]:
        return {name: digest(document) for name, document in read(folder).documents().items()}

    assert digests() == digests()


def test_every_document_has_a_kind_and_a_key(folder: Path) -> None:
    names = set(read(folder).documents())
    assert ("contract", "police.people") in names
    assert ("source", "phones.users") in names
    assert ("check", "grown_up") in names
    assert {kind for kind, _ in names} == {
        "department", "region", "contract", "source", "subject", "check", "policies",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("file", "copy"),
    [
        ("contracts/phones.users.odcs.yaml", "contracts/other.odcs.yaml"),
        ("sources/phones.users.yaml", "sources/other.yaml"),
        ("subjects/resident.yaml", "subjects/other.yaml"),
        ("checks/grown_up.yaml", "checks/other.yaml"),
    ],
)
def test_nothing_is_described_twice(folder: Path, file: str, copy: str) -> None:
    (folder / copy).write_text((folder / file).read_text("utf-8"), "utf-8")
    (words,) = refused(folder)
    assert "described twice" in words


@pytest.mark.parametrize("name", ["departments.yaml", "regions.yaml", "policies/clients.yaml"])
def test_a_file_that_must_be_there(folder: Path, name: str) -> None:
    (folder / name).rename(folder / "elsewhere")
    with pytest.raises(InvalidFiles, match="1") as caught:
        read(folder)
    (mistake,) = caught.value.mistakes
    assert str(mistake.fields["file"]).endswith(name)
    assert "does not exist" in str(mistake.fields["rule"])


def test_a_folder_that_is_empty_or_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidFiles):
        read(tmp_path / "empty")
    (tmp_path / "file").write_text("", "utf-8")
    for folder in (tmp_path / "file", tmp_path / "nowhere"):
        with pytest.raises(InvalidFile, match="does not exist"):
            read(folder)


RESIDENT, CHECK = "subjects/resident.yaml", "checks/grown_up.yaml"
CONTRACT, SOURCE = "contracts/phones.users.odcs.yaml", "sources/phones.users.yaml"

MISTAKES: dict[str, tuple[str, dict[str, Any], str]] = {
    "an attribute of no element": (
        RESIDENT, {"attributes__sex__element": "shoe_size"}, "there is no element 'shoe_size'",
    ),
    "a designated source that does not feed it": (
        RESIDENT, {"attributes__name__designated": "tax.incomes"}, "'tax.incomes' does not feed",
    ),
    "a region that is no attribute": (RESIDENT, {"region": "street"}, "no attribute 'street'"),
    "a feed without contract": (
        RESIDENT, {"feeds__phones.users": {}, "feeds__tax.incomes": {}}, "no contract 'tax.incomes'",
    ),
    "a feed of no attribute": (
        RESIDENT, {"feeds__phones.users__shoes": "name"}, "no attribute 'shoes'",
    ),
    "a feed of no item": (RESIDENT, {"feeds__phones.users__sex": "sex"}, "no item 'sex'"),
    "once in what does not feed it": (RESIDENT, {"once": ["tax.incomes"]}, "does not feed"),
    "a contract of no department": (
        CONTRACT, {"customProperties__0__value": "tax"}, "no department 'tax'",
    ),
    "a source without contract": (SOURCE, {"dataset": "phones.bills"}, "no contract 'phones.bills'"),
    "a check of no subject": (CHECK, {"subject": "ghost"}, "no subject 'ghost'"),
    "a check that asks by no attribute": (CHECK, {"ask": "shoes"}, "no attribute 'shoes'"),
    "members of no subject": (CHECK, {"members__subject": "ghost"}, "no subject 'ghost'"),
    "members by no attribute": (CHECK, {"members__by": "shoes"}, "no attribute 'shoes'"),
    "members by what is sealed": (CHECK, {"members__by": "sex"}, "resident/sex is sealed"),
    "an authorisation that is no attribute": (CHECK, {"authorisation": "consent"}, "'consent'"),
    "a fact of no attribute": (
        CHECK, {"facts__people__attribute": "shoes"}, "no attribute 'shoes'",
    ),
    "members picked by what is not named": (
        CHECK, {"members__where": "size(item) > 3"}, "written as item.<name>",
    ),
    "a fact of what is not named": (
        CHECK, {"facts__people__where": "item['sex'] == '1'"}, "written as item.<name>",
    ),
    "a rule over what is not named": (
        CHECK, {"rules__0__met": "facts['people'] == 1.0"}, "written as facts.<name>",
    ),
    "a doubt over what is not named": (
        CHECK, {"rules__0__doubt": "size(facts) > 1"}, "written as facts.<name>",
    ),
    "a rule that uses what it does not need": (
        CHECK, {"rules__0__needs": []}, "needs does not name the fact",
    ),
    "a rule in doubt over what it does not need": (
        CHECK, {"rules__0__doubt": "facts.homes < 5.0"}, "needs does not name the fact 'homes'",
    ),
    "a rule that needs no fact": (CHECK, {"rules__0__needs": ["people", "shoes"]}, "no fact 'shoes'"),
}  # fmt: skip


@pytest.mark.parametrize("what", MISTAKES)
def test_nothing_speaks_of_what_is_not_there(folder: Path, what: str) -> None:
    file, parts, rule = MISTAKES[what]
    change(folder / file, **parts)
    found = refused(folder)
    assert any(rule in words and file in words for words in found), found


def test_all_mistakes_of_all_files_are_told_at_once(folder: Path) -> None:
    change(folder / CHECK, ask="shoes")
    change(folder / RESIDENT, region="street")
    change(folder / CONTRACT, customProperties__0__value="tax")
    text = "\n".join(refused(folder))
    assert all(file in text for file in (CHECK, RESIDENT, CONTRACT))
