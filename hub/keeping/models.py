"""The table of wrapped keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class DataKey(Base):
    """A key that seals values (or the root secret, of which all else is derived), encrypted under
    the master secret.

    The newest of a purpose seals. ``retired_at``: nothing is sealed under it any more.
    ``destroyed_at``: it is gone; ``wrapped`` is None then.
    """

    __tablename__ = "data_key"
    __table_args__ = (
        CheckConstraint("(wrapped IS NULL) = (destroyed_at IS NOT NULL)", name="gone"),
        Index("ix_data_key_purpose", "purpose", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    purpose: Mapped[str] = mapped_column(String)
    suite: Mapped[str] = mapped_column(String)
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    destroyed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
