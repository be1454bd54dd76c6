"""Repairs: how what a dataset says about an attribute is read, by a steward's ruling."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import reduce
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

Repairs = Mapping[tuple[str, str], list[Mapping[str, Any]]]  # (dataset, attribute) → in order


def read_repairs(table: pa.Table | None) -> Repairs:
    """The repairs of a table ``dataset, attribute, repair`` (JSON with a ``kind``), in order."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in [] if table is None else table.to_pylist():
        repair = json.loads(row["repair"])
        found.setdefault((row["dataset"], row["attribute"]), []).append(repair)
    return found


def ignored(repairs: Repairs, dataset: str, attribute: str) -> bool:
    """Whether what the dataset says about the attribute is of no use."""
    return any(repair["kind"] == "ignore" for repair in repairs.get((dataset, attribute), ()))


def reread(
    engine: BaseBackend, claims: ir.Table, repairs: Repairs, sources: Sequence[tuple[str, str]]
) -> ir.Table:
    """The claims with their values as repairs read them; each distinct value is read once.
    ``sources``: what a claim's ``source`` counts, as (attribute, dataset).
    """
    mended = {
        place: repairs[dataset, attribute]
        for place, (attribute, dataset) in enumerate(sources)
        if (dataset, attribute) in repairs
    }
    if not mended:
        return claims
    touched = claims.source.isin(sorted(mended))
    mine = claims.filter(touched)
    rows = engine.to_pyarrow(mine.select("source", "value").distinct()).to_pylist()
    for row in rows:
        row["reread"] = reduce(_read, mended[row["source"]], row["value"])
    schema = {"source": pa.int32(), "value": pa.string(), "reread": pa.string()}
    told = ibis.memtable(pa.Table.from_pylist(rows, pa.schema(schema)))
    joined = mine.inner_join(told, ["source", "value"])
    return claims.filter(~touched).union(
        joined.drop("value").rename(value="reread").select(*claims.columns)
    )


def _read(value: str, repair: Mapping[str, Any]) -> str:
    if repair["kind"] == "swap_day_month":
        return _swapped(value)
    if repair["kind"] == "recode":
        return str(repair["mapping"].get(value, value))
    return value


def _swapped(value: str) -> str:
    """A day with day and month changed round, where that is one."""
    try:
        day = date.fromisoformat(value)
        return day.replace(month=day.day, day=day.month).isoformat()
    except ValueError:
        return value
