"""Claims: one for each entity, attribute and dataset, with what the value means."""

from __future__ import annotations

from typing import Any

import ibis
import pyarrow as pa
import pyarrow.dataset as ds

from reconcile.fusion import claims
from tests.reconcile.fusing import conflicts, engine, fused, golden, subject

LINKS = ("dataset", "record", "entity")


def fit(*rows: dict[str, str | None]) -> pa.Table:
    names = sorted({name for row in rows for name in row} | {"_record", "_as_of"})
    return pa.Table.from_pylist(list(rows), pa.schema([(name, pa.string()) for name in names]))


def links(*rows: tuple[str, str, str]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(LINKS, row, strict=True)) for row in rows])


def gathered(*arguments: Any) -> dict[tuple[str, str, str], dict[str, Any]]:
    rows = claims(engine(), *arguments).to_pyarrow().to_pylist()
    found = {(r["entity"], r["attribute"], r["dataset"]): r for r in rows}
    assert len(found) == len(rows)
    return found


PEOPLE = subject(
    {"name": {}, "employer": {"element": "organisation_name"}},
    {
        "police.people": {"name": "full_name"},
        "tax.people": {"name": "name", "employer": "firm"},
        "housing.people": {"employer": "work_unit"},
    },
)


def test_items_become_attributes_and_missing_values_claim_nothing() -> None:
    found = gathered(
        PEOPLE,
        {
            "police.people": fit({"_record": "p1", "_as_of": "2025-03-01", "full_name": "甲"}),
            "tax.people": fit({"_record": "t1", "_as_of": None, "name": None, "firm": "乙公司"}),
        },
        links(("police.people", "p1", "E1"), ("tax.people", "t1", "E1")),
    )
    assert {key: row["value"] for key, row in found.items()} == {
        ("E1", "name", "police.people"): "甲",
        ("E1", "employer", "tax.people"): "乙公司",
    }
    row = found["E1", "name", "police.people"]
    assert (row["record"], row["as_of"], row["gist"]) == ("p1", "2025-03-01", "甲")


def test_of_several_records_the_latest_with_a_value_counts_then_the_smallest() -> None:
    rows = fit(
        {"_record": "t1", "_as_of": "2024-01-01", "name": "旧", "firm": "旧公司"},
        {"_record": "t2", "_as_of": "2025-01-01", "name": "新", "firm": None},
        {"_record": "t4", "_as_of": "2025-01-01", "name": "后", "firm": None},
        {"_record": "t0", "_as_of": None, "name": "无", "firm": "无公司"},
    )
    found = gathered(
        PEOPLE, {"tax.people": rows}, links(*(("tax.people", f"t{i}", "E1") for i in (0, 1, 2, 4)))
    )
    assert found["E1", "name", "tax.people"]["record"] == "t2"
    assert found["E1", "employer", "tax.people"]["record"] == "t1"


def test_of_sets_all_records_of_a_dataset_count_together() -> None:
    about = subject(
        {"phones": {"many": True}, "homes": {"many": True, "element": "address"}, "name": {}},
        {
            "tax.people": {"phones": "phones", "homes": "homes", "name": "name"},
            "police.people": {"homes": "home"},
        },
    )
    rows = fit(
        {"_record": "t1", "_as_of": "2024-01-01", "phones": "1；3", "homes": None, "name": "旧"},
        {
            "_record": "t2",
            "_as_of": "2025-01-01",
            "phones": "2；3",
            "homes": "人民路1号",
            "name": "新",
        },
        {"_record": "t3", "_as_of": None, "phones": None, "homes": "解放路2号", "name": None},
    )
    other = fit({"_record": "p1", "_as_of": None, "home": "城北区人民路1号"})
    found = gathered(
        about,
        {"tax.people": rows, "police.people": other},
        links(*(("tax.people", f"t{i}", "E1") for i in (1, 2, 3)), ("police.people", "p1", "E1")),
    )
    phones = found["E1", "phones", "tax.people"]
    assert (phones["value"], phones["record"], phones["as_of"]) == ("1；2；3", "t1", "2025-01-01")
    homes = found["E1", "homes", "tax.people"]
    assert (homes["value"], homes["gist"]) == ("人民路1号；解放路2号", "人民路1；解放路2")
    assert found["E1", "homes", "police.people"]["gist"] == "人民路1"
    assert found["E1", "name", "tax.people"]["value"] == "新"


