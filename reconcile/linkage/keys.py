"""Records that carry the same valid key join, but for those that clearly are someone else's."""

# ruff: noqa: S608 (SQL is built from made-up column names)
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from core.sql import Sql
from reconcile.linkage.compared import Attributes, Compared
from reconcile.linkage.derived import derive

_RARE = 10  # times rarer than a value is on average, and hardly anybody has it
_UNSEEN, _ASSUMED_CHANCE = 1.0, 0.002  # strangers that agree, as if one pair had been seen
_SAME = 0.7  # steady: of entities with several values, at least so many have one and the same
_STEADY, _ASSUMED = 0.9, 20  # what is assumed of steadiness, as if seen in so many entities


def join(connection: Sql, attributes: Attributes) -> None:
    """Makes the table ``keyed``: ``rid``, ``entity`` (the smallest rid with that key) and ``key``
    (the number of the key attribute by which it joined).

    Keys count in order of trust. A record without the first key joins by the next one, unless
    that one stands on several entities already; then it stays unkeyed. A key outweighs the
    promise of a dataset to list everyone once: two records with one key are a slip of the list.
    """
    connection.execute("CREATE TABLE keyed (rid BIGINT, entity BIGINT, key INTEGER)")
    for number, column in enumerate(attributes.keys.values()):
        connection.execute(
            f"""INSERT INTO keyed
            WITH owners AS (
                SELECT {column} AS value, min(entity) AS entity, max(entity) AS other
                FROM records JOIN keyed USING (rid) WHERE {column} IS NOT NULL GROUP BY 1
            ), free AS (
                SELECT rid, {column} AS value FROM records ANTI JOIN keyed USING (rid)
                WHERE {column} IS NOT NULL
            ), founders AS (SELECT value, min(rid) AS entity FROM free GROUP BY 1)
            SELECT rid, coalesce(owners.entity, founders.entity), {number}
            FROM free JOIN founders USING (value) LEFT JOIN owners USING (value)
            WHERE owners.entity IS NULL OR owners.entity = owners.other"""
        )


def measure(connection: Sql, attributes: Attributes) -> Attributes:
    """The attributes with what the data says of each: how telling it is, and whether steady.
    Makes the tables of their ``usual`` values.
    """
    if not attributes.compared:
        return attributes
    sums = ", ".join(
        f"min({c}) AS {c}, count({c}) > 1 AS many_{c}, min({c}) = max({c}) AS same_{c}"
        for c in attributes.columns
    )
    connection.execute(
        f"""CREATE TABLE measured AS SELECT {sums} FROM records LEFT JOIN keyed USING (rid)
        GROUP BY coalesce(entity, -1 - rid)"""
    )
    compared = []
    for attribute in attributes.compared:
        c = attribute.column
        alike, total, many, same = connection.execute(
            f"""SELECT coalesce(sum(n * (n - 1)), 0), coalesce(sum(n), 0),
                coalesce(sum(many), 0), coalesce(sum(same), 0)
            FROM (SELECT count(*) AS n, count(*) FILTER (many_{c}) AS many,
                count(*) FILTER (many_{c} AND same_{c}) AS same
                FROM measured WHERE {c} IS NOT NULL GROUP BY {c})"""
        ).fetchall()[0]
        chance = (alike + _UNSEEN) / (total * (total - 1) + _UNSEEN / _ASSUMED_CHANCE)
        steady = same + _ASSUMED * _STEADY >= _SAME * (many + _ASSUMED)
        compared.append(replace(attribute, chance=chance, steady=steady))
        if attribute.comparison.frequency:
            connection.execute(
                f"""CREATE TABLE {attribute.usual} AS SELECT {c} AS value FROM measured
                WHERE {c} IS NOT NULL GROUP BY {c}
                HAVING count(*) > 1 + {float(chance * total / _RARE)!r}"""
            )
    connection.execute("DROP TABLE measured")
    return replace(attributes, compared=tuple(compared))


