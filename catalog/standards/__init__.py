"""The data elements: every kind of value the hub knows, found by its code."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from catalog.standards.base import Element


@cache
def elements() -> Mapping[str, Element]:
    """Code → element, for every element class defined in a module of this package."""
    found: dict[str, Element] = {}
    for module in pkgutil.iter_modules(__path__):
        content = vars(importlib.import_module(f"{__name__}.{module.name}"))
        for thing in content.values():
            if isinstance(thing, type) and issubclass(thing, Element) and hasattr(thing, "code"):
                found[thing.code] = thing()
    return found
