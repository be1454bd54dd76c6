"""Whatever a table holds, nobody in what is released of it can be told from a few others."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.subjects import Opening
from hub.app import open_hub
from hub.audit.search import Wanted
from hub.opening.columns import Column, Role
from hub.opening.search import Outcome, search
from hub.opening.tables import OpenTable
from tests.hub.conftest import Place
from tests.hub.village import PEOPLE

COLUMNS = (
    Column("number", "resident_id", Role.DIRECT, ("suppress",)),
    Column("born", "date", Role.QUASI, ("reveal", "month", "year", "suppress")),
    Column("sex", "sex", Role.QUASI, ("reveal", "suppress")),
    Column("place", "region_code", Role.QUASI, ("reveal", "division:town", "division:district", "suppress")),
    Column("benefit", "code", Role.SENSITIVE, ("reveal",)),
)  # fmt: skip
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["1980-01-01", "1980-01-02", "1980-02-01", "1991-05-05", None]),
        st.sampled_from(["1", "2", None]),
        st.sampled_from(["440605001001001", "440605001001002", "440605002001001", "440606001001001"]),
        st.sampled_from(["none", "low", "poor", None]),
    ),
    max_size=60,
)  # fmt: skip


def table_of(rows: Sequence[tuple[str | None, ...]]) -> ds.Dataset:
    numbered = [(f"{n:018}", *row) for n, row in enumerate(rows)]
    columns = list(zip(*numbered, strict=True)) or [()] * len(COLUMNS)
    arrays = [pa.array(column, pa.string()) for column in columns]
    return ds.dataset(pa.table(arrays, names=[column.name for column in COLUMNS]))


@given(
    ROWS,
    st.integers(2, 6),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.02, 0.05]),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_what_is_released_holds(
    rows: list[tuple[str | None, ...]], k: int, diversity: int, most: float
) -> None:
    opening = Opening(k=k, diversity=diversity, most_left_out=most)
    engine = duckdb.connect(config={"threads": 1})
    table = OpenTable(engine, COLUMNS, opening)
    table.load_rows(table_of(rows))
    found = search(table.classes, most)
    if found is None:
        assert len(rows) < k or len({row[3] for row in rows}) < diversity or not rows
        return
    released = _written(table, found)
    assert len(released) >= (1 - most) * len(rows)
    classes: dict[tuple[str, ...], list[str]] = {}
    for row in released:
        assert row["number"] == ""
        classes.setdefault((row["born"], row["sex"], row["place"]), []).append(row["benefit"])
    assert all(len(members) >= k for members in classes.values())
    assert all(len(set(members)) >= diversity for members in classes.values())
    risk = table.classes.risk(found, released=True)
    assert risk.prosecutor_max <= 1 / k + 1e-6
    assert risk.below_k == 0


def _written(table: OpenTable, found: Outcome) -> list[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "out.csv"
        table.write(found, "csv", file)
        return list(csv.DictReader(io.StringIO(file.read_text("utf-8"))))


def test_no_more_is_hidden_than_must_be() -> None:
    rows = [("1980-01-01", "1", "440605001001001", kind) for kind in ("none", "low")] * 5
    rows += [("1991-05-05", "2", "440605001001001", kind) for kind in ("none", "low")] * 5
    table = OpenTable(duckdb.connect(config={"threads": 1}), COLUMNS, Opening(k=5))
    table.load_rows(table_of(rows))
    found = search(table.classes, 0)
    assert found is not None
    assert set(found.steps.values()) == {0}
    assert table.masks(found)["born"] == "reveal"


def test_the_risk_is_shown_as_it_stands() -> None:
    rows = [("1980-01-01", "1", "440605001001001", "none")] * 6 + [
        ("1991-05-05", "2", "440605001001001", "low")
    ] * 2
    table = OpenTable(duckdb.connect(config={"threads": 1}), COLUMNS, Opening(k=5, diversity=1))
    table.load_rows(table_of(rows))
    risk = table.classes.risk(table.before(), released=False)
    assert (risk.below_k, risk.prosecutor_max, risk.prosecutor_avg) == (0.25, 0.5, 0.25)
    assert (risk.journalist_max, risk.journalist_avg) == (0.5, 0.25)


CALL = ["--purpose", "data_governance", "--case", "KF-1"]


@pytest.fixture
def opened(place: Place) -> Place:
    """A village whose police opens sex and birth date to the public."""
    contract = place.workspace / "contracts/police.people.odcs.yaml"
    document = yaml.safe_load(contract.read_text("utf-8"))
    for item in document["schema"][0]["properties"]:
        if item["name"] in {"sex", "birth_date"}:
            said = {"sharing": "unconditional", "audience": "public"}
            item["customProperties"] += [{"property": n, "value": v} for n, v in said.items()]
    contract.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    subject = place.workspace / "subjects/resident.yaml"
    document = yaml.safe_load(subject.read_text("utf-8")) | {"opening": {"k": 2, "diversity": 1}}
    subject.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    return place


def test_a_table_is_checked_proposed_approved_and_read(opened: Place, tmp_path: Path) -> None:
    def admin(person: str) -> list[str]:
        return ["--as", "admin-1", "--person", person, *CALL]

    told = opened.succeed("open", "check", "resident", *admin("li"))
    assert "birth_date" in told
    assert "name" not in told
    opened.succeed("open", "release", "resident", *admin("li"))
    for written in ("li", "Li "):
        own = opened.command("open", "approve", "resident", "1", *admin(written))
        assert own.returncode == 2
        assert "another person" in own.stderr
    get = ["open", "get", "resident", "1", "--to", str(tmp_path / "out.csv"), "--as", "nobody-1"]
    assert opened.command(*get, *CALL).returncode == 2
    opened.succeed("open", "approve", "resident", "1", *admin("wang"))
    opened.succeed(*get, *CALL)
    released = list(csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8")))
    assert [row.keys() for row in released] == [{"sex", "birth_date"}] * 3
    assert all(person[3] not in (tmp_path / "out.csv").read_text("utf-8") for person in PEOPLE)
    assert "released" in opened.succeed("open", "list", "--as", "nobody-1", *CALL)
    a_changed_file_or_manifest_is_not_given(opened, [*get, *CALL])
    what_cannot_be_released_is_logged_once(opened, admin("li"))


def what_cannot_be_released_is_logged_once(place: Place, admin: list[str]) -> None:
    # A table by itself needs five alike, and has three people.
    assert place.command("open", "release", "police.people", *admin).returncode != 0
    with open_hub(place.settings) as hub:
        proposed = hub.audit.find(Wanted(action="propose_opening"))
    assert [each.entry["outcome"] for each in proposed] == ["failed", "answered"]


def a_changed_file_or_manifest_is_not_given(place: Place, get: list[str]) -> None:
    folder = place.home / "open/resident/1"
    file, manifest = folder / "resident.csv", folder / "manifest.json"
    content, said = file.read_bytes(), json.loads(manifest.read_bytes())
    file.write_bytes(content + b"x")
    assert "not what was signed" in place.command(*get).stderr
    file.write_bytes(content)
    manifest.write_text(json.dumps(said | {"k": 9}), "utf-8")
    assert "not what was signed" in place.command(*get).stderr
