"""What must hold of runs from end to end, on a small sample city: the order of the input does not
matter, running again changes nothing, a ruling always wins, and the ledger is the state.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.database import parse_url, plain_url
from core.lake import TableVersion
from hub.app import Hub, open_hub
from hub.identity import Caller
from hub.serving.notes import Call
from hub.serving.office import Office
from hub.stewardship.rulings import Rulings
from hub.stewardship.wishes import Choose, Member, Merge, Split, Wish
from reconcile import releases
from reconcile.conflicts import read
from reconcile.linkage import rebuild
from tests.examples.conftest import CITY, make_city
from tests.hub.conftest import Place, new_place

SEED = 20261129
DAY = "2026-06-30"
ONE, OTHER = (Call(Caller("steward-01", who), "data_governance", "S-1") for who in ("lin", "wu"))
Record = tuple[str, str]
TABLES = ("links", "golden", "claims", "conflicts")


@pytest.fixture(scope="module")
def town_hall(
    server_url: str, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[tuple[Place, Path]]:
    """A city of 300 residents, applied and run once, and the folder of what departments hold."""
    folder = tmp_path_factory.mktemp("properties")
    data = folder / "data"
    with new_place(server_url, folder, f"properties_{worker_id}") as made:
        make_city(data, "--residents", "300", "--police-url", plain_url(parse_url(made.database)))
        place = Place(CITY, made.home, made.database)
        place.succeed("apply", str(CITY), "--data", str(data))
        run(place)
        yield place, data


def run(place: Place, *more: str) -> None:
    place.succeed("run", "--subject", "resident", "--as-of", DAY, *more)


def shuffle(data: Path, seed: int) -> None:
    """Puts the rows of every table that is a plain file in another order."""
    lot = random.Random(seed)
    for name, encoding, head in (
        ("social_security/contributions.csv", "gbk", 1),
        ("traffic/vehicles.csv", "utf-8-sig", 1),
        ("housing_fund/accounts.jsonl", "utf-8", 0),
    ):
        lines = (data / name).read_bytes().decode(encoding).splitlines(keepends=True)
        rows = lines[head:]
        lot.shuffle(rows)
        (data / name).write_bytes("".join([*lines[:head], *rows]).encode(encoding))
    path = data / "tax/incomes.parquet"
    table = pq.read_table(path)
    order = list(range(len(table)))
    lot.shuffle(order)
    pq.write_table(table.take(order), path)


def state(hub: Hub) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """What the newest release did to residents, and the tables that it says they are."""
    with hub.engine.connect() as connection:
        release = releases.current(connection)
    assert release is not None
    made = release.manifest["subjects"]["resident"]
    tables = {
        name: hub.lake.read(TableVersion.model_validate(made[name]))
        for name in (*TABLES, "judgements")
    }
    return release.manifest["outcomes"]["resident"], tables


def rows(table: pa.Table) -> list[str]:
    return sorted(map(str, table.to_pylist()))


def unchanged(place: Place, before: dict[str, pa.Table]) -> None:
    with open_hub(place.settings) as hub:
        outcome, after = state(hub)
    assert outcome == {"opened": 0, "changed": 0, "closed": 0}
    for name in TABLES:
        assert rows(after[name]) == rows(before[name]), name


def test_neither_the_order_of_the_input_nor_another_run_changes_anything(
    town_hall: tuple[Place, Path],
) -> None:
    place, data = town_hall
    with open_hub(place.settings) as hub:
        _, first = state(hub)
    shuffle(data, SEED)
    run(place, "--whole")
    unchanged(place, first)


def test_a_ruling_always_wins_and_the_ledger_is_the_state(town_hall: tuple[Place, Path]) -> None:
    place, data = town_hall
    lot = random.Random(SEED)
    with open_hub(place.settings) as hub:
        values = choices(hub, lot)
        ends = links_ruled(hub, lot)
        decide(hub, [*values, *ends])
    run(place)
    for whole in (False, True):
        with open_hub(place.settings) as hub:
            _, tables = state(hub)
        golden = {(r["entity"], r["attribute"]): r for r in tables["golden"].to_pylist()}
        for wish, value in values.items():
            kept = golden[wish.entity, wish.attribute]
            assert (kept["value"], kept["status"]) == (value, "ruled")
        home = {(r["dataset"], r["record"]): r["entity"] for r in tables["links"].to_pylist()}
        for wish, (one, other) in ends.items():
            assert (home[one] == home[other]) is isinstance(wish, Merge), wish
        ledger = rebuild(tables["judgements"])
        assert rows(ledger) == rows(tables["links"].select(ledger.column_names))
        if not whole:
            # Sources that are read anew, in another order, change nothing of that.
            shuffle(data, SEED + 1)
            run(place, "--whole")


def choices(hub: Hub, lot: random.Random) -> dict[Choose, str]:
    """For some conflicts the word of a source that is not followed → its value."""
    _, tables = state(hub)
    found = [c for c in read(tables["conflicts"]) if c.attribute in ("mobile", "address")]
    chosen = {}
    for conflict in lot.sample(found, 6):
        said = next(s for s in reversed(conflict.claims) if s.value != conflict.value)
        wish = Choose(
            entity=conflict.entity, attribute=conflict.attribute, dataset=said.dataset, reason="r"
        )
        chosen[wish] = said.value
    return chosen


def links_ruled(hub: Hub, lot: random.Random) -> dict[Wish, tuple[Record, Record]]:
    """People who are one by their keys and are parted, and others who are joined → a record of
    either side.
    """
    _, tables = state(hub)
    disputed = {c.entity for c in read(tables["conflicts"])}
    people: dict[str, list[Record]] = {}
    for row in tables["links"].to_pylist():
        if row["entity"] not in disputed:
            people.setdefault(row["entity"], []).append((row["dataset"], row["record"]))
    several = sorted(e for e, found in people.items() if len({d for d, _ in found}) > 1)
    drawn = lot.sample(several, 9)
    parted, left, right = (drawn[n::3] for n in range(3))
    ends: dict[Wish, tuple[Record, Record]] = {}
    for entity in parted:
        leaving = max(people[entity])
        wish = Split(entity=entity, records=(Member(dataset=leaving[0]),), reason="r")
        ends[wish] = leaving, min(people[entity])
    for one, other in zip(left, right, strict=True):
        ends[Merge(entity=one, other=other, reason="r")] = people[one][0], people[other][0]
    return ends


def decide(hub: Hub, wishes: Iterable[Wish]) -> None:
    desk = Rulings(Office(hub))
    for wish in wishes:
        made = desk.make(ONE, "resident", wish)
        if made["state"] == "proposed":
            desk.approve(OTHER, made["ruling"])
