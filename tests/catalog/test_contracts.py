"""Contracts: each rule of the house has a place in the file, and every file is an answer."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft201909Validator

from catalog.contracts import Contract, parse
from core.types import Level, Sharing
from core.yamlfile import InvalidFiles, load
from tests.hub import village

EXAMPLES = Path(__file__).parents[2] / "examples"
OURS = sorted(EXAMPLES.glob("*/contracts/*.odcs.yaml"))

TEXT = """\
apiVersion: v3.1.0
kind: DataContract
id: police.people
name: People
version: 1.2.0
status: active
description: {purpose: Who lives here.}
customProperties:
  - {property: department, value: police}
  - {property: code, value: 307/people}
  - {property: sharing, value: conditional}
  - {property: condition, value: by agreement}
  - {property: mode, value: interface}
  - {property: updateCycle, value: daily}
  - {property: asOf, value: updated}
schema:
  - name: people
    physicalType: table
    properties:
      - name: resident_id
        physicalName: 身份证号
        logicalType: string
        physicalType: text
        primaryKey: true
        classification: L4
        customProperties:
          - {property: element, value: resident_id}
      - name: name
        businessName: 姓名
        logicalType: string
        physicalType: text
        required: true
        customProperties:
          - {property: element, value: person_name}
          - {property: sharing, value: not_shared}
        quality:
          - type: custom
            engine: greatExpectations
            severity: warning
            implementation: {type: expect_column_value_lengths_to_be_between, kwargs: {max_value: 30}}
      - name: updated
        logicalType: string
        physicalType: text
        customProperties:
          - {property: element, value: date}
    quality:
      - type: custom
        engine: greatExpectations
        severity: critical
        implementation: {type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}
      - {type: text, description: Words for people.}
