"""A village: the smallest workspace that exercises every part, with its data, made in a folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import yaml

PEOPLE = (
    # number, name, sex, birth date, mobile, grid, household
    ("11010519491231002X", "王建国", "1", "1949-12-31", "13800000001", "440605001001001", "H1"),
    ("110105198001010016", "李秀英", "2", "1980-01-01", "13800000002", "440605001001001", "H1"),
    ("110105199002020034", "张小明", "1", "1990-02-02", "13800000003", "440605001001002", "H2"),
)


def make(folder: Path) -> Path:
    """Writes workspace and data below ``folder`` and gives the workspace."""
    for name in ("contracts", "sources", "subjects", "policies", "agreements", "checks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _write(folder / "departments.yaml", {"departments": [_titled("police"), _titled("phones")]})
    regions = [
        _region("440605", None, "district"),
        _region("440605001001001", "440605", "grid"),
        _region("440605001001002", "440605", "grid"),
    ]
    _write(folder / "regions.yaml", {"regions": regions})
    _contracts(folder)
    _write(folder / "subjects/resident.yaml", _subject())
    _policies(folder)
    _write(folder / "checks/grown_up.yaml", _check())
    data(folder / "data")
    return folder


def data(folder: Path) -> None:
    """Writes what the two departments hold."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "people.csv").open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["number", "name", "sex", "born", "grid", "household", "updated"])
        for number, name, sex, born, _, grid, household in PEOPLE:
            rows.writerow([number, name, sex, born, grid, household, "2026-05-01"])
        rows.writerow(["", "", "1", "1990-02-02", "440605001001002", "H3", "2026-05-01"])
    with (folder / "phones.jsonl").open("w", encoding="utf-8") as out:
        for number, name, _, _, mobile, _, _ in PEOPLE:
            # One name differs, so that there is a conflict.
            told = name.replace("小", "晓")
            row = {"id": number, "who": told, "mobile": mobile, "on": "2026-06-01"}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
        out.write("{broken\n")


def _contracts(folder: Path) -> None:
    people = [
        _item("resident_id", "number", "resident_id", key=True),
        _item("name", "name", "person_name", required=True),
        _item("sex", "sex", "sex"),
        _item("birth_date", "born", "date"),
        _item("grid", "grid", "region_code"),
        _item("household_id", "household", "identifier"),
        _item("updated", "updated", "date"),
    ]
    phones = [
        _item("resident_id", "id", "resident_id", key=True),
        _item("name", "who", "person_name"),
        _item("mobile", "mobile", "mobile"),
        _item("updated", "on", "date"),
    ]
    _write(
        folder / "contracts/police.people.odcs.yaml", _contract("police.people", "police", people)
    )
    _write(folder / "contracts/phones.users.odcs.yaml", _contract("phones.users", "phones", phones))
    csv_source = {"dataset": "police.people", "kind": "csv", "path": "people.csv"}
    _write(folder / "sources/police.people.yaml", csv_source)
    jsonl_source = {"dataset": "phones.users", "kind": "jsonl", "path": "phones.jsonl"}
    _write(folder / "sources/phones.users.yaml", jsonl_source)


def _contract(dataset: str, department: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": dataset,
        "name": dataset,
        "version": "1.0.0",
        "status": "active",
        "description": {"purpose": "A table of the village."},
        "customProperties": _custom(
            department=department,
            code=f"307/{dataset.replace('.', '-')}",
            sharing="conditional",
            condition="by agreement",
            mode="interface",
            updateCycle="daily",
            asOf="updated",
        ),
        "schema": [{"name": dataset.split(".")[1], "physicalType": "table", "properties": items}],
    }


def _item(
    name: str, column: str, element: str, key: bool = False, required: bool = False
) -> dict[str, Any]:
    return {
        "name": name,
        "physicalName": column,
        "logicalType": "string",
        "physicalType": "text",
        "primaryKey": key,
        "required": required,
        "customProperties": _custom(element=element),
    }


def _custom(**values: str) -> list[dict[str, str]]:
    return [{"property": name, "value": value} for name, value in values.items()]


