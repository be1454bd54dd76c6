"""The vault: data keys in the database, each wrapped by the master secret.

It has a connection of its own, so that a key can be had in the middle of any transaction, and
keeps what it unwrapped for as long as the process lives.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.exceptions import InvalidTag
from sqlalchemy import Connection, Engine, Row, create_engine, exists, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from catalog.models import WorkspaceRevision
from core.canonical import encode
from core.ciphers import NONCE, Aead, Suite, aead
from core.clock import Clock
from core.errors import HubError, Unavailable
from core.keys import DEEDS, RECORDS, KeyDestroyed, KeyRing, SealBroken, derive
from core.keysources import Master, new_secret
from core.messages import message
from hub.keeping.models import DataKey

ROOT = "root"
"""The purpose of the secret that all but data keys is derived from."""


class KeysWrong(HubError):
    """The keys in the database are not wrapped by the master secret at hand."""

    code = "keys_wrong"
    status = 503
    exit_code = 2


class CryptoFixed(HubError):
    """A hub stays with the ciphers it began with: lookups depend on them."""

    code = "crypto_fixed"
    exit_code = 2


class Envelope:
    """Wraps and unwraps keys by one master secret."""

    def __init__(self, master: bytes, suite: Suite) -> None:
        self._cipher = aead(suite, derive(master, "wrap"))

    def wrap(self, key: bytes, number: int, purpose: str) -> bytes:
        """The key as it is kept under its number, for its purpose."""
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, key, _context(number, purpose))

    def unwrap(self, wrapped: bytes, number: int, purpose: str) -> bytes:
        """The key that was wrapped.

        Raises:
            KeysWrong: by another master secret, or as another key.
        """
        try:
            context = _context(number, purpose)
            return self._cipher.decrypt(wrapped[:NONCE], wrapped[NONCE:], context)
        except (InvalidTag, ValueError) as error:
            raise KeysWrong from error


class Vault:
    """The data keys of one hub; several threads may use it."""

    def __init__(self, engine: Engine, master: Master, suite: Suite, clock: Clock) -> None:
        # One connection is enough, and cannot be used up by transactions that wait for a key.
        self._engine = create_engine(engine.url, pool_size=1, max_overflow=0, pool_pre_ping=True)
        self._master = master
        self._suite = suite
        self._clock = clock
        self._envelope = Envelope(master.secret, suite)
        self._lock = threading.Lock()
        self._keys: dict[int, Aead] = {}
        self._gone: set[int] = set()

    def close(self) -> None:
        """Gives the connection back."""
        self._engine.dispose()

    def ring(self) -> KeyRing:
        """The ring of the root secret, which is made where there is none: at random or, where
        the hub is older than its vault, as the master secret that it has worked with.

        Raises:
            KeysWrong: the root is wrapped by another master secret.
            CryptoFixed: the hub began with other ciphers.
        """
        with self._transaction() as connection:
            row = _newest(connection, ROOT)
            if row is None:
                lock(connection)
                row = _newest(connection, ROOT)
            if row is None:
                old = connection.execute(select(exists().select_from(WorkspaceRevision)))
                root = self._master.secret if old.scalar_one() else new_secret()
                self.add(connection, ROOT, root)
            elif row.suite != self._suite:
                raise CryptoFixed(began=row.suite, given=self._suite)
            else:
                root = self._unwrap(row)
        # Whoever holds its keys goes on, whatever becomes of the master secret meanwhile.
        self._load()
        return KeyRing(root, self._suite, self)

    def newest(self, purpose: str) -> tuple[int, Aead]:
        """The number of the key that seals for a purpose now, and the key; one is made where
        there is none.

        Raises:
            KeysWrong: it is wrapped by another master secret.
        """
        with self._transaction() as connection:
            row = _newest(connection, purpose)
            if row is None:
                lock(connection)
                row = _newest(connection, purpose)
            number = self.add(connection, purpose) if row is None else row.id
        return number, self.find(number)

    def missing(self, connection: Connection) -> tuple[str, ...]:
        """The purposes that every hub has keys for, and this one has none yet."""
        return tuple(p for p in (RECORDS, DEEDS) if _newest(connection, p) is None)

    def make_first(self, connection: Connection, purpose: str) -> bool:
        """Makes the first key of a purpose, in the caller's transaction; False if there is one."""
        lock(connection)
        there = _newest(connection, purpose) is not None
        if not there:
            self.add(connection, purpose)
        return not there

    def find(self, number: int) -> Aead:
        """The key of a number. A number that was not met yet is looked up in the database.

        Raises:
            KeyDestroyed: it was destroyed.
            SealBroken: there never was one.
        """
        with self._lock:
            if number not in self._keys and number not in self._gone:
                self._load()
            if number in self._gone:
                raise KeyDestroyed
            if number not in self._keys:
                raise SealBroken
            return self._keys[number]

    def add(self, connection: Connection, purpose: str, key: bytes | None = None) -> int:
        """The number of a new key, in the caller's transaction, which holds :func:`lock`."""
        root = _newest(connection, ROOT)
        if root is not None:
            # Where the master secret was exchanged, the key must go under the one of now.
            self._unwrap(root)
        newest = select(func.coalesce(func.max(DataKey.id), 0) + 1)
        number = int(connection.execute(newest).scalar_one())
        connection.execute(
            insert(DataKey).values(
                id=number,
                purpose=purpose,
                suite=self._suite.value,
                wrapped=self._envelope.wrap(key or new_secret(), number, purpose),
                created_at=self._clock.now(),
            )
        )
        return number

    def rewrap(self, connection: Connection, master: bytes) -> int:
        """Wraps every key by another master secret, in the caller's transaction, and gives how
        many there are. With the commit, only the other secret opens them.

        Raises:
            KeysWrong: they are not wrapped by the present one.
        """
        lock(connection)
        other = Envelope(master, self._suite)
        rows = connection.execute(select(DataKey).where(DataKey.wrapped.is_not(None))).all()
        for row in rows:
            wrapped = other.wrap(self._unwrap(row), row.id, row.purpose)
            connection.execute(update(DataKey).where(DataKey.id == row.id).values(wrapped=wrapped))
        return len(rows)

    def _load(self) -> None:
        with self._transaction() as connection:
            for row in connection.execute(select(DataKey).where(DataKey.purpose != ROOT)):
                if row.wrapped is None:
                    self._gone.add(row.id)
                elif row.id not in self._keys:
                    self._keys[row.id] = aead(Suite(row.suite), self._unwrap(row))

    def _unwrap(self, row: Row[Any]) -> bytes:
        try:
            return self._envelope.unwrap(row.wrapped, row.id, row.purpose)
        except KeysWrong:
            if not self._master.renew():
                raise
            # The master secret was exchanged since this process read it.
            self._envelope = Envelope(self._master.secret, self._suite)
            return self._envelope.unwrap(row.wrapped, row.id, row.purpose)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise Unavailable(reason=message("cause_no_keys")) from error


@contextmanager
def open_vault(engine: Engine, master: Master, suite: Suite, clock: Clock) -> Iterator[Vault]:
    """A vault, closed afterwards."""
    vault = Vault(engine, master, suite, clock)
    try:
        yield vault
    finally:
        vault.close()


def lock(connection: Connection) -> None:
    """Keys are made, wrapped and destroyed by one transaction at a time. Whoever logs that in the
    same transaction appends to the log first: others may need a key while they hold the log.
    """
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _newest(connection: Connection, purpose: str) -> Row[Any] | None:
    found = select(DataKey).where(DataKey.purpose == purpose, DataKey.retired_at.is_(None))
    return connection.execute(found.order_by(DataKey.id.desc()).limit(1)).first()


def _context(number: int, purpose: str) -> bytes:
    return encode(["data key", number, purpose])


_LOCK = 0x6875626B
