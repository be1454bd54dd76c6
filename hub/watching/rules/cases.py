"""Case numbers behind which there is no case."""

from __future__ import annotations

from collections.abc import Iterable

from hub.watching.rules.base import Frames, Hit, hit
from hub.watching.settings import Watching

_SPREAD = """
WITH lately AS (
    SELECT matter, any_value(account) AS account, any_value(client) AS client,
           any_value(person) AS person, any_value(role) AS role, any_value("case") AS "case",
           max(day) AS day, list(index ORDER BY index) AS indexes
    FROM entries GROUP BY matter HAVING max(index) >= $fresh
), used AS (
    SELECT l.matter, count(DISTINCT s.person) AS persons, min(s.first) AS first,
           max(s.last) AS last
    FROM lately l JOIN sights s USING (matter)
    WHERE s.day > l.day - $days::int AND s.day <= l.day
    GROUP BY l.matter
), usual AS (
    SELECT l.matter, median(d.persons / d.matters) AS usual
    FROM lately l JOIN days d ON d.role = l.role AND d.account <> l.account
    WHERE d.matters > 0 GROUP BY l.matter
)
SELECT l.* EXCLUDE (matter), u.persons, u.first, u.last, coalesce(n.usual, 1) AS usual
FROM lately l JOIN used u USING (matter) LEFT JOIN usual n USING (matter)
WHERE u.persons >= greatest($persons, $times * coalesce(n.usual, 1))
ORDER BY u.first
"""
_FORM = """
WITH own AS (
    SELECT account, any_value(client) AS client, any_value(person) AS person,
           any_value(role) AS role, shape, min(index) AS first, max(index) AS last,
           list(index ORDER BY index) AS indexes
    FROM entries GROUP BY account, shape HAVING max(index) >= $fresh
)
SELECT o.*, sum(m.requests)::bigint AS requests
FROM own o JOIN shapes m ON m.account = o.account AND m.shape = o.shape
WHERE NOT EXISTS (FROM shapes s
                  WHERE s.role = o.role AND s.account <> o.account AND s.shape = o.shape)
  AND (SELECT max(n) FROM (SELECT count(DISTINCT s.account) AS n FROM shapes s
       WHERE s.role = o.role AND s.account <> o.account GROUP BY s.shape)) >= $peers
GROUP BY ALL HAVING sum(m.requests) >= $requests
ORDER BY o.first
"""
_ASKED = """
SELECT account, any_value(client) AS client, any_value(person) AS person, "case",
       min(index) AS first, max(index) AS last, list(index ORDER BY index) AS indexes,
       count(*) AS requests
FROM entries WHERE "case" IS NOT NULL AND index >= $fresh
GROUP BY account, "case" ORDER BY first
"""


def spread(frames: Frames, settings: Watching) -> Iterable[Hit]:
    """``case_spread``: one case number for more persons than cases of the role usually have."""
    said = settings.cases
    told = {n: getattr(said, n) for n in ("persons", "times", "days")}
    for row in frames.rows(_SPREAD, {**told, "fresh": frames.fresh}):
        yield hit("case_spread", row, "case", "persons", "usual")


def form(frames: Frames, settings: Watching) -> Iterable[Hit]:
    """``case_form``: case numbers of a form that no other account of the role uses."""
    said = settings.cases
    told = {"requests": said.requests, "peers": said.peers}
    for row in frames.rows(_FORM, {**told, "fresh": frames.fresh}):
        yield hit("case_form", row, "shape", "requests")


def unknown(frames: Frames, _settings: Watching) -> Iterable[Hit]:
    """``case_unknown``: a case number that the register of cases does not have."""
    if frames.register is None:
        return
    rows = frames.rows(_ASKED, {"fresh": frames.fresh})
    registered = set(frames.register({(row["client"], row["case"]) for row in rows}))
    for row in rows:
        if (row["client"], row["case"]) not in registered:
            yield hit("case_unknown", row, "case", "requests")
