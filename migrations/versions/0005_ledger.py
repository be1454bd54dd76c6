"""The audit log in partitions, its personal parts erasable.

Entries that are there keep their bytes, so their hashes and every proof: they are copied into
partitions, and what is searched by is read from their bodies. Going back keeps what the older
schema has no place for in tables of its own, where the next upgrade finds it.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SPAN = 1 << 22
_SEARCHED = ("client", "department", "action", "subject", "purpose")

_REFUSING = (
    "CREATE TRIGGER append_only BEFORE {} ON {} "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()"
)
_ALL = "UPDATE OR DELETE OR TRUNCATE"

_GROW = """
CREATE FUNCTION audit_grow(size bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '2s' AS $$
DECLARE
    parent text;
    part text;
    number bigint;
    taken boolean;
    span text;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('audit_grow')) THEN
        RETURN;
    END IF;
    FOREACH parent IN ARRAY ARRAY['audit_entry', 'audit_person'] LOOP
        FOR number IN size / $SPAN$ .. size / $SPAN$ + 1 LOOP
            part := parent || '_' || lpad(number::text, greatest(6, length(number::text)), '0');
            CONTINUE WHEN to_regclass(part) IS NOT NULL;
            span := ' (' || number * $SPAN$ || ') TO (' || (number + 1) * $SPAN$ || ')';
            EXECUTE 'SELECT EXISTS (SELECT FROM ' || parent || '_rest'
                    ' WHERE index >= $1 AND index < $2)'
                INTO taken USING number * $SPAN$, (number + 1) * $SPAN$;
            CONTINUE WHEN taken;
            EXECUTE 'CREATE TABLE ' || part || ' (LIKE ' || parent || ' INCLUDING DEFAULTS)';
            IF parent = 'audit_entry' THEN
                EXECUTE 'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON '
                    || part || ' FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()';
            END IF;
            EXECUTE 'ALTER TABLE ' || parent || ' ATTACH PARTITION ' || part
                || ' FOR VALUES FROM' || span;
        END LOOP;
    END LOOP;
END $$
""".replace("$SPAN$", str(_SPAN))

_KEY_ONCE = """
CREATE FUNCTION audit_key_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.wrapped IS NULL OR NEW.wrapped IS NOT NULL OR NEW.destroyed_at IS NULL
        OR NEW.period <> OLD.period OR NEW.suite <> OLD.suite THEN
        RAISE EXCEPTION 'a key of the audit log can only be destroyed, and only once'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

_COPY = """
INSERT INTO audit_entry (index, leaf_hash, body, time, client, action, subject, purpose,
                         department, granted, outcome)
SELECT index, leaf_hash, body, time, client, action, subject, purpose,
       entry->'who'->>'department', (entry->'decision'->>'granted')::boolean, entry->>'outcome'
FROM (SELECT *, convert_from(body, 'UTF8')::jsonb->'entry' AS entry FROM audit_entry_before) old
ORDER BY index
"""

_COPY_PERSONS = """
INSERT INTO audit_person (digest, index)
SELECT DISTINCT decode(left(digest, 32), 'hex'), index
FROM audit_entry_before, jsonb_array_elements_text(
    coalesce(convert_from(body, 'UTF8')::jsonb->'entry'->'what'->'digests', '[]')
) AS digest
"""


