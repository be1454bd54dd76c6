"""What the departments hold: readable by their sources' settings, and as messy as the field."""

from __future__ import annotations

import json
import re
import sqlite3
from datetime import date
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
from openpyxl import load_workbook
from pyarrow import parquet

from catalog.standards import elements
from connectors.base import Batch
from connectors.registry import connect
from core.engine import connect as core_connect
from core.sql import EngineLimits
from reconcile.conflicts import Conflict, Said, grouped
from tests.examples.conftest import truth, workspace

FILES = (
    "social_security.contributions", "civil_affairs.families", "housing.dwellings",
    "traffic.vehicles", "housing_fund.accounts", "tax.incomes", "tax.enterprises",
)  # fmt: skip


def pull(dataset: str, folder: Path) -> list[Batch]:
    told = workspace("city")
    columns = [item.column for item in told.contracts[dataset].items]
    return list(connect(told.sources[dataset], folder).pull(columns))


def rows(dataset: str, folder: Path) -> pa.Table:
    return pa.concat_tables(batch.rows for batch in pull(dataset, folder))


def texts(table: pa.Table, column: str) -> list[str]:
    return [text for text in table[column].to_pylist() if text]


def numbers(dataset: str, city: Path) -> set[int]:
    records = truth(city, "records").to_pylist()
    return {record["row"] for record in records if record["dataset"] == dataset}


def true_of(dataset: str, city: Path) -> dict[int, dict[str, str]]:
    """Row → the resident that it is about."""
    people = {person["truth_id"]: person for person in truth(city, "resident").to_pylist()}
    return {
        record["row"]: people[record["truth_id"]]
        for record in truth(city, "records").to_pylist()
        if record["dataset"] == dataset and record["subject"] == "resident"
    }


@pytest.mark.parametrize("dataset", FILES)
def test_each_file_is_read_by_its_settings(city: Path, dataset: str) -> None:
    batches = pull(dataset, city)
    found = {row for batch in batches for row in batch.rows["_row"].to_pylist()}
    found |= {bad.row for batch in batches for bad in batch.unreadable}
    extra = {max(found)} if dataset == "civil_affairs.families" else set()  # its closing line
    assert found == numbers(dataset, city) | extra


def test_the_police_hold_everybody_once_in_a_typed_database(city_with_police: Path) -> None:
    secret = city_with_police / "secrets" / "police_url"
    assert secret.stat().st_mode & 0o777 == 0o600
    residents = rows("police.residents", city_with_police)
    assert residents.num_rows == 300
    assert pa.types.is_date(residents.schema.field("birth_date").type)
    true = true_of("police.residents", city_with_police)
    born = [person.isoformat() for person in residents["birth_date"].to_pylist()]
    at = residents["_row"].to_pylist()
    assert born == [true[row]["birth_date"] for row in at]
    assert rows("police.households", city_with_police).num_rows == len(
        numbers("police.households", city_with_police)
    )


def test_the_market_serves_pages_to_who_holds_the_token(city: Path, market: str) -> None:
    token = (city / "secrets" / "market_token").read_text()
    assert (city / "secrets" / "market_url").read_text() == market
    refused = httpx.get(market, headers={"Authorization": "Bearer wrong"})
    assert refused.status_code == httpx.codes.UNAUTHORIZED
    asked = {"page_size": "5"}
    served, more = [], "0"
    while more:
        answer = httpx.get(
            market, params=asked | {"cursor": more}, headers={"Authorization": f"Bearer {token}"}
        ).json()
        served += answer["rows"]
        more = answer["next"]
    assert served == json.loads((city / "market" / "enterprises.json").read_bytes())
    bad = httpx.get(market + "?cursor=x", headers={"Authorization": f"Bearer {token}"})
    assert bad.status_code == httpx.codes.BAD_REQUEST


def test_the_market_is_read_by_its_settings(city: Path, market: str) -> None:
    assert market
    found = rows("market.enterprises", city)["_row"].to_pylist()
    assert set(found) == numbers("market.enterprises", city)


def test_the_workbook_has_a_merged_title_and_header(city: Path) -> None:
    sheet = load_workbook(city / "civil_affairs" / "families.xlsx").worksheets[0]
    merged = {str(area) for area in sheet.merged_cells.ranges}
    assert merged == {"A1:K1", "A2:F2", "G2:H2", "I2:J2"}
    assert sheet["A2"].value == "人员信息"
    assert sheet["A3"].value == "姓名"


def test_numbers_are_written_in_many_ways(city: Path) -> None:
    insured = texts(rows("social_security.contributions", city), "身份证号")
    assert any(len(text) == 15 for text in insured)
    assert any(text.endswith("x") for text in insured)
    assert any("０" <= text[0] <= "９" for text in insured)
    element = elements()["resident_id"]
    assert element.clean(pa.array(insured)).flaws.null_count < len(insured)
    units = texts(rows("social_security.contributions", city), "月缴费基数")
    assert any("元" in text for text in units)
    areas = texts(rows("housing.dwellings", city), "area")
    assert any(text.endswith("㎡") for text in areas)


def test_dates_are_written_in_five_ways(city: Path) -> None:
    forms = {
        ("social_security.contributions", "更新日期"): r"\d{4}/\d{1,2}/\d{1,2}",
        ("social_security.contributions", "出生日期"): r"\d{4}/\d{1,2}/\d{1,2}",
        ("civil_affairs.families", "救助信息/授权有效期至"): r"\d{4}年\d{1,2}月\d{1,2}日",
        ("housing_fund.accounts", "updated"): r"\d{4}\.\d{1,2}\.\d{1,2}",
        ("traffic.vehicles", "注册日期"): r"\d{8}",
        ("traffic.vehicles", "更新日期"): r"\d{4}-\d\d-\d\d",
    }
    for (dataset, column), form in forms.items():
        for text in texts(rows(dataset, city), column):
            assert re.fullmatch(form, text), (dataset, column)
    declared = parquet.read_table(city / "tax" / "incomes.parquet")["declared_on"]
    assert all(isinstance(day, date) for day in declared.to_pylist())


