"""Who is the same: linking beside Splink's own defaults, on labelled sets and the example city.

Splink's defaults are the model that its tutorials write for such data: comparisons of its library,
a few rules to block by, everything learned, records joined at 0.95 and 0.99. Ours is told nothing
but the element of each column. Sets that are absent are left out.

    python -m bench.linkage --data ../shared/data

In place of all these, on lists of one's own, ours alone (each file is one list; ``--who``: the
column that tells who a record is about):

    python -m bench.linkage --list a.csv --list b.csv --who person --as name=person_name --once
"""

from __future__ import annotations

import argparse
import logging
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench import own
from bench.linkage_sets import Problem, problem
from bench.machine import describe, show
from core.sql import EngineLimits

Clusters = Mapping[tuple[str, str], Hashable]
Rule = tuple[str, ...]
LABELLED = ("febrl1", "febrl2", "febrl3", "febrl4", "fake", "historical")
HEADS = ("set", "by", "precision", "recall", "F1", "seconds", "peak MB")
# The city by residents, seed, noise, and whether anybody has a number; families by the first three.
SETS = (
    *LABELLED, "febrl3 key", "febrl4 key",
    "city 5000/7/1/1", "city 5000/11/4/1", "city 5000/13/2/0", "families 5000/17/2",
)  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=Path("../shared/data"))
    options.add_argument("--sets", nargs="*", default=SETS)
    options.add_argument("--only-ours", action="store_true")
    options.add_argument("--list", dest="lists", action="append", type=Path, help="of one's own")
    options.add_argument("--who", help="column of a list: who a record is about")
    options.add_argument(
        "--as", dest="kinds", action="append", default=[], metavar="COLUMN=ELEMENT"
    )
    options.add_argument("--record", help="column of a list: the record's name")
    options.add_argument("--key", default="", help="column of a list: a number everybody has once")
    options.add_argument("--once", action="store_true", help="lists hold everybody once")
    given = options.parse_args()
    print(describe())
    if given.lists is None:
        compare(given.sets, given.data, ("ours",) if given.only_ours else ("ours", "splink"))
        return
    if given.who is None:
        options.error("--who is missing")
    try:
        told = own.Listed(own.kinds(given.kinds), given.who, given.record, given.key, given.once)
        found = own.records(given.lists, told)
    except own.Unusable as error:
        options.error(str(error))
    show(HEADS, measured("own", "ours", found))


def compare(sets: Iterable[str], data: Path, methods: Sequence[str] = ("ours", "splink")) -> None:
    """Prints how every method does on every set that is here."""
    rows = []
    for name in sets:
        for method in methods:
            # A process of its own each, so that its peak of memory is its own.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                rows += pool.submit(measure, name, method, data).result()
    show(HEADS, rows)


def measure(name: str, method: str, data: Path) -> list[tuple[str, ...]]:
    """One row of the table per answer; none where the set is absent."""
    found = problem(name, data)
    return [] if found is None else measured(name, method, found)


def measured(name: str, method: str, found: Problem) -> list[tuple[str, ...]]:
    """One row of the table per answer."""
    start = time.perf_counter()
    answers = ours(found) if method == "ours" else splinks(found)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        (name, how, *(f"{x:.4f}" for x in quality(clusters, found.truth)),
         f"{seconds:.1f}", f"{peak:.0f}")
        for how, clusters in answers.items()
    ]  # fmt: skip


