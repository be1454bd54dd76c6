"""Rulings under the ids of today."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from reconcile.rulings import RULINGS, idle, resolved


def value(number: int, entity: str, record: str, text: str = "v") -> dict[str, Any]:
    return {"number": number, "kind": "value", "entity": entity, "attribute": "name",
            "value": text, "dataset": "d", "record": record}  # fmt: skip


def links(**entities: str) -> pa.Table:
    """Record → entity."""
    return pa.table(
        {
            "dataset": ["d"] * len(entities),
            "record": list(entities),
            "entity": list(entities.values()),
        }
    )


def place(rows: list[dict[str, Any]], known: pa.Table | ds.Dataset) -> list[tuple[str, str, int]]:
    table = pa.Table.from_pylist(rows, schema=RULINGS)
    return [(r["entity"], r["value"], r["number"]) for r in resolved(table, known).to_pylist()]


@pytest.mark.parametrize("wrap", [lambda table: table, ds.dataset])
def test_an_entity_is_found_by_its_id_then_by_its_record(wrap: Any) -> None:
    known = wrap(links(a="e1", b="e2"))
    assert place([value(1, "e1", "b")], known) == [("e1", "v", 1)]
    assert place([value(1, "gone", "b")], known) == [("e2", "v", 1)]
    assert place([value(1, "gone", "lost")], known) == []


def test_of_several_rulings_that_met_the_latest_counts() -> None:
    rows = [value(1, "e1", "a", "old"), value(2, "gone", "b", "new")]
    assert place(rows, links(a="e1", b="e1")) == [("e1", "new", 2)]


def test_other_kinds_of_rulings_are_no_values() -> None:
    row = {"number": 1, "kind": "never", "dataset": "d", "record": "a",
           "other_dataset": "d", "other_record": "b"}  # fmt: skip
    assert place([row], links(a="e1")) == []


def pair(number: int, kind: str, record: str, other: str) -> dict[str, Any]:
    return {"number": number, "kind": kind, "dataset": "d", "record": record,
            "other_dataset": "d", "other_record": other}  # fmt: skip


@pytest.mark.parametrize("wrap", [lambda table: table, ds.dataset])
def test_rulings_of_which_nothing_is_left_are_idle(wrap: Any) -> None:
    rows = [
        value(1, "e1", "lost"),
        value(2, "gone", "b"),
        value(3, "gone", "lost"),
        pair(4, "same", "a", "b"),
        pair(5, "same", "a", "lost"),
        pair(6, "never", "lost", "a"),
        # One pair that is there is enough.
        pair(7, "never", "lost", "a"),
        pair(7, "never", "b", "a"),
        {"number": 8, "kind": "repair", "dataset": "none", "attribute": "name", "repair": "{}"},
    ]
    table = pa.Table.from_pylist(rows, schema=RULINGS)
    assert idle(table, wrap(links(a="e1", b="e2"))) == {3, 5, 6}
    assert idle(table.slice(0, 0), links(a="e1")) == frozenset()
