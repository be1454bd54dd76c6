"""Rulings and repairs: what a steward decided counts, whatever the sources say."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.messages import LANGUAGES, say
from reconcile.fusion import Fused, claims, fuse
from tests.reconcile.fusing import TODAY, Claim, conflicts, engine, golden, subject, table

ENGINE = engine()
ENTITIES = tuple(f"E{i}" for i in range(6))
DATASETS = ("a.t", "b.t", "c.t")
ABOUT = subject(
    {"x": {"designated": "a.t"}, "y": {}, "g": {"group": "home"}, "h": {"group": "home"}}
)

Ruling = tuple[str, str, str, int]


def ruled(rows: list[Claim], rulings: list[Ruling]) -> Fused:
    names = ("entity", "attribute", "value", "number")
    given_rulings = pa.Table.from_pylist([dict(zip(names, r, strict=True)) for r in rulings])
    return fuse(ENGINE, ABOUT, table(rows), TODAY, rulings=given_rulings)


rows_of_claims = st.lists(
    st.tuples(
        st.sampled_from(ENTITIES),
        st.sampled_from("xygh"),
        st.sampled_from(DATASETS),
        st.sampled_from("pqr"),
        st.none(),
    ),
    max_size=60,
    unique_by=lambda claim: claim[:3],
)
some_rulings = st.lists(
    st.tuples(
        st.sampled_from((*ENTITIES, "E99")),
        st.sampled_from("xygh"),
        st.sampled_from("pqs"),
        st.integers(1, 99),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda ruling: ruling[:2],
)


@settings(max_examples=3, deadline=None, derandomize=True)
@given(rows_of_claims, some_rulings)
def test_a_ruling_always_wins(rows: list[Claim], rulings: list[Ruling]) -> None:
    result = ruled(rows, rulings)
    found, split = golden(result), conflicts(result)
    said: dict[tuple[str, str], dict[str, str]] = {}
    for entity, attribute, dataset, value, _ in rows:
        said.setdefault((entity, attribute), {})[dataset] = value
    alone = {key for key in said if key[1] in "xy"}  # a group's source need not know all of it
    assert alone | {ruling[:2] for ruling in rulings} <= found.keys()
    for entity, attribute, value, number in rulings:
        row, claimed = found[entity, attribute], said.get((entity, attribute), {})
        supporting = sorted(d for d, v in claimed.items() if v == value)
        opposing = sorted(d for d, v in claimed.items() if v != value)
        assert (row["value"], row["status"], row["confidence"]) == (value, "ruled", 1.0)
        assert (json.loads(row["supporting"]), json.loads(row["opposing"])) == (
            supporting,
            opposing,
        )
        assert row["reason"] == {
            "code": "fusion_ruled",
            "number": number,
            "supporting": len(supporting),
            "opposing": len(opposing),
        }
        assert (row["dataset"] in supporting) if supporting else (row["dataset"] is None)
        assert ((entity, attribute) in split) == bool(opposing)
        for language in LANGUAGES:
            assert str(number) in say(language=language, **row["reason"])


def test_of_several_rulings_the_latest_is_in_force() -> None:
    rulings = [("E1", "y", "p", 7), ("E1", "y", "q", 12), ("E1", "y", "r", 9)]
    assert golden(ruled([], rulings))["E1", "y"]["value"] == "q"


def test_the_rest_of_a_group_comes_from_the_source_that_the_ruling_bears_out() -> None:
    rows: list[Claim] = [
        ("E1", name, d, f"{name} {v}", None)
        for d, v in (("a.t", "1"), ("b.t", "1"), ("c.t", "2"))
        for name in "gh"
    ]
    found = golden(ruled(rows, [("E1", "g", "g 2", 1)]))
    assert (found["E1", "g"]["value"], found["E1", "g"]["status"]) == ("g 2", "ruled")
    assert (found["E1", "h"]["value"], found["E1", "h"]["dataset"]) == ("h 2", "c.t")


def test_learning_leans_on_rulings() -> None:
    rows: list[Claim] = [
        (f"E{i}", "y", d, v, None) for i in range(90) for d, v in (("a.t", "p"), ("b.t", "q"))
    ]
    rulings = [(f"E{i}", "y", "q", i + 1) for i in range(60)]
    result = ruled(rows, rulings)
    assert golden(result)["E80", "y"]["value"] == "q"
    known = {row["dataset"]: row["reliability"] for row in result.sources.to_pylist()}
    assert known["b.t"] > known["a.t"] + 0.3


@pytest.mark.parametrize(
    ("repair", "read"),
    [
        ({"kind": "swap_day_month"}, {"E1": "2020-03-05", "E2": "2020-05-20", "E3": "old"}),
        ({"kind": "recode", "mapping": {"old": "new"}}, {"E1": "2020-05-03", "E3": "new"}),
        ({"kind": "ignore"}, {"E1": None, "E2": None, "E3": None}),
    ],
    ids=["swap", "recode", "ignore"],
)
def test_repairs_change_how_a_dataset_is_read(
    repair: dict[str, object], read: dict[str, str | None]
) -> None:
    values = {"E1": "2020-05-03", "E2": "2020-05-20", "E3": "old"}
    fit = pa.table(
        {
            "_record": list(values),
            "_as_of": pa.nulls(3, pa.string()),
            "item": list(values.values()),
        }
    )
    links = [{"dataset": d, "record": e, "entity": e} for d in ("a.t", "b.t") for e in values]
    about = subject({"x": {}}, {"a.t": {"x": "item"}, "b.t": {"x": "item"}})
    repairs = pa.table({"dataset": ["a.t"], "attribute": ["x"], "repair": [json.dumps(repair)]})
    said = claims(
        ENGINE, about, {"a.t": fit, "b.t": fit}, pa.Table.from_pylist(links), repairs
    ).to_pyarrow()
    found = {(r["dataset"], r["entity"]): r["value"] for r in said.to_pylist()}
    assert {e: v for (d, e), v in found.items() if d == "b.t"} == values
    for entity, value in read.items():
        assert found.get(("a.t", entity)) == value