def quality(
    clusters: Clusters, truth: Mapping[tuple[str, str], object]
) -> tuple[float, float, float]:
    """Precision, recall and F1 over pairs of records."""
    found: dict[object, Counter[object]] = defaultdict(Counter)
    for record, who in truth.items():
        found[clusters.get(record, record)][who] += 1
    right = sum(_pairs(n) for whose in found.values() for n in whose.values())
    claimed = sum(_pairs(whose.total()) for whose in found.values())
    true = sum(_pairs(n) for n in Counter(truth.values()).values())
    precision, recall = right / max(claimed, 1), right / max(true, 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


def ours(found: Problem) -> dict[str, Clusters]:
    """Linking as the hub does it."""
    from reconcile.linkage import link

    links = link(found.subject, found.tables, None, EngineLimits()).links
    columns = (links[name].to_pylist() for name in ("dataset", "record", "entity"))
    return {"ours": {(dataset, record): who for dataset, record, who in zip(*columns, strict=True)}}


def splinks(found: Problem) -> dict[str, Clusters]:
    """The model that Splink's tutorials write for such a set, at two thresholds."""
    import duckdb
    import splink

    table = _together(found)
    comparisons, blocks, sure = _tutorial(found)
    settings = splink.SettingsCreator(
        link_type="link_only" if len(found.tables) > 1 and found.kind == "febrl" else "dedupe_only",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=[splink.block_on(*rule) for rule in blocks],
    )
    connection = duckdb.connect(config={"threads": 2})
    logging.getLogger("splink").setLevel(logging.CRITICAL)
    linker = splink.Linker(splink.DuckDBAPI(connection).register(table), settings, log_level=None)
    train = linker.training
    train.estimate_probability_two_random_records_match(
        [splink.block_on(*rule) for rule in sure], recall=0.7
    )
    train.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for rule in blocks[:3]:
        train.estimate_parameters_using_expectation_maximisation(splink.block_on(*rule))
    scored = linker.inference.predict(0.5, warning_mode="never")
    answers: dict[str, Clusters] = {}
    for at in (0.95, 0.99):
        joined = linker.clustering.cluster_pairwise_predictions_at_threshold(scored, at)
        rows = connection.execute(
            f"SELECT dataset, record, cluster_id FROM {joined.physical_name}"  # noqa: S608
        ).fetchall()
        answers[f"splink {at}"] = {(dataset, record): who for dataset, record, who in rows}
    return answers


def _together(found: Problem) -> pa.Table:
    """All records with the subject's attributes as columns."""
    parts = []
    for dataset, items in found.subject.feeds.items():
        if dataset not in found.tables:
            continue
        table = found.tables[dataset]
        nothing = pa.nulls(table.num_rows, pa.string())
        columns = {
            name: table[items[name]] if name in items else nothing
            for name in found.subject.attributes
        }
        parts.append(
            pa.table(
                {
                    "dataset": pa.array([dataset] * table.num_rows, pa.string()),
                    "source_dataset": pa.array([dataset] * table.num_rows, pa.string()),
                    "record": table["_record"],
                    **columns,
                }
            )
        )
    whole = pa.concat_tables(parts)
    return whole.append_column("unique_id", pa.array(range(whole.num_rows)))


def _tutorial(found: Problem) -> tuple[list[Any], list[Rule], list[Rule]]:
    """Comparisons, rules to block by, and rules by which a pair is surely one person."""
    import splink.comparison_library as cl

    def tf(column: str) -> Any:
        return cl.ExactMatch(column).configure(term_frequency_adjustments=True)

    def day(column: str) -> Any:
        return cl.DateOfBirthComparison(column, input_is_string=True)

    names = {
        "febrl": ("given_name", "surname", "date_of_birth"),
        "fake": ("first_name", "surname", "dob"),
        "historical": ("first_name", "surname", "dob"),
        "city": ("name", "mobile", "birth_date"),
        "families": ("name", "mobile", "birth_date"),
    }
    first, last, born = names[found.kind]
    persons = [cl.NameComparison(first), cl.NameComparison(last), day(born)]
    if found.kind == "febrl":
        key = [cl.DamerauLevenshteinAtThresholds("soc_sec_id", [2])] if found.subject.keys else []
        blocks: list[Rule] = [(first, last), (born,), ("postcode", first), (last, "postcode")]
        number = [("soc_sec_id",)] if found.subject.keys else []
        more = [
            tf("street_number"),
            cl.DamerauLevenshteinAtThresholds("postcode", [2]),
            tf("state"),
        ]
        return [*persons, *more, *key], blocks + number, [(first, last, born)]
    if found.kind == "fake":
        return (
            [*persons, tf("city"), cl.EmailComparison("email")],
            [(first, last), (born,), ("email",), (first, "city")],
            [(first, last, born), ("email",)],
        )
    if found.kind == "historical":
        return (
            [*persons, cl.PostcodeComparison("postcode_fake"), tf("birth_place"), tf("occupation")],
            [(first, last), (last, born), (first, born), ("postcode_fake", first),
             ("postcode_fake", last), (born, "birth_place")],
            [(first, last, born)],
        )  # fmt: skip
    number = [("resident_id",)] if found.subject.keys else []
    key = [cl.ExactMatch("resident_id")] if number else []
    return (
        [cl.NameComparison("name"), day(born), tf("sex"), *key,
         cl.LevenshteinAtThresholds("mobile", [1, 2]),
         cl.JaroWinklerAtThresholds("address", [0.95, 0.88])],
        [("name", born), ("mobile",), ("name", "address"), *number],
        number or [("name", "mobile")],
    )  # fmt: skip


if __name__ == "__main__":
    main()
