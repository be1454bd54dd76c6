"""What did not change is not made again, and what did is made as a whole run would make it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hub.app import open_hub
from hub.pipeline.extent import Extent
from hub.pipeline.states import Before, DatasetState, SubjectState
from reconcile import releases
from tests.hub.conftest import Place

PEOPLE = 40
STEPS = ("pull police.people", "gate police.people", "pull phones.users", "gate phones.users",
         "link resident", "fuse resident")  # fmt: skip


def write(place: Place, mobiles: Mapping[int, str] | None = None, people: int = PEOPLE) -> None:
    """A village of more people, so that one of them is a small part of it."""
    data = place.workspace / "data"
    moved = mobiles or {}
    head = "number,name,sex,born,grid,household,updated\n"
    rows, phones = [], []
    for n in range(people):
        number = resident(n)
        rows.append(
            f"{number},王{chr(0x4E00 + 7 * n)},1,1990-01-01,440605001001001,H{n},2026-05-01\n"
        )
        said = f"王{chr(0x4E00 + 7 * n + (n % 5 == 0))}"
        phone = {
            "id": number,
            "who": said,
            "mobile": moved.get(n, f"138{n:08}"),
            "on": "2026-06-01",
        }
        phones.append(json.dumps(phone, ensure_ascii=False) + "\n")
    (data / "people.csv").write_text(head + "".join(rows), "utf-8")
    (data / "phones.jsonl").write_text("".join(phones), "utf-8")


def resident(n: int) -> str:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    body = f"11010519900101{n:02}1"
    total = sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True))
    return body + "10X98765432"[total % 11]


def run(place: Place, day: str, *more: str) -> dict[str, Any]:
    place.succeed("run", "--as-of", day, *more)
    return manifest(place)


def manifest(place: Place, number: int | None = None) -> dict[str, Any]:
    with open_hub(place.settings) as hub, hub.engine.connect() as connection:
        found = releases.current(connection) if number is None else releases.at(connection, number)
    assert found is not None
    return found.manifest


def rows(place: Place, found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    state = SubjectState.model_validate(found["subjects"]["resident"])
    with open_hub(place.settings) as hub:
        table = hub.lake.read(getattr(state, name))
    return sorted(table.to_pylist(), key=lambda row: json.dumps(row, sort_keys=True))


def begin(place: Place) -> dict[str, Any]:
    write(place)
    place.succeed("apply", str(place.workspace))
    return run(place, "2026-06-30")


def test_where_nothing_changed_nothing_is_made(place: Place) -> None:
    first = begin(place)
    assert first["extents"] == dict.fromkeys(STEPS, Extent.WHOLE)
    again = run(place, "2026-07-01")
    assert again["extents"] == dict.fromkeys(STEPS, Extent.UNCHANGED)
    assert again["outcomes"]["resident"] == {"opened": 0, "changed": 0, "closed": 0}
    assert again["subjects"] == first["subjects"]
    assert again["datasets"] == first["datasets"]


def test_a_file_is_known_by_its_bytes(place: Place) -> None:
    first = begin(place)
    data = place.workspace / "data"
    phones = data / "phones.jsonl"
    stamp = first["datasets"]["phones.users"]["stamp"]
    phones.write_text(phones.read_text("utf-8") + "\n", "utf-8")
    spaced = run(place, "2026-06-30")
    assert spaced["extents"] == dict.fromkeys(STEPS, Extent.UNCHANGED)
    assert spaced["datasets"]["phones.users"]["stamp"] != stamp
    times = phones.stat()
    write(place, {3: "13999999999"})
    os.utime(phones, ns=(times.st_atime_ns, times.st_mtime_ns))
    changed = run(place, "2026-06-30")
    assert changed["extents"]["pull phones.users"] == Extent.WHOLE
    assert changed["outcomes"]["resident"] == {"opened": 0, "changed": 1, "closed": 0}


def test_what_changed_is_made_as_a_whole_run_makes_it(place: Place) -> None:
    begin(place)
    write(place, {3: "13999999999"})
    part = run(place, "2026-06-30")
    assert part["extents"]["gate police.people"] == Extent.UNCHANGED
    assert part["extents"]["gate phones.users"] == Extent.CHANGES
    assert part["datasets"]["phones.users"]["judged"] == 1
    assert part["extents"]["link resident"] == Extent.CHANGES
    assert part["extents"]["fuse resident"] == Extent.CHANGES
    assert part["outcomes"]["resident"] == {"opened": 0, "changed": 1, "closed": 0}
    whole = run(place, "2026-06-30", "--whole")
    assert whole["extents"] == dict.fromkeys(STEPS, Extent.WHOLE)
    assert whole["outcomes"]["resident"] == {"opened": 0, "changed": 0, "closed": 0}
    agreed = [found["subjects"]["resident"]["agreed"] for found in (part, whole)]
    assert agreed[0] == agreed[1]
    assert agreed[0]["phones.users"]["mobile"] == [PEOPLE, PEOPLE]
    verdicts = [verdict(place, found, "phones.users") for found in (part, whole)]
    assert verdicts[0] == verdicts[1]
    told = ("entity", "attribute", "value", "status", "dataset", "as_of")
    for name in ("links", "claims", "golden", "conflicts"):
        one, other = (
            [{k: v for k, v in row.items() if name != "golden" or k in told} for row in found]
            for found in (rows(place, part, name), rows(place, whole, name))
        )
        if name == "conflicts":
            one, other = (
                [(r["entity"], r["attribute"], r["value"]) for r in x] for x in (one, other)
            )
        assert one == other, name


def test_changes_upon_changes_come_to_the_same_as_a_whole_run(place: Place) -> None:
    first = begin(place)
    mobiles = {3: "13999999999"}
    found = first
    for n in (3, 4, 3):
        mobiles[n] = f"1399999{n}{len(mobiles):02}7"
        write(place, mobiles)
        found = run(place, "2026-06-30")
        assert found["extents"]["fuse resident"] == Extent.CHANGES
    state, base = (SubjectState.model_validate(m["subjects"]["resident"]) for m in (found, first))
    with open_hub(place.settings) as hub:
        for name in ("claims", "golden", "conflicts"):
            over = getattr(state, name).over
            assert over.held == getattr(base, name)
            # What is written is the two people alone, once each.
            alone = getattr(state, name).model_copy(update={"over": None})
            entities = hub.lake.read(alone).column("entity").unique()
            assert len(entities) == (2 if name != "conflicts" else 0)
            assert len(hub.lake.read(over.left)) == 2
            assert len(hub.lake.read(getattr(state, name))) == getattr(state, name).rows
    part = [rows(place, found, name) for name in ("links", "claims")]
    golden = rows(place, found, "golden")
    whole = run(place, "2026-06-30", "--whole")
    assert part == [rows(place, whole, name) for name in ("links", "claims")]
    told = ("entity", "attribute", "value", "status", "dataset", "as_of", "supporting")
    one, other = (
        [[row[n] for n in told] for row in table]
        for table in (golden, rows(place, whole, "golden"))
    )
    assert one == other
    assert whole["outcomes"]["resident"] == {"opened": 0, "changed": 0, "closed": 0}
    made = SubjectState.model_validate(whole["subjects"]["resident"])
    assert made.golden.over is None


def test_a_tenth_touched_since_the_last_whole_run_is_too_much(place: Place) -> None:
    begin(place)
    extents = []
    for last in (4, 5):
        write(place, {n: f"139{n:08}" for n in range(last)})
        extents.append(run(place, "2026-06-30")["extents"]["fuse resident"])
    assert extents == [Extent.CHANGES, Extent.WHOLE]


def test_where_no_entity_is_touched_their_values_stand(place: Place) -> None:
    first = begin(place)
    people = place.workspace / "data/people.csv"
    head, *lines = people.read_text("utf-8").splitlines(keepends=True)
    people.write_text("".join([head, *reversed(lines)]), "utf-8")
    turned = run(place, "2026-06-30")
    assert turned["extents"]["gate police.people"] == Extent.WHOLE
    assert turned["extents"]["link resident"] == Extent.CHANGES
    assert turned["extents"]["fuse resident"] == Extent.UNCHANGED
    states = [found["subjects"]["resident"] for found in (first, turned)]
    for name in ("claims", "golden", "conflicts", "agreed", "learned"):
        assert states[0][name] == states[1][name]
    assert states[0]["inputs"] != states[1]["inputs"]
    assert rows(place, first, "links") == rows(place, turned, "links")
    write(place, {3: "13999999999"})
    assert run(place, "2026-06-30")["outcomes"]["resident"]["changed"] == 1


def test_new_and_gone_people_are_opened_and_closed(place: Place) -> None:
    begin(place)
    write(place, people=PEOPLE + 1)
    more = run(place, "2026-06-30")
    assert more["extents"]["fuse resident"] == Extent.CHANGES
    assert more["outcomes"]["resident"] == {"opened": 1, "changed": 0, "closed": 0}
    write(place)
    less = run(place, "2026-06-30")
    assert less["extents"]["fuse resident"] == Extent.CHANGES
    assert less["outcomes"]["resident"] == {"opened": 0, "changed": 0, "closed": 1}
    assert rows(place, less, "golden") == rows(place, manifest(place, 1), "golden")


def verdict(place: Place, found: dict[str, Any], dataset: str) -> list[Any]:
    """What the gate found of a dataset, and both tables."""
    state = DatasetState.model_validate(found["datasets"][dataset])
    told = ("scores", "warnings", "reasons", "rules", "counts", "readable", "newest")
    with open_hub(place.settings) as hub:
        tables = [hub.lake.read(version).to_pylist() for version in (state.fit, state.quarantine)]
    assert state.proof is not None
    return [*tables, state.proof.fit, state.proof.quarantine, *(getattr(state, n) for n in told)]


def changes(place: Place, found: dict[str, Any], dataset: str) -> list[tuple[Any, ...]] | None:
    """What is told of the fit rows that are others than before."""
    state = DatasetState.model_validate(found["datasets"][dataset])
    if state.changes is None:
        return None
    with open_hub(place.settings) as hub:
        table = hub.lake.read(state.changes)
        columns = hub.lake.read(state.fit).column_names
    assert table.column_names == [*(c for c in columns if c != "_row"), "_was"]
    keys = [("_was", "ascending"), ("_record", "ascending")]
    return [tuple(row.values()) for row in table.sort_by(keys).to_pylist()]


def test_the_fit_rows_that_changed_are_told(place: Place) -> None:
    first = begin(place)
    assert changes(place, first, "phones.users") is None
    # One came, so that where rows stand is no matter; one is another; one went.
    write(place, {3: "13999999999"}, PEOPLE + 1)
    phones = place.workspace / "data/phones.jsonl"
    *lines, last = phones.read_text("utf-8").splitlines(keepends=True)
    del lines[7]
    phones.write_text("".join([last, *lines]), "utf-8")
    second = run(place, "2026-06-30")
    base, now = (found["datasets"]["phones.users"] for found in (first, second))
    assert now["base"] == base["fit"] != now["fit"]
    told = changes(place, second, "phones.users") or []
    mobiles = sorted((row[-1], row[4]) for row in told)
    assert mobiles == [
        (False, "13800000040"), (False, "13999999999"),
        (True, "13800000003"), (True, "13800000007"),
    ]  # fmt: skip
    moved = phones.read_text("utf-8").splitlines(keepends=True)
    phones.write_text("".join(reversed(moved)), "utf-8")
    turned = run(place, "2026-06-30")
    assert changes(place, turned, "phones.users") == []
    write(place, {n: f"139{n:08}" for n in range(20)})
    assert changes(place, run(place, "2026-06-30"), "phones.users") is None
    write(place, {n: f"139{n:08}" for n in range(1, 20)})
    assert changes(place, run(place, "2026-06-30", "--whole"), "phones.users") is None


def test_rows_that_another_version_would_clean_otherwise_do_not_stand(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(place)
    write(place, {3: "13999999999"})
    assert run(place, "2026-06-30")["extents"]["gate phones.users"] == Extent.CHANGES
    monkeypatch.setattr("reconcile.quality.method", lambda: "another")
    write(place, {4: "13999999998"})
    assert run(place, "2026-06-30")["extents"]["gate phones.users"] == Extent.WHOLE
    write(place, {5: "13999999997"})
    assert run(place, "2026-06-30")["extents"]["gate phones.users"] == Extent.CHANGES


def test_too_much_change_a_week_or_another_contract_make_it_whole(place: Place) -> None:
    begin(place)
    write(place, {n: f"139{n:08}" for n in range(20)})
    assert run(place, "2026-06-30")["extents"]["fuse resident"] == Extent.WHOLE
    assert run(place, "2026-07-06")["extents"]["fuse resident"] == Extent.UNCHANGED
    assert run(place, "2026-07-07")["extents"]["fuse resident"] == Extent.WHOLE
    assert run(place, "2026-07-06")["extents"]["fuse resident"] == Extent.WHOLE
    contract = place.workspace / "contracts/phones.users.odcs.yaml"
    contract.write_text(contract.read_text("utf-8").replace("1.0.0", "1.1.0"), "utf-8")
    place.succeed("apply", str(place.workspace))
    found = run(place, "2026-07-06")
    assert found["extents"]["gate phones.users"] == Extent.WHOLE
    assert found["extents"]["gate police.people"] == Extent.UNCHANGED
    assert found["extents"]["fuse resident"] == Extent.WHOLE


def test_a_past_release_stays_readable_after_a_partial_run(place: Place) -> None:
    first = begin(place)
    write(place, {3: "13999999999"})
    second = run(place, "2026-06-30")
    golden = rows(place, first, "golden")
    assert "13999999999" not in {row["value"] for row in golden}
    assert "13999999999" in {row["value"] for row in rows(place, second, "golden")}
    place.succeed("releases", "restore", "1")
    restored = Before.of(manifest(place)).subjects["resident"]
    assert rows(place, manifest(place), "golden") == golden
    assert restored.learned is None
    back = run(place, "2026-06-30")
    assert back["extents"]["fuse resident"] == Extent.WHOLE
    assert back["outcomes"]["resident"] == {"opened": 0, "changed": 1, "closed": 0}
    assert Path(place.home).is_dir()
