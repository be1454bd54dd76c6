"""What keys and model find, with ids: the same for a whole run and for one over changes."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from reconcile.linkage import clusters, identity
from reconcile.linkage.compared import Attributes
from reconcile.linkage.state import Learned


@dataclass(frozen=True)
class Found:
    """How a run went: what it goes by, what to keep for the next (name → SQL; None where the
    next one starts from the ledger alone), and whether it was over everything.
    """

    learned: Learned
    keep: dict[str, str] | None
    whole: bool


def decide(
    connection: duckdb.DuckDBPyConnection,
    salt: str,
    attributes: Attributes,
    edges: pa.Table,
    least: float | None = None,
) -> float:
    """Makes the tables ``found`` (``rid`` and the columns of links) of all ``records`` and
    ``doubts_found`` (``rid, side, dataset, record, home, entity, method, score, explanation``):
    possible matches of a record that is at ``home`` with an ``entity``. New ids are made with ``salt``.

    Reads what :func:`identity.name` reads, and ``open_keys`` (doubts by key of other runs).
    ``least`` is taken and returned as by :func:`clusters.settle`.
    """
    least = clusters.settle(connection, attributes, edges, least)
    identity.name(connection, salt)
    connection.execute(
        """CREATE OR REPLACE TABLE found AS
        SELECT rid, dataset, record, entity, method, score, explanation
        FROM members JOIN records USING (rid) JOIN named USING (cluster)"""
    )
    connection.execute(
        """CREATE OR REPLACE TABLE doubts_found AS
        WITH sides AS (
            SELECT DISTINCT keyed.entity AS side, found.entity FROM keyed JOIN found USING (rid)
            UNION ALL SELECT -1 - rid, entity FROM found ANTI JOIN keyed USING (rid)
        )
        SELECT rid, side, dataset, record, found.entity AS home, sides.entity, p.method, p.score,
            p.explanation
        FROM (FROM open_pairs UNION ALL FROM open_keys) AS p
            JOIN found USING (rid) JOIN sides USING (side)"""
    )
    return least
