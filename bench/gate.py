"""The gate on a million rows by twenty rules, beside the same counts in bare DuckDB.

``python -m bench.gate [--rows 1000000] [--seed 7]``
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from bench.machine import describe, show
from catalog.contracts import Contract, Item, Rule
from core.sql import EngineLimits, open_sql
from core.types import Level, Sharing
from reconcile.bound import CHANGE, EXISTS, RECENT_ROWS, Given
from reconcile.quality import split

AS_OF = date(2026, 6, 30)
VALUES, PAIR = "expect_column_values_to_", "expect_column_pair_values_"
CODES = ["1", "2", "3", "4", "5"]
ITEMS = {
    "number": "identifier", "name": "text", "kind": "code", "state": "code", "town": "code",
    "members": "integer", "rooms": "integer", "income": "money", "born": "date", "moved": "date",
    "seen": "date", "house": "identifier",
}  # fmt: skip


def rule(expectation: str, severity: str = "warn", **arguments: object) -> Rule:
    return Rule.model_validate(
        {"expectation": expectation, "severity": severity, "arguments": arguments}
    )


# Beside these stand, for each item, that it has no flaw; for the key, that it is there and its
# row's alone; and that no row repeats another.
RULES = (
    rule(VALUES + "not_be_null", "reject", column="name"),
    rule(VALUES + "not_be_null", column="kind"),
    rule(VALUES + "not_be_null", column="born"),
    rule(VALUES + "be_in_set", "reject", column="kind", value_set=CODES),
    rule(VALUES + "be_in_set", column="state", value_set=CODES[:4]),
    rule(VALUES + "be_in_set", column="town", value_set=CODES),
    rule(VALUES + "not_be_in_set", column="name", value_set=["test", "x"]),
    rule(VALUES + "be_between", "reject", column="members", min_value=1, max_value=20),
    rule(VALUES + "be_between", column="rooms", min_value=0, max_value=30),
    rule(VALUES + "be_between", column="income", min_value=0),
    rule(VALUES + "be_between", column="born", min_value="1900-01-01"),
    rule(VALUES + "match_regex", column="number", regex="^N[0-9]{9}$"),
    rule(VALUES + "match_regex", column="house", regex="^H[0-9]+$"),
    rule("expect_column_value_lengths_to_be_between", column="name", min_value=2, max_value=8),
    rule(PAIR + "a_to_be_greater_than_b", "reject", column_A="moved", column_B="born",
         or_equal=True, ignore_row_if="either_value_is_missing"),
    rule(PAIR + "a_to_be_greater_than_b", column_A="seen", column_B="moved", or_equal=True,
         ignore_row_if="either_value_is_missing"),
    rule(EXISTS, column="house", dataset="housing.dwellings", item="house"),
    rule(RECENT_ROWS, column="seen", days=365),
    rule(CHANGE, percent=20),
    rule("expect_column_mean_to_be_between", column="members", min_value=1, max_value=9),
)  # fmt: skip


def contract() -> Contract:
    items = tuple(
        Item(
            name=name, column=name, title=name, element=element, level=Level.L1,
            sharing=Sharing.UNCONDITIONAL, key=name == "number",
        )
        for name, element in ITEMS.items()
    )  # fmt: skip
    return Contract(
        dataset="bench.people", name="people", version="1", department="bench", code="1",
        summary="", sharing=Sharing.UNCONDITIONAL, mode="interface", cycle="daily", items=items,
        as_of="seen", rules=RULES, digest="",
    )  # fmt: skip


def landing(path: Path, rows: int, seed: int) -> None:
    """Rows of which some in a hundred break one rule or another, written batch by batch."""
    random = np.random.default_rng(seed)
    writer: pq.ParquetWriter | None = None
    for start in range(0, rows, 100_000):
        table = _rows(random, start, min(100_000, rows - start))
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def _rows(random: np.random.Generator, start: int, size: int) -> pa.Table:
    number = np.arange(start, start + size)
    number = np.where(random.random(size) < 0.01, np.maximum(number - 7, 0), number)
    days = np.datetime64("2026-06-30") - random.integers(0, 30_000, (3, size)).astype("m8[D]")
    born, moved = np.sort(days[:2], axis=0)
    seen = np.datetime64("2026-06-30") - random.integers(0, 380, size).astype("m8[D]")
    columns = {
        "number": pc.binary_join_element_wise(
            "N", pc.utf8_lpad(pa.array(number).cast(pa.string()), 9, "0"), ""
        ),
        "name": _some(
            random, ["王建国", "李秀英", "张伟", "x", ""], [0.3, 0.3, 0.38, 0.01, 0.01], size
        ),
        "kind": _some(random, [*CODES, "9"], [0.2, 0.2, 0.2, 0.2, 0.19, 0.01], size),
        "state": _some(random, CODES, [0.25, 0.25, 0.25, 0.24, 0.01], size),
        "town": _some(random, CODES, [0.2] * 5, size),
        "members": pa.array(random.integers(1, 22, size)).cast(pa.string()),
        "rooms": pa.array(random.integers(0, 32, size)).cast(pa.string()),
        "income": pa.array(random.integers(0, 20_000, size)).cast(pa.string()),
        "born": pa.array(np.where(random.random(size) < 0.01, moved, born)).cast(pa.string()),
        "moved": pa.array(np.where(random.random(size) < 0.01, born, moved)).cast(pa.string()),
        "seen": pa.array(seen).cast(pa.string()),
        "house": pc.binary_join_element_wise(
            "H", pa.array(random.integers(0, 101_000, size)).cast(pa.string()), ""
        ),
        "_row": pa.array(np.arange(start + 1, start + size + 1)),
        "_unreadable": pa.nulls(size, pa.string()),
        "_raw": pa.nulls(size, pa.string()),
    }
    return pa.table(columns)


def _some(
    random: np.random.Generator, words: Sequence[str], shares: Sequence[float], size: int
) -> pa.Array:
    return pa.array(np.array(words, object)[random.choice(len(words), size, p=shares)])


def houses() -> pa.ChunkedArray:
    numbers = pa.array(np.arange(100_000)).cast(pa.string())
    return pa.chunked_array([pc.binary_join_element_wise("H", numbers, "")])


# What the suite counts, on text that needs no cleaning.
BARE = """
    SELECT count(*) FILTER (name = ''),
           count(*) FILTER (kind = ''),
           count(*) FILTER (born = ''),
           count(*) FILTER (kind NOT IN ('1', '2', '3', '4', '5')),
           count(*) FILTER (state NOT IN ('1', '2', '3', '4')),
           count(*) FILTER (town NOT IN ('1', '2', '3', '4', '5')),
           count(*) FILTER (name IN ('test', 'x')),
           count(*) FILTER (members::INT NOT BETWEEN 1 AND 20),
           count(*) FILTER (rooms::INT NOT BETWEEN 0 AND 30),
           count(*) FILTER (income::DECIMAL(12, 2) < 0),
           count(*) FILTER (born::DATE < DATE '1900-01-01'),
           count(*) FILTER (NOT regexp_matches(number, '^N[0-9]{9}$')),
           count(*) FILTER (NOT regexp_matches(house, '^H[0-9]+$')),
           count(*) FILTER (name <> '' AND length(name) NOT BETWEEN 2 AND 8),
           count(*) FILTER (moved::DATE < born::DATE),
           count(*) FILTER (seen::DATE < moved::DATE),
           count(*) FILTER (house NOT IN (SELECT house FROM houses)),
           count(*) FILTER (seen::DATE < DATE '2026-06-30' - 365),
           count(*),
           avg(members::INT),
           count(*) - count(DISTINCT number)
    FROM landed
