"""A change of policy that breaks what is expected of it is refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from hub.app import open_hub
from tests.hub.conftest import Place
from tests.hub.policing import NAMES

# Policy tests


def expect(**more: Any) -> dict[str, Any]:
    told = {"granted": True, "masks": {"name": "reveal"}, "scope": "own_region", **more}
    return {
        "name": "workers see names", "as": "worker-1", "subject": "resident", "items": ["name"],
        "purpose": "visit", "expect": told,
    }  # fmt: skip


def with_tests(place: Place, *tests: dict[str, Any]) -> None:
    file = place.workspace / "policies/tests.yaml"
    file.write_text(yaml.safe_dump({"tests": list(tests)}, sort_keys=False), "utf-8")


def test_a_change_that_breaks_an_expectation_is_refused(place: Place) -> None:
    closed = {**expect(granted=False, masks={}, reasons=["policy_item_closed"]),
              "name": "no births", "items": ["birth_date"]}  # fmt: skip
    with_tests(place, expect(), closed)
    place.succeed("apply", str(place.workspace))
    assert "2 of 2" in place.succeed("policy", "test", str(place.workspace))
    rules = place.workspace / "policies/rules.csv"
    before = rules.read_text("utf-8")
    rules.write_text(before.replace(NAMES, NAMES.replace("reveal", "partial")), "utf-8")
    done = place.command("apply", str(place.workspace))
    assert done.returncode == 2
    for told in ("policies/tests.yaml", "line 2", "workers see names", "reveal", "partial"):
        assert told in done.stderr
    assert place.command("policy", "test", str(place.workspace)).returncode == 1
    with open_hub(place.settings) as hub:
        masks = {r.mask for r in hub.workspace().policies.rules if r.object == "resident/name"}
        assert hub.revision().number == 1
    assert "reveal" in masks


def test_expectations_that_go_are_named(place: Place) -> None:
    with_tests(place, expect(), {**expect(), "name": "once more"})
    assert "no longer" not in place.succeed("apply", str(place.workspace))
    with_tests(place, {**expect(), "name": "a new one"}, expect())
    told = place.succeed("apply", str(place.workspace), "--dry-run")
    assert "Policy tests that are no longer there as they were: once more." in told
    (place.workspace / "policies/tests.yaml").unlink()
    assert "workers see names, once more" in place.succeed("apply", str(place.workspace))


def test_what_is_open_in_a_case_can_be_expected(place: Place) -> None:
    rules = place.workspace / "policies/rules.csv"
    more = "worker, query, resident/sex, visit, own_cases, reveal, allow"
    rules.write_text(rules.read_text("utf-8") + more + "\n", "utf-8")
    asked = {**expect(masks={}), "items": ["sex"]}
    closed = {**asked, "expect": {"granted": False, "reasons": ["policy_cases_missing"]}}
    opened = {**asked, "name": "in a case", "given": {"case_open": True},
              "expect": {"granted": True, "scope": "own_cases"}}  # fmt: skip
    with_tests(place, closed, opened)
    assert "2 of 2" in place.succeed("policy", "test", str(place.workspace))


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (expect(masks={"name": "partial"}), "expected partial, but it is reveal"),
        (expect(scope="all"), "expected all, but it is own_region"),
        (expect(reasons=["agreement:A-9"]), "expected agreement:A-9"),
        (expect(granted=False), "expected false, but it is granted (rules.csv:"),
        ({**expect(), "items": ["nmae"]}, "unknown attribute 'nmae'"),
        ({**expect(granted=False), "as": "worker-9"}, "unknown client 'worker-9'"),
    ],
)
def test_what_was_decided_instead_is_told(place: Place, test: dict[str, Any], told: str) -> None:
    with_tests(place, test)
    done = place.command("policy", "test", str(place.workspace))
    assert done.returncode == 1
    assert told in done.stdout
