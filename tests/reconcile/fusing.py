"""What the fusion tests share: subjects, claims as tables, and reading results back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
from ibis.backends.duckdb import Backend

from bench.worlds import Made
from catalog.subjects import Subject
from core.engine import connect
from core.sql import EngineLimits
from reconcile.fusion import Fused, fuse

TODAY = date(2026, 1, 1)
TITLE = {"zh": "属性", "en": "attribute"}
CLAIM = ("entity", "attribute", "dataset", "value", "as_of")

Claim = tuple[str, str, str, str, str | None]


def engine() -> Backend:
    return connect(EngineLimits(threads=1, memory="1GB"))


def subject(attributes: dict[str, dict[str, Any]], feeds: dict[str, Any] | None = None) -> Subject:
    """A subject; attributes are plain text unless they say otherwise."""
    full = {n: {"title": TITLE, "element": "text", **more} for n, more in attributes.items()}
    return Subject.model_validate(
        {"subject": "thing", "title": TITLE, "attributes": full, "feeds": feeds or {}}
    )


def table(claims: Iterable[Claim], gists: dict[str, str] | None = None) -> pa.Table:
    """Claims as fusion reads them; the gist of a value is itself unless ``gists`` knows better."""
    rows = [dict(zip(CLAIM, claim, strict=True)) for claim in claims]
    for row in rows:
        row["gist"] = (gists or {}).get(str(row["value"]), row["value"])
        row["record"] = f"{row['entity']}|{row['dataset']}"
    names = ("entity", "attribute", "value", "gist", "dataset", "record", "as_of")
    return pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in names]))


def told(made: Made, days: Sequence[str | None] = (None,)) -> list[Claim]:
    """What a made-up world claims of values and of kinds; things are dated in turns."""
    return [
        (entity, attribute, dataset, value, days[n % len(days)])
        for attribute, claims in (("value", made.claims), ("kind", made.kinds))
        for n, (entity, said) in enumerate(claims.items())
        for dataset, value in said.items()
    ]


def accuracy(result: Fused, made: Made) -> float:
    """The share of a made-up world's values that are right."""
    found = golden(result)
    return sum(found[e, "value"]["value"] == v for e, v in made.truth.items()) / len(made.truth)


def fused(about: Subject, claims: pa.Table, on: Backend | None = None) -> Fused:
    return fuse(on or engine(), about, claims, TODAY)


def golden(result: Fused) -> dict[tuple[str, str], dict[str, Any]]:
    """(entity, attribute) → golden row, its reason read."""
    rows = result.golden.to_pyarrow().to_pylist()
    read = {(r["entity"], r["attribute"]): r | {"reason": json.loads(r["reason"])} for r in rows}
    assert len(read) == len(rows)
    return read


def conflicts(result: Fused) -> dict[tuple[str, str], dict[str, Any]]:
    """(entity, attribute) → conflict, its reason and claims read."""
    rows = result.conflicts.to_pyarrow().to_pylist()
    read = {
        (r["entity"], r["attribute"]): r
        | {"reason": json.loads(r["reason"]), "claims": json.loads(r["claims"])}
        for r in rows
    }
    assert len(read) == len(rows)
    return read
