"""The data elements: every kind of value the hub knows, found by its code."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache

from catalog.standards.base import Element
from catalog.standards.several import SUFFIX, set_of


class _Known(Mapping[str, Element]):
    """Code → element. Sets of each, whose codes end in ``[]``, are found, but not listed."""

    def __init__(self, known: Mapping[str, Element]) -> None:
        self._known = known
        self._sets = {code + SUFFIX: set_of(element) for code, element in known.items()}

    def __getitem__(self, code: str) -> Element:
        return self._sets[code] if code.endswith(SUFFIX) else self._known[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


@cache
def elements() -> Mapping[str, Element]:
    """Code → element, for every element class defined in a module of this package."""
    found: dict[str, Element] = {}
    for module in pkgutil.iter_modules(__path__):
        content = vars(importlib.import_module(f"{__name__}.{module.name}"))
        for thing in content.values():
            if isinstance(thing, type) and issubclass(thing, Element) and hasattr(thing, "code"):
                found[thing.code] = thing()
    return _Known(found)
