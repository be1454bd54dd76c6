"""How often a dataset is heard: counts over all claims that say what a group of conflicts is of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from core.engine import keep
from reconcile.fusion.gather import TableLike, as_table

Source = tuple[str, str]
"""Attribute and dataset."""

_ITEM = ("entity", "attribute")
_SOURCE = ("attribute", "dataset")


@dataclass(frozen=True)
class Voices:
    """Counts of claims. A claim is *heard* where another dataset has a say about the same value:
    only then can it be contested.

    ``claims``: of a source. ``heard``: of a source. ``swappable``: heard days of a source that
    are a day as well with day and month swapped. ``values``: of a source and one of its values,
    how often it is heard.
    """

    claims: Mapping[Source, int] = field(default_factory=dict)
    heard: Mapping[Source, int] = field(default_factory=dict)
    swappable: Mapping[Source, int] = field(default_factory=dict)
    values: Mapping[tuple[str, str, str], int] = field(default_factory=dict)


def count(
    engine: BaseBackend,
    claims: TableLike,
    attributes: Iterable[str],
    values: Iterable[tuple[str, str, str]],
) -> Voices:
    """Counts the claims about ``attributes``, and those that say one of ``values`` (attribute,
    dataset, value).
    """
    rows = as_table(claims).select(*_ITEM, "dataset", "value")
    rows = rows.filter(rows.attribute.isin(sorted(set(attributes))))
    items = rows.group_by(_ITEM).agg(voices=rows.count())
    several = items.filter(items.voices > 1).select(*_ITEM)
    heard = keep(engine, rows.semi_join(several, _ITEM))
    month, day = heard.value.substr(5, 2), heard.value.substr(8, 2)
    dated = heard.value.re_search(r"^\d{4}-\d{2}-\d{2}$")
    swaps = dated & (day <= ibis.literal("12")) & (day != month)
    known = sorted(set(values))
    told = pa.table(
        {
            name: pa.array([value[place] for value in known], pa.string())
            for place, name in enumerate(("attribute", "dataset", "value"))
        }
    )
    said = heard.semi_join(ibis.memtable(told), [*_SOURCE, "value"])
    return Voices(
        claims=_by_source(engine, rows),
        heard=_by_source(engine, heard),
        swappable=_by_source(engine, heard.filter(swaps)),
        values={
            (row["attribute"], row["dataset"], row["value"]): row["times"]
            for row in (_counted(engine, said, [*_SOURCE, "value"]) if known else ())
        },
    )


def _by_source(engine: BaseBackend, rows: ir.Table) -> dict[Source, int]:
    counted = _counted(engine, rows, list(_SOURCE))
    return {(row["attribute"], row["dataset"]): row["times"] for row in counted}


def _counted(engine: BaseBackend, rows: ir.Table, by: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = engine.to_pyarrow(
        rows.group_by(by).agg(times=rows.count())
    ).to_pylist()
    return found
