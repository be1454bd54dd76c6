"""Rulings, corrections and quality scores.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


_APPEND_ONLY = ("ruling", "ruling_event", "evidence", "correction", "correction_event")
_REFUSE = """
CREATE FUNCTION ruling_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rulings and corrections can only be added to'
        USING ERRCODE = 'restrict_violation';
END $$
"""


def upgrade() -> None:
    """Adds the tables of the reconciling wing."""
    _add_rulings()
    _add_corrections()
    _add_scores()
    op.create_index(
        "ix_golden_record_past",
        "golden_record",
        ["subject", "region", "entity"],
        postgresql_where=sa.text("closed IS NOT NULL"),
    )
    op.execute(_REFUSE)
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ruling_refuse_change()"
        )


def downgrade() -> None:
    """Takes them away."""
    op.drop_index(
        "ix_golden_record_past",
        table_name="golden_record",
        postgresql_where=sa.text("closed IS NOT NULL"),
    )
    op.drop_table("quality_score")
    for table in ("correction_event", "correction", "evidence", "ruling_event", "ruling"):
        op.drop_table(table)
    op.execute("DROP FUNCTION ruling_refuse_change()")


def _add_rulings() -> None:
    op.create_table(
        "ruling",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("entity", sa.String(), nullable=True),
        sa.Column("attribute", sa.String(), nullable=True),
        sa.Column("dataset", sa.String(), nullable=True),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("sensitive", sa.Boolean(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ruling")),
        sa.UniqueConstraint("client", "key", name=op.f("uq_ruling_client_key")),
    )
    op.create_index("ix_ruling_about", "ruling", ["subject", "entity", "attribute"])
    op.create_table(
        "ruling_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("ruling", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["ruling"], ["ruling.number"], name=op.f("fk_ruling_event_ruling_ruling")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ruling_event")),
    )
    op.create_index(op.f("ix_ruling_event_ruling"), "ruling_event", ["ruling"])
    op.create_table(
        "evidence",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("suffix", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_evidence")),
    )


def _add_corrections() -> None:
    op.create_table(
        "correction",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ruling", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("entity", sa.String(), nullable=True),
        sa.Column("attribute", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["ruling"], ["ruling.number"], name=op.f("fk_correction_ruling_ruling")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_correction")),
    )
    op.create_index(op.f("ix_correction_ruling"), "correction", ["ruling"])
    op.create_index(op.f("ix_correction_dataset"), "correction", ["dataset"])
    op.create_table(
        "correction_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("correction", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=True),
        sa.Column("release", sa.BigInteger(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["correction"],
            ["correction.number"],
            name=op.f("fk_correction_event_correction_correction"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correction_event")),
    )
    op.create_index(op.f("ix_correction_event_correction"), "correction_event", ["correction"])


def _add_scores() -> None:
    op.create_table(
        "quality_score",
        sa.Column("release", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("dimension", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "release", "dataset", "item", "dimension", name=op.f("pk_quality_score")
        ),
    )
    op.create_index("ix_quality_score_dataset", "quality_score", ["dataset", "release"])
    op.create_index(
        "ix_quality_score_department", "quality_score", ["department", "item", "release"]
    )
