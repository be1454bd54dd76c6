"""Quotas are counted by what a line says.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Deletes what was counted by the places of lines, which nothing reads any more."""
    op.execute("DELETE FROM policy_usage WHERE key !~ '^[0-9a-f]{64}/'")


def downgrade() -> None:
    """What was counted by what lines say is read by nobody of before: it counts anew."""
