"""How fast the values of an attribute change, learned from dated claims that differ."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from math import inf, log

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ibis.backends import BaseBackend

from reconcile.fusion.ground import Ground

BINS = 8  # of time between two claims, for each doubling of it
EVIDENCE = 500.0  # pairs that count, however many there are
SPREAD = 1.0  # nats by which half-lives typically lie off what is configured
ERRORS = np.linspace(0.0, 0.5, 51)  # shares of claims that are mistaken whatever their days are
PARTS = 1_000_000  # of a recency, as whole numbers are summed
LEAST = 0.01  # recency on average
REACH = np.linspace(-3.5, 3.5, 141)  # nats around the configured half-life that are looked at

Floats = npt.NDArray[np.float64]


def half_lives(
    engine: BaseBackend, ground: Ground, rivals: Mapping[str, float]
) -> dict[str, float]:
    """Attribute → after how many days half of its values have changed.

    Two claims about one thing that lie ``d`` days apart differ by mistake, or else because the
    value changed, which by then it has with a chance of ``1 - 2^(-d / half-life)``. Mistakes fall on
    few values, often on that of before or after: two may agree, and one may agree with a right
    claim from the other side of the change. The likeliest half-life is sought near the configured
    one, as far as the claims give reason to.

    Args:
        rivals: attribute → how many wrong values a mistake falls on.
    """
    configured = {
        name: float(ground.subject.attributes[name].half_life_days)
        for name in sorted({attribute for attribute, _ in ground.sources})
    }
    pairs: dict[str, list[tuple[float, int, int]]] = {}
    for row in engine.to_pyarrow(_pairs(ground)).to_pylist():
        days = 2 ** (row["bin"] / BINS) - 1
        found = pairs.setdefault(ground.attributes[row["item"]], [])
        found.append((days, int(row["same"]), int(row["pairs"]) - int(row["same"])))
    return {
        name: round(_half_life(usual, rivals.get(name, inf), sorted(pairs.get(name, []))), 1)
        for name, usual in configured.items()
    }


def _pairs(ground: Ground) -> ir.Table:
    """Per attribute and time between: how many pairs of claims there are, and agree. Each claim
    is paired with that of the next source alone, so that many sources cost no more than few.
    """
    dated = ground.sample.filter(ground.sample.day > 0)
    # One source claims several keys of what a steward made one.
    following = ibis.window(group_by=["entity", "item"], order_by=["source", "day", "gist"])
    rows = dated.mutate(
        next_day=dated.day.lead().over(following), next_gist=dated.gist.lead().over(following)
    )
    rows = rows.filter(rows.next_day.notnull())
    apart = (rows.day - rows.next_day).abs()
    rows = rows.select(
        "item",
        bin=((apart + 1).log2() * BINS).round().cast("int32"),
        same=(rows.gist == rows.next_gist).cast("int64"),
    )
    return rows.group_by("item", "bin").agg(pairs=rows.count(), same=rows.same.sum())


def _half_life(usual: float, rivals: float, pairs: list[tuple[float, int, int]]) -> float:
    if not pairs:
        return usual
    days, same, apart = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    half = usual * np.exp(REACH)
    keeps = (0.5 ** (days[None, :] / half[:, None]))[:, None, :]
    right, wrong, hit = 1 - ERRORS[None, :, None], ERRORS[None, :, None], 1 / max(rivals, 1)
    agrees = keeps * (right**2 + hit * wrong**2) + (1 - keeps) * hit * 2 * right * wrong
    agrees = np.clip(agrees, 1e-6, 1 - 1e-6)
    # Pairs of one thing are not independent, nor is any source equally good at all times.
    scale = 1 / (1 + (same.sum() + apart.sum()) / EVIDENCE)
    fit = (same * np.log(agrees) + apart * np.log(1 - agrees)).sum(axis=2).max(axis=1) * scale
    return float(half[np.argmax(fit - (REACH / SPREAD) ** 2 / 2)])


def undated(
    engine: BaseBackend, ground: Ground, halves: Mapping[str, float], today: date
) -> dict[str, float]:
    """Attribute → the recency of a claim without a date: what dated ones have on average."""
    dated = ground.sample.filter(ground.sample.day > 0)
    decay = pa.table(
        {
            "item": pa.array(range(len(ground.attributes)), pa.int16()),
            "decay": pa.array([-log(2) / halves.get(n, inf) for n in ground.attributes]),
        }
    )
    rows = dated.inner_join(ibis.memtable(decay), "item")
    recency = (age_in_days(rows.day, today) * rows.decay).exp()
    # Whole numbers, so that no order matters.
    parts = (recency * PARTS).round().cast("int64")
    found = {}
    totals = rows.group_by("item").agg(total=parts.sum(), claims=rows.count())
    for row in engine.to_pyarrow(totals).to_pylist():
        mean = int(row["total"]) / row["claims"] / PARTS
        found[ground.attributes[row["item"]]] = max(round(mean, 6), LEAST)
    return found


def age_in_days(day: ir.Value, today: date) -> ir.Value:
    """Days from an ordinal day to today; none for a day in the future."""
    return ibis.greatest(today.toordinal() - day, 0)
