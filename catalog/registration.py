"""Registering documents: what a workspace says, kept by revision in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from catalog.models import Registered, WorkspaceRevision
from core.canonical import digest

Name = tuple[str, str]
"""Kind and key of a document, such as ``("contract", "police.residents")``."""

Documents = Mapping[Name, dict[str, Any]]


@dataclass(frozen=True)
class Changes:
    """What registering some documents would do."""

    added: tuple[Name, ...]
    changed: tuple[Name, ...]
    retired: tuple[Name, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.retired)


@dataclass(frozen=True)
class Revision:
    """One registered state of a workspace."""

    number: int
    applied_at: datetime
    data_folder: str
    documents: Documents


def compare(connection: Connection, documents: Documents) -> Changes:
    """What differs between ``documents`` and what is registered now."""
    live = connection.execute(
        select(Registered.kind, Registered.key, Registered.digest).where(
            Registered.closed.is_(None)
        )
    )
    registered = {(kind, key): content for kind, key, content in live}
    wanted = {name: digest(document) for name, document in documents.items()}
    return Changes(
        added=tuple(sorted(wanted.keys() - registered.keys())),
        changed=tuple(
            sorted(n for n in wanted.keys() & registered.keys() if wanted[n] != registered[n])
        ),
        retired=tuple(sorted(registered.keys() - wanted.keys())),
    )


def register(
    connection: Connection, documents: Documents, data_folder: str, now: datetime
) -> Changes:
    """Makes ``documents`` the registered state, in the caller's transaction. Equal documents
    make no new revision.
    """
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    changes = compare(connection, documents)
    current = latest(connection)
    if not changes and current is not None and current.data_folder == data_folder:
        return changes
    number = connection.execute(
        insert(WorkspaceRevision)
        .values(applied_at=now, data_folder=data_folder)
        .returning(WorkspaceRevision.revision)
    ).scalar_one()
    for kind, key in (*changes.changed, *changes.retired):
        connection.execute(
            update(Registered)
            .where(Registered.kind == kind, Registered.key == key, Registered.closed.is_(None))
            .values(closed=number)
        )
    rows = [
        {
            "kind": kind,
            "key": key,
            "opened": number,
            "digest": digest(documents[kind, key]),
            "document": documents[kind, key],
        }
        for kind, key in (*changes.added, *changes.changed)
    ]
    if rows:
        connection.execute(insert(Registered), rows)
    return changes


def latest(connection: Connection) -> Revision | None:
    """The state registered now; None before the first `hub apply`."""
    number = connection.execute(select(func.max(WorkspaceRevision.revision))).scalar()
    return None if number is None else at(connection, number)


def at(connection: Connection, number: int) -> Revision:
    """The state as it was at revision ``number``."""
    head = connection.execute(
        select(WorkspaceRevision.applied_at, WorkspaceRevision.data_folder).where(
            WorkspaceRevision.revision == number
        )
    ).one()
    rows = connection.execute(
        select(Registered.kind, Registered.key, Registered.document).where(
            Registered.opened <= number,
            or_(Registered.closed.is_(None), Registered.closed > number),
        )
    )
    documents = {(kind, key): document for kind, key, document in rows}
    return Revision(number, head.applied_at, head.data_folder, documents)


_LOCK = 0x68756231
