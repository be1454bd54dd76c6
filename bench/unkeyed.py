"""Two long lists of the same people and no number to join them by: seconds, memory, quality.

The people are the example city's: skewed surnames, families at one address. Each list holds nine
in ten of them once, and errs at the rates of ``ERRORS``. Beside ours stands what a user of Splink
would write for such lists: its tutorials' comparisons and rules, learned, predicted, at 0.95.

    python -m bench.unkeyed --people 1000000 --memory 7GB
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from bench.linkage_sets import CITY, cleaned, people
from bench.machine import describe, show
from catalog.subjects import Subject
from core.sql import EngineLimits

Column = np.ndarray[Any, Any]

LISTS = ("civil.list", "health.list")
ELEMENTS = {
    "name": "person_name", "sex": "sex", "birth_date": "date", "mobile": "mobile",
    "address": "address",
}  # fmt: skip
HELD = 0.9
# Per list: another character that sounds or looks alike, another day of birth, the other sex, an
# earlier number, an earlier home, an address in short, and values that are missing.
ERRORS = {
    "name": 0.03, "birth_date": 0.02, "sex": 0.005, "mobile": 0.15, "address": 0.12,
    "short": 0.25, "no name": 0.002, "no birth_date": 0.05, "no mobile": 0.1, "no address": 0.05,
}  # fmt: skip


@dataclass
class Told:
    """What a way of linking took: ``stages`` (name → seconds), pairs compared, quality.
    ``ceiling``: seconds in which bare DuckDB looks whether the values of the same pairs are equal.
    """

    stages: dict[str, float] = field(default_factory=dict)
    pairs: int = 0
    ceiling: float | None = None
    quality: tuple[float, float] = (0.0, 0.0)
    peak: float = 0.0
    processor: float = 0.0

    def close(self) -> None:
        """Notes the peak of memory in MiB, and the seconds of both cores."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        self.peak = used.ru_maxrss / 1024
        self.processor = used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000, help="in each of the two lists")
    parser.add_argument("--memory", default="7GB", help="what the engine may use")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only-ours", action="store_true")
    given = parser.parse_args()
    print(describe())
    rows = []
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as folder:
        made = in_a_process(make, given.people, given.seed, Path(folder))
        for way in (ours,) if given.only_ours else (ours, bare):
            told = in_a_process(way, made, given.memory, Path(folder) / "spill")
            rows += report({ours: "ours", bare: "splink"}[way], told)
    print(f"{given.people:,} people in each of two lists, no keys")
    show(("by", "", "seconds"), rows)


