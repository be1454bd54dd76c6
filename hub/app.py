"""The composition root: opens everything a hub is made of, and closes it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from catalog import registration
from core.clock import Clock, SystemClock
from core.database import open_database
from core.keys import KeyRing
from core.lake import Lake
from hub import schema
from hub.audit.log import AuditLog
from hub.keeping.sources import master_secret
from hub.keeping.vault import Vault, open_vault
from hub.operator import operator_entry
from hub.settings import Settings
from hub.workspace import Workspace, WorkspaceMissing
from policies import expectations
from policies.agreements import assemble
from policies.decide import Policy


@dataclass(frozen=True)
class Hub:
    """An open hub."""

    settings: Settings
    engine: Engine
    lake: Lake
    keys: KeyRing
    vault: Vault
    clock: Clock
    audit: AuditLog

    def revision(self) -> registration.Revision:
        """What is registered now.

        Raises:
            WorkspaceMissing: nothing was ever applied.
        """
        with self.engine.connect() as connection:
            revision = registration.latest(connection)
        if revision is None:
            raise WorkspaceMissing
        return revision

    def workspace(self) -> Workspace:
        """What is registered now, parsed."""
        return Workspace.from_documents(self.revision().documents)


@contextmanager
def open_hub(
    settings: Settings, clock: Clock | None = None, upgrade: bool = False
) -> Iterator[Hub]:
    """Opens a hub. Its own database is always brought up to date; a given one only where
    ``upgrade`` says so.

    Raises:
        KeysUnusable, KeysDemoInProduction, KeysWrong, CryptoFixed: there are no keys to work with.
        DatabaseUnreachable, DatabaseStartFailed, DatabaseOutdated: nor a database.
    """
    home = settings.home.absolute()
    if settings.lake_url is None:
        # Its files hold values in the clear.
        Path(settings.lake_root).mkdir(mode=0o700, parents=True, exist_ok=True)
    master = master_secret(settings)
    given = settings.database_url
    url = given.get_secret_value() if given is not None else None
    with open_database(url, home / "postgres") as engine:
        if upgrade or url is None:
            schema.upgrade(engine)
        schema.check(engine)
        used = clock or SystemClock()
        with open_vault(engine, master, settings.crypto, used) as vault:
            keys = vault.ring()
            audit = AuditLog(engine, keys, used, ORIGIN)
            _make_first_keys(engine, vault, audit)
            yield Hub(
                settings=settings,
                engine=engine,
                lake=Lake(settings.lake_root),
                keys=keys,
                vault=vault,
                clock=used,
                audit=audit,
            )


def _make_first_keys(engine: Engine, vault: Vault, audit: AuditLog) -> None:
    """Makes the keys that seal, where there are none yet; that is logged."""
    with engine.connect() as connection:
        missing = vault.missing(connection)
    for purpose in missing:
        with engine.begin() as connection:
            audit.append([operator_entry("key_created", f"keys/{purpose}")], connection)
            if not vault.make_first(connection, purpose):
                # Somebody else did meanwhile, and said so.
                connection.rollback()


def apply_documents(
    hub: Hub, documents: registration.Documents, data_folder: str, dry_run: bool = False
) -> registration.Changes:
    """Registers documents, audited in the same transaction; a dry run only compares.

    Raises:
        InvalidFiles: the policy decides otherwise than the workspace expects.
    """
    workspace = Workspace.from_documents(documents)
    policy = Policy(assemble(workspace.policies, workspace.known))
    expectations.require(workspace.expectations, policy, hub.clock.now())
    with hub.engine.begin() as connection:
        if dry_run:
            return registration.compare(connection, documents)
        now = hub.clock.now()
        changes = registration.register(connection, documents, data_folder, now)
        if changes:
            counts = {name: len(names) for name, names in vars(changes).items()}
            hub.audit.append([operator_entry("apply", "workspace", counts)], connection)
            hub.audit.checkpoint(connection)
        return changes


ORIGIN = "hub"
"""The name under which this hub signs checkpoints and receipts."""
