"""Which members of a set count: fusion beside the union of all lists, the members that at least
half of the sources list, the best single source, and fusion of whole lists as one value each.

Runs on the real lists of authors that book sellers give (``fusion/book`` of the data folder), as
sets of family names, and on lists made up with known gaps, errors and copiers; prints, as
exact sets / F1 of members, what each method hits, the worst difference of exact sets to *half*,
how far confidence is off (ECE) and seconds.

    python -m bench.truth_sets --data ../shared/data --things 1000
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.books import book_claims, book_truth
from bench.machine import Spent, describe, show, spent
from bench.own import TITLE
from bench.truth import Floats, calibration_error
from bench.truth_speed import TODAY
from bench.worlds_sets import WORLDS, Answer, Table, make
from catalog.standards.several import SEPARATOR, joined
from catalog.subjects import Subject
from core.engine import connect
from core.sql import EngineLimits
from reconcile.fusion import fuse

HEADS = (
    "exact sets / F1", "union", "half", "best source", "as one value", "ours", "worst",
    "ECE", "s",
)  # fmt: skip
ENOUGH = 0.3  # of the most lists that a source has: to be the best one


@dataclass(frozen=True)
class Outcome:
    """How one set of lists went. ``scores``: exact sets and F1 of members by method; ``sure``
    and ``right``: per thing our confidence, and whether we are right.
    """

    scores: Mapping[str, tuple[float, float]]
    sure: Floats
    right: Floats
    spent: Spent


def outcome(table: Table, truth: Answer) -> Outcome:
    """Every method on one set of lists."""
    with spent() as took:
        found, sure = ours(table)
    answers = {
        "union": {e: frozenset[str]().union(*lists.values()) for e, lists in table.items()},
        "half": half(table),
        "best source": best_source(table, truth),
        "as one value": ours(table, many=False)[0],
        "ours": found,
    }
    return Outcome(
        {name: (exact(answer, truth), f1(answer, truth)) for name, answer in answers.items()},
        np.array([sure[entity] for entity in truth]),
        np.array([float(found[entity] == truth[entity]) for entity in truth]),
        took,
    )


def ours(table: Table, many: bool = True) -> tuple[Answer, dict[str, float]]:
    """Fusion, from the claims to the golden sets and how sure they are; or as if each whole list
    were one value.
    """
    rows = [
        {"entity": e, "attribute": "value", "dataset": d, "value": joined(mine), "record": e}
        for e, lists in table.items()
        for d, mine in lists.items()
    ]
    names = ("entity", "attribute", "value", "gist", "dataset", "record", "as_of")
    schema = pa.schema([(name, pa.string()) for name in names])
    claims = pa.Table.from_pylist([row | {"gist": row["value"]} for row in rows], schema)
    subject = Subject.model_validate(
        {
            "subject": "thing",
            "title": TITLE,
            "attributes": {"value": {"title": TITLE, "element": "text", "many": many}},
            "feeds": {},
        }
    )
    golden = fuse(connect(EngineLimits()), subject, claims, TODAY).golden.to_pyarrow().to_pylist()
    return (
        {row["entity"]: frozenset(row["value"].split(SEPARATOR)) for row in golden},
        {row["entity"]: row["confidence"] for row in golden},
    )


def half(table: Table) -> Answer:
    """The members that at least half of the sources list; if none, those that most list."""
    answer = {}
    for entity, lists in table.items():
        times: dict[str, int] = {}
        for mine in lists.values():
            times |= {member: times.get(member, 0) + 1 for member in mine}
        enough = min(len(lists) / 2, max(times.values()))
        answer[entity] = frozenset(m for m, found in times.items() if found >= enough)
    return answer


def best_source(table: Table, truth: Answer) -> Answer:
    """What the source lists that most often lists all and no more, found with the truth at hand;
    elsewhere what half of the sources list.
    """
    right: dict[str, list[bool]] = {}
    for entity in truth:
        for dataset, mine in table[entity].items():
            right.setdefault(dataset, []).append(mine == truth[entity])
    enough = max(map(len, right.values())) * ENOUGH
    scores = {d: sum(r) / len(r) for d, r in right.items() if len(r) >= enough}
    best = max(sorted(scores), key=scores.__getitem__)
    return {entity: table[entity].get(best, mine) for entity, mine in half(table).items()}


def exact(answer: Answer, truth: Answer) -> float:
    """The share of sets that are right as a whole."""
    return float(np.mean([answer[entity] == members for entity, members in truth.items()]))


def f1(answer: Answer, truth: Answer) -> float:
    """F1 of members over all sets."""
    hits = sum(len(answer[entity] & members) for entity, members in truth.items())
    return 2 * hits / sum(len(answer[entity]) + len(of) for entity, of in truth.items())


def row(name: str, outcomes: Sequence[Outcome]) -> list[str]:
    """What stands under :data:`HEADS`: means over seeds, and the worst difference to *half*."""
    methods = outcomes[0].scores
    means = [np.mean([o.scores[m] for o in outcomes], axis=0) for m in methods]
    worst = min(o.scores["ours"][0] - o.scores["half"][0] for o in outcomes)
    sure, right = (np.concatenate([getattr(o, n) for o in outcomes]) for n in ("sure", "right"))
    return [
        name,
        *(f"{sets:.3f} / {members:.3f}" for sets, members in means),
        f"{worst:+.3f}",
        f"{calibration_error(sure, right):.3f}",
        f"{np.mean([o.spent.seconds for o in outcomes]):.2f}",
    ]


def books(folder: Path) -> list[list[str]]:
    """How every method does on the family names of a book's authors."""
    single = book_claims(folder)
    table = {
        isbn: {seller: frozenset(names.split()) for seller, names in of.items()}
        for isbn, of in single.items()
    }
    rows = []
    for name in ("golden", "silver"):
        known = book_truth(folder, name, single)
        truth = {isbn: frozenset(names.split()) for isbn, names in known.items()}
        rows.append(row(f"books, {name} ({len(truth)})", [outcome(table, truth)]))
    return rows


def made_up(size: int, seeds: int) -> list[list[str]]:
    """How every method does in every made-up world."""
    return [
        row(name, [outcome(*make(seed, size, world)) for seed in range(seeds)])
        for name, world in WORLDS.items()
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=Path("../shared/data"))
    options.add_argument("--things", type=int, default=1000)
    options.add_argument("--seeds", type=int, default=3)
    given = options.parse_args()
    print(describe())
    folder = given.data / "fusion" / "book"
    if folder.is_dir():
        show(HEADS, books(folder))
    else:
        print(f"books: skipped, {folder} is absent")
    print(f"made up: {given.things} things unless the world is small, mean of {given.seeds} seeds")
    show(HEADS, made_up(given.things, given.seeds))


if __name__ == "__main__":
    main()
