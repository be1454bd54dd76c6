"""The generator: the same seed makes the same city, and its truth is whole."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import parquet

from catalog.standards import elements
from tests.examples.conftest import make_city, truth, workspace

SUBJECTS = ("resident", "household", "dwelling", "enterprise", "vehicle")
STANDARD = 1206


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if path.parent.name != "secrets"
    }


def test_same_seed_same_city(city: Path, tmp_path: Path) -> None:
    make_city(tmp_path, "--residents", "300")
    assert contents(tmp_path) == contents(city)


def test_other_seed_other_city(city: Path, tmp_path: Path) -> None:
    make_city(tmp_path, "--residents", "300", "--seed", "8")
    ours, others = contents(city), contents(tmp_path)
    assert ours.keys() == others.keys()
    assert all(ours[name] != others[name] for name in ours if name != "truth/cases.parquet")


def test_noise_changes_what_departments_hold_and_not_what_is_true(
    city: Path, tmp_path: Path
) -> None:
    make_city(tmp_path, "--residents", "300", "--noise", "5")
    noisy, usual = (
        parquet.read_table(folder / "tax/incomes.parquet")["id_number"].null_count
        for folder in (tmp_path, city)
    )
    assert noisy > usual
    assert truth(tmp_path, "resident").equals(truth(city, "resident"))


def test_prints_a_line_per_table_and_makes_as_many_residents_as_asked(tmp_path: Path) -> None:
    lines = make_city(tmp_path, "--residents", "123")
    assert len(lines) == 10
    assert "police.residents 123" in lines
    assert truth(tmp_path, "resident").num_rows == 123


def test_secrets_are_for_the_owner_only(city: Path) -> None:
    token = city / "secrets" / "market_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text()) >= 32


@pytest.mark.parametrize("name", SUBJECTS)
def test_truth_has_the_attributes_of_the_subject_in_canonical_form(city: Path, name: str) -> None:
    subject, table = workspace("city").subjects[name], truth(city, name)
    assert set(table.column_names) == {"truth_id", *subject.attributes}
    for attribute, described in subject.attributes.items():
        column = table[attribute].combine_chunks()
        cleaned = elements()[described.element].clean(column)
        assert cleaned.flaws.null_count == len(column), attribute
        assert cleaned.values.equals(column), attribute


@pytest.mark.parametrize("name", SUBJECTS)
def test_truth_ids_and_keys_are_unique(city: Path, name: str) -> None:
    table = truth(city, name)
    for column in ("truth_id", *workspace("city").subjects[name].keys):
        assert pc.count_distinct(table[column]).as_py() == table.num_rows, column


def test_every_record_is_about_something_true(city: Path) -> None:
    records = truth(city, "records")
    for name in SUBJECTS:
        known = truth(city, name)["truth_id"]
        about = records.filter(pc.field("subject") == name)
        assert about.num_rows
        assert pc.all(pc.is_in(about["truth_id"], value_set=known)).as_py()


def test_rows_of_each_dataset_are_numbered_without_gaps(city: Path) -> None:
    records = truth(city, "records").group_by(["dataset", "subject"])
    for group in records.aggregate([("row", "min"), ("row", "max"), ("row", "count")]).to_pylist():
        assert group["row_min"] == 1
        assert group["row_max"] == group["row_count"]


def test_households_are_consistent(city: Path) -> None:
    residents = truth(city, "resident").to_pylist()
    households = {h["household_id"]: h for h in truth(city, "household").to_pylist()}
    heads = [r for r in residents if r["relation"] == "01"]
    assert len(heads) == len(households)
    for head in heads:
        assert households[head["household_id"]]["head_id"] == head["resident_id"]
    for resident in residents:
        assert resident["address"] == households[resident["household_id"]]["address"]
        sex = "1" if int(resident["resident_id"][16]) % 2 else "2"
        assert resident["sex"] == sex
        assert resident["birth_date"].replace("-", "") == resident["resident_id"][6:14]


def test_cases_are_clear(city: Path) -> None:
    found = {name: circumstances(city, household) for household, name in cases(city)}
    assert {name for _, name in cases(city)} == found.keys()
    assert found["eligible"] == ("poor", 1, 0, "authorised")
    assert found["rich"] == ("rich", 2, 1, "authorised")
    assert found["margin"] == ("margin", 1, 0, "authorised")
    assert found["owns_vehicle"] == ("poor", 1, 1, "authorised")
    assert found["not_authorised"] == ("poor", 1, 0, "lapsed")


def cases(city: Path) -> list[tuple[str, str]]:
    return [(case["household_id"], case["case"]) for case in truth(city, "cases").to_pylist()]


def circumstances(city: Path, household: str) -> tuple[str, int, int, str]:
    """Wealth by income per head, dwellings, vehicles, and whether all have authorised."""
    residents = truth(city, "resident").filter(pc.field("household_id") == household)
    ids = residents["resident_id"]
    income = sum(float(amount or 0) for amount in residents["annual_income"].to_pylist())
    monthly = income / 12 / residents.num_rows
    wealth = "poor" if monthly < STANDARD else "margin" if monthly < 1.5 * STANDARD else "rich"
    live = all(day and day > "2026-06-30" for day in residents["authorised_until"].to_pylist())
    return (
        wealth,
        owned(truth(city, "dwelling"), ids),
        owned(truth(city, "vehicle"), ids),
        "authorised" if live else "lapsed",
    )


def owned(table: pa.Table, ids: pa.ChunkedArray) -> int:
    return int(table.filter(pc.is_in(table["owner_id"], value_set=ids)).num_rows)


def test_no_two_dwellings_share_what_their_address_comes_to(city: Path) -> None:
    gist = elements()["address"].gist
    addresses = truth(city, "dwelling")["address"].to_pylist()
    assert len({gist(address) for address in addresses}) == len(addresses)


@pytest.mark.parametrize(
    "more",
    [
        ("--residents", "5"),
        ("--noise", "-1"),
        ("--police-url", "postgresql://nobody:hush@127.0.0.1:1/none"),
    ],
)
def test_bad_input_is_told_without_a_traceback(tmp_path: Path, more: tuple[str, str]) -> None:
    with pytest.raises(subprocess.CalledProcessError) as raised:
        make_city(tmp_path, "--residents", "300", *more)
    assert raised.value.returncode == 2
    assert more[0] in raised.value.stderr
    assert "Traceback" not in raised.value.stderr
    assert "hush" not in raised.value.stderr
