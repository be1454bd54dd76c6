"""What conditions are decided by: cases, quotas, approvals.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables; nothing is in them before a department registers a case."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "case_register",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=True),
        sa.Column("opened_by", sa.String(), nullable=False),
        sa.Column("opened_at", moment, nullable=False),
        sa.Column("closed_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_register")),
        sa.UniqueConstraint(
            "department", "number", name=op.f("uq_case_register_department_number")
        ),
    )
    op.create_table(
        "case_subject",
        sa.Column("case", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case"], ["case_register.id"], name=op.f("fk_case_subject_case_case_register")
        ),
        sa.PrimaryKeyConstraint("case", "subject", "entity", name=op.f("pk_case_subject")),
    )
    op.create_table(
        "policy_usage",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("window_start", moment, nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_policy_usage")),
    )
    _approvals(moment)


def _approvals(moment: sa.DateTime) -> None:
    words = ("client", "department", "person", "action", "deed", "subject", "purpose", "case")
    op.create_table(
        "approval",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in words),
        sa.Column("items", JSONB(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decider", sa.String(), nullable=True),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("decided_at", moment, nullable=True),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("used_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_approval")),
    )
    op.create_index("ix_approval_digest", "approval", ["digest", "number"])
    op.create_index("ix_approval_waiting", "approval", ["department", "purpose", "number"])


def downgrade() -> None:
    """Takes them away, with the cases and approvals in them."""
    for table in ("approval", "policy_usage", "case_subject", "case_register"):
        op.drop_table(table)
