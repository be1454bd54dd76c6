"""Which pairs are worth comparing: those that share a value not too many others have."""

# ruff: noqa: S608 (SQL is built from made-up column names and numbers)
from __future__ import annotations

from itertools import combinations

from core.sql import Sql
from reconcile.linkage.compared import Attributes
from reconcile.linkage.nodes import LISTS

_PER_RECORD = 20
_ANYWAY = 2_000_000
_FEW = 6
_NAMESAKES = 1_000  # nodes of the same two names, in any order
_CAPS = (1_000_000, 300_000, 100_000, 30_000, 10_000, 3_000, 1_000, 300, 100, 30, 10, 3)

Rule = tuple[str, ...]


def block(connection: Sql, attributes: Attributes) -> bool:
    """Makes the table ``pairs``: ``join_key_l`` (an unkeyed node, or of two keyed ones the smaller) and ``join_key_r``; whether
    there are any.

    First, nodes that agree on one column of a telling attribute. A value that many nodes have
    makes many pairs and says little, so values above a cap are left out, by which the pairs stay
    within half of the budget (20 per unkeyed record and two million). Second, with the other half,
    nodes that agree on two columns of different attributes with values above the caps. And then
    the few keyed entities that agree so much that one of them may have a wrong key.
    """
    connection.execute("CREATE TABLE found (l BIGINT, r BIGINT)")
    count = connection.execute("SELECT count(*) FROM nodes WHERE NOT keyed").fetchall()[0][0]
    budget = (_PER_RECORD * count + _ANYWAY) // 2
    ones: list[Rule] = [
        (column,) for a in attributes.compared if a.telling for column in a.blocking
    ]
    caps = _join(connection, "nodes", ones, budget)
    columns = [column for a in attributes.compared for column in a.blocking]
    broad = ", ".join(
        f"CASE WHEN count(*) OVER (PARTITION BY {x}) > {caps.get((x,), 1)} THEN {x} END AS {x}"
        for x in columns
    )
    connection.execute(
        f"CREATE TABLE broad AS SELECT node, entity, keyed, mask, origin, {broad} FROM nodes"
    )
    twos: list[Rule] = [
        (first, second)
        for one, other in combinations(attributes.compared, 2)
        if one.telling or other.telling
        for first in one.blocking
        for second in other.blocking
    ]
    _join(connection, "broad", twos, budget)
    _join_swapped(connection, attributes)
    _join_entities(connection, attributes)
    connection.execute(
        """CREATE TABLE pairs AS
        SELECT DISTINCT l AS join_key_l, r AS join_key_r, '0' AS match_key FROM found"""
    )
    connection.execute("DROP TABLE broad; DROP TABLE found")
    return bool(connection.execute("SELECT count(*) FROM pairs").fetchall()[0][0])


def _join(connection: Sql, table: str, rules: list[Rule], budget: int) -> dict[Rule, int]:
    """Adds to ``found`` the pairs that agree on a rule's columns, in blocks up to a cap; the cap
    of each rule. What a cheap rule leaves of its share of the budget goes to the dearer ones.
    """
    costs = {rule: _costs(connection, table, rule) for rule in rules}
    caps: dict[Rule, int] = {}
    for done, rule in enumerate(sorted(rules, key=lambda rule: (costs[rule][_CAPS[0]], rule))):
        share = budget // (len(rules) - done)
        caps[rule] = next((cap for cap in _CAPS if costs[rule][cap] <= share), 1)
        if caps[rule] == 1 or not costs[rule][caps[rule]]:
            continue
        budget -= costs[rule][caps[rule]]
        _find(connection, table, rule, caps[rule])
    return caps


def _join_swapped(connection: Sql, attributes: Attributes) -> None:
    """Adds pairs whose names have changed places; others of the same names are found by these."""
    for attribute in attributes.compared:
        for both in attribute.both:
            apart = f"l.{attribute.column} <> r.{attribute.column}"
            _find(connection, "nodes", (both,), _NAMESAKES, apart)


def _join_entities(connection: Sql, attributes: Attributes) -> None:
    """Adds pairs of keyed entities, of which one may have a wrong key: those that agree on the
    values of two telling attributes, in blocks so small that it says who somebody is.
    """
    telling = [a.column for a in attributes.compared if a.telling]
    for first, second in combinations(telling, 2):
        connection.execute(
            f"""INSERT INTO found
            WITH small AS (
                SELECT {first}, {second} FROM nodes
                WHERE keyed AND {present((first, second))} GROUP BY {first}, {second}
                HAVING count(*) BETWEEN 2 AND {_FEW}
            ), chosen AS (SELECT * FROM nodes SEMI JOIN small USING ({first}, {second}) WHERE keyed)
            SELECT l.node, r.node FROM chosen AS l JOIN chosen AS r USING ({first}, {second})
            WHERE l.entity < r.entity AND l.mask & r.mask & {LISTS} = 0"""
        )


def _find(connection: Sql, table: str, rule: Rule, cap: int, further: str = "true") -> None:
    """``further``: SQL of what else is asked of a pair."""
    group = ", ".join(rule)
    connection.execute(
        f"""INSERT INTO found
        WITH small AS (
            SELECT {group} FROM {table} WHERE {present(rule)} GROUP BY {group}
            HAVING count(*) BETWEEN 2 AND {cap} AND NOT bool_and(keyed)
        ), chosen AS (SELECT * FROM {table} SEMI JOIN small USING ({group}))
        SELECT l.node, r.node FROM (FROM chosen WHERE NOT keyed) AS l
        JOIN chosen AS r USING ({group})
        WHERE (r.keyed OR l.node < r.node) AND l.mask & r.mask = 0
            AND l.origin IS DISTINCT FROM r.entity AND {further}"""
    )


def _costs(connection: Sql, table: str, rule: Rule) -> dict[int, int]:
    """Cap → how many pairs agree on the rule's columns in blocks of at most that many nodes."""
    sums = ", ".join(f"coalesce(sum(n) FILTER (size <= {cap}), 0)" for cap in _CAPS)
    found = connection.execute(
        f"""SELECT {sums} FROM (
            SELECT count(*) AS size, count(*) FILTER (NOT keyed) AS free,
                free * (size - free) + free * (free - 1) // 2 AS n
            FROM {table} WHERE {present(rule)} GROUP BY {", ".join(rule)} HAVING size > 1)"""
    ).fetchall()[0]
    return {cap: int(cost) for cap, cost in zip(_CAPS, found, strict=True)}


def present(rule: Rule) -> str:
    """SQL: whether there is a value in each of a rule's columns."""
    return " AND ".join(f"{column} IS NOT NULL" for column in rule)
