"""Departments stand once; regions are a forest; a subtree is all that lies below."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from catalog.directory import Departments, Region, RegionFile, Regions

TITLE = {"zh": "某地", "en": "somewhere"}


def region(code: str, parent: str | None) -> dict[str, Any]:
    return {"code": code, "title": TITLE, "parent": parent, "kind": "town"}


def tree(**parents: str | None) -> RegionFile:
    """Regions R1, R2, … below the given ones."""
    rows = [region(code, parent) for code, parent in parents.items()]
    return RegionFile.model_validate({"regions": rows})


def test_departments_stand_once() -> None:
    one, other = ({"id": name, "title": TITLE} for name in ("police", "housing"))
    assert len(Departments.model_validate({"departments": [one, other]}).departments) == 2
    with pytest.raises(ValidationError, match="twice"):
        Departments.model_validate({"departments": [one, other, one]})


@pytest.mark.parametrize("name", ["Police", "1police", "police station", "", "警察"])
def test_a_department_s_id_is_a_plain_word(name: str) -> None:
    with pytest.raises(ValidationError):
        Departments.model_validate({"departments": [{"id": name, "title": TITLE}]})


def test_a_region_stands_once() -> None:
    rows = [region("R1", None), region("R1", None)]
    with pytest.raises(ValidationError, match="twice"):
        RegionFile.model_validate({"regions": rows})


def test_a_region_lies_in_one_that_is_described() -> None:
    with pytest.raises(ValidationError, match="R2 lies in R9, which is not described"):
        tree(R1=None, R2="R9")


@pytest.mark.parametrize(
    "parents",
    [{"R1": "R1"}, {"R1": "R2", "R2": "R1"}, {"R1": None, "R2": "R4", "R3": "R2", "R4": "R3"}],
)
def test_no_region_lies_in_itself(parents: dict[str, str | None]) -> None:
    with pytest.raises(ValidationError, match="lies in itself"):
        tree(**parents)


def test_a_long_chain_and_several_roots_are_well() -> None:
    chain = {f"R{n}": f"R{n - 1}" if n else None for n in range(60)}
    assert len(tree(**chain, ROOT2=None).regions) == 61


def test_a_subtree_is_the_region_and_all_below() -> None:
    regions = Regions(tree(R1=None, R2="R1", R3="R1", R4="R2", R5=None).regions)
    assert regions.subtree("R1") == {"R1", "R2", "R3", "R4"}
    assert regions.subtree("R2") == {"R2", "R4"}
    assert regions.subtree("R4") == {"R4"}
    assert regions.subtree("R5") == {"R5"}
    assert "R1" in regions
    assert "R9" not in regions


def test_there_is_nothing_below_what_is_not_there() -> None:
    regions = Regions(tree(R1=None).regions)
    assert regions.subtree("R9") == frozenset()
    # A code that another begins with is no region by that.
    assert regions.subtree("R") == frozenset()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(choices=st.lists(st.integers(0, 1000), max_size=25))
def test_a_region_is_in_a_subtree_if_and_only_if_its_chain_of_parents_leads_there(
    choices: list[int],
) -> None:
    parents: dict[str, str | None] = {"R0": None}
    for number, choice in enumerate(choices, start=1):
        parents[f"R{number}"] = [None, *parents][choice % (len(parents) + 1)]
    regions = Regions(
        Region.model_validate(region(code, parent)) for code, parent in parents.items()
    )
    for root in parents:
        expected = set()
        for code in parents:
            above: str | None = code
            while above is not None and above != root:
                above = parents[above]
            if above == root:
                expected.add(code)
        assert regions.subtree(root) == expected