def _subject() -> dict[str, Any]:
    def attribute(element: str, **more: Any) -> dict[str, Any]:
        base = {"title": _text(element), "element": element, "level": 3, "personal": True}
        return {**base, **more}

    return {
        "subject": "resident",
        "title": _text("resident"),
        "region": "grid",
        "linkage": False,
        "attributes": {
            "resident_id": attribute("resident_id", key=True, designated="police.people", level=4),
            "name": attribute("person_name", designated="police.people"),
            "sex": attribute("sex"),
            "birth_date": attribute("date"),
            "mobile": attribute("mobile"),
            "grid": attribute("region_code"),
            "household_id": attribute("identifier", lookup=True),
        },
        "feeds": {
            "police.people": {
                name: name
                for name in ("resident_id", "name", "sex", "birth_date", "grid", "household_id")
            },
            "phones.users": {name: name for name in ("resident_id", "name", "mobile")},
        },
    }


def _policies(folder: Path) -> None:
    purposes = [
        {"id": name, "title": _text(name), "basis": "a rule"}
        for name in ("visit", "data_governance")
    ]
    _write(folder / "policies/purposes.yaml", {"purposes": purposes})
    clients = [
        _client("worker-1", "worker", "440605001001001"),
        _client("worker-2", "worker", "440605001001002"),
        _client("auditor-1", "auditor", None),
        _client("nobody-1", "nobody", None),
        _client("steward-1", "steward", None),
        _client("steward-2", "steward", None, "phones"),
        _client("police-1", "keeper", None),
        _client("phones-1", "keeper", None, "phones"),
        _client("admin-1", "administrator", None),
        _client("citizen-1", "citizen_service", None),
    ]
    _write(folder / "policies/clients.yaml", {"clients": clients})
    lines = [
        "role, action, object, purpose, scope, mask, effect",
        "worker, lookup, resident/resident_id, visit, own_region, reveal, allow",
        "worker, lookup, resident/household_id, visit, own_region, reveal, allow",
        "worker, query, resident/resident_id, visit, own_region, partial, allow",
        "worker, query, resident/name, visit, own_region, reveal, allow",
        "worker, query, resident/mobile, visit, own_region, partial, allow",
        "worker, check, check/grown_up, visit, own_region, reveal, allow",
        "worker, discover, dataset/*, *, all, reveal, allow",
        "worker, verify, resident/name, visit, own_region, reveal, allow",
        "worker, verify, resident/birth_date, visit, own_region, year, allow",
        "worker, exchange, resident/name, visit, own_region, reveal, allow",
        "worker, exchange, resident/mobile, visit, own_region, partial, allow",
        "auditor, exchange, resident/resident_id, visit, all, partial, allow",
        "auditor, exchange, resident/name, visit, all, pseudonym, allow",
        "auditor, exchange, resident/birth_date, visit, all, year, allow",
        "auditor, exchange, resident/sex, visit, all, reveal, allow",
        "auditor, lookup, resident/resident_id, visit, all, reveal, allow",
        "auditor, query, resident/name, visit, all, partial, allow",
        "auditor, query, resident/birth_date, visit, all, year, allow",
        "auditor, audit, audit, data_governance, all, reveal, allow",
        "administrator, administer, hub, data_governance, all, reveal, allow",
        "citizen_service, audit, audit/own, data_governance, all, reveal, allow",
        "steward, steward, resident/*, data_governance, all, reveal, allow",
        "steward, steward, dataset/*, data_governance, all, reveal, allow",
        "police/keeper, steward, dataset/police.people, data_governance, all, reveal, allow",
        "phones/keeper, steward, dataset/phones.users, data_governance, all, reveal, allow",
    ]
    (folder / "policies/rules.csv").write_text("\n".join(lines) + "\n", "utf-8")


def _check() -> dict[str, Any]:
    return {
        "check": "grown_up",
        "title": _text("grown up"),
        "subject": "resident",
        "ask": "resident_id",
        "members": {"subject": "resident", "by": "resident_id"},
        "facts": {"people": {"title": _text("people"), "how": "count"}},
        "rules": [
            {
                "id": "is_there",
                "title": _text("is there"),
                "basis": "a rule",
                "needs": ["people"],
                "met": "facts.people == 1.0",
            }
        ],
    }


def _client(name: str, role: str, region: str | None, department: str = "police") -> dict[str, Any]:
    return {
        "id": name, "title": _text(name), "department": department, "roles": [role],
        "region": region,
    }  # fmt: skip


def _titled(name: str) -> dict[str, Any]:
    return {"id": name, "title": _text(name)}


def _region(code: str, parent: str | None, kind: str) -> dict[str, Any]:
    return {"code": code, "title": _text(code), "parent": parent, "kind": kind}


def _text(words: str) -> dict[str, str]:
    return {"zh": words, "en": words}


def _write(file: Path, document: Any) -> None:
    file.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), "utf-8")
