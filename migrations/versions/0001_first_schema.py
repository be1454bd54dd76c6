"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_REFUSE = """
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log can only be appended to' USING ERRCODE = 'restrict_violation';
END $$
"""
_ONLY_FORWARD = """
CREATE FUNCTION audit_only_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size < OLD.size OR NEW.time < OLD.time THEN
        RAISE EXCEPTION 'the audit log can only grow' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""
_TRIGGER = "CREATE TRIGGER append_only BEFORE {} ON {} FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()"
_SETUP = (
    _REFUSE,
    _ONLY_FORWARD,
    *(
        _TRIGGER.format("UPDATE OR DELETE OR TRUNCATE", table)
        for table in ("audit_entry", "audit_node", "audit_checkpoint")
    ),
    _TRIGGER.format("DELETE OR TRUNCATE", "audit_head"),
    """CREATE TRIGGER only_forward BEFORE UPDATE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION audit_only_forward()""",
    "INSERT INTO audit_head (id, size, frontier, time) VALUES (1, 0, '{}', 'epoch')",
)
_TEARDOWN = ("DROP FUNCTION audit_only_forward()", "DROP FUNCTION audit_refuse_change()")


def upgrade() -> None:
    op.create_table(
        "audit_checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoint")),
    )
    op.create_table(
        "audit_entry",
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("index", name=op.f("pk_audit_entry")),
    )
    op.create_index(
        op.f("ix_audit_entry_client_index"), "audit_entry", ["client", "index"], unique=False
    )
    op.create_index(
        op.f("ix_audit_entry_time"), "audit_entry", ["time"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("frontier", sa.ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "audit_node",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name=op.f("pk_audit_node")),
    )
    op.create_table(
        "golden_key",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("attribute", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint(
            "subject", "attribute", "digest", "entity", "opened", name=op.f("pk_golden_key")
        ),
    )
    op.create_index(
        "ix_golden_key_entity",
        "golden_key",
        ["subject", "entity"],
        unique=False,
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_table(
        "golden_record",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.Column("region", sa.String(), nullable=True),
        sa.Column("plain", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "entity", "opened", name=op.f("pk_golden_record")),
    )
    op.create_index(
        "ix_golden_record_region",
        "golden_record",
        ["subject", "region", "entity"],
        unique=False,
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_table(
        "release",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("manifest", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_release")),
        sa.UniqueConstraint("run", name=op.f("uq_release_run")),
    )
    op.create_table(
        "workspace_revision",
        sa.Column("revision", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data_folder", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_workspace_revision")),
    )
    op.create_table(
        "registered",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["closed"],
            ["workspace_revision.revision"],
            name=op.f("fk_registered_closed_workspace_revision"),
        ),
        sa.ForeignKeyConstraint(
            ["opened"],
            ["workspace_revision.revision"],
            name=op.f("fk_registered_opened_workspace_revision"),
        ),
        sa.PrimaryKeyConstraint("kind", "key", "opened", name=op.f("pk_registered")),
    )
    op.create_index(
        "uq_registered_live",
        "registered",
        ["kind", "key"],
        unique=True,
        postgresql_where=sa.text("closed IS NULL"),
    )
    for statement in _SETUP:
        op.execute(statement)


def downgrade() -> None:
    op.drop_index(
        "uq_registered_live", table_name="registered", postgresql_where=sa.text("closed IS NULL")
    )
    op.drop_table("registered")
    op.drop_table("workspace_revision")
    op.drop_table("release")
    op.drop_index(
        "ix_golden_record_region",
        table_name="golden_record",
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.drop_table("golden_record")
    op.drop_index(
        "ix_golden_key_entity", table_name="golden_key", postgresql_where=sa.text("closed IS NULL")
    )
    op.drop_table("golden_key")
    op.drop_table("audit_node")
    op.drop_table("audit_head")
    op.drop_index(op.f("ix_audit_entry_time"), table_name="audit_entry", postgresql_using="brin")
    op.drop_index(op.f("ix_audit_entry_client_index"), table_name="audit_entry")
    op.drop_table("audit_entry")
    op.drop_table("audit_checkpoint")
    # What a later schema left for when it comes again.
    op.execute("DROP TABLE IF EXISTS audit_kept_personal, audit_kept_person, audit_kept_key")
    for statement in _TEARDOWN:
        op.execute(statement)
