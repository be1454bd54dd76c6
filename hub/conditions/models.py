"""Tables of cases, of what was used of quotas, and of requests that waited for a second person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class CaseRegister(Base):
    """A case that a department registered. ``client``: the only one that may ask in it; None: all
    of the department. ``opened_by``: the client that registered it.
    """

    __tablename__ = "case_register"
    __table_args__ = (UniqueConstraint("department", "number"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    number: Mapped[str] = mapped_column(String)
    department: Mapped[str] = mapped_column(String)
    purpose: Mapped[str] = mapped_column(String)
    client: Mapped[str | None] = mapped_column(String)
    opened_by: Mapped[str] = mapped_column(String)
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class CaseSubject(Base):
    """An entity that a case is about; no name or number of it."""

    __tablename__ = "case_subject"

    case: Mapped[int] = mapped_column(ForeignKey("case_register.id"), primary_key=True)
    subject: Mapped[str] = mapped_column(String, primary_key=True)
    entity: Mapped[str] = mapped_column(String, primary_key=True)


class PolicyUsage(Base):
    """What was used of a quota since ``window_start``. ``key``: what its line says, as a
    digest, and the client.
    """

    __tablename__ = "policy_usage"

    key: Mapped[str] = mapped_column(String, primary_key=True)
    window_start: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    used: Mapped[int] = mapped_column(BigInteger)


class Approval(Base):
    """A request that needs a second person. ``digest``: a keyed digest of all it says, of who
    says it and of the policy it was decided by; its values stand nowhere. ``items``: item → mask.
    """

    __tablename__ = "approval"
    __table_args__ = (
        Index("ix_approval_digest", "digest", "number"),
        Index("ix_approval_waiting", "department", "purpose", "number"),
    )

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    client: Mapped[str] = mapped_column(String)
    department: Mapped[str] = mapped_column(String)
    person: Mapped[str] = mapped_column(String)
    action: Mapped[str] = mapped_column(String)
    deed: Mapped[str] = mapped_column(String)
    subject: Mapped[str] = mapped_column(String)
    purpose: Mapped[str] = mapped_column(String)
    case: Mapped[str] = mapped_column(String)
    items: Mapped[dict[str, Any]] = mapped_column(JSONB)
    scope: Mapped[str] = mapped_column(String)
    state: Mapped[str] = mapped_column(String)
    decided_by: Mapped[str | None] = mapped_column(String)
    decider: Mapped[str | None] = mapped_column(String)
    asked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
