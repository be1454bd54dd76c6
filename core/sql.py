"""SQL over tables in this process, and what an engine may use of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import pyarrow as pa
from pydantic import field_validator

from core.messages import message
from core.types import Model

if TYPE_CHECKING:
    from core.lake import Stored  # brings pandas

DUCKDB = "duckdb"
_MASTERS = re.compile(
    r"duckdb|spark://\S+|k8s://\S+|yarn|local|local\[(\d+|\*)(,\s*\d+)?\]"
    r"|local-cluster\[\d+,\s*\d+,\s*\d+\]"
)


class EngineLimits(Model):
    """Which engine a run uses, and what it may use of this machine.

    ``engine``: ``duckdb``, or the address of a Spark master.
    """

    threads: int = 2
    memory: str = "2GB"
    spill: Path | None = None
    engine: str = DUCKDB

    @field_validator("engine")
    @classmethod
    def _is_an_engine(cls, engine: str) -> str:
        return engine_name(engine)


FEW = EngineLimits(threads=1)
"""For a few rows, beside whatever else is done."""


class Rows(Protocol):
    """What a statement gave."""

    def fetchall(self) -> list[Any]:
        """All rows, as tuples."""
        ...

    def to_arrow_table(self) -> pa.Table:
        """All rows, in columns."""
        ...


class Sql(Protocol):
    """Tables of one run, and SQL over them in DuckDB's dialect: ``CREATE [OR REPLACE] TABLE``
    (from a query, or empty) or ``VIEW``, ``INSERT INTO``, ``DELETE FROM``, ``DROP TABLE`` and queries.
    ``?`` stands for a parameter.
    """

    def execute(self, query: str, parameters: Sequence[object] = ...) -> Rows:
        """Carries out one or more statements; the rows of the last one."""
        ...

    def sql(self, query: str) -> Rows:
        """A query's rows."""
        ...

    def register(self, name: str, data: pa.Table | Stored) -> object:
        """Makes ``data`` a table that is read where it lies."""
        ...

    def unregister(self, name: str) -> object:
        """Forgets a registered table."""
        ...


def engine_name(engine: str) -> str:
    """``engine`` if it names one.

    Raises:
        ValueError: it does not.
    """
    if not _MASTERS.fullmatch(engine):
        raise ValueError(message("rule_engine"))
    return engine


@contextmanager
def open_sql(limits: EngineLimits) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB in memory, whatever engine the limits name, with tables of its own that go with it.
    All that are open with the same limits keep to them together: what does not fit spills to
    ``limits.spill``, or is refused where there is none. Extensions are never fetched.
    """
    instance = _instance(limits.threads, limits.memory, limits.spill)
    name = f"own{next(_numbers)}"
    with instance.cursor() as connection:
        connection.execute(f"ATTACH ':memory:' AS {name}; USE {name}; SET TimeZone = 'UTC'")
        try:
            yield connection
        finally:
            connection.close()
            with instance.cursor() as other:
                other.execute(f"DETACH {name}")


@lru_cache(maxsize=8)
def _instance(threads: int, memory: str, spill: Path | None) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory: to start one takes as long as many small queries, to connect does not."""
    settings: dict[str, Any] = {
        "threads": threads,
        "memory_limit": memory,
        # By itself it would spill into whatever folder the process was started in.
        "temp_directory": "" if spill is None else str(spill),
        "autoinstall_known_extensions": False,
        "preserve_insertion_order": False,
        "python_enable_replacements": False,
    }
    return duckdb.connect(config=settings)


_numbers = count()
