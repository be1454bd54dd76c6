"""Rulings win over keys, model and each other; taken back, they leave no trace."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.linkage import doubts
from reconcile.linkage.stewards import Record, Ruling, settle
from reconcile.rulings import RULINGS
from tests.reconcile.linkage_people import Row, fit, rows, subject
from tests.reconcile.linkage_runs import Runs, Said, rulings

A, B = "police.residents", "civil.marriages"
KEYS_ONLY = subject((A, B), linkage=False)


def register(**keys: str | None) -> dict[str, pa.Table]:
    """A register with a record per name; the value is its key."""
    return {A: fit({"record": r, "resident_id": k, "sex": "1"} for r, k in keys.items())}


def said(kind: str, one: str, other: str) -> Said:
    return kind, (A, one), (A, other)


def groups(runs: Runs) -> set[str]:
    """The names of the records that are together, such as ``ab``."""
    together: dict[str, str] = {}
    for (_, record), entity in sorted(runs.found.items()):
        together[entity] = together.get(entity, "") + record
    return set(together.values())


KEYS = {"a": "1", "b": "1", "c": "2", "d": "2", "e": None}


@pytest.mark.parametrize(
    ("decided", "expected"),
    [
        ([("same", "a", "c")], {"abcd", "e"}),
        ([("same", "e", "a")], {"abe", "cd"}),
        ([("same", "e", "a"), ("same", "e", "c")], {"abcde"}),
        ([("never", "a", "b")], {"a", "b", "cd", "e"}),
        ([("same", "e", "a"), ("never", "a", "b")], {"ae", "b", "cd"}),
        ([("same", "a", "c"), ("never", "a", "d")], {"abc", "d", "e"}),
        ([("same", "a", "c"), ("never", "c", "b")], {"acd", "b", "e"}),
        ([("same", "a", "e"), ("never", "e", "a")], {"ab", "cd", "e"}),
        ([("never", "e", "a"), ("same", "a", "e")], {"abe", "cd"}),
        ([("same", "a", "e"), ("same", "e", "c"), ("never", "a", "c")], {"ab", "cde"}),
        ([("same", "a", "gone"), ("never", "gone", "b")], {"ab", "cd", "e"}),
        ([("never", "a", "a"), ("same", "b", "b")], {"ab", "cd", "e"}),
    ],
)
def test_what_rulings_do(decided: list[tuple[str, str, str]], expected: set[str]) -> None:
    runs = Runs(KEYS_ONLY)
    runs.run(register(**KEYS))
    runs.run(register(**KEYS), rulings(said(*each) for each in decided))
    assert groups(runs) == expected


def test_a_ruling_is_the_method_and_named() -> None:
    runs = Runs(KEYS_ONLY)
    runs.run(register(**KEYS))
    before = runs.found
    linked = runs.run(
        register(**KEYS), rulings([said("same", "e", "a"), said("never", "d", "c")], 7)
    )
    why = {
        str(r["record"]): (r["method"], r["score"], r["explanation"]) for r in rows(linked.links)
    }
    assert why["e"][:2] == why["d"][:2] == ("steward", 1.0)
    assert json.loads(str(why["e"][2])) == {"ruling": 7}
    assert json.loads(str(why["d"][2])) == {"ruling": 8}
    assert why["a"][0] == why["c"][0] == "key"
    assert runs.found[A, "e"] == before[A, "a"]
    assert runs.found[A, "c"] == before[A, "c"]
    assert runs.found[A, "d"] not in before.values()


def test_new_records_come_to_what_a_steward_joined() -> None:
    runs = Runs(KEYS_ONLY)
    ruled = rulings([said("same", "a", "c")])
    runs.run(register(**KEYS), ruled)
    kept = runs.found[A, "c"]
    runs.run(register(**KEYS, f="1", g="2"), ruled)
    assert groups(runs) == {"abcdfg", "e"}
    assert runs.found[A, "f"] == kept


def test_a_ruling_ends_the_doubt() -> None:
    wang: Row = {"name": "王伟", "birth_date": "1980-05-01", "sex": "1"}
    li: Row = {"name": "李秀英", "birth_date": "1955-11-23", "sex": "2"}
    people = [
        wang | {"record": "a", "resident_id": "1"},
        wang | {"record": "b", "resident_id": "1"},
        li | {"record": "c", "resident_id": "1"},
    ]
    for kind in ("same", "never"):
        runs = Runs(KEYS_ONLY)
        runs.run({A: fit(people)})
        assert doubts(runs.ledger)["record"].to_pylist() == ["c"]
        runs.run({A: fit(people)}, rulings([said(kind, "c", "a")]))
        assert doubts(runs.ledger).num_rows == 0
        assert groups(runs) == ({"abc"} if kind == "same" else {"ab", "c"})
        runs.run({A: fit(people)})
        assert doubts(runs.ledger)["record"].to_pylist() == ["c"]


def test_entities_ruled_apart_stay_apart_with_all_their_records() -> None:
    """What was two entities when it was ruled is two again, whatever keys say later."""
    runs = Runs(KEYS_ONLY)
    runs.run(register(**KEYS))
    pairs = [said("never", one, other) for one in "ab" for other in "cd"]
    apart = rulings(pairs)
    apart = apart.set_column(0, RULINGS.field("number"), pa.array([1] * len(pairs), pa.int64()))
    one_key = register(**{**KEYS, "c": "1", "d": "1", "e": "1"})
    runs.run(one_key, apart)
    assert groups(runs) == {"ab", "cde"}
    runs.run(one_key, apart, whole=True)
    assert groups(runs) == {"ab", "cde"}
    runs.run(one_key, pa.concat_tables([apart, rulings([said("never", "a", "b")], 2)]))
    assert groups(runs) == {"a", "b", "cde"}
    runs.run(one_key)
    assert groups(runs) == {"abcde"}


names = st.sampled_from("abcdefgh")
decisions = st.lists(st.tuples(st.sampled_from(["same", "never"]), names, names), max_size=8)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(decisions, st.lists(st.sampled_from(["x", "y", "z"]), min_size=8, max_size=8))
def test_a_ruling_always_wins(decided: list[tuple[str, str, str]], homes: list[str]) -> None:
    home: dict[Record, str] = {
        (A, name): where for name, where in zip("abcdefgh", homes, strict=True)
    }
    ruled = [
        Ruling(number, kind == "same", (A, one), (A, other))
        for number, (kind, one, other) in enumerate(decided)
    ]
    settled = settle(ruled, home, "thing")

    def entity(record: Record) -> str:
        if record in settled.leavers:
            return settled.leavers[record][0]
        return settled.moves.get(home[record], (home[record],))[0]

    for ruling in in_force(ruled):
        assert (entity(ruling.first) == entity(ruling.second)) == ruling.same
    parted = {frozenset({r.first, r.second}) for r in in_force(ruled) if not r.same}
    if not parted:
        assert not settled.leavers
    assert settle(ruled[::-1], home, "thing") == settled


sides = st.lists(names, min_size=1, max_size=3, unique=True)
apart_or_one = st.lists(
    st.one_of(
        st.tuples(st.just("never"), sides, sides),
        st.tuples(st.just("same"), st.lists(names, min_size=1, max_size=1), sides),
    ),
    max_size=5,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(apart_or_one, st.lists(st.sampled_from(["x", "y", "z"]), min_size=8, max_size=8))
def test_rulings_about_many_records_win_as_well(
    decided: list[tuple[str, list[str], list[str]]], homes: list[str]
) -> None:
    home: dict[Record, str] = {
        (A, name): where for name, where in zip("abcdefgh", homes, strict=True)
    }
    ruled = [
        Ruling(number, kind == "same", (A, one), (A, other))
        for number, (kind, these, those) in enumerate(decided)
        for one in these
        for other in (those if kind == "never" else those[:1])
    ]
    settled = settle(ruled, home, "thing")

    def entity(record: Record) -> str:
        if record in settled.leavers:
            return settled.leavers[record][0]
        return settled.moves.get(home[record], (home[record],))[0]

    for ruling in in_force(ruled):
        assert (entity(ruling.first) == entity(ruling.second)) == ruling.same


def in_force(ruled: list[Ruling]) -> list[Ruling]:
    """The rulings that hold, by trying: the latest first, none that those before it rule out."""
    held: list[Ruling] = []
    for ruling in reversed(ruled):
        if ruling.first != ruling.second and _possible([*held, ruling]):
            held.append(ruling)
    return held


def _possible(held: list[Ruling]) -> bool:
    label: dict[Record, Record] = {}
    for ruling in held:
        if ruling.same:
            one, other = (label.get(r, r) for r in (ruling.first, ruling.second))
            for record in {*label, one, other, ruling.first, ruling.second}:
                if label.get(record, record) == other:
                    label[record] = one
    return all(
        label.get(r.first, r.first) != label.get(r.second, r.second) for r in held if not r.same
    )


@settings(max_examples=5, deadline=None, derandomize=True)
@given(
    decisions, decisions, st.lists(st.sampled_from(["1", "2", "3", None]), min_size=8, max_size=8)
)
def test_a_ruling_taken_back_restores_what_was(
    stay: list[tuple[str, str, str]],
    go: list[tuple[str, str, str]],
    keys: list[str | None],
) -> None:
    runs = Runs(KEYS_ONLY)
    tables = register(**dict(zip("abcdefgh", keys, strict=True)))
    staying = rulings(said(*each) for each in stay)
    first = runs.run(tables, staying)
    both = pa.concat_tables([staying, rulings((said(*each) for each in go), len(stay) + 1)])
    runs.run(tables, both)
    runs.run(tables, both, whole=True)
    assert runs.run(tables, staying).links.equals(first.links)
    assert runs.run(tables, staying, whole=True).judgements.num_rows == 0


def test_rulings_about_values_do_not_matter_here() -> None:
    value = {"number": 1, "kind": "value", "dataset": A, "record": "a", "value": "x"}
    runs = Runs(KEYS_ONLY)
    plain = runs.run(register(**KEYS))
    same = runs.run(register(**KEYS), pa.Table.from_pylist([value], schema=RULINGS))
    assert same.links.equals(plain.links)
    assert same.judgements.num_rows == 0


@pytest.mark.parametrize("key", ["1", "2"])
@pytest.mark.parametrize("ruled", [("a", "b"), ("b", "a")])
def test_two_that_were_never_one_keep_their_ids_when_a_slip_gives_them_one_key(
    ruled: tuple[str, str], key: str
) -> None:
    runs = Runs(KEYS_ONLY)
    runs.run(register(a="1", b="2"))
    before = dict(runs.found)
    never = rulings([said("never", *ruled)])
    for whole in (False, True):
        runs.run(register(a=key, b=key), never, whole)
        assert runs.found == before
    runs.run(register(a="1", b="2"))
    assert runs.found == before


def test_of_one_entity_those_leave_that_the_ruling_says() -> None:
    for leaving, staying in (("a", "b"), ("b", "a")):
        runs = Runs(KEYS_ONLY)
        runs.run(register(a="1", b="1"))
        before = runs.found[A, "a"]
        runs.run(register(a="1", b="1"), rulings([said("never", leaving, staying)]))
        assert runs.found[A, staying] == before != runs.found[A, leaving]
