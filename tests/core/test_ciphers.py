"""The cipher suites, against published vectors."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ciphers import Suite, aead, block, mac

SM4_KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
KEY = SM4_KEY + bytes(16)
SUITES = list(Suite)


def test_sm4_encrypts_the_block_of_its_standard() -> None:
    """GB/T 32907-2016, A.1."""
    assert block(Suite.SM, KEY)(SM4_KEY).hex() == "681edf34d206965e86b3e94f536e4246"


def test_aes_encrypts_the_block_of_its_standard() -> None:
    """FIPS 197, C.3."""
    key = bytes(range(32))
    data = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert block(Suite.AES, key)(data).hex() == "8ea2b7ca516745bfeafc49904b496089"


def test_sm4_gcm_gives_the_published_ciphertext_and_tag() -> None:
    """RFC 8998, A.1."""
    nonce = bytes.fromhex("00001234567800000000abcd")
    context = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    plain = b"".join(bytes([byte]) * 8 for byte in b"\xaa\xbb\xcc\xdd\xee\xff\xee\xaa")
    sealed = bytes.fromhex(
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        "83de3541e4c2b58177e065a9bf7b62ec"
    )
    cipher = aead(Suite.SM, KEY)
    assert cipher.encrypt(nonce, plain, context) == sealed
    assert cipher.decrypt(nonce, sealed, context) == plain


def test_hmac_sm3_is_built_from_the_hash_of_the_standard() -> None:
    """HMAC (RFC 2104) spelled out over SM3, whose digest of ``abc`` is GB/T 32905-2016, A.1."""
    from cryptography.hazmat.primitives.hashes import SM3, Hash

    def sm3(data: bytes) -> bytes:
        digest = Hash(SM3())
        digest.update(data)
        return digest.finalize()

    assert sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    padded = KEY + bytes(64 - len(KEY))
    inner = sm3(bytes(byte ^ 0x36 for byte in padded) + b"abc")
    assert mac(Suite.SM, KEY, b"abc") == sm3(bytes(byte ^ 0x5C for byte in padded) + inner)


def test_hmac_sha_256_gives_the_published_digest() -> None:
    """RFC 4231, case 2."""
    digest = mac(Suite.AES, b"Jefe", b"what do ya want for nothing?")
    assert digest.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


@pytest.mark.parametrize("suite", SUITES)
@settings(max_examples=50, deadline=None, derandomize=True)
@given(plain=st.binary(max_size=100), context=st.binary(max_size=50), bit=st.integers(min_value=0))
def test_what_was_encrypted_opens_unless_changed(
    suite: Suite, plain: bytes, context: bytes, bit: int
) -> None:
    cipher, nonce = aead(suite, bytes(32)), bytes(12)
    sealed = cipher.encrypt(nonce, plain, context)
    assert cipher.decrypt(nonce, sealed, context) == plain
    flipped = bytearray(sealed)
    flipped[bit // 8 % len(sealed)] ^= 1 << bit % 8
    for data, bound in ((bytes(flipped), context), (sealed, context + b"\x00")):
        with pytest.raises(InvalidTag):
            cipher.decrypt(nonce, data, bound)


@pytest.mark.parametrize("suite", SUITES)
def test_what_is_too_short_or_of_another_size_is_refused(suite: Suite) -> None:
    for length in range(16):
        with pytest.raises((InvalidTag, ValueError)):
            aead(suite, bytes(32)).decrypt(bytes(12), bytes(length), b"")
    for size in (0, 16, 31, 33):
        with pytest.raises(ValueError, match="32 bytes"):
            aead(suite, bytes(size))
        with pytest.raises(ValueError, match="32 bytes"):
            block(suite, bytes(size))
        with pytest.raises(ValueError, match="16 bytes"):
            block(suite, bytes(32))(bytes(size) if size != 16 else b"")