NUMBERED = subject(
    {
        "number": {"element": "identifier", "key": True, "designated": "police.people"},
        "name": {},
    },
    {d: {"number": "number", "name": "name"} for d in ("police.people", "tax.people")},
)


def merged(method: str) -> pa.Table:
    """The claims where two records of the police and one of the tax office were made one."""
    fits = {
        "police.people": fit(
            {"_record": "p1", "_as_of": "2025-03-01", "number": "1", "name": "甲"},
            {"_record": "p2", "_as_of": "2025-01-01", "number": "2", "name": "乙"},
        ),
        "tax.people": fit({"_record": "t1", "_as_of": "2025-02-01", "number": "2", "name": "乙"}),
    }
    joined = links(
        ("police.people", "p1", "E1"), ("police.people", "p2", "E1"), ("tax.people", "t1", "E1")
    ).append_column("method", pa.array(["key", method, method]))
    return claims(engine(), NUMBERED, fits, joined).to_pyarrow()


def test_both_keys_of_what_a_steward_made_one_are_claims() -> None:
    rows = merged("steward").sort_by([("attribute", "ascending"), ("record", "ascending")])
    assert [(r["attribute"], r["record"], r["value"]) for r in rows.to_pylist()] == [
        ("name", "p1", "甲"), ("name", "t1", "乙"),
        ("number", "p1", "1"), ("number", "p2", "2"), ("number", "t1", "2"),
    ]  # fmt: skip
    decided = fused(NUMBERED, rows)
    conflict = conflicts(decided)["E1", "number"]
    said = sorted((claim["dataset"], claim["value"]) for claim in conflict["claims"])
    assert said == [("police.people", "1"), ("police.people", "2"), ("tax.people", "2")]
    assert golden(decided)["E1", "number"]["value"] in {"1", "2"}
    backwards = fused(NUMBERED, rows.take(list(range(len(rows)))[::-1]))
    assert golden(backwards) == golden(decided)
    assert conflicts(backwards) == conflicts(decided)


def test_of_what_the_hub_joined_itself_the_latest_key_counts() -> None:
    numbers = merged("model").to_pylist()
    assert [(r["record"], r["value"]) for r in numbers if r["attribute"] == "number"] == [
        ("p1", "1"), ("t1", "2"),
    ]  # fmt: skip


def test_values_that_mean_the_same_share_a_gist() -> None:
    spelled = {"tax.people": "佛山甲有限责任公司", "housing.people": "佛山甲有限公司"}
    result = claims(
        engine(),
        PEOPLE,
        {
            "tax.people": fit(
                {"_record": "t1", "_as_of": None, "name": None, "firm": spelled["tax.people"]}
            ),
            "housing.people": fit(
                {"_record": "h1", "_as_of": None, "work_unit": spelled["housing.people"]}
            ),
        },
        links(("tax.people", "t1", "E1"), ("housing.people", "h1", "E1")),
    ).to_pyarrow()
    assert len(set(result.column("gist").to_pylist())) == 1
    decided = fused(PEOPLE, result)
    assert golden(decided)["E1", "employer"]["status"] == "agreed"
    assert golden(decided)["E1", "employer"]["value"] == "佛山甲有限责任公司"
    assert conflicts(decided) == {}


def test_tables_datasets_and_engine_tables_give_the_same() -> None:
    rows = fit({"_record": "p1", "_as_of": None, "full_name": "甲"})
    joined = links(("police.people", "p1", "E1"))
    on = engine()
    plain = claims(on, PEOPLE, {"police.people": rows}, joined).to_pyarrow()
    lazy = claims(on, PEOPLE, {"police.people": ds.dataset(rows)}, ds.dataset(joined)).to_pyarrow()
    kept = [on.create_table(f"kept{i}", ibis.memtable(t)) for i, t in enumerate((rows, joined))]
    native = claims(on, PEOPLE, {"police.people": kept[0]}, kept[1]).to_pyarrow()
    assert plain.to_pylist() == lazy.to_pylist() == native.to_pylist()


def test_no_fit_table_gives_no_claims_and_nothing_to_fuse() -> None:
    empty = claims(engine(), PEOPLE, {}, links(("police.people", "p1", "E1")))
    on = engine()
    assert on.to_pyarrow(empty).num_rows == 0
    result = fused(PEOPLE, on.to_pyarrow(empty))
    assert (golden(result), conflicts(result), result.sources.num_rows) == ({}, {}, 0)
