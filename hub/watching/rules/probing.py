"""Guessing a value by asking again and again whether it is this one."""

from __future__ import annotations

from collections.abc import Iterable

from hub.watching.rules.base import Frames, Hit, hit
from hub.watching.settings import Watching

# The digest of a request covers the values it names: equal ones are the same question.
_PROBED = """
WITH asked AS (
    SELECT index, account, day, client, person, items, request, unnest(persons) AS subject_person
    FROM entries WHERE action = 'verify'
)
SELECT account, day, any_value(client) AS client, any_value(person) AS person, subject_person,
       items, count(DISTINCT request) AS questions, min(index) AS first, max(index) AS last,
       list(index ORDER BY index) AS indexes
FROM asked GROUP BY account, day, subject_person, items
HAVING count(DISTINCT request) >= $questions AND max(index) >= $fresh
ORDER BY first
"""


def probing(frames: Frames, settings: Watching) -> Iterable[Hit]:
    """``probing``: many yes-or-no questions in a day about the same items of one person."""
    told = {"questions": settings.probing.questions, "fresh": frames.fresh}
    for row in frames.rows(_PROBED, told):
        yield hit("probing", row, "day", "items", "questions")
