"""Releases as they are kept: which there are, whether they are this hub's, and how a record that one
published is opened. :mod:`reconcile.publisher` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from catalog.subjects import Attribute
from core.canonical import encode
from core.clock import end_of_day
from core.errors import HubError, NotFound
from core.keys import KeyRing
from core.types import Level
from reconcile.models import Release

CELL = ("value", "status", "dataset", "as_of", "confidence")
"""What a published cell holds, in order."""


class ReleaseMissing(HubError):
    """There is no release yet, or none of that number."""

    code = "release_missing"
    status = 404
    exit_code = 2


class ReleaseUnknown(NotFound):
    """There is no release of that number, or none that old."""

    code = "release_unknown"


class ReleaseForged(HubError):
    """A manifest does not carry this hub's signature."""

    code = "release_forged"


def is_sealed(attribute: Attribute) -> bool:
    """Whether values of an attribute are sealed at rest."""
    return attribute.personal or attribute.level >= Level.L3


def current(connection: Connection) -> Release | None:
    """The release being served; None before the first."""
    row = connection.execute(select(Release).order_by(Release.number.desc()).limit(1)).first()
    return None if row is None else Release(**row._mapping)


def first(connection: Connection) -> Release | None:
    """The release before all others; None before there is one."""
    row = connection.execute(select(Release).order_by(Release.number).limit(1)).first()
    return None if row is None else Release(**row._mapping)


def of_run(connection: Connection, run: str) -> Release | None:
    """The release a run published, if it did."""
    row = connection.execute(select(Release).where(Release.run == run)).first()
    return None if row is None else Release(**row._mapping)


def at(connection: Connection, number: int) -> Release:
    """The release of that number.

    Raises:
        ReleaseUnknown: there is none.
    """
    row = connection.execute(select(Release).where(Release.number == number)).first()
    if row is None:
        raise ReleaseUnknown(release=number)
    return Release(**row._mapping)


def on(connection: Connection, day: date) -> Release:
    """The release that was served at the end of a day.

    Raises:
        ReleaseUnknown: none was by then.
    """
    end = end_of_day(day)
    newest = select(Release).where(Release.published_at < end).order_by(Release.number.desc())
    row = connection.execute(newest.limit(1)).first()
    if row is None:
        raise ReleaseUnknown(release=day.isoformat())
    return Release(**row._mapping)


def newest(connection: Connection, limit: int, skip: int = 0) -> list[Release]:
    """The latest releases, the latest first, without the first ``skip``."""
    chosen = select(Release).order_by(Release.number.desc()).limit(limit).offset(skip)
    rows = connection.execute(chosen)
    return [Release(**row._mapping) for row in rows]


def check_signature(release: Release, keys: KeyRing) -> None:
    """Checks that a manifest is the one this hub signed for this very release.

    Raises:
        ReleaseForged: it is not.
    """
    from cryptography.exceptions import InvalidSignature

    try:
        keys.public_key.verify(release.signature, encode(release.manifest))
    except InvalidSignature as error:
        raise ReleaseForged(release=release.number) from error
    if release.manifest.get("release") != release.number:
        raise ReleaseForged(release=release.number)


def lock(connection: Connection) -> None:
    """Golden records are written by one transaction at a time."""
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def record_context(
    subject: str, entity: str, region: str | None, plain: Mapping[str, Any]
) -> bytes:
    """What a sealed record is bound to: moved to another row, or with another region or other
    plain values beside it, it does not open.
    """
    return encode(["golden", subject, entity, region, plain])


def key_kind(subject: str, attribute: str) -> str:
    """What a blind index is bound to."""
    return f"{subject}/{attribute}"


@dataclass(frozen=True)
class Kept:
    """A served record as the database keeps it."""

    entity: str
    region: str | None
    plain: Mapping[str, Any]
    sealed: bytes


def open_record(keys: KeyRing, subject: str, kept: Kept) -> dict[str, dict[str, Any]]:
    """A served record: attribute → cell, sealed attributes opened.

    Raises:
        SealBroken: any part of the record is not what was published.
    """
    plain = kept.plain
    context = record_context(subject, kept.entity, kept.region, plain)
    secret = orjson.loads(keys.open(kept.sealed, context))
    return {name: dict(zip(CELL, cell, strict=True)) for name, cell in {**plain, **secret}.items()}


_LOCK = 0x68756232
