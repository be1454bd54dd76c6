"""The two cipher suites: AES-256 with HMAC-SHA-256, and the national SM4 with HMAC-SM3.

Keys are always 32 bytes. SM4 has keys of 16 bytes and takes the first half; HMAC-SM3 takes all.
The log's tree (SHA-256) and signatures (Ed25519) are the same under either suite.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SM3
from cryptography.hazmat.primitives.hmac import HMAC

KEY = 32
"""Bytes of a key."""
BLOCK = 16
"""Bytes of a block."""
NONCE = 12
"""Bytes of a nonce; each is used once."""
_TAG = 16


class Suite(StrEnum):
    """Which ciphers are used."""

    AES = "aes"
    SM = "sm"


class Aead(Protocol):
    """Encrypts and authenticates."""

    def encrypt(self, nonce: bytes, data: bytes, context: bytes) -> bytes:
        """The ciphertext with its tag of 16 bytes, bound to ``context``."""

    def decrypt(self, nonce: bytes, data: bytes, context: bytes) -> bytes:
        """What was encrypted.

        Raises:
            cryptography.exceptions.InvalidTag: not under this key, nonce and context.
            ValueError: there is not even a nonce or a tag.
        """


def aead(suite: Suite, key: bytes) -> Aead:
    """AES-256-GCM or SM4-GCM under a key of 32 bytes."""
    _check(key)
    return AESGCM(key) if suite is Suite.AES else _Sm4Gcm(key[:BLOCK])


def mac(suite: Suite, key: bytes, message: bytes) -> bytes:
    """32 bytes of HMAC-SHA-256 or HMAC-SM3; keys may have any length."""
    if suite is Suite.AES:
        return hmac.digest(key, message, "sha256")
    digest = HMAC(key, SM3())
    digest.update(message)
    return digest.finalize()


def block(suite: Suite, key: bytes) -> Callable[[bytes], bytes]:
    """Encrypts single blocks of 16 bytes by AES-256 or SM4, for modes built upon it. Not for
    use by several threads at once.
    """
    _check(key)
    algorithm = algorithms.AES(key) if suite is Suite.AES else algorithms.SM4(key[:BLOCK])
    encryptor = Cipher(algorithm, modes.ECB()).encryptor()  # noqa: S305 - single blocks

    def encrypt(data: bytes) -> bytes:
        if len(data) != BLOCK:
            raise ValueError("a block has 16 bytes")
        return encryptor.update(data)

    return encrypt


def _check(key: bytes) -> None:
    if len(key) != KEY:
        raise ValueError("a key has 32 bytes")


class _Sm4Gcm:
    """SM4-GCM in the shape of the library's own AEAD classes, of which it is none."""

    def __init__(self, key: bytes) -> None:
        self._algorithm = algorithms.SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, context: bytes) -> bytes:
        encryptor = Cipher(self._algorithm, modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(context)
        return encryptor.update(data) + encryptor.finalize() + encryptor.tag

    def decrypt(self, nonce: bytes, data: bytes, context: bytes) -> bytes:
        tag = data[-_TAG:]
        decryptor = Cipher(self._algorithm, modes.GCM(nonce, tag)).decryptor()
        decryptor.authenticate_additional_data(context)
        return decryptor.update(data[:-_TAG]) + decryptor.finalize()
