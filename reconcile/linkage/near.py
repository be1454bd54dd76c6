"""Which of all nodes are worth comparing with the few that are new."""

# ruff: noqa: S608 (SQL is built from made-up column names and numbers)
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

import duckdb

from reconcile.linkage.compared import Attributes
from reconcile.linkage.derived import derive
from reconcile.linkage.nodes import LISTS
from reconcile.linkage.pairs import Rule, present

_PER_NODE = 40
_AT_ONCE = 4_000_000  # nodes, counted once for each rule of a statement
_ANYWAY = 10_000
_FEW = 6
_WHO = "node, entity, keyed, mask, origin"
_CAPS = (10_000, 3_000, 1_000, 300, 100, 30, 10, 3)

_BETWEEN = """SELECT {0} AS value FROM nodes INTERSECT (
    SELECT {0} FROM nodes WHERE NOT keyed UNION ALL SELECT {0} FROM other_nodes WHERE NOT keyed)"""
_OF_ENTITIES = "SELECT DISTINCT {} AS value FROM nodes WHERE keyed"


def columns(attributes: Attributes, frequencies: Iterable[str]) -> list[str]:
    """What is asked of ``other_nodes``, that a pair may be found."""
    found = [c for a in attributes.compared for c in (a.column, *a.blocking, *a.both)]
    return list(dict.fromkeys([*_WHO.split(", "), *found, *frequencies]))


