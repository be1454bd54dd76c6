"""What is derived of values, so that they can be compared and found: features and foldings."""

# ruff: noqa: S608 (SQL is built from made-up column names)
from __future__ import annotations

import pyarrow as pa

from core.sql import Sql
from reconcile.linkage.compared import Compared

_PRIMES = (127, 113)
_PART = 100_000  # values


def derive(
    connection: Sql,
    source: str,
    target: str,
    compared: tuple[Compared, ...],
) -> None:
    """Makes the table ``target``: ``source`` and the derived columns of its values. Elements'
    functions see each distinct value once. Reads the ``usual`` values of attributes.
    """
    select, joins = ["s.*"], []
    for attribute in compared:
        for column, expression in attribute.extra_columns():
            select.append(f"{expression} AS {column}")
        if attribute.comparison.frequency:
            select.append(f"{attribute.usual}.value IS NULL AS {attribute.rarely}")
            usual = attribute.usual
            joins.append(f"LEFT JOIN {usual} ON s.{attribute.column} = {usual}.value")
        columns = _lookup(connection, source, attribute)
        if columns:
            table = f"values_{attribute.column}"
            select += [f"{table}.{column}" for column in columns]
            joins.append(f"LEFT JOIN {table} ON s.{attribute.column} = {table}.value")
    connection.execute(
        f"CREATE OR REPLACE TABLE {target} AS SELECT {', '.join(select)} "
        f"FROM {source} AS s {' '.join(joins)}"
    )


def _lookup(connection: Sql, source: str, attribute: Compared) -> tuple[str, ...]:
    """Makes a table value → derived texts for one attribute; the names of its columns."""
    if not attribute.comparison.features and not attribute.spelt_features():
        return ()
    values = connection.sql(
        f"SELECT DISTINCT {attribute.column} AS value FROM {source} "
        f"WHERE {attribute.column} IS NOT NULL"
    ).to_arrow_table()
    # Part by part: as Python's texts, millions of addresses would fill the memory.
    parts = [
        _derived(attribute, batch.column("value").to_pylist())
        for batch in values.to_batches(max_chunksize=_PART)
    ]
    table = pa.concat_tables(parts or [_derived(attribute, [])])
    connection.register(f"given_{attribute.column}", table)
    connection.execute(
        f"CREATE OR REPLACE TABLE values_{attribute.column} AS FROM given_{attribute.column}"
    )
    connection.unregister(f"given_{attribute.column}")
    return tuple(table.column_names[1:])


def _derived(attribute: Compared, texts: list[str]) -> pa.Table:
    """The features of texts, and the foldings that spelling is compared by, beside ``value``."""
    features = attribute.comparison.features
    # Text by text, since the features of one text are often steps from the same one.
    functions = list(features.values())
    columns = list(zip(*([f(text) for f in functions] for text in texts), strict=True))
    derived: dict[str, list[str | None]] = {
        attribute.derived(name): list(column)
        for name, column in zip(features, columns or [()] * len(functions), strict=True)
    }
    for feature in sorted(attribute.spelt_features()):
        column = attribute.derived(feature)
        of = derived[column] if feature else texts
        for number, folding in enumerate(map(_Folding, _PRIMES)):
            derived[f"{column}_s{number}"] = [text and text.translate(folding) for text in of]
    content = {"value": texts, **derived}
    return pa.table({name: pa.array(column, pa.string()) for name, column in content.items()})


class _Folding(dict[int, int]):
    """Every character as one byte. The engine measures distances in bytes, of which a Chinese
    character has three; folded to one byte, distances can only come out smaller, and with two
    foldings hardly ever do.
    """

    def __init__(self, prime: int) -> None:
        super().__init__({code: code for code in range(128)})
        self._prime = prime

    def __missing__(self, code: int) -> int:
        folded = self[code] = code % self._prime + 1
        return folded
