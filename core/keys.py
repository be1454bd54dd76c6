"""The key ring: sealing (AEAD), blind indexes (HMAC) and signing (Ed25519).

Sealing is under envelopes: every sealed value names the *data key* it is sealed under, and data
keys are kept in a :class:`Vault`, wrapped by the master secret. All else – blind indexes, digests,
pseudonyms, signatures – has a key of its own for every use, derived by HKDF-SHA-256 from one
*root* secret, which is wrapped in the same way: so the master secret can be exchanged, and data
keys can, while whatever was looked up, digested or signed before still is.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.ciphers import KEY, NONCE, Aead, Suite, aead, mac
from core.errors import HubError

RECORDS = "records"
"""The purpose of keys that seal golden records: a rotation seals those anew."""
DEEDS = "deeds"
"""The purpose of keys that seal what is only ever added to: rulings, corrections, findings …"""

_UNDER_ROOT = b"\x01"
_UNDER_DATA_KEY = b"\x02"
_NUMBER = struct.Struct(">I")
_HEADER = 1 + _NUMBER.size
_BODY = _HEADER + NONCE


class SealBroken(HubError):
    """Sealed bytes do not open: changed, moved to another row, or under another key."""

    code = "seal_broken"


class KeyDestroyed(SealBroken):
    """The data key that sealed this was destroyed: nobody can open it any more."""

    code = "key_destroyed"


class Vault(Protocol):
    """Where data keys are."""

    def newest(self, purpose: str) -> tuple[int, Aead]:
        """The number of the key that seals for a purpose now, and the key."""

    def find(self, number: int) -> Aead:
        """The key of a number.

        Raises:
            KeyDestroyed: it was destroyed.
            SealBroken: there never was one.
        """


class Sealer:
    """Seals under one data key. For many values at once; whoever keeps one for longer may go on
    with a key that was retired.
    """

    def __init__(self, header: bytes, cipher: Aead) -> None:
        self.header = header
        self._cipher = cipher

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypts and authenticates ``plain``, bound to ``context`` (the row it belongs to)."""
        [sealed] = self.seal_all([(plain, context)])
        return sealed

    def seal_all(self, values: Sequence[tuple[bytes, bytes]]) -> Iterator[bytes]:
        """As :meth:`seal`, of several plain bytes with their contexts."""
        # The system is asked once for all nonces: each question takes longer than sealing.
        nonces = os.urandom(NONCE * len(values))
        for place, (plain, context) in enumerate(values):
            nonce = nonces[NONCE * place : NONCE * (place + 1)]
            yield self.header + nonce + self._cipher.encrypt(nonce, plain, context)


class KeyRing:
    """All keys of one hub.

    Args:
        root: 32 secret bytes.
        suite: by which ciphers values are sealed and digested.
        vault: holds the data keys; without one, values are sealed under the root itself, as in
            hubs of before there were data keys. What was sealed so opens in either case.
    """

    def __init__(self, root: bytes, suite: Suite = Suite.AES, vault: Vault | None = None) -> None:
        if len(root) != KEY:
            raise ValueError("the root secret has 32 bytes")
        self.suite = suite
        self._root = root
        self._vault = vault
        self._first = aead(suite, self.derive("seal"))
        self._opened: dict[bytes, Aead] = {}
        self._index = self.derive("blind-index")
        self._signer = Ed25519PrivateKey.from_private_bytes(self.derive("sign"))

    def derive(self, use: str) -> bytes:
        """32 bytes for one use, such as ``seal`` or ``audit-digest``."""
        return derive(self._root, use)

    def sealer(self, purpose: str = DEEDS) -> Sealer:
        """What seals for a purpose from now on."""
        if self._vault is None:
            return Sealer(_UNDER_ROOT, self._first)
        number, cipher = self._vault.newest(purpose)
        return Sealer(header(number), cipher)

    def seal(self, plain: bytes, context: bytes, purpose: str = DEEDS) -> bytes:
        """Encrypts and authenticates ``plain``, bound to ``context`` (the row it belongs to)."""
        return self.sealer(purpose).seal(plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The plain bytes of :meth:`seal`.

        Raises:
            SealBroken: the bytes or the context are not the ones that were sealed.
            KeyDestroyed: nobody can open it any more.
        """
        if sealed[:1] == _UNDER_DATA_KEY:
            named = sealed[1:_HEADER]
            cipher = self._opened.get(named) or self._find(named)
            nonce, body = sealed[_HEADER:_BODY], sealed[_BODY:]
        elif sealed[:1] == _UNDER_ROOT:
            cipher, nonce, body = self._first, sealed[1 : 1 + NONCE], sealed[1 + NONCE :]
        else:
            raise SealBroken
        try:
            return cipher.decrypt(nonce, body, context)
        except (InvalidTag, ValueError) as error:
            # A ValueError says that not even a nonce is left.
            raise SealBroken from error

    def _find(self, named: bytes) -> Aead:
        if self._vault is None or len(named) != _NUMBER.size:
            raise SealBroken
        cipher = self._vault.find(*_NUMBER.unpack(named))
        self._opened[named] = cipher
        return cipher

    def blind_index(self, kind: str, value: str) -> bytes:
        """A 32-byte keyed digest by which a sealed value is looked up. ``kind`` keeps equal
        texts of different attributes apart.
        """
        return mac(self.suite, self._index, kind.encode() + b"\x00" + value.encode())

    def sign(self, message: bytes) -> bytes:
        """A 64-byte Ed25519 signature."""
        return self._signer.sign(message)

    @property
    def public_key(self) -> Ed25519PublicKey:
        """What others need to check signatures."""
        return self._signer.public_key()

    @property
    def public_bytes(self) -> bytes:
        """The 32 raw bytes of the public key."""
        return self.public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def signing_key(self) -> Ed25519PrivateKey:
        """For libraries that sign by themselves, such as token makers."""
        return self._signer


def derive(secret: bytes, use: str) -> bytes:
    """32 bytes for one use of a secret; they tell nothing of it, nor of those for other uses."""
    return HKDF(SHA256(), KEY, salt=None, info=b"hub/" + use.encode()).derive(secret)


def header(number: int) -> bytes:
    """How values sealed under a data key begin."""
    return _UNDER_DATA_KEY + _NUMBER.pack(number)


def sealed_under(beginning: bytes) -> int:
    """The number of the data key that a sealed value's beginning names; 0 for the root."""
    return int.from_bytes(beginning[1:_HEADER], "big") if beginning[:1] == _UNDER_DATA_KEY else 0


HEADER = _HEADER
"""How many bytes of a sealed value name its key."""
