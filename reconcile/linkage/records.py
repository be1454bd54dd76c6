"""The records of all feeds in one table, and the columns derived from their values."""

# ruff: noqa: S608 (SQL is built from made-up column names; names and texts are quoted)
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.dataset as ds

from catalog.standards import elements
from catalog.standards.base import Agreement, Comparison
from catalog.subjects import Subject
from core.engine import lay
from core.errors import HubError
from core.sql import Sql
from reconcile.linkage.compared import Attributes, Compared, Related

RELATED = "_related"
_OTHERS = Comparison(
    levels=(
        Agreement("several_in_common", "in_common", bound=2),
        Agreement("one_in_common", "in_common", bound=1),
    )
)
_CHANCE = 1e-4  # that strangers have several others in common, before data is seen
_UNIQUE = 1e-7  # of a key: how many strangers share it


class FeedItemMissing(HubError):
    """A fit table lacks an item that the subject says feeds an attribute."""

    code = "feed_item_missing"
    status = 409


def lay_out(
    connection: Sql,
    subject: Subject,
    fit: Mapping[str, pa.Table | ds.Dataset],
    kind: str = "fit",
) -> dict[str, str]:
    """Makes the fit tables of a subject's feeds known; the name of each, by dataset."""
    names = {dataset: f"{kind}_{n}" for n, dataset in enumerate(subject.feeds) if dataset in fit}
    for dataset, name in names.items():
        lay(connection, name, fit[dataset])
    return names


def load(connection: Sql, subject: Subject, fit: Mapping[str, str]) -> Attributes:
    """Makes the table ``records``: ``rid`` (numbers from 0 in the order of dataset and record,
    whatever the order of the input), ``dataset``, ``record``, and one column per key, per
    compared attribute and for the ``related``, of which the table of that name tells. Records in
    which every attribute is null are left out.

    Args:
        fit: dataset → the name of its fit table.
    """
    attributes = columns(subject)
    selects = [_select(subject, attributes, d, fit[d]) for d in subject.feeds if d in fit]
    names = [*attributes.keys.values(), *attributes.columns]
    nothing = ", ".join(f"NULL::VARCHAR AS {name}" for name in ["dataset", "record", *names])
    union = " UNION ALL ".join([*selects, f"SELECT {nothing} WHERE false"])
    connection.execute(f"CREATE TABLE loaded AS {union}")
    others = "LEFT JOIN related USING (dataset, record)" if attributes.related else ""
    connection.execute(
        f"""CREATE TABLE records AS
        SELECT row_number() OVER (ORDER BY dataset, record) - 1 AS rid, * FROM (
            {_one_each(connection, names)}) {others}"""
    )
    connection.execute("DROP TABLE loaded")
    return attributes


def check(subject: Subject, fit: Mapping[str, pa.Table | ds.Dataset]) -> None:
    """Raises:
    FeedItemMissing: a fit table lacks an item that feeds an attribute.
    """
    for dataset, items in subject.feeds.items():
        for item in items.values():
            if dataset in fit and item not in fit[dataset].schema.names:
                raise FeedItemMissing(dataset=dataset, item=item)


def columns(subject: Subject) -> Attributes:
    """How the attributes of ``subject`` compare, before anything is known of its records."""
    keys = {name: f"k{n}" for n, name in enumerate(subject.keys)}
    compared, numbers = [], []
    for number, (name, attribute) in enumerate(subject.attributes.items()):
        comparison = elements()[attribute.element].comparison
        if comparison is None:
            continue
        if name in keys:
            # Of a key, every value is rare.
            plain = replace(comparison, frequency=False)
            numbers.append(Compared(name, keys[name], plain, chance=_UNIQUE))
        else:
            compared.append(Compared(name, f"c{number}", comparison))
    related = tuple(_related(subject, compared))
    return Attributes(keys, tuple(_with_swaps(compared)), tuple(numbers), related)


def _with_swaps(compared: list[Compared]) -> Iterator[Compared]:
    """Where just two attributes may stand in each other's place, each knows the other."""
    pair = [attribute for attribute in compared if attribute.comparison.swaps]
    for attribute in compared:
        others = [other for other in pair if other is not attribute]
        if attribute in pair and len(pair) == 2:
            (other,) = others
            yield replace(attribute, swaps=other, leading=attribute is pair[0])
        else:
            yield attribute


def _related(subject: Subject, compared: list[Compared]) -> Iterator[Related]:
    """The others, where two datasets at least have names and what gathers. In a single list, who
    stands beside a record may be that same one under another name.
    """
    gathering = tuple(a for a in compared if a.comparison.gathers)
    named = next((a for a in compared if a.comparison.frequency), None)
    if named is None or not subject.linkage:
        return
    feeds = [items for items in subject.feeds.values() if named.name in items]
    if sum(any(a.name in items for a in gathering) for items in feeds) > 1:
        yield Related(
            RELATED, "related", _OTHERS, _CHANCE, steady=False, own=named, gathering=gathering
        )


def _select(
    subject: Subject,
    attributes: Attributes,
    dataset: str,
    table: str,
) -> str:
    items = subject.feeds[dataset]
    wanted = dict(attributes.keys) | {a.name: a.column for a in attributes.compared}
    silent = {a.name: a.comparison.unknown for a in attributes.compared}
    values = [
        f"{value_of(items.get(name), silent.get(name, frozenset()))} AS {column}"
        for name, column in wanted.items()
    ]
    return (
        f"SELECT {quoted_text(dataset)} AS dataset, _record AS record, {', '.join(values)} "
        f"FROM {table} WHERE {anything(items)}"
    )


def anything(items: Mapping[str, str]) -> str:
    """SQL of whether a row says anything of a subject, of which it feeds ``items``."""
    return " OR ".join(f"{quoted_name(item)} IS NOT NULL" for item in items.values()) or "false"


def value_of(item: str | None, unknown: frozenset[str]) -> str:
    """SQL of an item's value; nothing where there is no item or its value says nothing."""
    if item is None:
        return "NULL::VARCHAR"
    name = quoted_name(item)
    if not unknown:
        return name
    listed = ", ".join(quoted_text(value) for value in sorted(unknown))
    return f"CASE WHEN {name} NOT IN ({listed}) THEN {name} END"


def _one_each(connection: Sql, names: list[str]) -> str:
    """SQL of the loaded rows with one row per record, whichever row came first."""
    total, distinct = connection.execute(
        "SELECT count(*), count(DISTINCT (dataset, record)) FROM loaded"
    ).fetchall()[0]
    if total == distinct:
        return "SELECT * FROM loaded"
    order = f"ORDER BY {', '.join(names)}" if names else ""
    return (
        f"SELECT * FROM loaded QUALIFY row_number() OVER (PARTITION BY dataset, record {order}) = 1"
    )


def quoted_name(name: str) -> str:
    """``name`` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(value: str) -> str:
    """``value`` as an SQL text."""
    return "'" + value.replace("'", "''") + "'"
