"""Who is the same: records of several datasets become entities with stable ids.

1. Records: each feed is projected to the attributes that say who somebody is, and to the names of
   those who stand beside it in its dataset.
2. Keys: records with the same valid key join, but for those that clearly are someone else's.
3. Model: what is left is compared by Splink with the entities and with itself.
4. Ids: clusters get the ids they had before.
5. Stewards: their rulings stand over all that was found.
6. Ledger: what is news is handed out, to be appended to the judgements of before.

Where little has changed since the last run, only that and what it touches is looked at again.
On a cluster everything is; there the first three steps run, and the others in this process.
"""

# ruff: noqa: S608 (SQL is built from constants)
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from catalog.subjects import Subject
from core.engine import view
from core.sql import DUCKDB, EngineLimits, open_sql
from reconcile.linkage import (
    incremental,
    ledger,
    records,
    remote,
    state,
    stewards,
    whole,
)
from reconcile.linkage.found import Found
from reconcile.linkage.ledger import JUDGEMENTS, Table, doubts, rebuild
from reconcile.linkage.records import FeedItemMissing

__all__ = ["JUDGEMENTS", "Before", "FeedItemMissing", "Linked", "doubts", "link", "rebuild"]


@dataclass(frozen=True)
class Before:
    """What linking goes on from. ``judgements``: the ledger as the last run left it, whole.
    ``state``: what that run kept (``Linked.state``); ``changes``: dataset → the rows of its fit
    table that went since that run (``_was``) and that came, where there are any. Without these two
    everything is linked again, under the same ids.
    """

    judgements: Table
    state: Mapping[str, Table] | None = None
    changes: Mapping[str, Table] | None = None


@dataclass(frozen=True)
class Linked:
    """What linking found.

    ``links``: one row per fit record that carries any attribute, ordered by dataset and record:
    ``dataset, record, entity, method`` (key | model | steward | alone), ``score, explanation``
    (JSON: attribute → level of likeness, or ``ruling`` → its number).
    ``judgements``: what to append to the ledger (:data:`JUDGEMENTS`); rebuilding from the ledger
    then gives exactly ``links``.
    ``state``: tables to keep for the next run, by name, some of them those of ``Before.state`` as
    they were; none after a run on a cluster.
    ``touched``: the entities whose records changed or are others than before, also those that are
    no more; None where everything was linked again.
    """

    links: pa.Table
    judgements: pa.Table
    state: dict[str, Table]
    touched: pa.Array | None


def link(
    subject: Subject,
    fit: Mapping[str, pa.Table | ds.Dataset],
    before: Before | None,
    limits: EngineLimits,
    rulings: pa.Table | None = None,
    secret: str = "",
) -> Linked:
    """Links the records of all feeds of ``subject``.

    Only what changed is compared, with everything, where ``before`` has a state of the same
    subject, and no more than a tenth of the records have changed since the last whole run; the
    model is then that of the last whole run. On a cluster everything is linked, always.

    Args:
        fit: dataset → its fit table; feeds that are absent contribute nothing.
        before: what the last run left, from which entities keep their ids.
        rulings: those in force; rows of the kinds ``same`` and ``never`` count.
        secret: goes into new ids, which otherwise could be told from the keys of records.

    Raises:
        FeedItemMissing: a fit table lacks an item that feeds an attribute.
        SparkMissing: the engine is Spark, and its libraries or Java are not here.
    """
    records.check(subject, fit)
    salt = secret + subject.subject
    with open_sql(limits) as connection:
        step = _recall(connection, before)
        if limits.engine == DUCKDB:
            found = _find(connection, subject, fit, (before, step), salt)
        else:
            found = remote.find(connection, subject, fit, salt, limits)
        stewards.apply(connection, salt, rulings)
        return _conclude(connection, found, step, None if before is None else before.state)


def _find(
    connection: duckdb.DuckDBPyConnection,
    subject: Subject,
    fit: Mapping[str, pa.Table | ds.Dataset],
    past: tuple[Before | None, int],
    salt: str,
) -> Found:
    """What changed where that is enough, else everything; ``past``: with its last step."""
    before, step = past
    names = records.lay_out(connection, subject, fit)
    kept = state.recall(connection, None if before is None else before.state)
    known = kept is not None and (kept.step, kept.definition) == (step, state.definition(subject))
    if known and kept is not None and before is not None and before.changes is not None:
        changes = records.lay_out(connection, subject, before.changes, "changes")
        connection.begin()
        found = incremental.find(connection, subject, (names, changes), kept, salt)
        if found is not None:
            connection.commit()
            return found
        connection.rollback()
    return whole.find(connection, subject, names, salt)


def _recall(connection: duckdb.DuckDBPyConnection, before: Before | None) -> int:
    """Makes ``judgements`` and ``given`` (every id a record ever had); the last step."""
    past = JUDGEMENTS.empty_table() if before is None else before.judgements
    view(connection, "judgements", past)
    connection.execute(
        """CREATE VIEW given AS SELECT dataset, record, other AS entity, step FROM judgements
        WHERE decision IN ('match', 'alone') AND method <> 'steward'"""
    )
    return ledger.last_step(connection)


def _conclude(
    connection: duckdb.DuckDBPyConnection,
    found: Found,
    step: int,
    before: Mapping[str, Table] | None,
) -> Linked:
    judgements = ledger.news(connection, step + 1)
    links = connection.sql(f"{ledger.links('everywhere', 'ruled')} ORDER BY dataset, record")
    kept: dict[str, Table] = {}
    if found.keep is not None:
        keep = found.keep | {
            "doubts": "FROM doubts",
            "ruled": "FROM ruled",
            "open": "FROM open_now",
        }
        learned = replace(found.learned, step=step + bool(judgements.num_rows))
        standing = {name.removesuffix("_new") for name in keep} - {*keep}
        if not found.whole:
            standing.add("usual")
        stand = {name: t for name, t in (before or {}).items() if name in standing}
        kept = {**stand, **state.keep(connection, keep, learned)}
    return Linked(
        links=links.to_arrow_table(),
        judgements=judgements,
        state=kept,
        touched=None if found.whole else _touched(connection, judgements),
    )


def _touched(connection: duckdb.DuckDBPyConnection, judgements: pa.Table) -> pa.Array:
    """The entities, before and now, of the records that changed or of which something is news."""
    connection.register("news", judgements)
    before, now = ledger.links("kept_records", "kept_ruled"), ledger.links("everywhere", "ruled")
    found = connection.sql(
        f"""WITH about AS (
            SELECT dataset, record FROM news WHERE decision NOT IN ('possible', 'closed')
            UNION SELECT dataset, record FROM changed WHERE NOT beside
        )
        SELECT entity FROM ({before}) SEMI JOIN about USING (dataset, record)
        UNION SELECT entity FROM ({now}) SEMI JOIN about USING (dataset, record)
        ORDER BY entity"""
    )
    return found.to_arrow_table().column("entity").combine_chunks()
