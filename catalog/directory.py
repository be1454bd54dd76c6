"""Who and where: departments and the tree of regions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from pydantic import Field, model_validator

from core.messages import message
from core.types import Model, Text


class Department(Model):
    """A unit of the government that registers or asks for data."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: Text


class Region(Model):
    """A district, town, community or grid."""

    code: str = Field(pattern=r"^[0-9A-Z]{1,20}$")
    title: Text
    parent: str | None = None
    kind: str


class Departments(Model):
    """The file ``departments.yaml``."""

    departments: tuple[Department, ...]

    @model_validator(mode="after")
    def _stand_once(self) -> Departments:
        if len({department.id for department in self.departments}) < len(self.departments):
            raise ValueError(message("rule_twice"))
        return self


class RegionFile(Model):
    """The file ``regions.yaml``."""

    regions: tuple[Region, ...]

    @model_validator(mode="after")
    def _is_a_tree(self) -> RegionFile:
        parents = {region.code: region.parent for region in self.regions}
        if len(parents) < len(self.regions):
            raise ValueError(message("rule_twice"))
        for code, parent in parents.items():
            if parent is not None and parent not in parents:
                raise ValueError(message("rule_region_parent", region=code, parent=parent))
        if any(_lies_in_itself(code, parents) for code in parents):
            raise ValueError(message("rule_region_itself"))
        return self


class Regions:
    """The tree of regions."""

    def __init__(self, regions: Iterable[Region]) -> None:
        self._regions = {region.code: region for region in regions}

    def __contains__(self, code: str) -> bool:
        return code in self._regions

    @cached_property
    def _children(self) -> Mapping[str | None, tuple[str, ...]]:
        children: dict[str | None, list[str]] = {}
        for region in self._regions.values():
            children.setdefault(region.parent, []).append(region.code)
        return {parent: tuple(codes) for parent, codes in children.items()}

    def subtree(self, code: str) -> frozenset[str]:
        """``code`` and all regions below it; empty if there is no such region."""
        if code not in self._regions:
            return frozenset()
        found, waiting = {code}, [code]
        while waiting:
            for child in self._children.get(waiting.pop(), ()):
                if child not in found:
                    found.add(child)
                    waiting.append(child)
        return frozenset(found)


def _lies_in_itself(code: str, parents: Mapping[str, str | None]) -> bool:
    above = parents[code]
    for _ in parents:
        if above is None:
            return False
        above = parents[above]
    return True
