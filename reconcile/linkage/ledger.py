"""The ledger of judgements: events that are only appended, and the links that follow from them.

A record has two judgements at most: what keys and model say of it, and over that what a steward
ruled. Either stands until the next event about it; a ruling taken back uncovers what was below.
"""

# ruff: noqa: S608 (SQL is built from constants and numbers)
from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from core.sql import EngineLimits, open_sql

Table: TypeAlias = pa.Table | ds.Dataset

_USUAL = EngineLimits()

JUDGEMENTS = pa.schema(
    [
        ("step", pa.int64()),
        ("dataset", pa.string()),
        ("record", pa.string()),
        ("other", pa.string()),
        ("decision", pa.string()),
        ("method", pa.string()),
        ("score", pa.float64()),
        ("explanation", pa.string()),
    ]
)
"""``step``: the number of the linking that judged, counted from 1. ``other``: an entity.

``decision``: ``match`` and ``alone`` – the record belongs to ``other`` by ``method`` (key, model,
steward; alone); ``gone`` – there is no such record any more; ``withdrawn`` – no ruling holds for
it any more (method steward); ``possible`` – it may be ``other``, and ``closed`` – not any more.
"""

LINK = ("dataset", "record", "entity", "method", "score", "explanation")
_LINK = ", ".join(LINK)
_ORDER = "ORDER BY dataset, record"


@dataclass(frozen=True)
class Fold:
    """SQL of what the events of ``judgements`` come to, all with the columns of links.

    ``found``: by keys and model. ``ruled``: by stewards. ``doubts``: possible matches (there
    ``entity`` is the other).
    """

    judgements: str = "judgements"
    until: int | None = None

    @property
    def found(self) -> str:
        """What keys and model say of each record."""
        return self._last(
            "decision IN ('match', 'alone', 'gone') AND method IS DISTINCT FROM 'steward'",
            "dataset, record",
            "gone",
        )

    @property
    def ruled(self) -> str:
        """What rulings say, of the records they decide."""
        return self._last("method = 'steward'", "dataset, record", "withdrawn")

    @property
    def doubts(self) -> str:
        """The possible matches that are open."""
        about = "decision IN ('possible', 'closed')"
        return self._last(about, "dataset, record, other, method", "closed")

    def _last(self, about: str, whose: str, ended: str) -> str:
        past = "" if self.until is None else f"AND step <= {self.until}"
        return f"""SELECT dataset, record, other AS entity, method, score, explanation FROM (
            SELECT *, row_number() OVER (PARTITION BY {whose} ORDER BY step DESC) AS age
            FROM {self.judgements} WHERE {about} {past}
        ) WHERE age = 1 AND decision <> '{ended}'"""


def links(found: str, ruled: str) -> str:
    """SQL of the links that hold: ``ruled`` ones over those ``found``; both tables or views."""
    return f"""SELECT {_LINK} FROM {found} ANTI JOIN {ruled} USING (dataset, record)
        UNION ALL SELECT {_LINK} FROM {ruled}"""


def rebuild(judgements: Table, until: int | None = None) -> pa.Table:
    """The links that follow from a ledger, as ``Linked.links``; ``until``: as they were after
    that step.
    """
    fold = Fold(until=until)
    return _query(_USUAL, judgements, f"{links(f'({fold.found})', f'({fold.ruled})')} {_ORDER}")


def doubts(judgements: Table, until: int | None = None, limits: EngineLimits = _USUAL) -> pa.Table:
    """The possible matches that are open: columns as links, ``entity`` being the one that the
    record may be the same as.
    """
    return _query(limits, judgements, f"{Fold(until=until).doubts} {_ORDER}, entity, method")


def _query(limits: EngineLimits, judgements: Table, query: str) -> pa.Table:
    with open_sql(limits) as connection:
        connection.register("judgements", judgements)
        return connection.sql(query).to_arrow_table()


def last_step(connection: duckdb.DuckDBPyConnection) -> int:
    """The step of the last judgement; 0 before the first."""
    return int(connection.sql("SELECT coalesce(max(step), 0) FROM judgements").fetchall()[0][0])


def news(connection: duckdb.DuckDBPyConnection, step: int) -> pa.Table:
    """The events (``JUDGEMENTS``) that lead from the tables ``found_before, ruled_before,
    open_before`` to ``found, ruled, open_now``.
    """
    parts = [
        _changed("found", "found_before", "CASE method WHEN 'alone' THEN 'alone' ELSE 'match' END"),
        _ended("found", "found_before", "dataset, record", "gone", "NULL, NULL"),
        _changed("ruled", "ruled_before", "'match'"),
        _ended("ruled", "ruled_before", "dataset, record", "withdrawn", "NULL, method"),
        _changed("open_now", "open_before", "'possible'"),
        _ended(
            "open_now", "open_before", "dataset, record, entity, method", "closed", "entity, method"
        ),
    ]
    return (
        connection.sql(
            f"""SELECT {step}::BIGINT AS step, * FROM ({" UNION ALL ".join(parts)})
            ORDER BY dataset, record, decision, other, method"""
        )
        .to_arrow_table()
        .cast(JUDGEMENTS)
    )


def _changed(now: str, before: str, decision: str) -> str:
    return f"""SELECT dataset, record, entity AS other, {decision} AS decision, method, score,
            explanation
        FROM (SELECT {_LINK} FROM {now} EXCEPT SELECT {_LINK} FROM {before})"""


def _ended(now: str, before: str, whose: str, decision: str, other_and_method: str) -> str:
    other, method = other_and_method.split(", ")
    return f"""SELECT dataset, record, {other}, '{decision}', {method}, NULL, NULL
        FROM {before} ANTI JOIN {now} USING ({whose})"""
