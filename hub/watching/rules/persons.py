"""Whom an account asks for: those close to it, those beyond its reach, those whom many ask for."""

from __future__ import annotations

from collections.abc import Iterable

from hub.watching.rules.base import Frames, Hit, hit
from hub.watching.settings import Watching

_CLOSE = """
WITH asked AS (
    SELECT index, account, client, person, unnest(persons) AS subject_person
    FROM entries
)
SELECT a.account, a.client, a.person, a.subject_person, min(a.index) AS first,
       max(a.index) AS last, list(DISTINCT a.index ORDER BY a.index) AS indexes,
       count(DISTINCT a.index) AS requests
FROM asked a JOIN kin k ON k.client = a.client AND k.digest = a.subject_person
    AND (k.account IS NULL OR k.account = a.account)
WHERE k.relation = $relation
GROUP BY ALL HAVING max(a.index) >= $fresh
ORDER BY first
"""
_OUTSIDE = """
WITH met AS (
    SELECT account, day, min(index) AS first, max(index) AS last,
           list(index ORDER BY index) AS indexes, count(*) AS refused,
           len(list_distinct(flatten(list(persons)))) AS persons
    FROM entries WHERE outside GROUP BY account, day HAVING max(index) >= $fresh
)
SELECT t.* EXCLUDE (first, last, indexes), m.first, m.last, m.indexes, m.persons, m.refused
FROM touched t JOIN met m USING (account, day)
WHERE (m.persons >= $persons AND m.refused >= $share * t.requests) OR m.persons >= $many
ORDER BY m.first
"""
_SOUGHT = """
WITH lately AS (
    SELECT DISTINCT unnest(persons) AS person, max(day) OVER () AS day
    FROM entries WHERE index >= $fresh
)
SELECT s.person AS subject_person, count(DISTINCT s.account) AS accounts,
       count(DISTINCT s.client) AS clients, sum(s.requests)::bigint AS requests,
       min(s.first) AS first, max(s.last) AS last, list(DISTINCT s.last ORDER BY s.last) AS indexes
FROM sights s JOIN lately l USING (person)
WHERE s.day > l.day - $days::int AND s.day <= l.day
GROUP BY s.person HAVING count(DISTINCT s.account) >= $accounts
ORDER BY first
"""


def own_record(frames: Frames, settings: Watching) -> Iterable[Hit]:
    """``own_record``: whoever stands behind the account asked for themselves."""
    return _close(frames, settings, "own_record")


def family(frames: Frames, settings: Watching) -> Iterable[Hit]:
    """``family``: for somebody of their own household."""
    return _close(frames, settings, "family")


def colleague(frames: Frames, settings: Watching) -> Iterable[Hit]:
    """``colleague``: for somebody behind another account of their department."""
    return _close(frames, settings, "colleague")


def _close(frames: Frames, _settings: Watching, relation: str) -> Iterable[Hit]:
    for row in frames.rows(_CLOSE, {"relation": relation, "fresh": frames.fresh}):
        yield hit(relation, row, "requests")


def outside_scope(frames: Frames, settings: Watching) -> Iterable[Hit]:
    """``outside_scope``: again and again for persons whom the account may not see."""
    said = settings.outside
    told = {n: getattr(said, n) for n in ("persons", "share", "many")}
    for row in frames.rows(_OUTSIDE, {**told, "fresh": frames.fresh}):
        yield hit("outside_scope", row, "day", "persons", "refused", "requests")


def sought_by_many(frames: Frames, settings: Watching) -> Iterable[Hit]:
    """``sought_by_many``: one person asked for by many accounts in few days."""
    said = settings.sought
    told = {"accounts": said.accounts, "days": said.days}
    for row in frames.rows(_SOUGHT, {**told, "fresh": frames.fresh}):
        row["days"] = said.days
        yield hit("sought_by_many", row, "accounts", "clients", "requests", "days")