def in_a_process(work: Callable[..., Any], *arguments: object) -> Any:
    """Its peak of memory is its own then."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def report(way: str, told: Told) -> Iterator[tuple[str, str, str]]:
    total, pairs = sum(told.stages.values()), f"{told.pairs:,} pairs compared"
    for stage, seconds in told.stages.items():
        yield way, stage, f"{seconds:.1f}"
    yield way, f"all; {pairs}, processor {told.processor:.0f} s", f"{total:.1f}"
    if told.ceiling is not None:
        yield "duckdb", "the same pairs, values equal or not", f"{told.ceiling:.1f}"
    precision, recall = told.quality
    yield way, f"precision {precision:.4f}, recall {recall:.4f}, peak {told.peak:,.0f} MiB", ""


def make(size: int, seed: int, folder: Path) -> dict[str, Path]:
    """Writes the lists as Parquet with the columns ``_record``, who it is about (``_who``) and
    those of ``ELEMENTS``; list → file.
    """
    import pyarrow.parquet as pq

    sys.path.insert(0, str(CITY))
    import city as truth

    rng = np.random.default_rng(seed)
    made = truth.build(CITY / "regions.yaml", round(size / HELD), rng)
    files = {}
    for name in LISTS:
        who = rng.permutation(len(made.people["name"]))[:size]
        cells = {item: pa.array(column, pa.string()) for item, column in _cells(made, who, rng)}
        records = [f"{row:07d}" for row in range(size)]
        table = cleaned(pa.table(cells), ELEMENTS, records)
        files[name] = folder / f"{name}.parquet"
        pq.write_table(table.append_column("_who", pa.array(who)), files[name])
    return files


def _cells(made: Any, who: Column, rng: np.random.Generator) -> Iterator[tuple[str, Column]]:
    """What a list says of the people ``who``, item by item."""
    import city as truth
    import names
    import noise

    def off(kind: str) -> Column:
        return np.flatnonzero(rng.random(len(who)) < ERRORS[kind])

    def without(item: str, column: Column) -> tuple[str, Column]:
        column[off(f"no {item}")] = None
        return item, column

    told = made.people["name"][who]
    slipped = off("name")
    noise.mishear(told, slipped[::2], names.SOUND_ALIKE)
    noise.mishear(told, slipped[1::2], names.LOOK_ALIKE)
    yield without("name", told)
    sex = truth.sexes(made.people)[who]
    for row in off("sex").tolist():
        sex[row] = "2" if sex[row] == "1" else "1"
    yield "sex", sex
    born = made.people["birth"][who]
    wrong = off("birth_date")
    born[wrong] += rng.choice([-30, -10, -1, 1, 10, 365], size=len(wrong))
    yield without("birth_date", noise.dates(born, noise.ISO))
    mobile, before = (made.people[item][who] for item in ("mobile", "mobile_before"))
    moved = off("mobile")
    mobile[moved] = before[moved]
    yield without("mobile", mobile)
    home = made.people["home"][who]
    moved = off("address")
    home[moved] = made.people["home_before"][who][moved]
    form = np.where(rng.random(len(who)) < ERRORS["short"], rng.integers(1, 4, len(who)), 0)
    yield without("address", np.choose(form, [written[home] for written in made.homes]))


def subject() -> Subject:
    """People of both lists, each of which has everybody once."""
    return people(ELEMENTS, LISTS, once=True)


def ours(files: dict[str, Path], memory: str, spill: Path) -> Told:
    """Linking as the hub does it."""
    import pyarrow.parquet as pq

    from reconcile.linkage import (
        clusters,
        edges,
        identity,
        link,
        model,
        nodes,
        pairs,
        related,
        state,
    )

    told = Told()

    def counted(connection: Any) -> None:
        began = time.perf_counter()
        equal = ", ".join(f"count(*) FILTER (l.c{n} = r.c{n})" for n in range(len(ELEMENTS)))
        told.pairs = connection.execute(
            f"""SELECT count(*), {equal} FROM pairs JOIN nodes AS l ON join_key_l = l.node
            JOIN nodes AS r ON join_key_r = r.node"""  # noqa: S608
        ).fetchall()[0][0]
        told.ceiling = time.perf_counter() - began

    tables = {name: pq.read_table(file).drop_columns("_who") for name, file in files.items()}
    with (
        timed(told, "who stands beside whom", related, "make"),
        timed(told, "derive what is compared", nodes, "build"),
        timed(told, "find pairs", pairs, "block", counted),
        timed(told, "learn the model", model, "learn"),
        timed(told, "compare", model, "judge"),
        timed(told, "edges", edges, "weighed"),
        timed(told, "clusters", clusters, "settle"),
        timed(told, "ids", identity, "name"),
        timed(told, "what is kept", state, "keep"),
    ):
        began = time.perf_counter()
        limits = EngineLimits(threads=2, memory=memory, spill=spill)
        links = link(subject(), tables, None, limits).links
        total = time.perf_counter() - began
    told.stages["everything else"] = total - sum(told.stages.values()) - (told.ceiling or 0)
    told.close()
    told.quality = judged(files, links)
    return told


@contextmanager
def timed(
    told: Told, stage: str, module: Any, name: str, after: Callable[[Any], None] | None = None
) -> Iterator[None]:
    """Inside, calls of a module's function count as a stage."""
    plain = getattr(module, name)

    def measured(connection: Any, *arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        result = plain(connection, *arguments, **named)
        told.stages[stage] = told.stages.get(stage, 0) + time.perf_counter() - began
        if after is not None:
            after(connection)
        return result

    setattr(module, name, measured)
    yield
    setattr(module, name, plain)


def bare(files: dict[str, Path], memory: str, spill: Path) -> Told:
    """Splink alone, as its tutorials have it."""
    import splink
    import splink.comparison_library as cl

    logging.getLogger("splink").setLevel(logging.CRITICAL)
    told = Told()
    connection = duckdb.connect(
        config={"threads": 2, "memory_limit": memory, "temp_directory": str(spill)}
    )
    union = " UNION ALL ".join(
        f"SELECT '{n}' AS source_dataset, '{n}' AS dataset, * EXCLUDE _who, "  # noqa: S608
        f"_record AS record, {i}::BIGINT << 32 | row_number() OVER () AS unique_id FROM '{file}'"
        for i, (n, file) in enumerate(files.items())
    )
    connection.execute(f"CREATE TABLE listed AS {union}")
    blocks = [("name", "birth_date"), ("mobile",), ("name", "address"), ("birth_date", "address")]
    settings = splink.SettingsCreator(
        link_type="link_only",
        comparisons=[
            cl.NameComparison("name"),
            cl.DateOfBirthComparison("birth_date", input_is_string=True),
            cl.ExactMatch("sex"),
            cl.LevenshteinAtThresholds("mobile", [1, 2]),
            cl.JaroWinklerAtThresholds("address", [0.95, 0.88]),
        ],
        blocking_rules_to_generate_predictions=[splink.block_on(*rule) for rule in blocks],
    )
    linker = splink.Linker(
        splink.DuckDBAPI(connection).register("listed"), settings, log_level=None
    )
    with stage(told, "learn the model"):
        linker.training.estimate_probability_two_random_records_match(
            [splink.block_on("name", "birth_date")], recall=0.7
        )
        linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
        for rule in blocks[:3]:
            linker.training.estimate_parameters_using_expectation_maximisation(
                splink.block_on(*rule)
            )
    with stage(told, "compare"):
        scored = linker.inference.predict(warning_mode="never")
    with stage(told, "clusters"):
        joined = linker.clustering.cluster_pairwise_predictions_at_threshold(scored, 0.95)
    told.pairs = connection.execute(f"SELECT count(*) FROM {scored.physical_name}").fetchall()[0][0]  # noqa: S608
    told.close()
    links = connection.sql(
        f"SELECT dataset, record, cluster_id AS entity FROM {joined.physical_name}"  # noqa: S608
    )
    told.quality = judged(files, links.to_arrow_table())
    return told


@contextmanager
def stage(told: Told, name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    told.stages[name] = time.perf_counter() - began


def judged(files: dict[str, Path], links: pa.Table) -> tuple[float, float]:
    """Precision and recall over pairs of records."""
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.register("links", links)
        union = " UNION ALL ".join(
            f"SELECT '{name}' AS dataset, _record AS record, _who FROM '{file}'"  # noqa: S608
            for name, file in files.items()
        )
        right, claimed, true = (
            float(connection.execute(
                f"""SELECT coalesce(sum(n * (n - 1) / 2), 0) FROM (
                    SELECT count(*) AS n FROM ({union}) JOIN links USING (dataset, record)
                    GROUP BY {group})"""  # noqa: S608
            ).fetchall()[0][0])
            for group in ("entity, _who", "entity", "_who")
        )  # fmt: skip
    return right / max(claimed, 1), right / max(true, 1)


if __name__ == "__main__":
    main()
