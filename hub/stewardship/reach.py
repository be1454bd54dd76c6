"""Which rulings are within a steward's reach."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Row

from core.keys import KeyRing
from hub.serving.access import Access, last_regions
from reconcile import rulings
from reconcile.rulings import Kind

_LINKING = frozenset({Kind.MERGE, Kind.SPLIT, Kind.NEVER})


def within(
    connection: Connection, access: Access, subject: str, found: Sequence[Row[Any]]
) -> frozenset[int]:
    """The numbers of those rulings about things that are all within reach: both sides, where it is
    said who is who. What is not served any more lies where it lay last.
    """
    about = {row.number: _entities(access.hub.keys, row) for row in found}
    where = last_regions(connection, subject, set(chain(*about.values())))
    described, view = access.rules.workspace.subjects[subject], access.view
    who = described.keys or tuple(described.attributes)
    return frozenset(
        row.number
        for row in found
        if view is not None
        and all(
            view.covers(where.get(entity), who if row.attribute is None else (row.attribute,))
            for entity in about[row.number] or ("",)
        )
    )


def _entities(keys: KeyRing, row: Row[Any]) -> tuple[str, ...]:
    """The entities that a ruling is about."""
    others = rulings.open_body(keys, row).get("others", ()) if row.kind in _LINKING else ()
    return () if row.entity is None else (row.entity, *others)
