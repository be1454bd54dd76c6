"""What every route needs to be asked with, and who gets an answer: one module a room.

A module here gives ``ROUTES``. A route of the application that no module names fails the tests.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from tests.hub.matrix.base import Routes

MATRIX: Routes = {}
"""Method and path → all there is to know to ask it (:data:`tests.hub.matrix.base.Routes`)."""

for _, _name, _ in pkgutil.iter_modules(__path__):
    if _name != "base":
        _found: Routes = import_module(f"{__name__}.{_name}").ROUTES
        assert not MATRIX.keys() & _found.keys(), _name
        MATRIX.update(_found)