"""


def bare(path: Path) -> None:
    with open_sql(EngineLimits()) as engine:
        engine.register("houses_there", pa.table({"house": houses()}))
        engine.execute("CREATE TABLE houses AS SELECT * FROM houses_there")
        engine.execute(f"CREATE VIEW landed AS SELECT * FROM read_parquet('{path}')")  # noqa: S608
        print("counts", *sorted((engine.execute(BARE).fetchone() or ())[:18]), flush=True)


def ours(path: Path, folder: Path) -> None:
    given = Given(AS_OF, pq.ParquetFile(path).metadata.num_rows, lambda *_: houses())
    with split(contract(), ds.dataset(path), given, folder) as found:
        for name, stream in (("fit", found.fit()), ("quarantined", found.quarantined())):
            with pq.ParquetWriter(folder / f"{name}.parquet", stream.schema) as writer:
                for batch in stream:
                    writer.write_batch(batch)
        found.proof()
        whole = (CHANGE, "expect_column_mean_to_be_between")
        told = [e.rows for e in found.rules if e.rule.startswith("expect") and e.rule not in whole]
    # The suite has them in the order of items.
    print("counts", *sorted(told), flush=True)


def measured(which: str, path: Path, folder: Path) -> tuple[str, list[str]]:
    """Runs one side in a process of its own, so that its memory is its own."""
    started = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "bench.gate", "--only", which, str(path), str(folder)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    counts, peak = done.stdout.splitlines()
    return counts, [f"{seconds:.1f}", f"{cpu:.1f}", peak]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        which, path, folder = options.only
        if which == "ours":
            ours(Path(path), Path(folder))
        else:
            bare(Path(path))
        print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2:.2f} GiB")
        return
    print(describe())
    table, told = [], []
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as name:
        folder = Path(name)
        for rows in (options.rows // 4, options.rows):
            path = folder / "landing.parquet"
            landing(path, rows, options.seed)
            for which in ("ours", "bare"):
                counts, cells = measured(which, path, folder)
                told.append(counts)
                title = "gate, 20 rules" if which == "ours" else "bare DuckDB, the same counts"
                table.append([f"{rows:,}", title, *cells])
    show(["rows", "what", "seconds", "CPU s", "peak"], table)
    print("both count the same:", all(told[n] == told[n + 1] for n in (0, 2)))
    if told[2] != told[3]:
        print(told[2], told[3], sep="\n")


if __name__ == "__main__":
    main()
