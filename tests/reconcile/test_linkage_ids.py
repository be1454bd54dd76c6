"""Ids stay: over runs, over any order of the input, and through joins and splits."""

from __future__ import annotations

import hashlib
import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.linkage import Before, Linked, link
from tests.reconcile.linkage_people import LIMITS, Row, entities, fit, registers, subject

A, B = "police.residents", "civil.marriages"
KEYS_ONLY = subject((A, B), linkage=False)


def linked(past: pa.Table | None, **keys: str | None) -> tuple[pa.Table, dict[str, str]]:
    """The ledger after linking one register with a record per name; the value is its key."""
    table = fit({"record": record, "resident_id": key, "sex": "1"} for record, key in keys.items())
    found = link(KEYS_ONLY, {A: table}, None if past is None else Before(past), LIMITS)
    ledger = found.judgements if past is None else pa.concat_tables([past, found.judgements])
    return ledger, {record: entity for (_, record), entity in entities(found.links).items()}


def test_a_new_id_comes_from_the_smallest_record() -> None:
    _, found = linked(None, b="1", a="1")
    assert found["a"] == hashlib.sha256(f"resident{A}|a".encode()).hexdigest()[:20]


@pytest.fixture(scope="module")
def town() -> tuple[dict[str, pa.Table], Linked]:
    tables, _ = registers(150, seed=5)
    return tables, link(subject(), tables, None, LIMITS)


def test_an_id_cannot_be_told_from_a_key_without_the_secret(
    town: tuple[dict[str, pa.Table], Linked],
) -> None:
    tables, plain = town
    secret = link(subject(), tables, None, LIMITS, secret="hush")
    ids = set(plain.links["entity"].to_pylist())
    assert not ids & set(secret.links["entity"].to_pylist())
    assert secret.links.drop("entity").equals(plain.links.drop("entity"))


def test_a_second_run_changes_nothing(town: tuple[dict[str, pa.Table], Linked]) -> None:
    tables, first = town
    second = link(subject(), tables, Before(first.judgements), LIMITS)
    assert second.links.equals(first.links)
    assert second.judgements.num_rows == 0


def test_the_order_of_the_input_does_not_matter_to_the_model(
    town: tuple[dict[str, pa.Table], Linked],
) -> None:
    tables, straight = town
    chance = random.Random(1)
    shuffled = {
        register: table.take(chance.sample(range(table.num_rows), table.num_rows))
        for register, table in reversed(tables.items())
    }
    assert link(subject(), shuffled, None, LIMITS).links.equals(straight.links)


def test_an_entity_keeps_its_id_when_its_smallest_record_comes_or_goes() -> None:
    past, before = linked(None, b="1", c="1")
    past, after = linked(past, a="1", b="1", c="1")
    assert set(after.values()) == {before["b"]}
    _, last = linked(past, c="1")
    assert last["c"] == before["b"]


def test_of_a_split_the_larger_part_keeps_the_id() -> None:
    past, before = linked(None, a="1", b="1", c="1")
    _, after = linked(past, a="2", b="1", c="1")
    assert after["b"] == after["c"] == before["a"]
    assert after["a"] not in before.values()


def test_of_a_merger_the_id_of_most_records_stays() -> None:
    past, before = linked(None, a="1", b="2", c="2")
    _, after = linked(past, a="2", b="2", c="2")
    assert set(after.values()) == {before["b"]}


def test_ids_given_before_are_never_given_to_others() -> None:
    past, before = linked(None, a="1", b="1", c="1")
    past, split = linked(past, a="2", b="1", c="1")
    _, last = linked(past, a="3", b="1", c="1", d="2")
    assert last["a"] == split["a"]
    assert last["d"] not in {*before.values(), *split.values()}


def test_unknown_and_empty_history_are_the_same() -> None:
    past, found = linked(None, a="1", b=None)
    assert linked(past.slice(0, 0), a="1", b=None)[1] == found


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("b", "a")])
def test_after_an_undone_merger_everyone_has_the_id_of_before(one: str, other: str) -> None:
    past, before = linked(None, a="1", b="2")
    past, merged = linked(past, **{one: "2", other: "2"})
    assert len(set(merged.values())) == 1
    past, _ = linked(past, a="2", b="2", c="2", d="2")
    past, after = linked(past, a="1", b="2", c=before["a"], d="2")
    assert {"a": after["a"], "b": after["b"]} == before


def test_a_part_that_splits_off_again_gets_its_former_id() -> None:
    past, _ = linked(None, a="1", b="1", c="1")
    past, split = linked(past, a="2", b="1", c="1")
    past, _ = linked(past, a="1", b="1", c="1")
    _, again = linked(past, a="3", b="1", c="1")
    assert again == split


def test_a_record_that_comes_back_gets_its_id_back() -> None:
    past, before = linked(None, a="1", b="2")
    past, _ = linked(past, a="1")
    assert linked(past, a="1", b="3")[1] == before


row = st.fixed_dictionaries(
    {
        "resident_id": st.sampled_from(["1", "2", "3", None]),
        "name": st.sampled_from(["王伟", "李秀英", "张敏", None]),
        "birth_date": st.sampled_from(["1980-05-01", "1955-11-23", None]),
        "sex": st.sampled_from(["1", "2", None]),
    }
)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.lists(row, max_size=12), st.lists(row, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    first: list[Row], second: list[Row], chance: random.Random
) -> None:
    feeds = {
        register: [r | {"record": f"r{n}"} for n, r in enumerate(content)]
        for register, content in ((A, first), (B, second))
    }
    straight = link(KEYS_ONLY, {k: fit(v) for k, v in feeds.items()}, None, LIMITS)
    shuffled = {k: fit(chance.sample(v, len(v))) for k, v in reversed(feeds.items())}
    other = link(subject((B, A), linkage=False), shuffled, None, LIMITS)
    assert other.links.equals(straight.links)
    assert other.judgements.equals(straight.judgements)
    assert set(entities(straight.links)) == {
        (register, r["record"])
        for register, content in feeds.items()
        for r in content
        if any(value for item, value in r.items() if item != "record")
    }
