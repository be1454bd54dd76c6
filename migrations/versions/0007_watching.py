"""Findings over the audit log.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_APPEND_ONLY = ("finding", "finding_event")
_REFUSE = """
CREATE FUNCTION finding_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'findings can only be added to' USING ERRCODE = 'restrict_violation';
END $$
"""


def upgrade() -> None:
    """Adds findings, and what is remembered of the trail."""
    _add_findings()
    _add_memory()
    op.execute(_REFUSE)
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION finding_refuse_change()"
        )


def downgrade() -> None:
    """Takes them away."""
    for table in ("watch_sight", "watch_day", "watch_mark", "finding_event", "finding"):
        op.drop_table(table)
    op.execute("DROP FUNCTION finding_refuse_change()")


def _add_findings() -> None:
    op.create_table(
        "finding",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=True),
        sa.Column("about", sa.LargeBinary(32), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_finding")),
    )
    op.create_index("ix_finding_about", "finding", ["about", "number"])
    op.create_table(
        "finding_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("finding", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=True),
        sa.Column("last", sa.BigInteger(), nullable=True),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["finding"], ["finding.number"], name=op.f("fk_finding_event_finding_finding")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding_event")),
    )
    op.create_index(op.f("ix_finding_event_finding"), "finding_event", ["finding"])


def _add_memory() -> None:
    op.create_table(
        "watch_mark",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_watch_mark_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watch_mark")),
    )
    op.create_table(
        "watch_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("account", sa.LargeBinary(32), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("off", sa.BigInteger(), nullable=False),
        sa.Column("persons", sa.BigInteger(), nullable=False),
        sa.Column("matters", sa.BigInteger(), nullable=False),
        sa.Column("shapes", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("day", "account", name=op.f("pk_watch_day")),
    )
    op.create_table(
        "watch_sight",
        sa.Column("person", sa.LargeBinary(32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("account", sa.LargeBinary(32), nullable=False),
        sa.Column("matter", sa.LargeBinary(32), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person", "day", "account", "matter", name=op.f("pk_watch_sight")),
    )
    op.create_index("ix_watch_sight_matter", "watch_sight", ["matter", "day"])
    op.create_index("ix_watch_sight_account", "watch_sight", ["account", "day"])
    op.create_index("ix_watch_sight_day", "watch_sight", ["day"], postgresql_using="brin")
