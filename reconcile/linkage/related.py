"""Who stands beside a record: people of one household or address, as its own dataset has them.

The records of other datasets may have moved, or number households in their own way; but their
people come with the same others. So the names of the others are one more thing that is compared,
and need no second pass after the first clusters.
"""

# ruff: noqa: S608 (SQL is built from made-up column names; names and texts are quoted)
from __future__ import annotations

from collections.abc import Mapping

from catalog.subjects import Subject
from core.sql import Sql
from reconcile.linkage.compared import MARK, NAMES, Related
from reconcile.linkage.records import (
    columns,
    quoted_name,
    quoted_text,
    value_of,
)

_MOST = 8  # records with one value; of more it is no household


def make(connection: Sql, subject: Subject, fit: Mapping[str, str]) -> None:
    """Makes the table ``related`` (``dataset, record, related``: the names of the others, in
    order) of all records that have any.

    Args:
        fit: dataset → the name of its fit table.
    """
    connection.execute(f"CREATE TABLE gathered AS {_gathered(subject, fit)}")
    connection.execute(f"CREATE OR REPLACE TABLE related AS {_OTHERS}")
    connection.execute("DROP TABLE gathered")


def renew(
    connection: Sql, subject: Subject, fit: Mapping[str, str], changes: Mapping[str, str]
) -> None:
    """Makes ``related`` of those records alone beside which somebody changed, or that changed
    themselves; ``beside`` (``dataset, record``) has them all.

    Args:
        changes: dataset → the name of a table of its rows that came or went.
    """
    connection.execute(f"CREATE VIEW everyone_gathered AS {_gathered(subject, fit)}")
    connection.execute(
        f"""CREATE TABLE beside AS
        SELECT DISTINCT dataset, record FROM everyone_gathered
        SEMI JOIN ({_gathered(subject, changes)}) AS moved USING (dataset, kind, value)"""
    )
    connection.execute(
        """CREATE TABLE gathered AS FROM everyone_gathered SEMI JOIN (
            FROM everyone_gathered SEMI JOIN beside USING (dataset, record)
        ) AS near USING (dataset, kind, value)"""
    )
    connection.execute(
        f"CREATE TABLE related AS FROM ({_OTHERS}) SEMI JOIN beside USING (dataset, record)"
    )
    connection.execute("DROP VIEW everyone_gathered; DROP TABLE gathered")


def listed() -> str:
    """SQL that makes one text of the first names of a group, by ``name`` and ``place``."""
    names = ", ".join(f"max(CASE WHEN place = {n} THEN name END)" for n in range(1, NAMES + 1))
    return f"concat_ws('{MARK}', {names})"


def of_entities(related: Related) -> str:
    """SQL of ``entity`` and the others that most of its records have, none of them under a name
    that the entity has itself.
    """
    places = " UNION ALL ".join(f"SELECT {n} AS n" for n in range(1, NAMES + 1))
    return f"""WITH known AS (
            SELECT entity, {related.own.column} AS own, {related.column} AS others
            FROM keyed JOIN records USING (rid)
        ), single AS (
            SELECT entity, split_part(others, '{MARK}', n) AS name
            FROM known CROSS JOIN ({places}) AS places WHERE others IS NOT NULL
        ), ranked AS (
            SELECT entity, name, row_number() OVER (
                PARTITION BY entity ORDER BY count(*) DESC, name) AS place
            FROM single ANTI JOIN (SELECT entity, own AS name FROM known) AS own
                USING (entity, name)
            WHERE name <> '' GROUP BY entity, name
        )
        SELECT entity, {listed()} AS {related.column} FROM ranked GROUP BY entity"""


def _gathered(subject: Subject, fit: Mapping[str, str]) -> str:
    """SQL of the values that gather records, with the name that each has."""
    nothing = ("dataset", "record", "kind", "value", "name")
    parts = [f"SELECT {', '.join(f'NULL::VARCHAR AS {name}' for name in nothing)} WHERE false"]
    for related in columns(subject).related:
        for dataset, items in subject.feeds.items():
            gathering = [a for a in related.gathering if a.name in items]
            if dataset not in fit or not gathering or related.own.name not in items:
                continue
            name = quoted_name(items[related.own.name])
            for attribute in gathering:
                value = value_of(items[attribute.name], attribute.comparison.unknown)
                parts.append(
                    f"SELECT {quoted_text(dataset)}, _record, '{attribute.column}', {value}, "
                    f"{name} FROM {fit[dataset]} WHERE {value} IS NOT NULL"
                )
    return " UNION ALL ".join(parts)


_OTHERS = f"""WITH small AS (
        SELECT dataset, kind, value FROM gathered GROUP BY dataset, kind, value
        HAVING count(*) BETWEEN 2 AND {_MOST}
    ), chosen AS (SELECT * FROM gathered SEMI JOIN small USING (dataset, kind, value)),
    others AS (
        SELECT DISTINCT l.dataset, l.record, r.name
        FROM chosen AS l JOIN chosen AS r USING (dataset, kind, value)
        WHERE r.name <> coalesce(l.name, '')
    ), ranked AS (
        SELECT *, row_number() OVER (PARTITION BY dataset, record ORDER BY name) AS place
        FROM others
    )
    SELECT dataset, record, {listed()} AS related FROM ranked GROUP BY dataset, record"""
