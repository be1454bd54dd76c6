"""Work at hours at which the role does not work."""

from __future__ import annotations

from collections.abc import Iterable

from hub.watching.rules.base import Frames, Hit, hit
from hub.watching.settings import Watching

_OFF = """
WITH others AS (
    SELECT t.account, t.day, count(*) AS known, avg((p.off >= $requests)::int) AS share
    FROM touched t JOIN days p ON p.role = t.role AND p.account <> t.account
        AND p.day < t.day AND p.day >= t.day - $days::int
    GROUP BY t.account, t.day
), late AS (
    SELECT account, day, min(index) AS first, max(index) AS last,
           list(index ORDER BY index) AS indexes
    FROM entries WHERE off GROUP BY account, day HAVING max(index) >= $fresh
)
SELECT t.* EXCLUDE (first, last, indexes, requests), l.first, l.last, l.indexes, d.off AS requests,
       100 * coalesce(o.share, 0) AS share
FROM touched t JOIN late l USING (account, day) JOIN days d USING (account, day)
LEFT JOIN others o USING (account, day)
WHERE d.off >= $requests AND NOT (coalesce(o.known, 0) >= $known AND o.share >= $usual)
ORDER BY l.first
"""


def off_hours(frames: Frames, settings: Watching) -> Iterable[Hit]:
    """``off_hours``: outside of working hours or days, where others of the role seldom work."""
    said = settings.hours
    told = {n: getattr(said, n) for n in ("requests", "known", "usual")}
    for row in frames.rows(_OFF, {**told, "days": settings.volume.days, "fresh": frames.fresh}):
        if not set(row["role"].split("+")) & set(said.roles):
            yield hit("off_hours", row, "day", "requests", "share")
