"""A table as it is opened: read from the lake, coded by every rung, written generalised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from catalog.standards import elements
from catalog.subjects import Opening
from core.engine import view
from core.lake import Stored
from hub.opening.columns import Column, Role
from hub.opening.search import Classes, Outcome, bottom
from hub.serving.files import harmless
from policies.masking import in_public

SUFFIXES = {"csv": ".csv", "parquet": ".parquet"}
"""The forms in which a table is released."""

Show = Callable[[str], object]


class OpenTable:
    """The rows of a table in an engine of their own. Each distinct value is masked once."""

    def __init__(
        self, engine: duckdb.DuckDBPyConnection, columns: Sequence[Column], opening: Opening
    ) -> None:
        self._engine = engine
        self._columns = columns
        self.classes = Classes(engine, columns, opening)

    def load_records(self, golden: Stored) -> None:
        """Takes in golden values: entity, attribute, value."""
        picked = ", ".join(
            f"max(value) FILTER (attribute = '{c.name}') AS \"{c.name}\"" for c in self._columns
        )
        self._load(golden, f"SELECT {picked} FROM incoming GROUP BY entity")  # noqa: S608 - names

    def load_rows(self, rows: Stored) -> None:
        """Takes in the rows of a dataset."""
        picked = ", ".join(f'"{column.name}"' for column in self._columns)
        self._load(rows, f"SELECT {picked} FROM incoming")  # noqa: S608 - registered names

    def _load(self, data: Stored, query: str) -> None:
        view(self._engine, "incoming", data)
        self._engine.execute(f"CREATE TABLE held AS {query}")
        codes, joins = [], []
        for number, column in enumerate(self._columns):
            self._code(number, column)
            rungs = (
                [f'm{number}."c{i}" AS "{column.name} {i}"' for i in range(len(column.ladder))]
                if column.role is Role.QUASI
                else [f'm{number}."c0" AS "{column.name}"']
            )
            codes += rungs
            joins.append(f'LEFT JOIN m{number} ON m{number}.value = held."{column.name}"')
        self._engine.execute(
            f"CREATE TABLE coded AS SELECT {', '.join(codes)} FROM held {' '.join(joins)}"  # noqa: S608
        )
        self._engine.execute("DROP TABLE held")

    def _code(self, number: int, column: Column) -> None:
        """Makes a table of a column's values: each with what every rung shows of it as a number,
        whose text stands in a table of its own.
        """
        query = f'SELECT DISTINCT "{column.name}" FROM held WHERE "{column.name}" IS NOT NULL'  # noqa: S608
        values = [value for (value,) in self._engine.execute(query).fetchall()]
        table: dict[str, pa.Array] = {"value": pa.array(values, pa.string())}
        for rung, mask in enumerate(column.ladder):
            shown = pa.array(_shown(column, mask, values), pa.string())
            coded = shown.dictionary_encode()
            table[f"c{rung}"] = coded.indices
            self._texts(f"t{number}_{rung}", coded.dictionary)
        self._engine.register("made", pa.table(table))
        self._engine.execute(f"CREATE TABLE m{number} AS SELECT * FROM made")  # noqa: S608 - a number
        self._engine.unregister("made")

    def _texts(self, name: str, texts: pa.Array) -> None:
        """Makes a table of texts by number, as they are and as a spreadsheet may have them."""
        safe = [harmless(text) for text in texts.to_pylist()]
        codes = pa.array(range(len(texts)), pa.int32())
        listed = pa.table({"code": codes, "parquet": texts, "csv": pa.array(safe, pa.string())})
        self._engine.register("made", listed)
        self._engine.execute(f"CREATE TABLE {name} AS SELECT * FROM made")  # noqa: S608 - our own
        self._engine.unregister("made")

    def before(self) -> Outcome:
        """The table as it stands, nothing generalised."""
        return self.classes.outcome(bottom(self.classes))

    def masks(self, outcome: Outcome) -> dict[str, str]:
        """Column → the mask it is released under."""
        return {c.name: c.ladder[outcome.steps.get(c.name, 0)] for c in self._columns}

    def write(self, outcome: Outcome, form: str, to: Path) -> None:
        """Writes the rows whose class holds, ordered by what they say."""
        parts, joins = [], []
        for number, column in enumerate(self._columns):
            rung = outcome.steps.get(column.name, 0)
            code = f"{column.name} {rung}" if column.role is Role.QUASI else column.name
            texts = f"t{number}_{rung}"
            parts.append(f'{texts}.{form} AS "{column.name}"')
            joins.append(f'LEFT JOIN {texts} ON {texts}.code = kept."{code}"')
        kept = self.classes.kept(outcome.steps)
        order = ", ".join(str(place + 1) for place in range(len(parts)))
        query = f"SELECT {', '.join(parts)} FROM ({kept}) kept {' '.join(joins)} ORDER BY {order}"  # noqa: S608 - registered names
        options = "FORMAT csv, HEADER" if form == "csv" else "FORMAT parquet"
        place = str(to).replace("'", "''")
        self._engine.execute(f"COPY ({query}) TO '{place}' ({options})")


def _shown(column: Column, mask: str, values: Sequence[str]) -> list[str | None]:
    """What a mask shows of values."""
    return list(map(in_public(elements()[column.element], mask), values))