def upgrade() -> None:
    """Makes the new tables and moves the entries there."""
    op.execute("DROP TRIGGER append_only ON audit_entry")
    op.execute("DROP INDEX ix_audit_entry_client_index, ix_audit_entry_time")
    op.execute("ALTER TABLE audit_entry RENAME CONSTRAINT pk_audit_entry TO pk_audit_entry_before")
    op.rename_table("audit_entry", "audit_entry_before")
    _add_tables()
    op.execute(_GROW)
    for table in ("audit_entry", "audit_person"):
        op.execute(f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT")
    for table in ("audit_entry", "audit_entry_rest"):
        op.execute(_REFUSING.format(_ALL, table))
    op.execute("SELECT audit_grow(0)")
    for at in range(_SPAN, _size() + 1, _SPAN):
        op.execute(f"SELECT audit_grow({at})")
    op.execute(_COPY)
    op.execute(_COPY_PERSONS)
    _take_back_kept()
    op.drop_table("audit_entry_before")
    op.execute(_KEY_ONCE)
    op.execute(_REFUSING.format("DELETE OR TRUNCATE", "audit_key"))
    op.execute(
        "CREATE TRIGGER only_destroyed BEFORE UPDATE ON audit_key "
        "FOR EACH ROW EXECUTE FUNCTION audit_key_once()"
    )


def downgrade() -> None:
    """Moves the entries back into one table."""
    if op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT FROM audit_key)")):
        op.execute(
            "CREATE TABLE audit_kept_personal AS "
            "SELECT index, personal FROM audit_entry WHERE personal IS NOT NULL"
        )
        op.execute("CREATE TABLE audit_kept_person AS TABLE audit_person")
        op.execute("CREATE TABLE audit_kept_key AS TABLE audit_key")
    op.execute("ALTER TABLE audit_entry RENAME CONSTRAINT pk_audit_entry TO pk_audit_entry_after")
    op.rename_table("audit_entry", "audit_entry_after")
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
    op.execute(
        "INSERT INTO audit_entry SELECT index, leaf_hash, body, time, client, action, subject, "
        "purpose FROM audit_entry_after ORDER BY index"
    )
    for table in ("audit_entry_after", "audit_person", "audit_key"):
        op.drop_table(table)
    for function in ("audit_grow(bigint)", "audit_key_once()"):
        op.execute(f"DROP FUNCTION {function}")
    op.create_index("ix_audit_entry_client_index", "audit_entry", ["client", "index"])
    op.create_index("ix_audit_entry_time", "audit_entry", ["time"], postgresql_using="brin")
    op.execute(_REFUSING.format(_ALL, "audit_entry"))


def _size() -> int:
    return int(op.get_bind().scalar(sa.text("SELECT size FROM audit_head WHERE id = 1")) or 0)


def _add_tables() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("personal", sa.LargeBinary(), nullable=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("index", name=op.f("pk_audit_entry")),
        postgresql_partition_by="RANGE (index)",
    )
    for column in _SEARCHED:
        op.create_index(f"ix_audit_entry_{column}_index", "audit_entry", [column, "index"])
    op.create_index("ix_audit_entry_time", "audit_entry", ["time"], postgresql_using="brin")
    op.create_index(
        "ix_audit_entry_outcome",
        "audit_entry",
        ["outcome", "index"],
        postgresql_where=sa.text("outcome <> 'answered'"),
    )
    op.create_index(
        "ix_audit_entry_refused",
        "audit_entry",
        ["index"],
        postgresql_where=sa.text("NOT granted"),
    )
    op.create_table(
        "audit_person",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("digest", "index", name=op.f("pk_audit_person")),
        postgresql_partition_by="RANGE (index)",
    )
    op.create_index("ix_audit_person_index", "audit_person", ["index"])
    op.create_table(
        "audit_key",
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("period", name=op.f("pk_audit_key")),
    )


def _take_back_kept() -> None:
    """What an earlier downgrade had kept."""
    if op.get_bind().scalar(sa.text("SELECT to_regclass('audit_kept_key')")) is None:
        return
    op.execute("ALTER TABLE audit_entry DISABLE TRIGGER append_only")
    op.execute(
        "UPDATE audit_entry SET personal = kept.personal FROM audit_kept_personal AS kept "
        "WHERE audit_entry.index = kept.index"
    )
    op.execute("ALTER TABLE audit_entry ENABLE TRIGGER append_only")
    op.execute("DELETE FROM audit_person")
    op.execute("INSERT INTO audit_person TABLE audit_kept_person")
    op.execute("INSERT INTO audit_key TABLE audit_kept_key")
    op.execute("DROP TABLE audit_kept_personal, audit_kept_person, audit_kept_key")