@pytest.mark.parametrize(
    ("dataset", "number", "name"),
    [
        ("social_security.contributions", "身份证号", "姓名"),
        ("civil_affairs.families", "人员信息/身份证号", "人员信息/姓名"),
        ("traffic.vehicles", "所有人证件号", "所有人"),
        ("housing_fund.accounts", "idCard", "name"),
        ("tax.incomes", "id_number", "taxpayer"),
    ],
)
def test_keys_are_missing_and_names_mistaken(
    city: Path, dataset: str, number: str, name: str
) -> None:
    names = {row: person["name"] for row, person in true_of(dataset, city).items()}
    table = [row for row in rows(dataset, city).to_pylist() if row["_row"] in names]
    assert any(not row[number] and row[name] for row in table)
    assert any(not row[number] and not row[name] for row in table)
    mistaken = [row for row in table if row[name] and row[name] != names[row["_row"]]]
    assert 0 < len(mistaken) < len(table) / 10


def test_rows_that_cannot_be_used(city: Path) -> None:
    for dataset in ("social_security.contributions", "traffic.vehicles", "housing_fund.accounts"):
        assert sum(len(batch.unreadable) for batch in pull(dataset, city)), dataset
        column = "updated" if dataset == "housing_fund.accounts" else "更新日期"
        days = pa.array(texts(rows(dataset, city), column))
        assert elements()["date"].clean(days).flaws.null_count < len(days), dataset


def test_rows_are_repeated(city: Path) -> None:
    for dataset in ("social_security.contributions", "traffic.vehicles", "tax.incomes"):
        table = rows(dataset, city).drop_columns("_row").to_pylist()
        assert len({tuple(row.values()) for row in table}) < len(table), dataset
    with sqlite3.connect(city / "housing" / "dwellings.db") as connection:
        [(again,)] = connection.execute("SELECT count(*) - count(DISTINCT unit_no) FROM dwellings")
    assert again > 0


def test_stale_addresses_are_common_and_older(city: Path) -> None:
    gist = elements()["address"].gist
    clean = elements()["address"].clean_one
    true, ages = true_of("social_security.contributions", city), {True: [0.0], False: [0.0]}
    for row in rows("social_security.contributions", city).to_pylist():
        if (
            re.fullmatch(r"\d{4}/\d{1,2}/\d{1,2}", row["更新日期"])
            and "/2/30" not in row["更新日期"]
        ):
            day = date(*map(int, row["更新日期"].split("/")))
            right = gist(clean(row["联系地址"])) == gist(true[row["_row"]]["address"])
            ages[right].append((date(2026, 6, 30) - day).days)
    assert 0.65 < len(ages[True]) / (len(ages[True]) + len(ages[False])) < 0.9
    assert sum(ages[False]) / len(ages[False]) > sum(ages[True]) / len(ages[True])


def test_the_housing_fund_copies_mistakes(city: Path) -> None:
    """Where social security and the fund are both wrong about a mobile, they mostly agree."""
    true = true_of("social_security.contributions", city)
    wrong = {
        true[row["_row"]]["truth_id"]: row["手机号码"]
        for row in rows("social_security.contributions", city).to_pylist()
        if row["手机号码"] and row["手机号码"] != true[row["_row"]]["mobile"]
    }
    true = true_of("housing_fund.accounts", city)
    pairs = [
        (row["mobile"], wrong[true[row["_row"]]["truth_id"]])
        for row in rows("housing_fund.accounts", city).to_pylist()
        if true[row["_row"]]["truth_id"] in wrong
    ]
    same = sum(ours == theirs for ours, theirs in pairs)
    assert same > len(pairs) / 2


def test_the_dead_live_on_elsewhere(city: Path) -> None:
    true = true_of("social_security.contributions", city)
    drawing = [
        row
        for row in rows("social_security.contributions", city).to_pylist()
        if true[row["_row"]]["life_status"] == "死亡" and row["参保状态"] == "退休"
    ]
    assert drawing


def test_a_branch_with_old_words_is_found_and_a_repair_proposed(city: Path) -> None:
    fund, insured = "housing_fund.accounts", "social_security.contributions"
    said: dict[str, dict[str, str]] = {}
    for dataset, column in ((fund, "status"), (insured, "参保状态")):
        about = true_of(dataset, city)
        told = [row for row in rows(dataset, city).to_pylist() if row["_row"] in about]
        said[dataset] = {about[r["_row"]]["truth_id"]: r[column] for r in told if r[column]}
    assert {"在职", "正常"} <= set(said[fund].values())
    assert "正常" not in said[insured].values()
    claims = [
        {"entity": str(person), "attribute": "employment", "value": value, "dataset": dataset}
        for dataset, values in said.items()
        for person, value in values.items()
    ]
    contested = [
        Conflict(
            str(person), "employment", "designated", said[insured][person], "{}",
            tuple(Said(dataset, said[dataset][person], None, 1.0) for dataset in said), None,
        )
        for person, value in said[fund].items()
        if said[insured].get(person, value) != value
    ]  # fmt: skip
    resident = workspace("city").subjects["resident"]
    engine = core_connect(EngineLimits(threads=1))
    found = grouped(engine, resident, contested, pa.Table.from_pylist(claims))
    repairs = [group.repair for group in found.groups if group.repair is not None]
    assert repairs == [{"kind": "recode", "mapping": {"正常": "在职"}}]