"""


def read(folder: Path, text: str) -> Contract:
    file = folder / "contract.odcs.yaml"
    file.write_text(text, "utf-8")
    return parse(load(file))


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) >= 1, old
    return TEXT.replace(old, new, 1)


def test_everything_in_a_contract_is_read(tmp_path: Path) -> None:
    contract = read(tmp_path, TEXT)
    assert (contract.dataset, contract.name, contract.version) == (
        "police.people",
        "People",
        "1.2.0",
    )
    assert (contract.department, contract.code) == ("police", "307/people")
    assert (contract.sharing, contract.condition) == (Sharing.CONDITIONAL, "by agreement")
    assert (contract.mode, contract.cycle, contract.as_of) == ("interface", "daily", "updated")
    assert contract.summary == "Who lives here."
    assert contract.key == ("resident_id",)
    assert contract.columns == {"身份证号": "resident_id", "name": "name", "updated": "updated"}
    name = contract.item("name")
    assert (name.title, name.required, name.sharing) == ("姓名", True, Sharing.NOT_SHARED)
    assert [(rule.expectation, rule.severity) for rule in (*name.rules, *contract.rules)] == [
        ("expect_column_value_lengths_to_be_between", "warn"),
        ("expect_table_row_count_to_be_between", "stop"),
    ]
    assert name.rules[0].arguments == {"max_value": 30}


def test_a_department_chooses_masks(tmp_path: Path) -> None:
    text = changed(
        "value: person_name}", "value: person_name}\n          - {property: mask, value: keep:1:0}"
    )
    contract = read(tmp_path, text)
    assert [item.mask for item in contract.items] == [None, "keep:1:0", None]


def test_an_item_may_hold_several_values(tmp_path: Path) -> None:
    more = "value: person_name}\n          - {property: separator, value: ;}"
    assert read(tmp_path, changed("value: person_name}", more)).item("name").separator == ";"
    array = changed("businessName: 姓名\n        logicalType: string", "logicalType: array")
    name = read(tmp_path, array).item("name")
    assert (name.element, name.separator, name.title) == ("person_name[]", None, "姓名")


def test_what_an_item_leaves_out_comes_from_its_element_and_its_table(tmp_path: Path) -> None:
    contract = read(tmp_path, changed("        classification: L4\n", ""))
    assert contract.item("resident_id").level is Level.L4
    assert contract.item("resident_id").title == "公民身份号码"
    assert contract.item("updated").sharing is Sharing.CONDITIONAL
    with pytest.raises(KeyError, match="ghost"):
        contract.item("ghost")


BROKEN: dict[str, tuple[str, str, int, str, str]] = {
    # what is broken: (old, new, line, field, words of the rule)
    "two tables": ("schema:\n", "schema:\n  - name: more\n", 16, "schema", "exactly one table"),
    "no table": (TEXT[TEXT.index("schema:\n") :], "schema: []\n", 16, "schema", "exactly one table"),
    "no department": (
        "  - {property: department, value: police}\n", "", 8, "customProperties", "'department'",
    ),
    "no code": ("  - {property: code, value: 307/people}\n", "", 8, "customProperties", "'code'"),
    "no mode": ("  - {property: mode, value: interface}\n", "", 8, "customProperties", "'mode'"),
    "no cycle": (
        "  - {property: updateCycle, value: daily}\n", "", 8, "customProperties", "'updateCycle'",
    ),
    "no sharing": (
        "  - {property: sharing, value: conditional}\n", "", 8, "customProperties", "'sharing'",
    ),
    "no condition": (
        "  - {property: condition, value: by agreement}\n", "", 8, "customProperties", "'condition'",
    ),
    "not shared by no law": (
        "sharing, value: conditional}\n  - {property: condition, value: by agreement}\n",
        "sharing, value: not_shared}\n", 8, "customProperties", "which law",
    ),
    "asOf that is no item": (
        "value: updated", "value: birthday", 8, "customProperties", "'birthday'",
    ),
    "an item twice": (
        "      - name: name", "      - name: updated", 41, "schema.0.properties.2.name", "two are called",
    ),
    "no element": (
        "          - {property: element, value: person_name}\n", "", 28, "schema.0.properties.1",
        "'element' is missing",
    ),
    "an unknown element": (
        "value: person_name", "value: shoe_size", 33, "schema.0.properties.1.customProperties",
        "'shoe_size'; there are",
    ),
    "a separator that is a letter": (
        "value: person_name}", "value: person_name}\n          - {property: separator, value: x}",
        35, "schema.0.properties.1.customProperties.1", "without letters",
    ),
    "a separator that is nothing": (
        "value: person_name}", "value: person_name}\n          - {property: separator, value: ''}",
        35, "schema.0.properties.1.customProperties.1", "without letters",
    ),
    "a key of several values": (
        "value: resident_id}", "value: resident_id}\n          - {property: separator, value: ;}",
        24, "schema.0.properties.0.primaryKey", "a key has one value",
    ),
    "a flag of several values": (
        ("logicalType: string\n        physicalType: text\n        required: true\n"
        "        customProperties:\n          - {property: element, value: person_name}"),
        ("logicalType: array\n        physicalType: text\n        required: true\n"
        "        customProperties:\n          - {property: element, value: flag}"),
        34, "schema.0.properties.1.customProperties.0", "a flag has one value",
    ),
    "asOf of several values": (
        "value: date}", "value: date}\n          - {property: separator, value: ;}",
        8, "customProperties", "several values: 'updated'",
    ),
    "a mask the element does not have": (
        "value: person_name}", "value: person_name}\n          - {property: mask, value: keep:1}",
        35, "schema.0.properties.1.customProperties.1", "'keep:1' is not offered",
    ),
    "a mask that is no text": (
        "value: date}", "value: date}\n          - {property: mask, value: [year]}",
        46, "schema.0.properties.2.customProperties.1", "has pseudonym, reveal, suppress, partial",
    ),
    "a name shown by default": (
        "value: person_name}", "value: person_name}\n          - {property: mask, value: reveal}",
        35, "schema.0.properties.1.customProperties.1", "not shown as it is",
    ),
    "an unknown level": (
        "classification: L4", "classification: L5", 25, "schema.0.properties.0.classification",
        "L1, L2, L3, L4",
    ),
    "a rule of another engine": (
        "engine: greatExpectations", "engine: soda", 37, "schema.0.properties.1.quality.0",
        "greatExpectations",
    ),
    "a rule of the table of another engine": (
        "        engine: greatExpectations\n        severity: critical",
        "        engine: soda\n        severity: critical", 47, "schema.0.quality.0",
        "greatExpectations",
    ),
    "another kind of document": ("kind: DataContract", "kind: Paper", 2, "kind", "DataContract"),
    "a version of the standard that is none": (
        "apiVersion: v3.1.0", "apiVersion: v9.9.9", 1, "apiVersion", "v9.9.9",
    ),
    "no id": ("id: police.people\n", "", 1, "", "'id'"),
    "a mode that is none": ("value: interface", "value: pigeon", 13, "customProperties.4", "interface"),
    "a cycle that is none": ("value: daily", "value: hourly", 14, "customProperties.5", "daily"),
    "a sharing that is none": ("value: conditional", "value: maybe", 11, "customProperties.2", "conditional"),
    "a code of the wrong form": ("307/people", "307 people!", 10, "customProperties.1", "the form"),
    "an id that is no dataset": ("id: police.people", "id: People", 3, "id", "the form"),
    "a name that is no item": ("- name: name", "- name: Name", 28, "schema.0.properties.1.name", "the form"),
    "two items of one column": (
        "physicalName: 身份证号", "physicalName: name", 28, "schema.0.properties.1", "column",
    ),
    "a sharing of an item that is none": (
        "value: not_shared", "value: maybe", 35, "schema.0.properties.1.customProperties.1", "conditional",
    ),
    "an expectation without a name": (
        "{type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}", "{kwargs: {}}",
        50, "schema.0.quality.0.implementation", "type",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_each_broken_rule_has_its_place(tmp_path: Path, what: str) -> None:
    old, new, line, field, words = BROKEN[what]
    with pytest.raises(InvalidFiles) as caught:
        read(tmp_path, changed(old, new))
    # What items take over from the table is wrong with them too.
    mistake, *inherited = caught.value.mistakes
    assert (len(inherited) > 0) == (what == "a sharing that is none")
    assert mistake.fields["file"] == str(tmp_path / "contract.odcs.yaml")
    assert words in str(mistake.fields["rule"])
    assert (mistake.fields["line"], mistake.fields["field"]) == (line, field or "-")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = changed("value: person_name", "value: shoe_size").replace(
        "classification: L4", "classification: L5"
    )
    with pytest.raises(InvalidFiles) as caught:
        read(tmp_path, text)
    assert len(caught.value.mistakes) == 2


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(part) for part in value] if isinstance(value, list) else value


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    digest = read(tmp_path, TEXT).digest
    other_order = yaml.safe_dump(
        reordered(yaml.safe_load(TEXT)), allow_unicode=True, sort_keys=False
    )
    assert other_order != TEXT
    assert read(tmp_path, other_order).digest == digest
    assert read(tmp_path, f"# A comment.\n{TEXT}\n\n# Another.\n").digest == digest
    changes = [
        ("version: 1.2.0", "version: 1.2.1"),
        ("physicalName: 身份证号", "physicalName: 证件号"),
        ("primaryKey: true", "primaryKey: false"),
        ("max_value: 30", "max_value: 31"),
        ("by agreement", "by agreements"),
        ("value: person_name", "value: text"),
    ]
    digests = {read(tmp_path, changed(old, new)).digest for old, new in changes}
    assert len(digests) == len(changes)
    assert digest not in digests


def test_the_order_of_columns_is_content(tmp_path: Path) -> None:
    document = yaml.safe_load(TEXT)
    document["schema"][0]["properties"].reverse()
    assert read(tmp_path, yaml.safe_dump(document)).digest != read(tmp_path, TEXT).digest


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name.removesuffix(".odcs.yaml"))
def test_our_contracts_satisfy_the_published_standard(file: Path, shared_data: Path) -> None:
    schema = shared_data / "conformance/odcs/odcs-json-schema-v3.1.0.json"
    validator = Draft201909Validator(json.loads(schema.read_text("utf-8")))
    assert [error.message for error in validator.iter_errors(load(file).data)] == []
    assert parse(load(file)).items


def test_the_village_s_contracts_parse(tmp_path: Path) -> None:
    files = sorted((village.make(tmp_path) / "contracts").iterdir())
    assert [parse(load(file)).dataset for file in files] == ["phones.users", "police.people"]


def test_the_published_examples_parse_or_are_told_what_is_missing(shared_data: Path) -> None:
    files = sorted((shared_data / "conformance/odcs/examples").rglob("*.odcs.yaml"))
    assert len(files) >= 15
    for file in files:
        with pytest.raises(InvalidFiles) as caught:
            parse(load(file))
        # They are of the standard; what they lack is what the hub asks for beyond it.
        assert all("Traceback" not in mistake.words("en") for mistake in caught.value.mistakes)
        assert all(int(mistake.fields["line"]) >= 1 for mistake in caught.value.mistakes)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every part of a document stands."""
    found = [path] if path else []
    if isinstance(value, dict):
        parts: Any = value.items()
    else:
        parts = enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        found += places(part, (*path, key))
    return found


DOCUMENT = yaml.safe_load(TEXT)
JUNK: tuple[Any, ...] = (None, "", "x", -1, 1.5, True, [], {}, [None], {"a": None}, [{}], ["x"], 10**30, b"\xff", float("nan"),
        [{"property": "element", "value": None}], [{"property": "element", "value": []}])  # fmt: skip


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    where=st.sampled_from([where for where in places(DOCUMENT) if len(where) > 1]),
    junk=st.one_of(st.just("delete"), st.sampled_from(JUNK)),
)
def test_no_damage_is_a_crash(
    tmp_path_factory: pytest.TempPathFactory, where: tuple[Any, ...], junk: Any
) -> None:
    document = copy.deepcopy(DOCUMENT)
    part = document
    for step in where[:-1]:
        part = part[step]
    if isinstance(junk, str) and junk == "delete":
        del part[where[-1]]
    else:
        part[where[-1]] = junk
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    with suppress(InvalidFiles):
        assert read(tmp_path_factory.getbasetemp(), text).items