def split_strangers(connection: Sql, attributes: Attributes) -> None:
    """Takes out of ``keyed`` the records that share a key but clearly differ from the record
    most typical of it, and makes of them the table ``strangers``: ``rid``, ``entity``, ``key``
    and one column per compared attribute: true where it agrees, null where it cannot be compared.

    Clearly: at least two steady attributes differ, and no telling one agrees at any level.
    """
    flags = [f"{attribute.column} BOOLEAN" for attribute in attributes.compared]
    columns = ["rid BIGINT", "entity BIGINT", "key INTEGER", *flags]
    connection.execute(f"CREATE TABLE strangers ({', '.join(columns)})")
    steady = [a for a in attributes.compared if a.steady]
    telling = [a for a in attributes.compared if a.telling]
    if len(steady) < 2 or not telling or not attributes.keys:
        return
    connection.execute(f"CREATE TABLE suspects AS {_suspects(steady, telling)}")
    derive(connection, "suspects", "suspects_seen", attributes.compared)
    connection.execute(f"INSERT INTO strangers {_strangers(attributes)}")
    connection.execute("DELETE FROM keyed WHERE rid IN (SELECT rid FROM strangers)")
    connection.execute("DROP TABLE suspects; DROP TABLE suspects_seen")


def _suspects(steady: list[Compared], telling: list[Compared]) -> str:
    """SQL of the records of entities in which two steady attributes vary and no telling one is
    the same throughout: a cheap sieve before values are compared.
    """
    varies = " + ".join(f"coalesce(min({x}) <> max({x}), false)::INT" for x in _columns(steady))
    settled = " OR ".join(
        f"(count({x}) = count(*) AND min({x}) = max({x}))" for x in _columns(telling)
    )
    return f"""SELECT keyed.entity, keyed.key, records.* FROM keyed JOIN records USING (rid)
        SEMI JOIN (
            SELECT entity FROM keyed JOIN records USING (rid) GROUP BY entity
            HAVING {varies} >= 2 AND NOT ({settled})
        ) USING (entity)"""


def _columns(attributes: Iterable[Compared]) -> list[str]:
    return [attribute.column for attribute in attributes]


def _strangers(attributes: Attributes) -> str:
    """SQL that compares each suspect with the typical record of its entity: the one whose
    values most of the others have too.
    """
    telling = _columns(a for a in attributes.compared if a.telling)
    steady = _columns(a for a in attributes.compared if a.steady)
    shared = " + ".join(
        f"CASE WHEN {x} IS NULL THEN 0 ELSE count(*) OVER (PARTITION BY entity, {x}) END"
        for x in telling
    )
    agrees = ", ".join(f"{_agrees(a)} AS agrees_{a.column}" for a in attributes.compared)
    differing = " + ".join(f"coalesce(NOT agrees_{x}, false)::INT" for x in steady)
    known = " OR ".join(f"coalesce(agrees_{x}, false)" for x in telling)
    columns = ", ".join(f"agrees_{x}" for x in attributes.columns)
    return f"""
        WITH counted AS (SELECT *, {shared} AS shared FROM suspects_seen), typical AS (
            SELECT * FROM counted
            QUALIFY row_number() OVER (PARTITION BY entity ORDER BY shared DESC, dataset, record) = 1
        ), compared AS (
            SELECT l.rid, l.entity, l.key, {agrees}
            FROM suspects_seen AS l JOIN typical AS r USING (entity) WHERE l.rid <> r.rid
        )
        SELECT rid, entity, key, {columns} FROM compared
        WHERE {differing} >= 2 AND NOT ({known})"""


def _agrees(attribute: Compared) -> str:
    """SQL: whether two values agree at any level; null where one is missing."""
    levels = " OR ".join(
        f"coalesce({attribute.condition(level, 'l.{}', 'r.{}')}, false)"
        for level in attribute.comparison.levels
    )
    value = attribute.column
    return f"CASE WHEN l.{value} IS NOT NULL AND r.{value} IS NOT NULL THEN {levels} END"
