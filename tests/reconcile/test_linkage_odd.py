"""What is odd in the data of a few must not decide about the others."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping

import pyarrow as pa
import pytest

from catalog.subjects import Subject
from reconcile.linkage import link, model, rebuild
from tests.reconcile.linkage_people import (
    LIMITS,
    REGISTERS,
    Row,
    entities,
    fit,
    person,
    registers,
    subject,
)
from tests.reconcile.linkage_runs import Runs

POLICE, MARRIAGES, PATIENTS = REGISTERS
WANG = {
    "resident_id": "440605195001010001", "name": "王海山", "birth_date": "1950-01-01", "sex": "1",
    "mobile": "13900000001",
}  # fmt: skip
LI = {
    "resident_id": "440605198807070002", "name": "李秀英", "birth_date": "1988-07-07", "sex": "2",
    "mobile": "13811112222",
}  # fmt: skip


def among_others(rows: Mapping[str, list[Row]]) -> dict[str, pa.Table]:
    tables, _ = registers(150, seed=1)
    return {d: pa.concat_tables([table, fit(rows.get(d, []))]) for d, table in tables.items()}


def test_where_a_stranger_comes_first_nobody_goes_with_it() -> None:
    # Marriages come first of all, and have 李 under 王's number.
    both = [WANG | {"record": "wang"}, LI | {"record": "li"}]
    wrong: Row = LI | {"record": "a_li", "resident_id": WANG["resident_id"]}
    runs = Runs(subject())
    linked = runs.run(among_others({POLICE: both, PATIENTS: both, MARRIAGES: [wrong]}))
    of = entities(linked.links)
    assert of[POLICE, "wang"] == of[PATIENTS, "wang"] != of[POLICE, "li"]
    assert of[MARRIAGES, "a_li"] == of[POLICE, "li"] == of[PATIENTS, "li"]
    told = {(row["dataset"], row["record"]): row["method"] for row in linked.links.to_pylist()}
    assert told[POLICE, "wang"] == told[PATIENTS, "wang"] == "key"
    assert entities(rebuild(runs.ledger)) == of
    assert not runs.run(runs.tables, whole=True).judgements.num_rows


MOBILE = "c4"


def same_mobile(state: Mapping[str, pa.Table]) -> float:
    """How often the same people have the same number, as the model learned it."""
    found = json.loads(state["model"]["content"][0].as_py())["model"]["comparisons"]
    [mobile] = [each for each in found if each["output_column_name"] == MOBILE]
    return float(mobile["comparison_levels"][1]["m_probability"])


def test_somebody_with_many_records_is_one_example() -> None:
    chance = random.Random(1)
    often = person(chance, 9999)
    found = []
    for visits in (0, 600):
        tables, _ = registers(150, seed=1, keyless=0.3)
        seen = [often | {"record": f"v{n}", "mobile": f"139{n:08}"} for n in range(visits)]
        tables[PATIENTS] = pa.concat_tables([tables[PATIENTS], fit(seen)])
        linked = link(subject(), tables, None, LIMITS)
        methods = linked.links["method"].to_pylist()
        found.append((same_mobile(linked.state), methods.count("model")))
    (alone, joined), (beside, joined_beside) = found
    assert alone > 0.9
    assert beside > 0.7
    assert joined_beside >= joined


@pytest.mark.parametrize("most", [600, 300, 200, 150, 120])
def test_a_sample_of_pairs_holds_as_many_of_each_sort(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Lists in one order: the numbers of records that belong together lie equally far apart.
    monkeypatch.setattr(model, "_LEARNING_PAIRS", most)
    chance = random.Random(3)
    people = [person(chance, n) for n in range(300)]
    listed = [p | {"record": f"a{n:03}"} for n, p in enumerate(people)]
    unkeyed = []
    for n in range(0, 300, 2):
        other = people[n] | {"record": f"b{n:03}", "resident_id": None}
        if chance.random() < 0.3:
            other["mobile"] = f"13{chance.randrange(10**9):09d}"
        unkeyed.append(other)
    tables = {POLICE: fit(listed), MARRIAGES: fit(unkeyed)}
    linked = link(subject((POLICE, MARRIAGES)), tables, None, LIMITS)
    of = entities(linked.links)
    right = [of[MARRIAGES, row["record"]] == of[POLICE, f"a{row['record'][1:]}"] for row in unkeyed]
    assert sum(right) > 120


def test_many_that_look_alike_are_left_open() -> None:
    # Two lists that hold everyone once, in each of which so many look the same.
    chance = random.Random(1)
    people = [person(chance, n) | {"record": f"p{n}"} for n in range(600)]
    face = person(chance, 999) | {"mobile": None}
    same = [face | {"record": f"s{n}"} for n in range(100)]
    about = subject((POLICE, MARRIAGES), keys=(), once=(POLICE, MARRIAGES))
    linked = link(about, {d: fit([*people, *same]) for d in about.once}, None, LIMITS)
    of = entities(linked.links)
    assert all(of[POLICE, f"p{n}"] == of[MARRIAGES, f"p{n}"] for n in range(600))
    assert len({of[d, f"s{n}"] for d in about.once for n in range(100)}) == 200


def test_keyed_ones_are_compared_where_there_was_nothing_to_learn_from_before() -> None:
    described = subject((POLICE, MARRIAGES)).model_dump(mode="json")
    described["attributes"]["resident_id"]["element"] = "identifier"
    about = Subject.model_validate(described)
    chance = random.Random(5)
    people = [
        person(chance, n) | {"record": f"r{n:03}", "resident_id": f"K{n:04}"} for n in range(200)
    ]
    slip: Row = people[7] | {"record": "x", "resident_id": "K0O07"}
    runs = Runs(about)
    runs.run({POLICE: fit(people), MARRIAGES: fit([])})
    runs.run({POLICE: fit(people), MARRIAGES: fit([slip])})
    assert runs.found[MARRIAGES, "x"] == runs.found[POLICE, "r007"]
