"""Tables of published data and of what stewards and departments say about it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base

_CURRENT = text("closed IS NULL")
_PAST = text("closed IS NOT NULL")


class Release(Base):
    """One published state. ``manifest`` names every input and output version and is signed."""

    __tablename__ = "release"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    run: Mapped[str] = mapped_column(String, unique=True)
    published_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    manifest: Mapped[dict[str, Any]] = mapped_column(JSONB)
    signature: Mapped[bytes] = mapped_column(LargeBinary)


class GoldenRecord(Base):
    """One golden record during some releases (``opened`` up to, not including, ``closed``).

    ``plain`` holds the attributes that are neither personal nor of level L3 or above; the
    others are sealed. Each is JSON: attribute → [value, status, dataset, as-of, confidence].
    """

    __tablename__ = "golden_record"

    subject: Mapped[str] = mapped_column(String, primary_key=True)
    entity: Mapped[str] = mapped_column(String, primary_key=True)
    opened: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    closed: Mapped[int | None] = mapped_column(BigInteger)
    region: Mapped[str | None] = mapped_column(String)
    plain: Mapped[dict[str, Any]] = mapped_column(JSONB)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        Index("ix_golden_record_region", "subject", "region", "entity", postgresql_where=_CURRENT),
        Index("ix_golden_record_past", "subject", "region", "entity", postgresql_where=_PAST),
    )


class GoldenKey(Base):
    """By which keyed digests of which attributes a golden record is found."""

    __tablename__ = "golden_key"

    subject: Mapped[str] = mapped_column(String, primary_key=True)
    attribute: Mapped[str] = mapped_column(String, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    entity: Mapped[str] = mapped_column(String, primary_key=True)
    opened: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    closed: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        Index("ix_golden_key_entity", "subject", "entity", postgresql_where=_CURRENT),
    )


class Ruling(Base):
    """What a steward decided; never changed. Whether it counts is said by its last event.

    ``until``: the day to which a value is deferred. ``sensitive``: needs a second person.
    ``key``: the request it was made by, so that one sent twice makes one ruling.
    ``body`` is sealed JSON (:mod:`reconcile.rulings`): values, records and reasons.
    """

    __tablename__ = "ruling"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    subject: Mapped[str] = mapped_column(String)
    kind: Mapped[str] = mapped_column(String)
    entity: Mapped[str | None] = mapped_column(String)
    attribute: Mapped[str | None] = mapped_column(String)
    dataset: Mapped[str | None] = mapped_column(String)
    until: Mapped[date | None] = mapped_column(Date)
    sensitive: Mapped[bool] = mapped_column(Boolean)
    client: Mapped[str] = mapped_column(String)
    person: Mapped[str] = mapped_column(String)
    key: Mapped[str | None] = mapped_column(String)
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    body: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        UniqueConstraint("client", "key"),
        Index("ix_ruling_about", "subject", "entity", "attribute"),
    )


class RulingKey(Base):
    """A request with an idempotency key that asked for what a ruling said already; only added to.
    ``digest``: keyed, of all that the request said.
    """

    __tablename__ = "ruling_key"

    client: Mapped[str] = mapped_column(String, primary_key=True)
    key: Mapped[str] = mapped_column(String, primary_key=True)
    ruling: Mapped[int] = mapped_column(ForeignKey("ruling.number"))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))


class RulingEvent(Base):
    """A step in the life of a ruling. ``person`` None: the hub itself, as when a ruling retires.
    ``reason`` is sealed.
    """

    __tablename__ = "ruling_event"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    ruling: Mapped[int] = mapped_column(ForeignKey("ruling.number"), index=True)
    state: Mapped[str] = mapped_column(String)
    client: Mapped[str] = mapped_column(String)
    person: Mapped[str | None] = mapped_column(String)
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    reason: Mapped[bytes | None] = mapped_column(LargeBinary)


class Evidence(Base):
    """A file that was given as proof, sealed. Who gave it for what keeps its digest."""

    __tablename__ = "evidence"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    suffix: Mapped[str] = mapped_column(String)
    size: Mapped[int] = mapped_column(Integer)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class Correction(Base):
    """A ticket to the department whose dataset says otherwise than a ruling. ``entity`` None: it
    is about a repair, that is about a whole group of values. ``body`` is sealed JSON.
    """

    __tablename__ = "correction"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    ruling: Mapped[int] = mapped_column(ForeignKey("ruling.number"), index=True)
    subject: Mapped[str] = mapped_column(String)
    dataset: Mapped[str] = mapped_column(String, index=True)
    department: Mapped[str] = mapped_column(String)
    entity: Mapped[str | None] = mapped_column(String)
    attribute: Mapped[str] = mapped_column(String)
    error: Mapped[str] = mapped_column(String)
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    due: Mapped[date] = mapped_column(Date)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class CorrectionEvent(Base):
    """A step in the life of a ticket; ``release``: the release with which the hub took it."""

    __tablename__ = "correction_event"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    correction: Mapped[int] = mapped_column(ForeignKey("correction.number"), index=True)
    state: Mapped[str] = mapped_column(String)
    client: Mapped[str] = mapped_column(String)
    person: Mapped[str | None] = mapped_column(String)
    release: Mapped[int | None] = mapped_column(BigInteger)
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
