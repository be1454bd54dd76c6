"""The personal parts of entries: sealed beside the log, each month under a key of its own.

A leaf holds only the salted digest of its personal part, so that destroying the month's key
erases the part and leaves the tree, and every proof over it, as they were.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag

from core.ciphers import KEY as KEY_BYTES
from core.ciphers import NONCE, Aead, Suite, aead
from core.clock import CHINA, start_of_day
from core.keys import KeyDestroyed, KeyRing, SealBroken
from hub.audit.entries import KeyedDigests

SALT_BYTES = 16
PREFIX = 16
"""Bytes of a person's digest that the person index keeps."""
_MARK = b"\x02"
"""Keeps the digest of a personal part from being that of a leaf or a node."""
_REMEMBERED = 10_000

KEY = "SELECT period, suite, wrapped FROM audit_key WHERE period = %(period)s"
INSERT_KEY = """
INSERT INTO audit_key (period, suite, wrapped) VALUES (%(period)s, %(suite)s, %(wrapped)s)
"""


class MonthKey(NamedTuple):
    """The key of a month such as ``2026-03``, itself sealed; ``wrapped`` is ``None`` once it was
    destroyed.
    """

    period: str
    suite: str
    wrapped: bytes | None


def month_of(time: datetime) -> str:
    """The month of a moment, as it is in China."""
    return time.astimezone(CHINA).strftime("%Y-%m")


def first_day(period: str) -> date:
    """The first day of a month."""
    year, month = map(int, period.split("-"))
    return date(year, month, 1)


def day_after(period: str) -> date:
    """The first day that is not in a month any more."""
    return (first_day(period) + timedelta(days=31)).replace(day=1)


def retained_until(period: str, years: int) -> datetime:
    """Until when the personal parts of a month are kept: ``years`` after its end."""
    end = day_after(period)
    return start_of_day(end.replace(year=end.year + years))


def commitment(personal: bytes) -> str:
    """What a leaf holds of its personal part: 64 hexadecimal digits."""
    return sha256(_MARK + personal).hexdigest()


def person_prefix(digest: str) -> bytes:
    """What the person index keeps of a keyed digest (64 hexadecimal digits)."""
    return bytes.fromhex(digest[: 2 * PREFIX])


def seal(cipher: Aead, nonce: bytes, personal: bytes, index: int) -> bytes:
    """A personal part, sealed and bound to its entry."""
    return nonce + cipher.encrypt(nonce, personal, index.to_bytes(8))


def unseal(cipher: Aead, sealed: bytes, index: int) -> bytes:
    """The personal part of entry ``index``.

    Raises:
        SealBroken: it was changed, or is of another entry or month.
    """
    try:
        return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], index.to_bytes(8))
    except (InvalidTag, ValueError) as error:
        raise SealBroken from error


class MonthKeys:
    """The keys of all months. Each is unwrapped once; safe to share among threads."""

    def __init__(self, keys: KeyRing) -> None:
        self._suite = keys.suite
        self._master = keys.derive("audit-personal")
        self._digests = KeyedDigests(keys)
        self._open: dict[bytes, Aead] = {}
        self._accounts: dict[str, bytes] = {}

    def make(self, period: str) -> MonthKey:
        """A new key for a month."""
        key, nonce = os.urandom(KEY_BYTES), os.urandom(NONCE)
        suite = self._suite
        wrapped = nonce + self._wrapper(suite).encrypt(nonce, key, period.encode())
        return MonthKey(period, suite.value, wrapped)

    def open(self, key: MonthKey) -> Aead:
        """What seals and unseals the personal parts of a month.

        Raises:
            KeyDestroyed: it was erased.
            SealBroken: it is not a key that this hub has made for this month.
        """
        if key.wrapped is None:
            raise KeyDestroyed
        wrapped = bytes(key.wrapped)
        # What is in the database decides which key is used: one of a transaction that came to
        # nothing may be remembered here, but is never asked for.
        name = key.period.encode() + wrapped
        if name not in self._open:
            try:
                suite = Suite(key.suite)
                plain = self._wrapper(suite).decrypt(
                    wrapped[:NONCE], wrapped[NONCE:], key.period.encode()
                )
                self._open[name] = aead(suite, plain)
            except (InvalidTag, ValueError) as error:
                raise SealBroken from error
        return self._open[name]

    def persons(self, account: str | None, digests: Sequence[str]) -> list[bytes]:
        """By whom an entry is found: who was asked about, and the account that asked."""
        found = [person_prefix(digest) for digest in dict.fromkeys(digests)]
        if account is not None:
            found.append(self.account(account))
        return found

    def __getstate__(self) -> dict[str, Any]:
        """For a process of its own, which opens keys by itself."""
        return {**self.__dict__, "_open": {}}

    def account(self, account: str) -> bytes:
        """By what the entries of an account are found."""
        known = self._accounts.get(account)
        if known is None:
            if len(self._accounts) >= _REMEMBERED:
                self._accounts.clear()
            known = self._accounts[account] = person_prefix(self._digests.account(account))
        return known

    def _wrapper(self, suite: Suite) -> Aead:
        return aead(suite, self._master)
