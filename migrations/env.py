"""Runs migrations on the connection that ``hub.schema`` hands over."""

from __future__ import annotations

from alembic import context

# Importing a models module registers its tables.
import catalog.models  # noqa: F401
import hub.audit.cosignatures
import hub.audit.models
import hub.conditions.models
import hub.keeping.models
import hub.watching.models  # noqa: F401
import reconcile.models
import reconcile.quality_models  # noqa: F401
from core.database import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
