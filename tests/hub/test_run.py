"""The main job on a village: counts, idempotence, partial runs, exports, conflicts."""

from __future__ import annotations

import csv
import json
import sqlite3
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from core.errors import BadInput
from hub.app import Hub, open_hub
from hub.pipeline.order import Order
from reconcile import releases
from tests.hub import village
from tests.hub.conftest import Place


def test_every_row_is_kept_or_quarantined(hub: Hub) -> None:
    with hub.engine.connect() as connection:
        release = releases.current(connection)
    assert release is not None
    for state in release.manifest["datasets"].values():
        assert state["landing"]["rows"] == state["fit"]["rows"] + state["quarantine"]["rows"]
    counts = {d: s["quarantine"]["rows"] for d, s in release.manifest["datasets"].items()}
    assert counts == {"police.people": 1, "phones.users": 1}


def test_running_again_changes_nothing(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    place.succeed("run", "--as-of", "2026-06-30")
    with open_hub(place.settings) as hub, hub.engine.connect() as connection:
        release = releases.current(connection)
    assert release is not None
    assert release.number == 2
    assert release.manifest["outcomes"]["resident"] == {"opened": 0, "changed": 0, "closed": 0}


def test_a_changed_source_changes_only_its_records(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    phones = place.workspace / "data/phones.jsonl"
    phones.write_text(phones.read_text("utf-8").replace("13800000001", "13900000001"), "utf-8")
    shown = place.succeed("run", "--as-of", "2026-06-30", "--dataset", "phones.users")
    assert "police.people" not in shown
    with open_hub(place.settings) as hub, hub.engine.connect() as connection:
        release = releases.current(connection)
    assert release is not None
    assert release.manifest["outcomes"]["resident"] == {"opened": 0, "changed": 1, "closed": 0}


def test_a_record_that_left_every_source_is_closed(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    for name in ("people.csv", "phones.jsonl"):
        file = place.workspace / "data" / name
        lines = file.read_text("utf-8").splitlines(keepends=True)
        number = village.PEOPLE[0][0]
        file.write_text("".join(line for line in lines if number not in line), "utf-8")
    place.succeed("run", "--as-of", "2026-06-30")
    with open_hub(place.settings) as hub, hub.engine.connect() as connection:
        release = releases.current(connection)
    assert release is not None
    assert release.manifest["outcomes"]["resident"] == {"opened": 0, "changed": 0, "closed": 1}


@pytest.mark.parametrize(
    ("kind", "rows"), [("golden", None), ("claims", None), ("links", 6), ("conflicts", 1),
                       ("quarantine", 2)]
)  # fmt: skip
def test_exports_say_the_same_in_every_form(
    published: Place, tmp_path: Path, kind: str, rows: int | None
) -> None:
    for suffix in ("csv", "jsonl", "parquet"):
        published.succeed("export", kind, "resident", "--to", str(tmp_path / f"x.{suffix}"))
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        from_csv = len(list(csv.DictReader(file)))
    from_jsonl = len((tmp_path / "x.jsonl").read_text("utf-8").splitlines())
    from_parquet = pq.read_table(tmp_path / "x.parquet").num_rows
    assert from_csv == from_jsonl == from_parquet
    assert from_csv > 0
    assert rows in (None, from_csv)


def test_an_export_needs_a_known_form_and_subject(published: Place, tmp_path: Path) -> None:
    wrong = published.command("export", "golden", "resident", "--to", str(tmp_path / "x.doc"))
    assert wrong.returncode == 2
    assert ".csv" in wrong.stderr
    missing = published.command("export", "golden", "ghost", "--to", str(tmp_path / "x.csv"))
    assert missing.returncode == 2
    assert "ghost" in missing.stderr


def test_quarantine_keeps_the_row_and_its_reasons(published: Place, tmp_path: Path) -> None:
    published.succeed("export", "quarantine", "resident", "--to", str(tmp_path / "q.jsonl"))
    rows = [json.loads(line) for line in (tmp_path / "q.jsonl").read_text("utf-8").splitlines()]
    assert all(json.loads(row["reasons"]) for row in rows)
    originals = [json.loads(row["original"]) for row in rows]
    assert {"_raw": "{broken"} in originals


def test_a_run_without_a_workspace(place: Place) -> None:
    done = place.command("run")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--subject", "--dataset"])
def test_an_unknown_name_is_refused(published: Place, option: str) -> None:
    done = published.command("run", option, "ghost")
    assert done.returncode == 2
    assert "ghost" in done.stderr


def test_a_dataset_that_feeds_nothing_of_what_is_asked_for_is_said_to(hub: Hub) -> None:
    workspace = hub.workspace()
    resident = workspace.subjects["resident"]
    feeds = {name: feed for name, feed in resident.feeds.items() if name != "phones.users"}
    without = replace(
        workspace, subjects={"resident": resident.model_copy(update={"feeds": feeds})}
    )
    order = Order(revision=1, as_of=date(2026, 6, 30), dataset="phones.users")
    assert order.scope(workspace) == (["resident"], ["phones.users"])
    with pytest.raises(BadInput, match=r"'phones\.users' feeds no subject"):
        order.scope(without)
    both = order.model_copy(update={"subject": "resident"})
    with pytest.raises(BadInput, match=r"'phones\.users' does not feed this subject"):
        both.scope(without)
    with pytest.raises(BadInput, match="the workspace has none"):
        order.model_copy(update={"dataset": None}).scope(replace(workspace, subjects={}))


def test_a_source_that_tells_its_changes_is_pulled_from_where_it_was(place: Place) -> None:
    base = sqlite3.connect(place.workspace / "data/phones.db")
    base.execute('CREATE TABLE phones (id text, who text, mobile text, "on" text)')
    rows = [(p[0], p[1], p[4], "2026-06-01") for p in village.PEOPLE]
    base.executemany("INSERT INTO phones VALUES (?, ?, ?, ?)", rows)
    base.commit()
    source = {"dataset": "phones.users", "kind": "sql", "url": "sqlite:phones.db",
              "table": "phones", "cursor": "on"}  # fmt: skip
    (place.workspace / "sources/phones.users.yaml").write_text(yaml.safe_dump(source), "utf-8")
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    # A row that is older than the mark is not read again; a newer one replaces its like.
    base.execute("UPDATE phones SET mobile = '13900000001' WHERE id = ?", (village.PEOPLE[0][0],))
    base.execute("DELETE FROM phones WHERE id = ?", (village.PEOPLE[1][0],))
    base.execute("UPDATE phones SET \"on\" = '2026-06-05', mobile = '13900000003' WHERE id = ?",
                 (village.PEOPLE[2][0],))  # fmt: skip
    base.execute("UPDATE phones SET \"on\" = '2026-05-01' WHERE id = ?", (village.PEOPLE[0][0],))
    base.commit()
    place.succeed("run", "--as-of", "2026-06-30")
    assert _mobiles(place) == ["13800000001", "13800000002", "13900000003"]
    place.succeed("run", "--as-of", "2026-06-30", "--whole")
    assert _mobiles(place) == ["13900000001", "13900000003"]
    base.close()


def _mobiles(place: Place) -> list[str]:
    out = place.home / "claims.jsonl"
    place.succeed("export", "claims", "resident", "--to", str(out))
    claims = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    return sorted(c["value"] for c in claims if c["attribute"] == "mobile")


def test_a_subject_described_otherwise_is_published_anew(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    described = place.workspace / "subjects/resident.yaml"
    subject = yaml.safe_load(described.read_text("utf-8"))
    subject["attributes"]["mobile"]["lookup"] = True
    described.write_text(yaml.safe_dump(subject, sort_keys=False), "utf-8")
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    with open_hub(place.settings) as hub, hub.engine.connect() as connection:
        found = "SELECT count(*) FROM golden_key WHERE attribute = 'mobile' AND closed IS NULL"
        assert connection.exec_driver_sql(found).scalar_one() == len(village.PEOPLE)


def test_a_forged_manifest_is_neither_served_nor_continued(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    with open_hub(place.settings) as hub, hub.engine.begin() as connection:
        forged = "UPDATE release SET manifest = jsonb_set(manifest, '{as_of}', '\"2020-01-01\"')"
        connection.exec_driver_sql(forged)
    for command in (
        ("run",),
        ("export", "golden", "resident", "--to", str(place.home / "x.csv")),
        ("query", "resident", "--as", "worker-1", "--purpose", "visit", "--case", "1",
         "--where", "household_id=H1"),
    ):  # fmt: skip
        done = place.command(*command)
        assert done.returncode == 1, command
        assert "signature" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("bogus",), ("token", "worker-1", "--minutes", "9999"), ("export", "golden"),
     ("conflicts", "list", "resident", "--status", "odd"), ("apply",)],
)  # fmt: skip
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(
    published: Place, arguments: tuple[str, ...]
) -> None:
    done = published.command(*arguments)
    assert done.returncode == 2
    assert "Error" in done.stderr


def test_a_contract_that_changed_is_not_fused_with_rows_of_the_old_one(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    contract = place.workspace / "contracts/phones.users.odcs.yaml"
    contract.write_text(contract.read_text("utf-8").replace("1.0.0", "1.1.0"), "utf-8")
    place.succeed("apply", str(place.workspace))
    done = place.command("run", "--dataset", "police.people")
    assert done.returncode == 1
    assert "phones.users" in done.stderr
    place.succeed("run")


def test_an_export_that_cannot_be_written_leaves_what_was_there(
    published: Place, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").mkdir()
    done = published.command("export", "golden", "resident", "--to", str(tmp_path / "x.csv"))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["x.csv"]
