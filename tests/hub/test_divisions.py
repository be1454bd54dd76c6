"""The administrative divisions as two ministries published them for the same month."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import REPOSITORY
from tests.hub.conftest import Place


@pytest.fixture
def divisions(database_url: str, tmp_path: Path, shared_data: Path) -> Place:
    """The workspace, applied and run on the published files."""
    place = Place(REPOSITORY / "examples/divisions", tmp_path / "home", database_url)
    place.succeed("apply", str(place.workspace), "--data", str(shared_data / "divisions"))
    place.succeed("run", "--as-of", "2026-06-30")
    return place


def test_every_difference_stands_in_the_queue(
    divisions: Place, shared_data: Path, tmp_path: Path
) -> None:
    read = {
        side: pd.read_csv(shared_data / f"divisions/{side}/201509.tsv", sep="\t", dtype=str)
        for side in ("mca", "stats")
    }
    both = read["mca"].merge(read["stats"], on="Code", how="outer", suffixes=("_mca", "_stats"))
    renamed = both[
        both.Name_mca.notna() & both.Name_stats.notna() & (both.Name_mca != both.Name_stats)
    ]
    one_sided = both[both.Name_mca.isna() | both.Name_stats.isna()]
    divisions.succeed("export", "conflicts", "division", "--to", str(tmp_path / "c.jsonl"))
    found = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text("utf-8").splitlines()]
    names = [c for c in found if c["attribute"] == "name"]
    listed = [c for c in found if c["attribute"] == "listed"]
    assert len(found) == len(names) + len(listed)
    assert len(listed) == len(one_sided)
    assert len(names) == len(renamed)
    for conflict in found:
        values = {claim["dataset"]: claim["value"] for claim in json.loads(conflict["claims"])}
        assert len(set(values.values())) == 2
        assert values.keys() == {"mca.divisions", "stats.divisions"}
        assert conflict["status"] == "designated"
        assert json.loads(conflict["reason"])["code"] == "fusion_designated"
        assert conflict["value"] == values["mca.divisions"]


def test_the_registry_is_queried_and_audited(divisions: Place) -> None:
    shown = divisions.succeed(
        "query", "division", "--as", "registry", "--purpose", "registry", "--case", "R-1",
        "--where", "code=110101",
    )  # fmt: skip
    (row,) = json.loads(shown)["rows"]
    assert row["name"]["value"] == "东城区"
    assert row["listed"]["value"] is True
    divisions.succeed("audit", "verify")
