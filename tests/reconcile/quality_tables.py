"""Contracts and landed tables to put through the gate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from catalog.contracts import Contract, Item, Rule
from core.types import Level, Sharing
from reconcile.quality import Gated, gate


def rule(
    expectation: str, severity: Literal["reject", "warn", "stop"] = "reject", **arguments: Any
) -> Rule:
    return Rule(expectation=expectation, severity=severity, arguments=arguments)


def item(name: str, element: str, **more: Any) -> Item:
    return Item(
        name=name,
        column=name,
        title=name,
        element=element,
        level=Level.L1,
        sharing=Sharing.UNCONDITIONAL,
        **more,
    )


def contract(*items: Item, **more: Any) -> Contract:
    return Contract(
        dataset="police.residents",
        name="residents",
        version="1.0.0",
        department="police",
        code="1010010001/000001",
        summary="",
        sharing=Sharing.UNCONDITIONAL,
        mode="interface",
        cycle="daily",
        items=items,
        digest="0",
        **more,
    )


def landed(
    asked: Contract,
    rows: Sequence[Sequence[Any]],
    numbers: Sequence[int] | None = None,
    unreadable: Mapping[int, str] | None = None,
) -> pa.Table:
    """Readable rows, numbered from 1 unless ``numbers`` are given, then unreadable ones."""
    unreadable = unreadable or {}
    blank = [None] * len(unreadable)
    columns: dict[str, Any] = {}
    for position, each in enumerate(asked.items):
        columns[each.name] = pa.array([row[position] for row in rows] + blank, pa.string())
    readable = list(numbers or range(1, len(rows) + 1))
    columns["_row"] = pa.array([*readable, *unreadable], pa.int64())
    reasons = [None] * len(rows) + ["row_width"] * len(unreadable)
    columns["_unreadable"] = pa.array(reasons, pa.string())
    raw = [None] * len(rows) + list(unreadable.values())
    columns["_raw"] = pa.array(raw, pa.string())
    return pa.table(columns)


def through(asked: Contract, *rows: Sequence[Any]) -> Gated:
    return gate(asked, landed(asked, rows))


def kept(gated: Gated) -> list[int]:
    return gated.fit.column("_row").to_pylist()


def reasons(gated: Gated) -> dict[int, list[str]]:
    """Row → its reasons, each as ``item.rule`` or the rule alone."""
    found = {}
    for row in gated.quarantined.to_pylist():
        said = json.loads(row["reasons"])
        assert all(set(reason) == {"item", "rule"} for reason in said)
        found[row["_row"]] = [".".join(filter(None, (r["item"], r["rule"]))) for r in said]
    return found


PEOPLE = contract(
    item("number", "identifier", key=True),
    item("name", "text", required=True),
    item("born", "date"),
    item("seen", "date"),
    as_of="seen",
)
