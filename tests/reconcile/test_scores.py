"""How far a table agrees with the golden values that it has a part in."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from core.sql import FEW
from reconcile.counts import TABLE
from reconcile.scores import Scores, agreement, with_agreement
from tests.reconcile.fusing import subject

PEOPLE = subject(
    {"name": {}, "mobile": {}, "alias": {}},
    {
        "phones.users": {"name": "who", "alias": "who", "mobile": "mobile"},
        "police.people": {"name": "name"},
    },
)


def golden(*rows: tuple[str, list[str], list[str]]) -> ds.Dataset:
    columns = ("attribute", "supporting", "opposing")
    told = [(name, json.dumps(for_), json.dumps(against)) for name, for_, against in rows]
    return ds.dataset(pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in told]))


def test_claims_are_compared_with_what_is_golden() -> None:
    both = ["phones.users", "police.people"]
    found = agreement(
        FEW,
        golden(
            ("name", both, []),
            ("name", both, []),
            ("name", ["police.people"], ["phones.users"]),
            ("mobile", ["phones.users"], []),
            # What a steward ruled may be what no source says.
            ("mobile", [], ["phones.users"]),
        ),
    )
    assert found == {
        "phones.users": {"name": (2, 3), "mobile": (1, 2)},
        "police.people": {"name": (3, 3)},
    }
    assert agreement(FEW, golden(("name", [], []))) == {}


def test_what_changed_is_counted_as_the_whole_is() -> None:
    both = ["phones.users", "police.people"]
    stays, gone = ("name", both, []), ("mobile", ["phones.users"], [])
    came = ("name", ["police.people"], ["phones.users"])
    rows = golden(gone, came).to_table().append_column("was", pa.array([True, False]))
    found = agreement(FEW, ds.dataset(rows), agreement(FEW, golden(stays, gone)))
    assert found == agreement(FEW, golden(stays, came))


def test_consistency_is_what_is_lower() -> None:
    agreed = {"phones.users": {"name": (2, 4), "mobile": (9, 10), "alias": (4, 4)}}
    scores: Scores = {
        TABLE: {"consistency": 0.9}, "who": {}, "mobile": {"consistency": 0.5}, "id": {},
    }  # fmt: skip
    with_agreement(scores, "phones.users", [(PEOPLE, agreed), (PEOPLE, {})])
    assert scores[TABLE]["consistency"] == pytest.approx(15 / 18)
    assert scores["who"]["consistency"] == pytest.approx(6 / 8)
    assert scores["mobile"]["consistency"] == 0.5
    assert scores["id"] == {}


def test_a_table_that_feeds_nothing_is_left_alone() -> None:
    scores: Scores = {TABLE: {"validity": 1.0}}
    with_agreement(scores, "tax.incomes", [(PEOPLE, {"tax.incomes": {"name": (1, 2)}})])
    assert scores == {TABLE: {"validity": 1.0}}
