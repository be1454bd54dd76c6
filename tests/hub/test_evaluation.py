"""Figures of an evaluation, against hand-made results and a hand-made truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.subjects import Subject
from core.lake import Lake, TableVersion
from core.sql import EngineLimits
from hub.evaluation import Evaluation, Results, evaluate

TITLE = {"zh": "词", "en": "word"}
SUBJECT = Subject.model_validate(
    {
        "subject": "resident",
        "title": TITLE,
        "feeds": {},
        "attributes": {
            "name": {"title": TITLE, "element": "person_name"},
            "mobile": {"title": TITLE, "element": "mobile"},
            "grid": {"title": TITLE, "element": "region_code"},
        },
    }
)
NAMES = ("entity", "attribute", "value", "dataset")

Rows = Sequence[tuple[str, ...]]


def table(names: tuple[str, ...], rows: Rows) -> pa.Table:
    return pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) for row in rows],
        pa.schema([(name, pa.string()) for name in names]),
    )


class Case:
    """Results and truth of a made-up run; every record is ``<dataset>:<row>``."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake(str(folder / "lake"))
        self.truth = folder / "truth"
        self.truth.mkdir()
        self.links: dict[tuple[str, int], tuple[str, int]] = {}
        self.claims: list[tuple[str, ...]] = []
        self.golden: list[tuple[str, ...]] = []
        self.known: list[dict[str, Any]] = []

    def record(self, dataset: str, row: int, entity: str, truth: int) -> None:
        self.links[dataset, row] = (entity, truth)

    def run(self) -> Evaluation:
        rows = [
            {"dataset": d, "row": row, "subject": "resident", "truth_id": truth}
            for (d, row), (_, truth) in self.links.items()
        ]
        pq.write_table(pa.Table.from_pylist(rows), self.truth / "records.parquet")
        pq.write_table(pa.Table.from_pylist(self.known), self.truth / "resident.parquet")
        links = [(d, f"{d}:{row}", entity) for (d, row), (entity, _) in self.links.items()]
        results = Results(
            fit={d: self._fit(d) for d in sorted({d for d, _ in self.links})},
            links=self.lake.write("links", table(("dataset", "record", "entity"), links)),
            claims=self.lake.write("claims", table(NAMES, self.claims)),
            golden=self.lake.write("golden", table(NAMES, self.golden)),
        )
        return evaluate(SUBJECT, results, self.truth, self.lake, EngineLimits(threads=1))

    def _fit(self, dataset: str) -> TableVersion:
        numbers = [row for d, row in self.links if d == dataset]
        columns = {
            "_row": pa.array(numbers, pa.int64()),
            "_record": pa.array([f"{dataset}:{row}" for row in numbers], pa.string()),
            "name": pa.array(["unused"] * len(numbers), pa.string()),
        }
        return self.lake.write(f"fit/{dataset}", pa.table(columns))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_shares_of_right_values(case: Case) -> None:
    """Four people, three departments: the golden names are right for three of them, the best
    department alone for two, and the majority for one.
    """
    truth = ["王一", "王二", "王三", "王四"]
    said: dict[str, list[str | None]] = {
        "police": ["王一", "王二", "李三", "李四"],
        "tax": ["王一", "李二", "李三", None],
        "health": [None, "李二", "王三", "李四"],
    }
    chosen = ["王一", "王二", "王三", "李四"]
    for number, name in enumerate(truth):
        case.known.append({"truth_id": number, "name": name})
        case.golden.append((f"e{number}", "name", chosen[number], "police"))
        for dataset, names in said.items():
            case.record(dataset, number + 1, f"e{number}", number)
            if names[number] is not None:
                case.claims.append((f"e{number}", "name", str(names[number]), dataset))
    found = case.run()
    (score,) = found.attributes
    assert (score.attribute, score.known) == ("name", 4)
    assert score.golden == 0.75
    assert (score.best_source, score.best_single) == ("police", 0.5)
    assert score.majority == 0.25
    assert (found.links.precision, found.links.recall) == (1.0, 1.0)
    assert (found.links.entities, found.links.truths) == (4, 4)


