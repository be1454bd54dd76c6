"""The table of quality scores."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Double, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class QualityScore(Base):
    """One score of one release: of an item, or of the table as a whole (item ``*``)."""

    __tablename__ = "quality_score"

    release: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    dataset: Mapped[str] = mapped_column(String, primary_key=True)
    item: Mapped[str] = mapped_column(String, primary_key=True)
    dimension: Mapped[str] = mapped_column(String, primary_key=True)
    department: Mapped[str] = mapped_column(String)
    score: Mapped[float] = mapped_column(Double)
    rows: Mapped[int] = mapped_column(BigInteger)
    counted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index("ix_quality_score_dataset", "dataset", "release"),
        Index("ix_quality_score_department", "department", "item", "release"),
    )
