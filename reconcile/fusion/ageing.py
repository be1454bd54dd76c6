"""How fast the values of an attribute change, learned from dated claims that differ."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
from ibis.backends import BaseBackend

from reconcile.fusion.ground import Ground

BINS = 8  # of time between two claims, for each doubling of it
EVIDENCE = 500.0  # pairs that count, however many there are
SPREAD = 0.7  # nats by which half-lives typically lie off what is configured
ERRORS = np.linspace(0.0, 0.6, 61)  # shares of claims that differ whatever their days are
REACH = np.linspace(-2.5, 2.5, 101)  # nats around the configured half-life that are looked at

Floats = npt.NDArray[np.float64]


def half_lives(engine: BaseBackend, ground: Ground) -> dict[str, float]:
    """Attribute → after how many days half of its values have changed.

    Two claims about one thing that lie ``d`` days apart differ by mistake, or else because the
    value changed, which by then it has with a chance of ``1 - 2^(-d / half-life)``. The likeliest
    half-life is sought near the configured one, as far as the claims give reason to.
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
        name: round(_half_life(usual, sorted(pairs.get(name, []))), 1)
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


def _half_life(usual: float, pairs: list[tuple[float, int, int]]) -> float:
    if not pairs:
        return usual
    days, same, apart = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    half = usual * np.exp(REACH)
    keeps = 0.5 ** (days[None, :] / half[:, None])
    agrees = np.clip(keeps[:, None, :] * (1 - ERRORS[None, :, None]), 1e-6, 1 - 1e-6)
    # Pairs of one thing are not independent, nor is any source equally good at all times.
    scale = 1 / (1 + (same.sum() + apart.sum()) / EVIDENCE)
    fit = (same * np.log(agrees) + apart * np.log(1 - agrees)).sum(axis=2).max(axis=1) * scale
    return float(half[np.argmax(fit - (REACH / SPREAD) ** 2 / 2)])


def undated(
    engine: BaseBackend, ground: Ground, halves: Mapping[str, float], today: date
) -> dict[str, float]:
    """Attribute → the recency of a claim without a date: that of one of average age."""
    dated = ground.sample.filter(ground.sample.day > 0)
    ages = dated.group_by("item").agg(age=age_in_days(dated.day, today).sum(), claims=dated.count())
    found = {}
    for row in engine.to_pyarrow(ages).to_pylist():
        name = ground.attributes[row["item"]]
        found[name] = round(0.5 ** (int(row["age"]) / row["claims"] / halves[name]), 6)
    return found


def age_in_days(day: ir.Value, today: date) -> ir.Value:
    """Days from an ordinal day to today; none for a day in the future."""
    return ibis.greatest(today.toordinal() - day, 0)
