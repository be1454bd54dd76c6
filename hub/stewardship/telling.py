"""Rulings as they are told: in short, for lists, and in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from hub.serving.access import Access, repair_shown
from reconcile import rulings
from reconcile.rulings import Kind


def in_short(row: Row[Any]) -> dict[str, Any]:
    """A ruling without its reason and values."""
    return {
        "ruling": row.number,
        "subject": row.subject,
        "kind": row.kind,
        "state": row.state,
        "entity": row.entity,
        "attribute": row.attribute,
        "dataset": row.dataset,
        "until": row.until and row.until.isoformat(),
        "needs_second_person": row.sensitive,
        "client": row.client,
        "person": row.person,
        "made_at": _moment(row.made_at),
        "since": _moment(row.since),
    }


def in_full(
    access: Access, found: Row[Any], events: Sequence[Row[Any]], region: str | None
) -> dict[str, Any]:
    """A ruling with its reason, its value masked for the caller, and all that became of it.

    Args:
        region: of the entity that it is about.
    """
    keys = access.hub.keys
    body = rulings.open_body(keys, found)
    told = {**in_short(found), "reason": body["reason"], "repair": _repair(access, found, body)}
    told |= _parties(body)
    if found.kind in (Kind.CHOOSE, Kind.ENTER) and access.view is not None:
        cell = access.view.show(found.attribute, body["rows"][0]["value"], region)
        told |= {"value": cell.value, "mask": cell.mask}
    given = body.get("evidence")
    told["evidence"] = given and {k: given[k] for k in ("suffix", "size", "digest")}
    told["events"] = [
        {
            "state": event.state,
            "client": event.client,
            "person": event.person,
            "at": _moment(event.made_at),
            "reason": rulings.open_reason(keys, event),
        }
        for event in events
    ]
    return told


def _repair(access: Access, found: Row[Any], body: Mapping[str, Any]) -> dict[str, Any] | None:
    repair, view = body.get("repair"), access.view
    if repair is None or view is None:
        return None

    def show(text: str) -> dict[str, Any]:
        cell = view.show(found.attribute, text, None)
        return {"value": cell.value, "mask": cell.mask}

    return repair_shown(repair, show)


def _parties(body: Mapping[str, Any]) -> dict[str, Any]:
    """Who is joined or parted by a ruling: the other entity, and how many records of each dataset
    stand on either side.
    """
    return {
        "other": next(iter(body.get("others", ())), None),
        "sides": [dict(Counter(dataset for dataset, _ in side)) for side in body.get("sides", ())],
    }


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