def test_only_what_is_known_counts(case: Case) -> None:
    """A truth that is empty, an attribute the truth does not have, and a person nobody has."""
    case.record("police", 1, "e0", 0)
    case.record("police", 2, "e1", 1)
    case.known += [
        {"truth_id": 0, "name": "王一", "grid": None},
        {"truth_id": 1, "name": None, "grid": None},
        {"truth_id": 2, "name": "王三", "grid": "440605"},
    ]
    case.golden += [("e0", "name", "王一", "police"), ("e1", "name", "王二", "police")]
    case.claims += case.golden
    scores = {score.attribute: score for score in case.run().attributes}
    assert set(scores) == {"name", "grid"}
    assert (scores["name"].known, scores["name"].golden) == (1, 1.0)
    assert scores["grid"].known == 0
    assert (scores["grid"].best_source, scores["grid"].best_single) == ("-", 0.0)


def test_a_value_is_right_by_what_it_means(case: Case) -> None:
    case.record("police", 1, "e0", 0)
    case.known.append({"truth_id": 0, "grid": "440605"})
    case.golden.append(("e0", "grid", "440605000000", "police"))
    case.claims += case.golden
    (score,) = case.run().attributes
    assert score.golden == 1.0


def test_a_missing_golden_value_is_a_wrong_one(case: Case) -> None:
    case.record("police", 1, "e0", 0)
    case.record("police", 2, "e1", 1)
    case.known += [{"truth_id": 0, "name": "王一"}, {"truth_id": 1, "name": "王二"}]
    case.golden.append(("e0", "name", "王一", "police"))
    case.claims += case.golden
    (score,) = case.run().attributes
    assert (score.known, score.golden, score.majority, score.best_single) == (2, 0.5, 0.5, 0.5)


def test_pairs_of_records(case: Case) -> None:
    """Person 0 has three records, of which one was joined to person 1's two; person 2 is alone.

    Joined: {0,0} and {0,1,1} make 1 + 3 pairs, of which {0,0} and {1,1} belong together (2).
    Real: three pairs of person 0 and one of person 1.
    """
    for dataset, entity, truth in (
        ("a", "x", 0), ("b", "x", 0), ("c", "y", 0), ("d", "y", 1), ("e", "y", 1), ("f", "z", 2),
    ):  # fmt: skip
        case.record(dataset, 1, entity, truth)
    case.known.append({"truth_id": 0, "name": "王一"})
    # The entity that holds most of a person's records is the one that is judged.
    case.golden += [("x", "name", "王一", "a"), ("y", "name", "李四", "d")]
    case.claims += case.golden
    found = case.run()
    assert found.links.precision == pytest.approx(2 / 4)
    assert found.links.recall == pytest.approx(2 / 4)
    assert (found.links.entities, found.links.truths) == (3, 3)
    assert found.attributes[0].golden == 1.0


def test_nothing_joined_is_nothing_wrong(case: Case) -> None:
    case.record("a", 1, "x", 0)
    case.record("b", 1, "y", 1)
    case.known.append({"truth_id": 0, "name": "王一"})
    case.golden.append(("x", "name", "王一", "a"))
    case.claims += case.golden
    found = case.run()
    assert (found.links.precision, found.links.recall) == (1.0, 1.0)


def test_two_people_who_were_joined_are_each_judged(case: Case) -> None:
    case.record("a", 1, "x", 0)
    case.record("b", 1, "x", 1)
    case.known += [{"truth_id": 0, "name": "王一"}, {"truth_id": 1, "name": "王二"}]
    case.golden.append(("x", "name", "王一", "a"))
    case.claims += [("x", "name", "王一", "a"), ("x", "name", "王二", "b")]
    found = case.run()
    assert (found.attributes[0].known, found.attributes[0].golden) == (2, 0.5)
    assert (found.links.precision, found.links.recall) == (0.0, 1.0)
