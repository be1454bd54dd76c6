"""What the model compares: the unkeyed records, and representatives of the keyed entities."""

# ruff: noqa: S608 (SQL is built from made-up column names and numbers)
from __future__ import annotations

from catalog.subjects import MOST_ONCE
from core.sql import Sql
from reconcile.linkage import related
from reconcile.linkage.compared import Attributes
from reconcile.linkage.derived import derive
from reconcile.linkage.records import quoted_text

_FACES = 3
_STEP = 4
LISTS = (1 << MOST_ONCE) - 1


def build(connection: Sql, attributes: Attributes, once: tuple[str, ...]) -> bool:
    """Makes the table ``nodes`` and says whether there is anything to compare.

    Columns: ``node``; ``entity`` (of an unkeyed record: a negative number of its own); ``keyed``;
    ``mask`` (the ``once`` datasets that stand in it, one bit each, and above ``LISTS`` the keys
    with a check character that it has); ``origin`` (the entity a stranger was split from); all
    that the model weighs and what is derived of it.

    An entity has up to three faces: the first shows the most common value of each attribute, the
    next ones the second and third most common where there are such. So every frequent value can
    be met, and yet one face holds what several sources know together.
    """
    if not any(a.telling for a in attributes.compared):
        return False
    make(connection, attributes, once)
    return True


def make(connection: Sql, attributes: Attributes, once: tuple[str, ...]) -> None:
    """Makes the table ``nodes``, whether or not there is anything to compare."""
    bits = " ".join(f"WHEN {quoted_text(name)} THEN {1 << n}" for n, name in enumerate(once))
    mask = f"CASE dataset {bits} ELSE 0 END" if once else "0"
    connection.execute(f"CREATE TABLE masks AS SELECT rid, {mask}::BIGINT AS mask FROM records")
    columns = ", ".join(attributes.judged_columns)
    rest = "".join(f", NULL::VARCHAR AS {number.column}" for number in attributes.numbers)
    rest += "".join(f", records.{others.column}" for others in attributes.related)
    connection.execute(
        f"""CREATE TABLE plain AS
        SELECT rid * {_STEP} AS node, -1 - rid AS entity, false AS keyed, mask,
            strangers.entity AS origin, {columns_of(attributes, "records")}{rest}
        FROM records JOIN masks USING (rid) ANTI JOIN keyed USING (rid)
            LEFT JOIN strangers USING (rid)
        UNION ALL
        SELECT entity * {_STEP} + face, entity, true, mask{_checked(attributes)}, NULL, {columns}
        FROM ({_faces(attributes)}) JOIN (
            SELECT entity, bit_or(mask) AS mask FROM keyed JOIN masks USING (rid) GROUP BY entity
        ) USING (entity)"""
    )
    derive(connection, "plain", "nodes", attributes.judged)
    connection.execute("DROP TABLE plain; DROP TABLE masks")


def _checked(attributes: Attributes) -> str:
    """SQL that adds to a mask a bit for each key with a check character that is there. Entities
    that share such a bit have different valid keys.
    """
    return "".join(
        f" + CASE WHEN {number.column} IS NULL THEN 0 ELSE {(LISTS + 1) << place} END"
        for place, number in enumerate(attributes.numbers)
        if number.comparison.checked
    )


def columns_of(attributes: Attributes, table: str) -> str:
    """The compared columns of ``table``, as SQL."""
    return ", ".join(f"{table}.{column}" for column in attributes.columns)


def _faces(attributes: Attributes) -> str:
    """SQL of ``entity, face`` and one column per compared attribute."""
    places = range(1, _FACES + 1)
    found, tables = [], ["(SELECT DISTINCT entity FROM keyed) AS entities"]
    valued = (*attributes.columns, *(number.column for number in attributes.numbers))
    for column in valued:
        shown = ", ".join(
            f"max(CASE WHEN place = {n} THEN value END) AS {column}_{n}" for n in places
        )
        found += [f"v_{column}.{column}_{n}" for n in places]
        tables.append(
            f"""LEFT JOIN (
                SELECT entity, {shown} FROM (
                    SELECT entity, {column} AS value, row_number() OVER (
                        PARTITION BY entity ORDER BY count(*) DESC, {column}) AS place
                    FROM keyed JOIN records USING (rid) WHERE {column} IS NOT NULL
                    GROUP BY entity, {column}) GROUP BY entity
            ) AS v_{column} USING (entity)"""
        )
    columns, fresh = [], ["face = 1"]
    for column in valued:
        shown = " ".join(f"WHEN {n} THEN coalesce({column}_{n}, {column}_1)" for n in places)
        columns.append(f"CASE face {shown} END AS {column}")
    for others in attributes.related:
        found.append(f"v_{others.column}.{others.column}")
        tables.append(
            f"LEFT JOIN ({related.of_entities(others)}) AS v_{others.column} USING (entity)"
        )
        columns.append(others.column)
    for column in attributes.columns:
        fresh += [f"face = {n} AND {column}_{n} IS NOT NULL" for n in places[1:]]
    faces = " UNION ALL ".join(f"SELECT {n} AS face" for n in places)
    return f"""SELECT entity, face, {", ".join(columns)}
        FROM (SELECT entities.entity, {", ".join(found)} FROM {" ".join(tables)})
            CROSS JOIN ({faces}) AS faces
        WHERE {" OR ".join(fresh)}"""
