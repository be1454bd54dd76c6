"""The key ring: sealing, looking up, signing."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ciphers import Aead, Suite, aead
from core.keys import DEEDS, RECORDS, KeyDestroyed, KeyRing, SealBroken, header, sealed_under

RING = KeyRing(bytes(range(32)))
OTHER = KeyRing(bytes(range(1, 33)))
PLAIN, CONTEXT = "王建国".encode(), b"golden/resident/e1"


@settings(max_examples=50, deadline=None, derandomize=True)
@given(plain=st.binary(max_size=200), context=st.binary(max_size=50))
def test_what_was_sealed_opens(plain: bytes, context: bytes) -> None:
    sealed = RING.seal(plain, context)
    assert RING.open(sealed, context) == plain
    assert len(plain) < 4 or plain not in sealed


def test_equal_values_are_sealed_differently() -> None:
    assert RING.seal(PLAIN, CONTEXT) != RING.seal(PLAIN, CONTEXT)
    together = list(RING.sealer().seal_all([(PLAIN, CONTEXT)] * 3))
    assert len(set(together)) == 3
    assert {RING.open(sealed, CONTEXT) for sealed in together} == {PLAIN}


@settings(max_examples=50, deadline=None, derandomize=True)
@given(context=st.binary(max_size=50).filter(lambda c: c != CONTEXT))
def test_moved_to_another_place_it_does_not_open(context: bytes) -> None:
    with pytest.raises(SealBroken):
        RING.open(RING.seal(PLAIN, CONTEXT), context)


def test_under_another_key_it_does_not_open() -> None:
    with pytest.raises(SealBroken):
        OTHER.open(RING.seal(PLAIN, CONTEXT), CONTEXT)


def test_with_any_bit_flipped_it_does_not_open() -> None:
    sealed = RING.seal(PLAIN, CONTEXT)
    for place in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(SealBroken):
            RING.open(bytes(flipped), CONTEXT)


def test_cut_short_or_grown_it_does_not_open() -> None:
    sealed = RING.seal(PLAIN, CONTEXT)
    for other in [*(sealed[:n] for n in range(len(sealed))), sealed + b"\x00"]:
        with pytest.raises(SealBroken):
            RING.open(other, CONTEXT)


def test_a_blind_index_differs_by_kind_value_and_key() -> None:
    found = RING.blind_index("resident/mobile", "13800000001")
    assert found == RING.blind_index("resident/mobile", "13800000001")
    assert len(found) == 32
    others = {
        RING.blind_index("resident/resident_id", "13800000001"),
        RING.blind_index("resident/mobile", "13800000002"),
        OTHER.blind_index("resident/mobile", "13800000001"),
        RING.blind_index("resident", "/mobile13800000001"),
    }
    assert found not in others
    assert len(others) == 4


def test_each_use_has_a_key_of_its_own() -> None:
    uses = {RING.derive(use) for use in ("seal", "blind-index", "sign", "audit-digest")}
    assert len(uses) == 4
    assert all(len(key) == 32 for key in uses)
    assert RING.derive("seal") != OTHER.derive("seal")


def test_a_signature_is_of_one_message_and_one_key() -> None:
    signature = RING.sign(b"message")
    RING.public_key.verify(signature, b"message")
    assert len(signature) == 64
    assert len(RING.public_bytes) == 32
    for ring, message in ((RING, b"massage"), (OTHER, b"message")):
        with pytest.raises(InvalidSignature):
            ring.public_key.verify(signature, message)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_root_secret_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        KeyRing(bytes(size))


class Drawer:
    """A vault in memory: each purpose's last key is its newest; ``None`` was destroyed."""

    def __init__(self) -> None:
        self.keys: dict[int, tuple[str, bytes | None]] = {}
        self.asked: list[int] = []

    def newest(self, purpose: str) -> tuple[int, Aead]:
        number = max(n for n, (found, _) in self.keys.items() if found == purpose)
        return number, self.find(number)

    def find(self, number: int) -> Aead:
        self.asked.append(number)
        if number not in self.keys:
            raise SealBroken
        key = self.keys[number][1]
        if key is None:
            raise KeyDestroyed
        return aead(Suite.AES, key)


@pytest.fixture
def drawer() -> Drawer:
    made = Drawer()
    made.keys |= {7: (RECORDS, bytes([7]) * 32), 8: (DEEDS, bytes([8]) * 32)}
    return made


def test_a_sealed_value_names_its_data_key(drawer: Drawer) -> None:
    ring = KeyRing(bytes(32), vault=drawer)
    sealed = ring.seal(PLAIN, CONTEXT, RECORDS)
    assert sealed.startswith(header(7))
    assert sealed_under(sealed) == 7
    assert sealed_under(ring.seal(PLAIN, CONTEXT)) == 8
    drawer.keys[9] = (RECORDS, bytes([9]) * 32)
    assert sealed_under(ring.seal(PLAIN, CONTEXT, RECORDS)) == 9
    assert ring.open(sealed, CONTEXT) == PLAIN


def test_a_key_is_asked_for_once(drawer: Drawer) -> None:
    sealed = KeyRing(bytes(32), vault=drawer).seal(PLAIN, CONTEXT, RECORDS)
    ring = KeyRing(bytes(32), vault=drawer)
    drawer.asked.clear()
    assert [ring.open(sealed, CONTEXT) for _ in range(3)] == [PLAIN] * 3
    assert drawer.asked == [7]


def test_what_was_sealed_before_there_were_data_keys_opens(drawer: Drawer) -> None:
    former = RING.seal(PLAIN, CONTEXT)
    assert sealed_under(former) == 0
    ring = KeyRing(bytes(range(32)), vault=drawer)
    assert ring.open(former, CONTEXT) == PLAIN


def test_another_key_number_does_not_open(drawer: Drawer) -> None:
    ring = KeyRing(bytes(32), vault=drawer)
    sealed = ring.seal(PLAIN, CONTEXT, RECORDS)
    for number in (0, 8, 99):
        with pytest.raises(SealBroken):
            ring.open(header(number) + sealed[5:], CONTEXT)
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            ring.open(sealed[:length], CONTEXT)


def test_under_a_destroyed_key_nothing_opens(drawer: Drawer) -> None:
    sealed = KeyRing(bytes(32), vault=drawer).seal(PLAIN, CONTEXT)
    drawer.keys[8] = (DEEDS, None)
    with pytest.raises(KeyDestroyed):
        KeyRing(bytes(32), vault=drawer).open(sealed, CONTEXT)


def test_each_suite_seals_and_digests_by_itself() -> None:
    aes, sm = KeyRing(bytes(32)), KeyRing(bytes(32), Suite.SM)
    for one, other in ((aes, sm), (sm, aes)):
        sealed = one.seal(PLAIN, CONTEXT)
        assert one.open(sealed, CONTEXT) == PLAIN
        with pytest.raises(SealBroken):
            other.open(sealed, CONTEXT)
    assert aes.blind_index("a", "b") != sm.blind_index("a", "b")
    assert aes.public_bytes == sm.public_bytes