def block(connection: duckdb.DuckDBPyConnection, attributes: Attributes) -> bool:
    """Makes the table ``pairs`` (as :func:`pairs.block`) of ``nodes`` with each other and with
    ``other_nodes`` (:func:`columns` of the ``standing_nodes``), and adds to ``nodes`` the others
    that stand in it; whether there are any.

    Pairs are found as among all nodes: by one value of a telling attribute that not too many
    have, and by two values where one alone is too common.
    """
    connection.execute("CREATE TABLE met (l BIGINT, r BIGINT)")
    count = connection.execute("SELECT count(*) FROM nodes").fetchall()[0][0]
    budget = (_PER_NODE * count + _ANYWAY) // 2
    telling = [c for a in attributes.compared if a.telling for c in (*a.blocking, *a.both)]
    blocking = [c for a in attributes.compared for c in (*a.blocking, *a.both)]
    _number(connection, "everyone", blocking, _BETWEEN)
    shown = dict(zip(blocking, blocking, strict=True))
    for part in _parts(connection, "everyone", [(column,) for column in telling]):
        caps = _meet(connection, "everyone", part, budget // len(telling))
        for place, (column,) in enumerate(part):
            connection.execute(
                f"""CREATE TABLE rare_{column} AS
                SELECT one AS value FROM sizes WHERE rule = {place} AND size <= {caps[place]}"""
            )
            shown[column] = (
                f"CASE WHEN {column} NOT IN (SELECT value FROM rare_{column}) THEN {column} END AS {column}"
            )
    connection.execute(
        f"CREATE TABLE common AS SELECT {_WHO}, fresh, {', '.join(shown.values())} FROM everyone"
    )
    filled = connection.execute(
        f"SELECT {', '.join(f'count({column})' for column in blocking)} FROM common WHERE fresh"
    ).fetchall()[0]
    useful = {column for column, n in zip(blocking, filled, strict=True) if n}
    twos = [
        (first, second)
        for one, other in combinations(attributes.compared, 2)
        if one.telling or other.telling
        for first in one.blocking
        for second in other.blocking
        if first in useful and second in useful
    ]
    for part in _parts(connection, "common", twos):
        _meet(connection, "common", part, budget // len(twos))
    _meet_entities(connection, attributes)
    return _gather(connection, attributes)


def _number(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[str],
    values: str,
    least: int = 1,
) -> None:
    """Makes ``table`` of all nodes (``fresh``: the new ones) with numbers for values: there are
    many rules, and comparing numbers is cheap. Only those of ``values`` have one, SQL of the
    values of a column, all others are null. Nodes with fewer than ``least`` are left out.
    """
    numbers, joins = [], []
    for column in columns:
        connection.execute(
            f"""CREATE TABLE {table}_{column} AS
            SELECT value, row_number() OVER ()::INTEGER AS number
            FROM ({values.format(column)}) WHERE value IS NOT NULL"""
        )
        numbers.append(f"{table}_{column}.number AS {column}")
        joins.append(f"LEFT JOIN {table}_{column} ON n.{column} = {table}_{column}.value")
    named = f"{_WHO}, {', '.join(columns)}"
    known = " + ".join(f"({column} IS NOT NULL)::INTEGER" for column in columns)
    connection.execute(
        f"""CREATE TABLE {table} AS SELECT * FROM (
            SELECT {_WHO}, fresh, {", ".join(numbers)} FROM (
                SELECT {named}, false AS fresh FROM other_nodes
                UNION ALL SELECT {named}, true FROM nodes
            ) AS n {" ".join(joins)}
        ) WHERE {known} >= {least}"""
    )


def _parts(
    connection: duckdb.DuckDBPyConnection, table: str, rules: Sequence[Rule]
) -> Iterator[Sequence[Rule]]:
    """The rules of each statement over ``table``. There are a hundred, and where nodes are few, so
    many statements would cost more than their work; where nodes are many, the blocks of all rules
    would not fit in memory at once.
    """
    nodes = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
    step = max(1, _AT_ONCE // max(nodes, 1))
    return (rules[first : first + step] for first in range(0, len(rules), step))


def _meet(
    connection: duckdb.DuckDBPyConnection, table: str, rules: Sequence[Rule], share: int
) -> list[int]:
    """Adds to ``met`` the pairs of new nodes and all nodes of ``table`` that agree on the columns
    of one of the ``rules`` (one or two), in blocks up to a cap of each that keeps it within its
    ``share`` of the budget; the caps. ``sizes`` has the blocks: ``rule``, its place; ``one, two``,
    the values.
    """
    counts = [
        f"""SELECT {place} AS rule, {_pair(rule)}, count(*) AS size, count(*) FILTER (fresh) AS n
        FROM {table} WHERE {present(rule)} GROUP BY ALL HAVING n > 0"""
        for place, rule in enumerate(rules)
    ]
    connection.execute(f"CREATE OR REPLACE TABLE sizes AS {' UNION ALL '.join(counts)}")
    sums = ", ".join(f"coalesce(sum(n * size) FILTER (size <= {cap}), 0)" for cap in _CAPS)
    found = connection.execute(f"SELECT rule, {sums} FROM sizes GROUP BY rule").fetchall()
    caps = [_CAPS[0]] * len(rules)
    chosen = []
    for place, *costs in sorted(found):
        affordable = (cap for cap, cost in zip(_CAPS, costs, strict=True) if cost <= share)
        caps[place] = next(affordable, 1)
        rule = rules[place]
        chosen.append(
            f"""SELECT {place} AS rule, {_pair(rule)}, {_WHO}, fresh FROM {table} SEMI JOIN (
                SELECT {_named(rule)} FROM sizes WHERE rule = {place} AND size <= {caps[place]}
            ) USING ({", ".join(rule)})"""
        )
    if chosen:
        _pair_up(connection, chosen)
    return caps


def _pair_up(connection: duckdb.DuckDBPyConnection, chosen: Sequence[str]) -> None:
    """``chosen``: SQL of the nodes that stand in the blocks of a rule."""
    connection.execute(
        f"""INSERT INTO met
        WITH chosen AS MATERIALIZED ({" UNION ALL ".join(chosen)})
        SELECT
            CASE WHEN a.keyed THEN b.node WHEN b.keyed OR a.node < b.node THEN a.node
                ELSE b.node END,
            CASE WHEN a.keyed THEN a.node WHEN b.keyed OR a.node < b.node THEN b.node
                ELSE a.node END
        FROM (FROM chosen WHERE fresh) AS a JOIN chosen AS b USING (rule, one, two)
        WHERE NOT (a.keyed AND b.keyed) AND a.node <> b.node AND a.mask & b.mask = 0
            AND a.origin IS DISTINCT FROM b.entity AND b.origin IS DISTINCT FROM a.entity"""
    )


def _pair(rule: Rule) -> str:
    """SQL of the values of a rule's columns, as ``one`` and ``two``."""
    return f"{rule[0]} AS one, {rule[1] if len(rule) > 1 else 0} AS two"


def _named(rule: Rule) -> str:
    """SQL of ``one`` and ``two`` as the rule's columns."""
    return ", ".join(f"{name} AS {c}" for name, c in zip(("one", "two"), rule, strict=False))


def _meet_entities(connection: duckdb.DuckDBPyConnection, attributes: Attributes) -> None:
    """Adds keyed entities that agree on two telling values which few have (see ``pairs``)."""
    telling = [a.column for a in attributes.compared if a.telling]
    if len(telling) < 2:
        return
    _number(connection, "entities", telling, _OF_ENTITIES, least=2)
    for part in _parts(connection, "entities", list(combinations(telling, 2))):
        chosen = [
            f"""SELECT {place} AS rule, {_pair(rule)}, {_WHO}, fresh FROM entities SEMI JOIN (
                SELECT {", ".join(rule)} FROM entities WHERE keyed AND {present(rule)}
                GROUP BY ALL HAVING count(*) BETWEEN 2 AND {_FEW} AND bool_or(fresh)
            ) USING ({", ".join(rule)}) WHERE keyed"""
            for place, rule in enumerate(part)
        ]
        connection.execute(
            f"""INSERT INTO met
            WITH chosen AS MATERIALIZED ({" UNION ALL ".join(chosen)})
            SELECT CASE WHEN a.entity < b.entity THEN a.node ELSE b.node END,
                CASE WHEN a.entity < b.entity THEN b.node ELSE a.node END
            FROM (FROM chosen WHERE fresh) AS a JOIN chosen AS b USING (rule, one, two)
            WHERE a.entity <> b.entity AND a.mask & b.mask & {LISTS} = 0"""
        )


def _gather(connection: duckdb.DuckDBPyConnection, attributes: Attributes) -> bool:
    connection.execute(
        """CREATE TABLE pairs AS
        SELECT DISTINCT l AS join_key_l, r AS join_key_r, '0' AS match_key FROM met"""
    )
    judged = ", ".join(attributes.judged_columns)
    connection.execute(
        f"""CREATE TABLE plain AS SELECT {_WHO}, {judged} FROM standing_nodes
        SEMI JOIN (SELECT l AS node FROM met UNION SELECT r FROM met) USING (node)"""
    )
    derive(connection, "plain", "others", attributes.judged)
    connection.execute("INSERT INTO nodes BY NAME FROM others")
    connection.execute("DROP TABLE plain; DROP TABLE met")
    return bool(connection.execute("SELECT count(*) FROM pairs").fetchall()[0][0])


def frequencies(connection: duckdb.DuckDBPyConnection, columns: Iterable[str]) -> dict[str, str]:
    """Column → a table of how frequent the values in ``nodes`` are among all nodes."""
    tables = {}
    for column in columns:
        tables[column] = f"frequency_{column}"
        connection.execute(
            f"""CREATE TABLE frequency_{column} AS
            WITH everyone AS (
                SELECT {column} FROM other_nodes UNION ALL SELECT {column} FROM renewed_nodes
            ), known AS (SELECT count({column}) AS total FROM everyone)
            SELECT {column}, count(*) / any_value(total) AS tf_{column}
            FROM everyone CROSS JOIN known SEMI JOIN nodes USING ({column})
            WHERE {column} IS NOT NULL GROUP BY {column}"""
        )
    return tables
