"""Tables of the audit log, and the triggers that let them only grow.

Alembic or ``Base.metadata.create_all`` makes the tables; the statements of ``SETUP`` must follow
in the same transaction, because without the head row nothing can be appended.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Connection,
    DateTime,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from hub.audit.partitions import SPAN


class AuditHead(Base):
    """The one row whose lock orders all writers: how far the log is grown, and its frontier."""

    __tablename__ = "audit_head"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    frontier: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    """The latest moment the log has given to an entry or a checkpoint."""


class AuditEntry(Base):
    """One leaf. ``body`` holds the bytes as they were hashed; the columns after ``personal``
    repeat parts of it for searching and are compared with it at verification.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        # Time only grows with the index, which is what a block-range index is made for.
        Index(None, "time", postgresql_using="brin"),
        Index(None, "client", "index"),
        Index(None, "department", "index"),
        Index(None, "action", "index"),
        Index(None, "subject", "index"),
        Index(None, "purpose", "index"),
        # Nearly all are granted and answered: the others are what one looks for.
        Index(
            "ix_audit_entry_outcome",
            "outcome",
            "index",
            postgresql_where=text("outcome <> 'answered'"),
        ),
        Index("ix_audit_entry_refused", "index", postgresql_where=text("NOT granted")),
        {"postgresql_partition_by": "RANGE (index)"},
    )

    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    leaf_hash: Mapped[bytes] = mapped_column(LargeBinary)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    personal: Mapped[bytes | None] = mapped_column(LargeBinary)
    """What the body holds only the digest of, sealed under the key of the month
    (:mod:`hub.audit.personal`); entries of the first format have none.
    """
    time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    client: Mapped[str] = mapped_column(Text)
    department: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str | None] = mapped_column(Text)
    granted: Mapped[bool] = mapped_column()
    outcome: Mapped[str] = mapped_column(Text)


class AuditPerson(Base):
    """Which entries are about, or by, whom: the first half of each person's keyed digest. Goes
    with the personal parts of its month; a verification compares it with them.
    """

    __tablename__ = "audit_person"
    __table_args__ = (
        Index(None, "index"),
        {"postgresql_partition_by": "RANGE (index)"},
    )

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class AuditKey(Base):
    """The key of the personal parts of one month, itself sealed, until it is destroyed."""

    __tablename__ = "audit_key"

    period: Mapped[str] = mapped_column(Text, primary_key=True)
    suite: Mapped[str] = mapped_column(Text)
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    destroyed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class AuditNode(Base):
    """The root of a complete subtree of 256, 65536, ... leaves: keeps proofs cheap."""

    __tablename__ = "audit_node"

    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditCheckpoint(Base):
    """A tree head that was signed; ``note`` is the signed text, the other columns repeat it."""

    __tablename__ = "audit_checkpoint"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str] = mapped_column(Text)
    time: Mapped[datetime] = mapped_column(DateTime(timezone=True))


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

_DESTROYED_ONCE = """
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

_KEY_ONCE = """
CREATE TRIGGER only_destroyed BEFORE UPDATE ON audit_key
FOR EACH ROW EXECUTE FUNCTION audit_key_once()
"""

# Attached rather than made in place: whoever appends meanwhile need not wait. What fell into the
# rest stays there, and so does all that belongs to the same partition.
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
""".replace("$SPAN$", str(SPAN))

EMPTY_HEAD = "INSERT INTO audit_head (id, size, frontier, time) VALUES (1, 0, '{}', 'epoch')"

_HEAD_FORWARD = """
CREATE TRIGGER only_forward BEFORE UPDATE ON audit_head
FOR EACH ROW EXECUTE FUNCTION audit_only_forward()
"""


def _trigger(table: str, events: str) -> str:
    return (
        f"CREATE TRIGGER append_only BEFORE {events} ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()"
    )


PARTITIONS: tuple[str, ...] = (
    _GROW,
    "CREATE TABLE audit_entry_rest PARTITION OF audit_entry DEFAULT",
    "CREATE TABLE audit_person_rest PARTITION OF audit_person DEFAULT",
    _trigger("audit_entry", "UPDATE OR DELETE OR TRUNCATE"),
    # Triggers of whole statements hold for the table that a statement names, and for no other.
    _trigger("audit_entry_rest", "UPDATE OR DELETE OR TRUNCATE"),
)
"""What makes the entries' tables usable and lets them only grow."""

KEYS: tuple[str, ...] = (
    _DESTROYED_ONCE,
    _trigger("audit_key", "DELETE OR TRUNCATE"),
    _KEY_ONCE,
)
"""What lets the months' keys only be destroyed."""

SETUP: tuple[str, ...] = (
    _REFUSE,
    _ONLY_FORWARD,
    *PARTITIONS,
    "SELECT audit_grow(0)",
    *KEYS,
    _trigger("audit_node", "UPDATE OR DELETE OR TRUNCATE"),
    _trigger("audit_checkpoint", "UPDATE OR DELETE OR TRUNCATE"),
    _trigger("audit_head", "DELETE OR TRUNCATE"),
    _HEAD_FORWARD,
    EMPTY_HEAD,
)
"""To be run once after the tables are made: partitions, triggers and the head of the empty log."""

TEARDOWN: tuple[str, ...] = (
    "DROP FUNCTION audit_grow(bigint)",
    "DROP FUNCTION audit_key_once()",
    "DROP FUNCTION audit_only_forward()",
    "DROP FUNCTION audit_refuse_change()",
)
"""To be run after the tables are dropped."""


def set_up(connection: Connection) -> None:
    """Runs ``SETUP`` in the transaction of ``connection``."""
    for statement in SETUP:
        connection.exec_driver_sql(statement)
