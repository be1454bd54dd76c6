"""More persons a day than the account's own habit, or than its peers'."""

from __future__ import annotations

from collections.abc import Iterable

from hub.watching.rules.base import Frames, Hit, hit
from hub.watching.settings import Watching

# The median and the median deviation: a few days of harvest do not move them. Counts vary by
# their square root anyway, so that a very even habit does not make every other day strange.
_HABIT = """
WITH habits AS (
    SELECT t.account, t.day, count(*) AS known, median(p.persons) AS usual,
           greatest(1.4826 * mad(p.persons), sqrt(median(p.persons)), 1) AS deviation
    FROM touched t JOIN days p ON p.account = t.account
        AND p.day < t.day AND p.day >= t.day - $days::int
    GROUP BY t.account, t.day
)
SELECT t.*, d.persons, h.usual, h.known AS days,
       greatest($at_least, h.usual + $times * h.deviation) AS most
FROM touched t JOIN days d USING (account, day) JOIN habits h USING (account, day)
WHERE h.known >= $known AND d.persons > greatest($at_least, h.usual + $times * h.deviation)
ORDER BY t.first
"""
_PEERS = """
WITH peers AS (
    SELECT t.account, t.day, count(DISTINCT p.account) AS peers,
           quantile_cont(p.persons, 0.99) AS usual
    FROM touched t JOIN days p ON p.role = t.role AND p.account <> t.account
        AND p.day <= t.day AND p.day >= t.day - $days::int
    WHERE t.role <> '-'
    GROUP BY t.account, t.day
)
SELECT t.*, d.persons, p.usual, p.peers, greatest($at_least, $peer_times * p.usual) AS most
FROM touched t JOIN days d USING (account, day) JOIN peers p USING (account, day)
WHERE p.peers >= $least_peers AND d.persons > greatest($at_least, $peer_times * p.usual)
ORDER BY t.first
"""


def habit(frames: Frames, settings: Watching) -> Iterable[Hit]:
    """``volume_habit``: far more than the account's own past days."""
    said = settings.volume
    told = {n: getattr(said, n) for n in ("days", "times", "at_least", "known")}
    for row in frames.rows(_HABIT, told):
        yield hit("volume_habit", row, "day", "persons", "usual", "most", "days")


def peers(frames: Frames, settings: Watching) -> Iterable[Hit]:
    """``volume_peers``: far more than any usual day of other accounts of the same role."""
    said = settings.volume
    told = {n: getattr(said, n) for n in ("peer_times", "at_least")}
    for row in frames.rows(_PEERS, {**told, "days": PEER_DAYS, "least_peers": said.peers}):
        yield hit("volume_peers", row, "day", "persons", "usual", "most", "peers")


PEER_DAYS = 14
"""How far the comparison with peers goes back: their number makes up for the shorter time."""
