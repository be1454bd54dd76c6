"""Which requests asked for what a ruling said already.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds where their keys are kept."""
    op.create_table(
        "ruling_key",
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("ruling", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["ruling"], ["ruling.number"], name=op.f("fk_ruling_key_ruling_ruling")
        ),
        sa.PrimaryKeyConstraint("client", "key", name=op.f("pk_ruling_key")),
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ruling_key "
        "FOR EACH STATEMENT EXECUTE FUNCTION ruling_refuse_change()"
    )


def downgrade() -> None:
    """Takes it away."""
    op.drop_table("ruling_key")
