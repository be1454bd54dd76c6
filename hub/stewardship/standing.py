"""What stands in the way of a new ruling. Called under the lock of rulings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from core.canonical import encode
from core.errors import HubError
from core.keys import KeyRing
from reconcile import rulings
from reconcile.models import Ruling
from reconcile.rulings import OPEN, Draft, Kind

_VALUES = frozenset({Kind.CHOOSE, Kind.ENTER, Kind.DEFER})
_LINKS = frozenset({Kind.MERGE, Kind.SPLIT, Kind.NEVER})
_EITHER_WAY = frozenset({Kind.MERGE, Kind.NEVER})


class RulingExists(HubError):
    """Another ruling about the same is open: it must be revoked first."""

    code = "ruling_exists"
    status = 409
    exit_code = 2


def weigh(connection: Connection, keys: KeyRing, draft: Draft) -> tuple[int | None, list[int]]:
    """The open ruling that says just what ``draft`` says, if there is one; and the deferrals
    that end with it.

    Raises:
        RulingExists: one says something else about the same value, records or claims.
    """
    deferrals = []
    for found in rulings.standing(connection, None, *_about(draft)):
        if found.state not in OPEN:
            continue
        body = rulings.open_body(keys, found)
        if _equal(draft, found, body):
            return int(found.number), []
        if found.kind == Kind.DEFER:
            deferrals.append(int(found.number))
        elif draft.kind not in _LINKS or _crosses(draft, found.kind, body):
            raise RulingExists(number=found.number)
    return None, deferrals


def _about(draft: Draft) -> tuple[Any, ...]:
    """The rulings that could be about the same."""
    subject = Ruling.subject == draft.subject
    if draft.kind in _VALUES:
        same_value = (Ruling.entity == draft.entity, Ruling.attribute == draft.attribute)
        return subject, Ruling.kind.in_(_VALUES), *same_value
    if draft.kind in _LINKS:
        return subject, Ruling.kind.in_(_LINKS)
    same_claims = (Ruling.dataset == draft.dataset, Ruling.attribute == draft.attribute)
    return subject, Ruling.kind == Kind.REPAIR, *same_claims


def _equal(draft: Draft, found: Any, body: dict[str, Any]) -> bool:
    return (
        found.kind == draft.kind
        and found.until == draft.until
        and _rows(draft.kind, body) == _rows(draft.kind, draft.body)
    )


def _rows(kind: Kind, body: Mapping[str, Any]) -> list[bytes]:
    """What rows say. That two records are one, or never are, is the same either way round; of a
    split, the first is the one that leaves.
    """
    rows = body["rows"]
    if kind in _EITHER_WAY:
        rows = [{"kind": row["kind"], "ends": sorted(_ends(row))} for row in rows]
    return sorted(encode(row) for row in rows)


def _ends(row: Mapping[str, Any]) -> tuple[tuple[str, str], tuple[str, str]]:
    return (row["dataset"], row["record"]), (row["other_dataset"], row["other_record"])


def _crosses(draft: Draft, kind: str, body: dict[str, Any]) -> bool:
    """Whether an open ruling of a ``kind`` keeps apart what the draft joins, or the other way
    round. Some records of what was merged may still be split from all others.
    """
    ours, theirs = ("same", "never") if draft.kind is Kind.MERGE else ("never", "same")
    if not any(row["kind"] == ours for row in draft.body["rows"]):
        return False
    one, other = ({tuple(place) for place in side} for side in draft.body["sides"])
    crossing = []
    for row in body["rows"]:
        if row["kind"] == theirs:
            ends = _ends(row)
            crossing.append(
                (ends[0] in one and ends[1] in other) or (ends[1] in one and ends[0] in other)
            )
    return any(crossing) and (kind != Kind.MERGE or all(crossing))
