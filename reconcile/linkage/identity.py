"""Ids that stay: clusters keep theirs, get back a former one, or are given a new one."""

# ruff: noqa: S608 (SQL is built from constants)
from __future__ import annotations

import duckdb

_RECORDS = "members JOIN records USING (rid)"
_FREE = "ANTI JOIN named USING (entity) ANTI JOIN held USING (entity)"


def name(connection: duckdb.DuckDBPyConnection, salt: str) -> None:
    """Makes the table ``named`` (``cluster, entity``) of all clusters in ``members``.

    Reads ``known`` (``dataset, record, entity``: the ids of before), ``given`` (the same and
    ``step``: all ids that ever were) and ``held`` (``entity``: ids of clusters that are not here).
    """
    _inherit(connection)
    connection.execute(
        """CREATE OR REPLACE TABLE nameless AS
        SELECT cluster, min(dataset || '|' || record) AS smallest
        FROM members JOIN records USING (rid) ANTI JOIN named USING (cluster) GROUP BY cluster"""
    )
    if _any(connection, "nameless"):
        _return(connection)
        _coin(connection, salt)


def _any(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    return bool(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _inherit(connection: duckdb.DuckDBPyConnection) -> None:
    """Names the clusters that keep an id: the one most of their records had.

    Of several clusters that would keep one id, the largest does. But a cluster yields that has a
    former id to go back to and none of the records to which the id was given first: so those that
    had only been merged in do not walk off with it.
    """
    connection.execute(
        f"""CREATE OR REPLACE TABLE wishes AS
        SELECT cluster, known.entity FROM {_RECORDS} JOIN known USING (dataset, record)
        GROUP BY cluster, known.entity
        QUALIFY row_number() OVER (
            PARTITION BY cluster ORDER BY count(*) DESC, known.entity) = 1"""
    )
    connection.execute(
        """CREATE OR REPLACE TABLE contested AS SELECT cluster, entity FROM wishes
        QUALIFY count(*) OVER (PARTITION BY entity) > 1"""
    )
    yields = "SELECT NULL::BIGINT AS cluster WHERE false"
    if _any(connection, "contested"):
        yields = _yielding()
    connection.execute(
        f"""CREATE OR REPLACE TABLE named AS
        WITH yielding AS ({yields}), sizes AS (
            SELECT cluster, count(*) AS size, min(dataset || '|' || record) AS first
            FROM members JOIN records USING (rid) GROUP BY cluster
        )
        SELECT cluster, entity FROM wishes JOIN sizes USING (cluster)
            LEFT JOIN (SELECT cluster, true AS yields FROM yielding) USING (cluster)
        QUALIFY row_number() OVER (
            PARTITION BY entity ORDER BY coalesce(yields, false), size DESC, first) = 1"""
    )


def _yielding() -> str:
    """SQL of the contesting clusters that have a former id that is free, and no founder."""
    return """
        WITH past AS (
            SELECT c.cluster, c.entity AS wish, g.entity, g.step
            FROM contested AS c JOIN members USING (cluster) JOIN records USING (rid)
                JOIN given AS g USING (dataset, record)
        ), founded AS (
            SELECT entity, min(step) AS step FROM given SEMI JOIN contested USING (entity)
            GROUP BY entity
        ), founders AS (
            SELECT DISTINCT cluster FROM past JOIN founded USING (entity, step)
            WHERE entity = wish
        )
        SELECT DISTINCT cluster FROM past ANTI JOIN wishes USING (entity)
            ANTI JOIN held USING (entity) ANTI JOIN founders USING (cluster)"""


def _return(connection: duckdb.DuckDBPyConnection) -> None:
    """Gives nameless clusters back the latest id of their records that nobody holds now."""
    connection.execute(
        f"""CREATE OR REPLACE TABLE former AS
        SELECT cluster, given.entity, max(step) AS latest, count(*) AS events,
            min(dataset || '|' || record) AS first
        FROM nameless JOIN members USING (cluster) JOIN records USING (rid)
            JOIN given USING (dataset, record) {_FREE}
        GROUP BY cluster, given.entity"""
    )
    while _any(connection, "former"):
        connection.execute(
            """INSERT INTO named SELECT cluster, entity FROM (
                SELECT * FROM former QUALIFY row_number() OVER (
                    PARTITION BY cluster ORDER BY latest DESC, events DESC, entity) = 1
            ) QUALIFY row_number() OVER (
                PARTITION BY entity ORDER BY latest DESC, events DESC, first) = 1"""
        )
        connection.execute(
            """DELETE FROM former WHERE cluster IN (SELECT cluster FROM named)
                OR entity IN (SELECT entity FROM named)"""
        )
    connection.execute("DELETE FROM nameless WHERE cluster IN (SELECT cluster FROM named)")


def _coin(connection: duckdb.DuckDBPyConnection, salt: str) -> None:
    """Gives the other nameless clusters new ids, made from their smallest record; where that id
    was given before, as to a cluster that the record has left, from it and a number.
    """
    attempt = 0
    while _any(connection, "nameless"):
        connection.execute(
            f"""INSERT INTO named
            WITH candidates AS (
                SELECT cluster, left(sha256(? || smallest || ?), 20) AS entity FROM nameless
                QUALIFY row_number() OVER (PARTITION BY entity ORDER BY smallest) = 1
            )
            SELECT cluster, entity FROM candidates {_FREE}
                ANTI JOIN known USING (entity) ANTI JOIN given USING (entity)""",
            [salt, f"#{attempt}" if attempt else ""],
        )
        connection.execute("DELETE FROM nameless WHERE cluster IN (SELECT cluster FROM named)")
        attempt += 1
