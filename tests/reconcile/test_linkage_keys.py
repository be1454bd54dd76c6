"""What keys join, what they do not, and what stands in the tables that come back."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from reconcile.linkage import FeedItemMissing, link
from tests.reconcile.linkage_people import LIMITS, Row, entities, fit, rows, subject

A, B, C = "police.residents", "civil.marriages", "health.patients"
WANG: Row = {"resident_id": "1", "name": "王伟", "birth_date": "1980-05-01", "sex": "1"}
LI: Row = {"resident_id": "2", "name": "李秀英", "birth_date": "1955-11-23", "sex": "2"}
KEYS_ONLY = subject(linkage=False)


def test_records_with_the_same_key_are_one_entity() -> None:
    tables = {
        A: fit([WANG | {"record": "a1"}, LI | {"record": "a2"}]),
        B: fit([{"record": "b1", "resident_id": "1"}]),
    }
    linked = link(KEYS_ONLY, tables, None, LIMITS)
    found = entities(linked.links)
    assert found[A, "a1"] == found[B, "b1"] != found[A, "a2"]
    assert linked.links.schema.names == [
        "dataset", "record", "entity", "method", "score", "explanation",
    ]  # fmt: skip
    for row in rows(linked.links):
        assert (row["method"], row["score"]) == ("key", 1.0)
        assert json.loads(str(row["explanation"])) == {"resident_id": "exact"}


def test_every_record_with_any_attribute_stands_there_once() -> None:
    tables = {
        A: fit(
            [
                {"record": "named", "name": "王伟"},
                {"record": "twice", "name": "李秀英"},
                {"record": "twice", "name": "李秀英", "sex": "2"},
                {"record": "empty"},
            ]
        )
    }
    linked = link(KEYS_ONLY, tables, None, LIMITS)
    assert set(entities(linked.links)) == {(A, "named"), (A, "twice")}
    assert {(row["method"], row["explanation"]) for row in rows(linked.links)} == {("alone", "{}")}
    assert {row["decision"] for row in rows(linked.judgements)} == {"alone"}


def test_nothing_in_gives_nothing_out() -> None:
    linked = link(subject(), {}, None, LIMITS)
    assert (linked.links.num_rows, linked.judgements.num_rows) == (0, 0)


def test_reads_lazy_datasets() -> None:
    tables = {A: ds.dataset(fit([WANG | {"record": "a1"}]))}
    assert link(KEYS_ONLY, tables, None, LIMITS).links.num_rows == 1


def test_an_item_that_is_not_there_is_named() -> None:
    table = fit([WANG | {"record": "a1"}]).drop_columns(["sex"])
    with pytest.raises(FeedItemMissing) as caught:
        link(KEYS_ONLY, {A: table}, None, LIMITS)
    assert caught.value.fields == {"dataset": A, "item": "sex"}


def test_a_key_of_two_people_is_split_and_reported() -> None:
    tables = {
        A: fit([WANG | {"record": "a1"}]),
        B: fit([WANG | {"record": "b1"}]),
        C: fit([LI | {"record": "c1", "resident_id": "1"}]),
    }
    linked = link(KEYS_ONLY, tables, None, LIMITS)
    found = entities(linked.links)
    assert found[A, "a1"] == found[B, "b1"] != found[C, "c1"]
    (doubt,) = [row for row in rows(linked.judgements) if row["decision"] == "possible"]
    assert (doubt["dataset"], doubt["record"], doubt["other"]) == (C, "c1", found[A, "a1"])
    assert json.loads(str(doubt["explanation"])) == {
        "resident_id": "exact", "name": "differs", "birth_date": "differs", "sex": "differs",
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"name": "王建国"},
        {"name": "王玮", "birth_date": "1999-01-01", "sex": "2"},
        {"birth_date": "1999-01-01", "sex": "2"},
        {"name": None, "birth_date": None, "sex": None},
    ],
    ids=["renamed", "sounds alike", "same name", "nothing to compare"],
)
def test_a_key_with_some_other_values_still_joins(change: Row) -> None:
    tables = {A: fit([WANG | {"record": "a1"}]), B: fit([WANG | change | {"record": "b1"}])}
    assert len(set(entities(link(KEYS_ONLY, tables, None, LIMITS).links).values())) == 1


def test_the_second_key_joins_only_where_it_is_clear() -> None:
    two_keys = subject(keys=("resident_id", "mobile"), linkage=False)
    tables = {
        A: fit(
            [
                {"record": "a1", "resident_id": "1", "mobile": "one"},
                {"record": "a2", "resident_id": "2", "mobile": "shared"},
                {"record": "a3", "resident_id": "3", "mobile": "shared"},
            ]
        ),
        B: fit(
            [
                {"record": "b1", "mobile": "one"},
                {"record": "b2", "mobile": "shared"},
                {"record": "b3", "mobile": "new"},
                {"record": "b4", "mobile": "new"},
            ]
        ),
    }
    links = link(two_keys, tables, None, LIMITS).links
    found = entities(links)
    assert found[B, "b1"] == found[A, "a1"]
    assert found[B, "b2"] not in {found[A, "a2"], found[A, "a3"]}
    assert found[B, "b3"] == found[B, "b4"]
    why = {row["record"]: json.loads(str(row["explanation"])) for row in rows(links)}
    assert (why["b1"], why["a1"], why["b2"]) == ({"mobile": "exact"}, {"resident_id": "exact"}, {})


def test_judgements_are_of_text_and_number() -> None:
    linked = link(KEYS_ONLY, {A: fit([WANG | {"record": "a1"}])}, None, LIMITS)
    (fact,) = rows(linked.judgements)
    assert (fact["record"], fact["decision"], fact["method"]) == ("a1", "match", "key")
    assert fact["other"] == entities(linked.links)[A, "a1"]
    assert linked.links.schema.field("score").type == pa.float64()
