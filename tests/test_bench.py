"""What benchmarks print: every one of them is run, and a city's figures are those of an evaluation."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import linkage, own, truth
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


def test_claims_of_ones_own_are_judged_and_none_is_lost(tmp_path: Path, bench: Bench) -> None:
    said, true = tmp_path / "said.csv", tmp_path / "true.csv"
    lines = ["thing,source,attribute,value,day"]
    for n in range(30):
        for source in ("a", "b", "c"):
            value = "1380000000" + ("9" if source == "c" and n % 3 else str(n % 8))
            lines.append(f"t{n},{source},mobile,{value},2026-01-0{n % 9 + 1}")
            lines.append(f"t{n},{source},name,n{n},")
    lines += ["t1,a,mobile,13800000002,2025-01-01", "t2,d,mobile,12,", "t3,d,mobile,,"]
    lines += ["t4,d,mobile,13800000004,soon", ",d,mobile,13800000004,", "t4,,mobile,13800000004,"]
    said.write_text("\n".join(lines), "utf-8")
    known = [f"t{n},mobile,+86 138 0000 000{n % 8}" for n in range(30)]
    true.write_text(
        "\n".join(["thing,attribute,value", *known, "gone,mobile,13800000000", "t5,mobile,x"]),
        "utf-8",
    )
    found, left_out = own.claims(said, true, {"mobile": "mobile"})
    assert left_out.pop("in the truth: not a value") == 1
    assert found.rows.num_rows + sum(left_out.values()) == len(lines) - 1
    assert left_out == {
        "another claim of the source about the same": 1, "not a value": 1, "empty": 1,
        "not a day": 1, "no thing or no source": 2,
    }  # fmt: skip
    assert found.said["mobile"]["t1"]["source.s0"] == "13800000001"
    assert {name: len(answer) for name, answer in found.true.items()} == {"mobile": 30, "name": 0}
    _, shown, _ = bench("truth", "--claims", said, "--truth", true, "--as", "mobile=mobile")
    assert "180 claims of 3 sources" in shown
    [row] = [line.split() for line in shown.splitlines() if "30 known" in line]
    assert row[3:8] == ["1.000", "1.000", "1.000", "1.000", "1.000"]


def test_lists_of_ones_own_are_linked(tmp_path: Path, bench: Bench) -> None:
    rows = [(f"4406051990010100{n:02}", f"王{n}", f"p{n}") for n in range(40)]
    for name, has in (("a.csv", rows[:30]), ("b.csv", rows[10:])):
        content = ["number,name,who", *(",".join(row) for row in has)]
        (tmp_path / name).write_text("\n".join(content), "utf-8")
    given = ["--list", tmp_path / "a.csv", "--list", tmp_path / "b.csv", "--who", "who", "--once"]
    told = ["--key", "number", "--as", "number=identifier", "--as", "name=person_name"]
    _, shown, _ = bench("linkage", *given, *told)
    assert shown.splitlines()[-2].split()[:5] == [
        "own",
        "ours",
        "1.0000",
        "1.0000",
        "1.0000",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("truth", "--claims", "a.csv"), "--truth is missing"),
        (
            ("truth", "--claims", "a.csv", "--truth", "a.csv"),
            "a.csv lacks source, value; it has thing",
        ),
        (("truth", "--claims", "no.csv", "--truth", "a.csv"), "no.csv cannot be read"),
        (
            ("truth", "--claims", "a.csv", "--truth", "a.csv", "--as", "x"),
            "'x' is not NAME=ELEMENT",
        ),
        (("linkage", "--list", "a.csv"), "--who is missing"),
        (("linkage", "--list", "a.csv", "--who", "thing", "--as", "b=text"), "no list has b"),
        (("linkage", "--list", "a.csv", "--who", "thing", "--record", "thing"), "tell rows apart"),
    ],
)
def test_unusable_sets_are_told_in_words(
    tmp_path: Path, bench: Bench, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "a.csv").write_text("thing\nt1\nt1\n", "utf-8")
    name, *more = arguments
    code, _, told = bench(name, *(tmp_path / a if a.endswith(".csv") else a for a in more))
    assert code == 2
    assert words in " ".join(told.split()).replace(f"{tmp_path}/", "")


Bench = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    """Runs a benchmark as its command line does: its exit code, and what it printed."""

    def run(name: str, *arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        code = 0
        try:
            {"truth": truth, "linkage": linkage}[name].main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, *capsys.readouterr()

    return run
