"""Applying a workspace: all or nothing, and every mistake named."""

from __future__ import annotations

import re

import pytest

from tests.hub.conftest import Place


def test_dry_run_shows_what_would_change_and_changes_nothing(place: Place) -> None:
    shown = place.succeed("apply", str(place.workspace), "--dry-run")
    assert "+ contract police.people" in shown
    again = place.succeed("apply", str(place.workspace), "--dry-run")
    assert again == shown


def test_applying_twice_changes_nothing(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    assert "Added 0, changed 0, retired 0." in place.succeed("apply", str(place.workspace))


def test_changes_and_retirements_are_told(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    contract = place.workspace / "contracts/phones.users.odcs.yaml"
    contract.write_text(contract.read_text("utf-8").replace("1.0.0", "1.1.0"), "utf-8")
    (place.workspace / "checks/grown_up.yaml").unlink()
    rules = place.workspace / "policies/rules.csv"
    kept = [line for line in rules.read_text("utf-8").splitlines() if "grown_up" not in line]
    rules.write_text("\n".join(kept) + "\n", "utf-8")
    shown = place.succeed("apply", str(place.workspace))
    assert "~ contract phones.users" in shown
    assert "- check grown_up" in shown


@pytest.mark.parametrize(
    ("file", "old", "new", "rule"),
    [
        ("contracts/police.people.odcs.yaml", "value: sex", "value: gender", "there is no element"),
        ("contracts/police.people.odcs.yaml", "value: police", "value: polis", "no department"),
        ("contracts/police.people.odcs.yaml", "kind: DataContract", "kind: Paper", "Paper"),
        ("sources/phones.users.yaml", "kind: jsonl", "kind: floppy", "kind"),
        ("sources/phones.users.yaml", "phones.jsonl", "../phones.jsonl", "relative"),
        ("subjects/resident.yaml", "sex: sex", "sex: gender", "no item"),
        ("subjects/resident.yaml", "region: grid", "region: street", "no attribute"),
        ("subjects/resident.yaml", "key: true", "many: true\n    key: true", "a key has one value"),
        ("subjects/resident.yaml", "element: sex", "many: true\n    element: flag", "flag has one"),
        (
            "subjects/resident.yaml",
            "element: region_code",
            "many: true\n    element: region_code",
            "one region",
        ),
        ("subjects/resident.yaml", "element: sex", "element: sex[]", "there is no element"),
        ("regions.yaml", "parent: '440605'", "parent: '440606'", "not described"),
        ("departments.yaml", "id: phones", "id: police", "twice"),
        ("policies/rules.csv", "visit, own_region, partial", "tour, own_region, partial", "tour"),
        ("checks/grown_up.yaml", "facts.people == 1.0", "facts.people ==", "CEL"),
        ("checks/grown_up.yaml", "ask: resident_id", "ask: mobile", "sealed"),
        (
            "checks/grown_up.yaml",
            "by: resident_id",
            "by: resident_id\n  where: item.shoe == '1'",
            "no attribute 'shoe'",
        ),
        (
            "checks/grown_up.yaml",
            "ask: resident_id",
            "ask: resident_id\nauthorisation: name",
            "no date",
        ),
    ],
)
def test_a_mistake_names_file_line_field_and_rule_and_changes_nothing(
    place: Place, file: str, old: str, new: str, rule: str
) -> None:
    place.succeed("apply", str(place.workspace))
    broken = place.workspace / file
    text = broken.read_text("utf-8")
    assert old in text
    broken.write_text(text.replace(old, new, 1), "utf-8")
    done = place.command("apply", str(place.workspace))
    assert done.returncode == 2
    assert re.search(rf"{re.escape(file)}, line \d+", done.stderr), done.stderr
    assert rule in done.stderr
    assert "Traceback" not in done.stderr
    broken.write_text(text, "utf-8")
    assert "Added 0, changed 0, retired 0." in place.succeed("apply", str(place.workspace))


@pytest.mark.parametrize("name", ["audit", "hub", "check", "dataset"])
def test_no_subject_is_called_like_an_object_of_the_policy(place: Place, name: str) -> None:
    """A rule that opens the log to auditors would open a register of people, or the other way."""
    written = (place.workspace / "subjects/resident.yaml").read_text("utf-8")
    made = place.workspace / f"subjects/{name}.yaml"
    made.write_text("# Another one.\n" + written.replace("resident", name, 1), "utf-8")
    refused = place.command("apply", str(place.workspace))
    assert refused.returncode == 2
    (line,) = [n for n, text in enumerate(made.read_text("utf-8").splitlines(), 1)
               if text.startswith("subject:")]  # fmt: skip
    assert f"subjects/{name}.yaml, line {line}, subject: '{name}' is what rules" in refused.stderr


def test_what_holds_several_values_feeds_an_attribute_that_is_many(place: Place) -> None:
    contract = place.workspace / "contracts/phones.users.odcs.yaml"
    text = contract.read_text("utf-8")
    several = "value: mobile\n    - property: separator\n      value: /"
    contract.write_text(text.replace("value: mobile", several, 1), "utf-8")
    done = place.command("apply", str(place.workspace))
    assert re.search(r"resident.yaml, line \d+, feeds.phones.users.mobile: .* many", done.stderr)
    subject = place.workspace / "subjects/resident.yaml"
    described = subject.read_text("utf-8")
    assert described.count("    element: mobile\n") == 1
    many = described.replace("    element: mobile\n", "    element: mobile\n    many: true\n")
    subject.write_text(many, "utf-8")
    assert "Traceback" not in place.succeed("apply", str(place.workspace))


def test_all_mistakes_are_told_at_once(place: Place) -> None:
    for file in ("subjects/resident.yaml", "regions.yaml"):
        (place.workspace / file).write_text("nonsense: true\n", "utf-8")
    done = place.command("apply", str(place.workspace))
    assert "subjects/resident.yaml" in done.stderr
    assert "regions.yaml" in done.stderr


def test_a_folder_that_is_not_there(place: Place) -> None:
    done = place.command("apply", str(place.workspace / "nowhere"))
    assert done.returncode == 2
    assert "does not exist" in done.stderr
