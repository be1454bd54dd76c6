"""Tables of the catalog."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, Identity, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class WorkspaceRevision(Base):
    """One accepted `hub apply`: the registered documents changed as a whole."""

    __tablename__ = "workspace_revision"

    revision: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    applied_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    data_folder: Mapped[str] = mapped_column(String)


class Registered(Base):
    """One registered document (a contract, a subject, a source, …) during some revisions.

    The document is JSON as text, because the order of a subject's attributes means something. It
    is never changed in place: a new content closes the old row and opens another, so
    that any past revision can be read.
    """

    __tablename__ = "registered"

    kind: Mapped[str] = mapped_column(String, primary_key=True)
    key: Mapped[str] = mapped_column(String, primary_key=True)
    opened: Mapped[int] = mapped_column(ForeignKey("workspace_revision.revision"), primary_key=True)
    closed: Mapped[int | None] = mapped_column(ForeignKey("workspace_revision.revision"))
    digest: Mapped[str] = mapped_column(String(64))
    document: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (
        Index(
            "uq_registered_live",
            "kind",
            "key",
            unique=True,
            postgresql_where=text("closed IS NULL"),
        ),
    )
