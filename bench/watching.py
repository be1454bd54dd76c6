"""How often the rules say something of nothing, and how long a pass takes.

``python -m bench.watching [--entries 20000]``: 60 days of usual work of 50 made-up accounts, day by
day; then one pass over as many entries of a log in PostgreSQL.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.machine import describe, show
from core.clock import FixedClock
from hub.app import Hub, apply_documents, open_hub
from hub.audit.entries import Decision, Entry, KeyedDigests, What, Who, Why
from hub.folder import read
from hub.settings import Settings
from hub.watching.rules import notice
from hub.watching.settings import Watching
from hub.watching.watch import Watcher
from tests.hub import village
from tests.watching.trails import Remembered, normal

NOON = datetime(2040, 6, 6, 2, tzinfo=UTC)
"""Of a working day in China."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=20_000)
    options = parser.parse_args()
    print(describe())
    rows, clock = [alarms()], FixedClock(NOON)
    with (
        tempfile.TemporaryDirectory(prefix="hub-bench-") as folder,
        open_hub(Settings(home=Path(folder) / "home", database_url=None), clock) as hub,
    ):
        workspace = read(village.make(Path(folder) / "village"))
        apply_documents(hub, workspace.documents(), folder)
        rows.append(a_pass(hub, clock, options.entries))
    show(["what", "of", "figure"], rows)


def alarms() -> list[str]:
    work, found = Remembered(list(normal())), Counter[str]()
    for day in work.days:
        found.update(hit.rule for hit in notice(work.on(day), Watching()))
    told = ", ".join(f"{rule} {count}" for rule, count in found.items()) or "none"
    return ["false alarms, 50 accounts × 60 days", f"{work.trail.num_rows} requests", told]


def a_pass(hub: Hub, clock: FixedClock, count: int) -> list[str]:
    Watcher(hub).watch()
    chance, digests = random.Random(1), KeyedDigests(hub.keys)
    people = [digests.of("resident/resident_id", str(n)) for n in range(count // 2)]
    entries = [
        Entry(
            who=Who("worker-1", "police", f"w{chance.randrange(500)}"),
            why=Why("visit", f"GD-{chance.randrange(2000)}"),
            what=What(
                "query", "resident", {"name": "reveal"}, "440605001001001",
                (chance.choice(people),), {"answered": 1, "persons": 1},
            ),
            decision=Decision(granted=True),
            policy="p",
            outcome="answered",
        )
        for _ in range(count)
    ]  # fmt: skip
    for first in range(0, count, 1000):
        hub.audit.append(entries[first : first + 1000])
        clock.moment += timedelta(minutes=10)
    began = time.perf_counter()
    done = Watcher(hub).watch()
    seconds = time.perf_counter() - began
    return [
        "a pass over new entries",
        f"{done.read} entries",
        f"{done.read / seconds:,.0f} a second",
    ]


if __name__ == "__main__":
    main()
