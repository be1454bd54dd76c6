"""What benchmarks print: every one of them is run, and a city's figures are those of an evaluation."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.truth import beside
from bench.truth_city import known
from catalog.subjects import Subject
from core.lake import Lake
from core.sql import EngineLimits
from hub.evaluation import Results, evaluate

ROOT = Path(__file__).parent.parent
TITLE = {"zh": "词", "en": "word"}
SUBJECT = Subject.model_validate(
    {
        "subject": "resident",
        "title": TITLE,
        "feeds": {},
        "attributes": {"name": {"title": TITLE, "element": "person_name"}},
    }
)
TRUTH = ["王一", "王二", "王三", "王四"]
# The third is what nobody says; the fourth is what one source of three says.
SAID = {
    "police": ["王一", "王二", "李三", "王四"],
    "tax": ["王一", "李二", "李三", "李四"],
    "health": ["王一", "李二", "李三", "李四"],
}
GOLDEN = [("王一", 0.99), ("王二", 0.7), ("李三", 0.9), ("李四", 0.6)]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_runs_every_benchmark() -> None:
    asked = subprocess.run(
        ["make", "-n", "bench"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for file in sorted((ROOT / "bench").glob("*.py")):
        if "__main__" in file.read_text("utf-8"):
            assert f"-m bench.{file.stem}" in asked


def test_a_city_is_judged_as_an_evaluation_judges(tmp_path: Path) -> None:
    lake, results = written(tmp_path)
    limits = EngineLimits(threads=1)
    (attribute,) = known(SUBJECT, results, tmp_path, lake, limits)
    found = beside(attribute)
    (score,) = evaluate(SUBJECT, results, tmp_path, lake, limits).attributes
    assert found.scores["ours"] == score.golden == 0.5
    assert found.scores["majority"] == score.majority == 0.25
    assert found.scores["best source"] == score.best_single == 0.75
    assert found.oracle == 0.75
    assert found.closed == 0.5
    assert dict(zip(found.sure.tolist(), found.right.tolist(), strict=True)) == {
        0.99: 1.0, 0.7: 1.0, 0.9: 0.0, 0.6: 0.0,
    }  # fmt: skip


def written(folder: Path) -> tuple[Lake, Results]:
    """Results and truth of a run in which everybody is known to every department."""
    lake, people = Lake(str(folder / "lake")), range(len(TRUTH))
    records = [
        {"dataset": d, "row": n, "subject": "resident", "truth_id": n} for d in SAID for n in people
    ]
    pq.write_table(pa.Table.from_pylist(records), folder / "records.parquet")
    truth = [{"truth_id": n, "name": TRUTH[n]} for n in people]
    pq.write_table(pa.Table.from_pylist(truth), folder / "resident.parquet")
    fit = pa.table({"_row": pa.array(people, pa.int64()), "_record": [f"r{n}" for n in people]})
    links = [{"dataset": d, "record": f"r{n}", "entity": f"e{n}"} for d in SAID for n in people]
    claims = [
        {"entity": f"e{n}", "attribute": "name", "value": value, "dataset": dataset}
        for dataset, values in SAID.items()
        for n, value in enumerate(values)
    ]
    golden = [
        {"entity": f"e{n}", "attribute": "name", "value": value, "dataset": "police",
         "confidence": confidence}
        for n, (value, confidence) in enumerate(GOLDEN)
    ]  # fmt: skip
    return lake, Results(
        fit={dataset: lake.write(f"fit/{dataset}", fit) for dataset in SAID},
        links=lake.write("links", pa.Table.from_pylist(links)),
        claims=lake.write("claims", pa.Table.from_pylist(claims)),
        golden=lake.write("golden", pa.Table.from_pylist(golden)),
    )
