"""What benchmarks have in common: the machine they ran on, and a table."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

_console = Console(width=None if Console().is_terminal else 120)


def describe() -> str:
    """The machine and the day, for figures that are quoted."""
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"
    )


def show(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table; all columns but the first stand to the right."""
    table = Table(box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    _console.print(table)
    _console.print()


class Spent:
    """What a piece of work took: wall seconds, and the most memory this process held meanwhile in
    MiB, that of what was there before included; None where the system does not tell.
    """

    seconds = 0.0
    peak: float | None = None

    def __str__(self) -> str:
        peak = "" if self.peak is None else f", peak {self.peak:,.0f} MiB"
        return f"{self.seconds:.1f} s{peak}"


@contextmanager
def spent() -> Iterator[Spent]:
    """Measures what is done inside. The peak is Linux's high-water mark of resident memory
    (``VmHWM``), put back to the present size at the beginning.
    """
    found, here = Spent(), Path("/proc/self")
    resettable = (here / "clear_refs").exists()
    if resettable:
        (here / "clear_refs").write_text("5", "ascii")
    began = time.perf_counter()
    yield found
    found.seconds = time.perf_counter() - began
    if resettable:
        lines = (here / "status").read_text("ascii").splitlines()
        found.peak = next(int(li.split()[1]) / 1024 for li in lines if li.startswith("VmHWM"))
