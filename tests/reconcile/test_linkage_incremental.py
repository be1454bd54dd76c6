"""What changed is linked again, and all else is left alone."""

from __future__ import annotations

import random
from collections import defaultdict

import pyarrow as pa
import pytest

from catalog.subjects import Subject
from reconcile.linkage import Linked
from tests.reconcile.linkage_people import (
    Row,
    entities,
    fit,
    person,
    quality,
    registers,
    rows,
    subject,
)
from tests.reconcile.linkage_runs import Record, Runs, rulings

A, B, C = "police.residents", "civil.marriages", "health.patients"


def changed(tables: dict[str, pa.Table], seed: int) -> dict[str, pa.Table]:
    """The registers with a few records gone, a few with another name or phone, a few without
    their key and a few that are new.
    """
    chance = random.Random(seed)
    changed = {}
    for register, table in tables.items():
        content: list[Row] = []
        for row in table.to_pylist():
            row["record"] = row.pop("_record")
            draw = chance.random()
            if draw < 0.005:
                continue
            if draw < 0.01:
                row["name"] = f"{row['name'][:-1]}强"
            elif draw < 0.015:
                row["mobile"] = f"13{chance.randrange(10**9):09d}"
            elif draw < 0.02:
                row["resident_id"] = None
            content.append(row)
        new = [person(chance, 9000 + n) | {"record": f"new{seed}-{n}"} for n in range(4)]
        again = [chance.choice(content) | {"record": f"again{seed}-{n}"} for n in range(4)]
        changed[register] = fit([*content, *new, *again])
    return changed


def parts(linked: Linked) -> set[frozenset[Record]]:
    together: dict[str, set[Record]] = defaultdict(set)
    for record, entity in entities(linked.links).items():
        together[entity].add(record)
    return set(map(frozenset, together.values()))


@pytest.mark.parametrize("keys", [("resident_id",), ()], ids=["keys", "no keys"])
def test_a_small_change_is_linked_as_well_as_by_a_whole_run(keys: tuple[str, ...]) -> None:
    residents: Subject = subject(keys=keys)
    tables, truth = registers(400, seed=6, keyless=0.2)
    runs = Runs(residents)
    first = runs.run(tables)
    nothing = runs.run(tables)
    assert nothing.links.equals(first.links)
    assert (nothing.judgements.num_rows, nothing.touched) == (0, pa.array([], pa.string()))
    after = changed(tables, seed=2)
    part = runs.run(after)
    assert part.touched is not None
    assert 0 < len(part.touched) < 0.3 * len(set(entities(first.links).values()))
    whole = Runs(residents).run(after)
    assert len(parts(part) ^ parts(whole)) <= 0.01 * len(parts(whole))
    old = [record in truth for record in entities(part.links)]
    precision, recall = quality(part.links.filter(pa.array(old)), truth)
    full_precision, full_recall = quality(whole.links.filter(pa.array(old)), truth)
    assert precision >= full_precision - 0.002
    assert recall >= full_recall - 0.005
    before, now, touched = (
        entities(first.links),
        entities(part.links),
        set(part.touched.to_pylist()),
    )
    for record, entity in before.items():
        if entity not in touched:
            assert now[record] == entity


def test_changes_upon_changes_come_to_the_same_and_leave_the_bulk_as_it_is() -> None:
    tables, _ = registers(400, seed=6, keyless=0.2)
    runs = Runs(subject())
    first = runs.run(tables)
    once = changed(tables, seed=2)
    runs.run(once)
    twice = changed(once, seed=3)
    part = runs.run(twice)
    assert part.touched is not None
    for name in ("records", "nodes"):
        assert part.state[name] is first.state[name]
        assert 0 < part.state[f"{name}_new"].num_rows < 0.3 * part.state[name].num_rows
    nothing = runs.run(twice)
    assert nothing.links.equals(part.links)
    assert (nothing.judgements.num_rows, nothing.touched) == (0, pa.array([], pa.string()))
    whole = Runs(subject()).run(twice)
    assert len(parts(part) ^ parts(whole)) <= 0.01 * len(parts(whole))


def test_what_is_touched_names_old_and_new_entities_and_nothing_else() -> None:
    only_keys = subject((A,), linkage=False)
    people: list[Row] = [
        {"record": r, "resident_id": k, "sex": "1"} for r, k in zip("abcde", "11223", strict=True)
    ]
    runs = Runs(only_keys)
    runs.run({A: fit(people)})
    before = runs.found
    people[1]["resident_id"], people[4]["sex"] = "4", "2"
    linked = runs.run({A: fit(people)})
    assert linked.touched is not None
    assert set(linked.touched.to_pylist()) == {before[A, "a"], runs.found[A, "b"], before[A, "e"]}
    linked = runs.run({A: fit(people[:-1])}, rulings([("same", (A, "c"), (A, "a"))]))
    assert linked.touched is not None
    assert set(linked.touched.to_pylist()) == {before[A, "a"], before[A, "c"], before[A, "e"]}


def test_a_whole_run_where_the_subject_or_much_has_changed() -> None:
    tables, _ = registers(200, seed=3)
    runs = Runs(subject(linkage=False))
    assert runs.run(tables).touched is None
    assert runs.run(tables).touched is not None
    runs.subject = subject(linkage=False, once=(A,))
    assert runs.run(tables).touched is None
    other, _ = registers(200, seed=4)
    assert runs.run(other).touched is None
    assert runs.run(other, whole=True).touched is None


def test_changes_that_add_up_lead_to_a_whole_run() -> None:
    people: list[Row] = [
        {"record": f"r{n:04}", "resident_id": str(n), "sex": "1"} for n in range(1500)
    ]
    runs = Runs(subject((A,), linkage=False))
    runs.run({A: fit(people)})
    wholes = []
    for run in range(3):
        for row in people[run * 70 : run * 70 + 70]:
            row["sex"] = "2"
        wholes.append(runs.run({A: fit(people)}).touched is None)
    assert wholes == [False, False, True]


def test_a_state_that_does_not_belong_to_the_ledger_is_not_used() -> None:
    people: list[Row] = [{"record": r, "resident_id": r, "sex": "1"} for r in "abc"]
    runs = Runs(subject((A,), linkage=False))
    runs.run({A: fit(people)})
    stale = runs.last
    runs.run({A: fit(people[:2])})
    runs.last = stale
    linked = runs.run({A: fit(people)})
    assert linked.touched is None
    assert {row["record"] for row in rows(linked.judgements)} == {"c"}
