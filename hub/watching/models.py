"""Tables of watching: what was found, and what is remembered of the trail."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    String,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class Finding(Base):
    """Something that a rule noticed; never changed. What it rests on and what becomes of it are
    events. ``about`` is a keyed digest of rule, account and person: of two findings about the
    same, one is open at most. ``client`` None: it is about a person whom many asked for.
    """

    __tablename__ = "finding"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    rule: Mapped[str] = mapped_column(String)
    client: Mapped[str | None] = mapped_column(String)
    about: Mapped[bytes] = mapped_column(LargeBinary(32))
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (Index("ix_finding_about", "about", "number"),)


class FindingEvent(Base):
    """A step in the life of a finding. ``found``: the rule noticed it, for entries ``first`` to
    ``last`` of the log; ``body``, sealed, has the evidence. Else what an auditor said; ``body``,
    sealed, has the words.
    """

    __tablename__ = "finding_event"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    finding: Mapped[int] = mapped_column(ForeignKey("finding.number"), index=True)
    kind: Mapped[str] = mapped_column(String)
    first: Mapped[int | None] = mapped_column(BigInteger)
    last: Mapped[int | None] = mapped_column(BigInteger)
    client: Mapped[str] = mapped_column(String)
    person: Mapped[str | None] = mapped_column(String)
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    body: Mapped[bytes] = mapped_column(LargeBinary)


class WatchMark(Base):
    """The one row that says how far the trail was watched: entries below ``seen``."""

    __tablename__ = "watch_mark"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    seen: Mapped[int] = mapped_column(BigInteger)


class WatchDay(Base):
    """A day of an account, which is named by a keyed digest: what habits are made of. Days that
    habits do not reach back to are forgotten.
    """

    __tablename__ = "watch_day"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    account: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    client: Mapped[str] = mapped_column(String)
    requests: Mapped[int] = mapped_column(BigInteger)
    off: Mapped[int] = mapped_column(BigInteger)
    persons: Mapped[int] = mapped_column(BigInteger)
    matters: Mapped[int] = mapped_column(BigInteger)
    shapes: Mapped[dict[str, Any]] = mapped_column(JSONB)


class WatchSight(Base):
    """Which account asked for which person in which case on a day, all by keyed digests; kept for
    as many days as rules look back.
    """

    __tablename__ = "watch_sight"

    person: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    account: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    matter: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    client: Mapped[str] = mapped_column(String)
    requests: Mapped[int] = mapped_column(BigInteger)
    first: Mapped[int] = mapped_column(BigInteger)
    last: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        Index("ix_watch_sight_matter", "matter", "day"),
        Index("ix_watch_sight_account", "account", "day"),
        Index("ix_watch_sight_day", "day", postgresql_using="brin"),
    )
