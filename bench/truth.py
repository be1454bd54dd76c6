"""Who is the same: linking beside Splink's own defaults, on the labelled sets (``linkage`` of the
data folder). Whose value counts: fusion beside plain majority, the best single source and
TruthFinder.

Fusion runs on the real claims of book sellers (``fusion/book`` of the data folder), on claims made up
with known errors and copiers, and on a sample city after a whole run; prints accuracy, the worst
difference to majority, the share of the gap between majority and oracle that is closed, how far
confidence is off (ECE, Brier, the curve), seconds and peak memory (of this process, DuckDB
included, PostgreSQL and the departments' own processes not). Then the speed beside a bare weighted
vote in DuckDB.

    python -m bench.truth --data ../shared/data --entities 100000 --residents 20000

In place of all this, on claims of one's own (``thing, source, value`` and, where there are such,
``attribute, day``; what is true: ``thing, value`` and ``attribute``):

    python -m bench.truth --claims said.csv --truth true.csv --as home=address
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bench import addresses, own, registers
from bench.books import book_claims, book_truth
from bench.linkage import LABELLED, compare
from bench.machine import Spent, describe, spent
from bench.machine import show as show_table
from bench.peers import Answer, Table, best_source, majority, truth_finder
from bench.truth_city import Attribute, published, subjects
from bench.truth_speed import TODAY, speed
from bench.worlds import WORLDS, Ages, make
from catalog.standards import elements
from core.engine import connect
from core.sql import EngineLimits
from reconcile.fusion import fuse
from reconcile.fusion.details import tells_less

Floats = npt.NDArray[np.float64]
Decided = Callable[[Table], dict[str, tuple[str, float]]]


def ours(
    table: Table, ages: Ages | None = None, kinds: Table | None = None
) -> dict[str, tuple[str, float]]:
    """Fusion, from the claims (how many days old they are, and what is claimed of the kind of
    things) to the golden values and how sure they are.
    """
    days = ages or {}
    rows = [
        (e, d, attribute, gist, _day(days.get(e, {}).get(d)))
        for attribute, said in (("value", table), ("kind", kinds or {}))
        for e, claims in said.items()
        for d, gist in claims.items()
    ]
    columns = zip(*rows, strict=True)
    entity, dataset, about, gist, as_of = (pa.array(column, pa.string()) for column in columns)
    claims = pa.table(
        {
            "entity": entity,
            "attribute": about,
            "value": gist,
            "gist": gist,
            "dataset": dataset,
            "record": entity,
            "as_of": as_of,
        }
    )
    fused = fuse(connect(EngineLimits()), own.about(("kind", "value")), claims, TODAY)
    golden = fused.golden.to_pyarrow()
    golden = golden.filter(pc.equal(golden["attribute"], "value"))
    columns = (golden.column(name).to_pylist() for name in ("entity", "value", "confidence"))
    return {entity: (value, sure) for entity, value, sure in zip(*columns, strict=True)}


def _day(age: int | None) -> str | None:
    return None if age is None else (TODAY - timedelta(days=age)).isoformat()


def accuracy(answer: Answer, truth: Answer) -> float:
    """The share of known truths that ``answer`` hits."""
    return sum(answer.get(entity) == value for entity, value in truth.items()) / len(truth)


@dataclass(frozen=True)
class Outcome:
    """How one set went. ``scores``: the accuracy by method; ``oracle``: how often anybody claims
    the truth; ``sure`` and ``right``: per thing our confidence, and whether we are right.
    """

    scores: Mapping[str, float]
    oracle: float
    sure: Floats
    right: Floats
    spent: Spent

    @property
    def closed(self) -> float | None:
        """The share of the gap between majority and oracle that is closed, if there is a gap."""
        gap = self.oracle - self.scores["majority"]
        return (self.scores["ours"] - self.scores["majority"]) / gap if gap > 0 else None


def outcome(table: Table, truth: Answer, decided: Decided) -> Outcome:
    """Every method on one set."""
    with spent() as took:
        found = decided(table)
    ours = {entity: value for entity, (value, _) in found.items()}
    answers = {
        "majority": majority(table),
        "best source": best_source(table, truth),
        "truthfinder": truth_finder(table),
        "ours": ours,
    }
    return Outcome(
        {name: accuracy(answer, truth) for name, answer in answers.items()},
        float(np.mean([truth[entity] in table.get(entity, {}).values() for entity in truth])),
        np.array([found[entity][1] for entity in truth if entity in found]),
        np.array([float(ours[entity] == truth[entity]) for entity in truth if entity in found]),
        took,
    )


def calibration_error(sure: Floats, right: Floats) -> float:
    """How far confidence lies off accuracy, on average over tenths of confidence."""
    tenth = np.minimum((sure * 10).astype(int), 9)
    return float(
        sum(
            abs(sure[tenth == i].mean() - right[tenth == i].mean()) * (tenth == i).mean()
            for i in np.unique(tenth)
        )
    )


HEADS = (
    "", "majority", "best source", "truthfinder", "ours", "oracle", "worst", "closed", "ECE",
    "Brier", "s", "MiB",
)  # fmt: skip


def row(name: str, outcomes: Sequence[Outcome]) -> list[str]:
    """What stands under :data:`HEADS` for a set: means over its seeds, the worst difference to
    majority and the highest peak.
    """
    mean = [np.mean([o.scores[m] for o in outcomes]) for m in outcomes[0].scores]
    mean.append(np.mean([o.oracle for o in outcomes]))
    sure, right = _pooled(outcomes)
    worst = min(o.scores["ours"] - o.scores["majority"] for o in outcomes)
    closed = [o.closed for o in outcomes if o.closed is not None]
    peaks = [o.spent.peak for o in outcomes if o.spent.peak is not None]
    return [
        name,
        *(f"{value:.3f}" for value in mean),
        f"{worst:+.3f}",
        f"{np.mean(closed):.2f}" if closed else "-",
        f"{calibration_error(sure, right):.3f}",
        f"{float(np.mean((sure - right) ** 2)):.3f}",
        f"{np.mean([o.spent.seconds for o in outcomes]):.2f}",
        f"{max(peaks):,.0f}" if peaks else "-",
    ]


def _pooled(outcomes: Sequence[Outcome]) -> tuple[Floats, Floats]:
    sure, right = (
        np.concatenate([getattr(o, part) for o in outcomes]) for part in ("sure", "right")
    )
    return sure, right


def curve(outcomes: Sequence[Outcome]) -> None:
    """Prints how often values of each tenth of confidence are right."""
    sure, right = _pooled(outcomes)
    tenth = np.minimum((sure * 10).astype(int), 9)
    rows = []
    for i in np.unique(tenth):
        of = tenth == i
        mean = (f"{part[of].mean():.3f}" for part in (sure, right))
        rows.append([f"{i / 10:.1f}-{(i + 1) / 10:.1f}", f"{of.sum():,}", *mean])
    show_table(["confidence", "values", "mean confidence", "share that is right"], rows)


def made_up(size: int, seeds: int) -> None:
    """Prints how every method does in every made-up world."""
    print(f"made up: {size} things unless the world is small, mean of {seeds} seeds")
    rows, everything = [], []
    for name, world in WORLDS.items():
        sets = [make(seed, size, world) for seed in range(seeds)]
        outcomes = [
            outcome(made.claims, made.truth, partial(ours, ages=made.ages, kinds=made.kinds))
            for made in sets
        ]
        rows.append(row(name, outcomes))
        everything += outcomes
    show_table(HEADS, rows)
    curve(everything)


def books(folder: Path) -> None:
    """Prints how every method does on which authors sellers name for a book."""
    table = book_claims(folder)
    claims, sellers = sum(map(len, table.values())), {d for of in table.values() for d in of}
    print(f"books: {claims} claims of {len(sellers)} sellers on {len(table)}")
    for name in ("golden", "silver"):
        truth = book_truth(folder, name, table)
        found = outcome(table, truth, ours)
        show_table(HEADS, [row(f"{name}, {len(truth)} known", [found])])
        curve([found])


def city(residents: int, seed: int, noise: float) -> None:
    """Prints how every method does in a sample city, after a whole run."""
    with published(residents, seed, noise) as (hub, truth, report, took):
        fused = {name: state.entities for name, state in report.subjects.items()}
        made = f"{residents:,} residents, seed {seed}, noise {noise:g}"
        print(f"sample city: {made}; the whole run took {took}")
        for name, attributes in subjects(hub, truth, report):
            outcomes = {a.name: beside(a) for a in attributes}
            seconds = report.seconds[f"fuse {name}"]
            print(f"{name}: {fused[name]:,} entities, fused in {seconds:.1f} s")
            rows = [row(attribute, [found])[:-2] for attribute, found in outcomes.items()]
            show_table(HEADS[:-2], rows)
            curve(list(outcomes.values()))


def beside(attribute: Attribute) -> Outcome:
    """Every method on the claims about an attribute; ours is what is decided already."""
    return outcome(attribute.claims, attribute.truth, lambda _: attribute.found)


def one_s_own(given: own.Claims, left_out: Mapping[str, int]) -> None:
    """Prints how every method does on claims from a file."""
    with spent() as took:
        found = decided_as_told(given)
    sources = len(given.rows["dataset"].unique())
    aside = "".join(f"; left out: {n:,} {why}" for why, n in sorted(left_out.items()))
    print(f"{given.rows.num_rows:,} claims of {sources} sources{aside}; fused in {took}")
    outcomes = {
        f"{name}, {len(truth)} known": beside(Attribute(name, given.said[name], truth, found[name]))
        for name, truth in given.true.items()
        if truth
    }
    show_table(HEADS[:-2], [row(name, [each])[:-2] for name, each in outcomes.items()])
    curve(list(outcomes.values()))


def several(size: int, seeds: int) -> None:
    """Prints how every method does on registers of several attributes, over all of these."""
    print(f"registers of {len(registers.ATTRIBUTES)} attributes: {size} things, {seeds} seeds")
    rows = []
    for name, world in registers.WORLDS.items():
        outcomes = []
        for seed in range(seeds):
            given = registers.make(seed, size, world)
            found = decided_as_told(given)
            outcomes += [
                beside(Attribute(about, given.said[about], truth, found[about]))
                for about, truth in given.true.items()
            ]
        rows.append(row(name, outcomes)[:-2])
    show_table(HEADS[:-2], rows)


def places(size: int, seeds: int) -> None:
    """Prints how every method does on addresses some of which tell less. To others, what tells
    less is another address; an address without its room counts as wrong. How far confidence is
    off: from being right as far as the address goes.
    """
    print(f"addresses, a share of which lack the room, or building and room: {size}, {seeds} seeds")
    rows, element = [], elements()["address"]
    for share, sources in product(addresses.SHARES, (3, 5)):
        outcomes = []
        for seed in range(seeds):
            given = addresses.make(seed, size, sources, share)
            truth, found = given.true["value"], decided_as_told(given)["value"]
            each = beside(Attribute("value", given.said["value"], truth, found))
            told_right = [
                found[thing][0] == gist or tells_less(element, found[thing][0], gist)
                for thing, gist in truth.items()
            ]
            outcomes.append(replace(each, right=np.array(told_right, float)))
        rows.append(row(f"{share:.0%} tell less, {sources} sources", outcomes)[:-2])
    show_table(HEADS[:-2], rows)


def decided_as_told(given: own.Claims) -> dict[str, dict[str, tuple[str, float]]]:
    """Attribute → thing → gist of the golden value, and how sure it is."""
    about, claims = given.subject, given.rows
    newest = max((day for day in claims["as_of"].to_pylist() if day), default=None)
    today = TODAY if newest is None else date.fromisoformat(newest)
    golden = fuse(connect(EngineLimits()), about, claims, today).golden.to_pyarrow()
    found: dict[str, dict[str, tuple[str, float]]] = {name: {} for name in about.attributes}
    for told in golden.select(["entity", "attribute", "value", "confidence"]).to_pylist():
        name = told["attribute"]
        gist = elements()[about.attributes[name].element].gist(told["value"])
        found[name][told["entity"]] = (gist, told["confidence"])
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=Path("../shared/data"))
    options.add_argument("--entities", type=int, default=100_000)
    options.add_argument("--things", type=int, default=1000)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--residents", type=int, default=2000, help="of the sample city")
    options.add_argument("--seed", type=int, default=7, help="of the sample city")
    options.add_argument("--noise", type=float, default=1, help="of the sample city")
    options.add_argument("--claims", type=Path, help="of one's own, CSV")
    options.add_argument("--truth", type=Path, help="of these, CSV")
    options.add_argument("--as", dest="kinds", action="append", default=[], metavar="NAME=ELEMENT")
    given = options.parse_args()
    print(describe())
    if given.claims is not None:
        if given.truth is None:
            options.error("--truth is missing")
        try:
            one_s_own(*own.claims(given.claims, given.truth, own.kinds(given.kinds)))
        except own.Unusable as error:
            options.error(str(error))
        return
    print("who is the same, on labelled sets (python -m bench.linkage has more)")
    compare(LABELLED, given.data)
    if (given.data / "fusion" / "book").is_dir():
        books(given.data / "fusion" / "book")
    else:
        print(f"books: skipped, {given.data}/fusion/book is absent")
    made_up(given.things, given.seeds)
    several(given.things, given.seeds)
    places(given.things, given.seeds)
    city(given.residents, given.seed, given.noise)
    speed(given.entities)


if __name__ == "__main__":
    main()
