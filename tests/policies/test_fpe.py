"""FF1 is that of NIST, and values keep their form, their difference and their secret."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.standards import elements
from catalog.standards.domains import Domain
from core.ciphers import Suite, block
from policies.fpe import FF1, LONGEST, FormCipher, Refused

quick = settings(max_examples=50, deadline=None, derandomize=True)

KEY = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94")
DECIMAL, LONG = "0123456789", "0123456789abcdefghi"
NONE, SOME, OTHER = "", "39383736353433323130", "3737373770717273373737"
# The nine samples of NIST: bytes of the key, radix, tweak, plain, encrypted.
SAMPLES = [
    (16, 10, NONE, DECIMAL, "2433477484"),
    (16, 10, SOME, DECIMAL, "6124200773"),
    (16, 36, OTHER, LONG, "a9tv40mll9kdu509eum"),
    (24, 10, NONE, DECIMAL, "2830668132"),
    (24, 10, SOME, DECIMAL, "2496655549"),
    (24, 36, OTHER, LONG, "xbj3kv35jrawxv32ysr"),
    (32, 10, NONE, DECIMAL, "6657667009"),
    (32, 10, SOME, DECIMAL, "1001623463"),
    (32, 36, OTHER, LONG, "xs8a0azh2avyalyzuwd"),
]


def aes(key: bytes) -> Callable[[bytes], bytes]:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update  # noqa: S305


def numerals(text: str) -> tuple[int, ...]:
    return tuple(int(sign, 36) for sign in text)


@pytest.mark.parametrize(("size", "radix", "tweak", "plain", "encrypted"), SAMPLES)
def test_the_samples_of_nist(size: int, radix: int, tweak: str, plain: str, encrypted: str) -> None:
    ff1 = FF1(aes(KEY[:size]), radix)
    assert ff1.encrypt(numerals(plain), bytes.fromhex(tweak)) == numerals(encrypted)
    assert ff1.decrypt(numerals(encrypted), bytes.fromhex(tweak)) == numerals(plain)


def test_what_the_standard_refuses() -> None:
    for radix in (-1, 0, 1, 2**16 + 1):
        with pytest.raises(Refused):
            FF1(aes(KEY), radix)
    decimal, widest = FF1(aes(KEY), 10), FF1(aes(KEY), 2**16)
    refused: list[tuple[FF1, tuple[int, ...], bytes]] = [
        (decimal, (), b""),
        (widest, (5,), b""),
        (decimal, (1, 2, 3, 4, 5), b""),
        (decimal, (1, 2, 3, 4, 5, 10), b""),
        (decimal, (1, 2, 3, 4, 5, -1), b""),
        (decimal, (1,) * (LONGEST + 1), b""),
        (decimal, (1,) * 6, bytes(LONGEST + 1)),
        (FF1(aes(KEY), 2), (1,) * 19, b""),
    ]
    for ff1, text, tweak in refused:
        for change in (ff1.encrypt, ff1.decrypt):
            with pytest.raises(Refused) as found:
                change(text, tweak)
            assert "5" not in str(found.value)
    for ff1, text, tweak in ((decimal, (1,) * 6, bytes(LONGEST)), (widest, (5, 6), b"")):
        assert ff1.decrypt(ff1.encrypt(text, tweak), tweak) == text
    with pytest.raises(Refused):
        decimal.encrypt_number(10**6, 6, b"")


@quick
@given(st.integers(2, 2**16), st.data())
def test_every_radix_and_length_goes_there_and_back(radix: int, data: st.DataObject) -> None:
    ff1 = FF1(block(data.draw(st.sampled_from(Suite)), KEY), radix)
    text = tuple(data.draw(st.lists(st.integers(0, radix - 1), min_size=20, max_size=60)))
    tweak = data.draw(st.binary(max_size=40))
    found = ff1.encrypt(text, tweak)
    assert len(found) == len(text)
    assert all(0 <= numeral < radix for numeral in found)
    assert ff1.decrypt(found, tweak) == text
    assert ff1.encrypt(text, tweak + b"\x00") != found


EXAMPLES = {
    "resident_id": "11010519491231002X",
    "mobile": "13812345678",
    "credit_code": "91110000600037341L",
    "plate": "粤E12345",
    "identifier": "6222600260001072444",
}
VALUES = [
    *EXAMPLES.items(),
    ("plate", "粤E1234学"),
    ("plate", "粤EA12345"),
    ("plate", "粤E12345D"),
    ("identifier", "6222600260001072445"),
    ("identifier", "DD-2026-0041"),
]


def domain_of(code: str, example: str) -> Domain:
    domain = elements()[code].domain(example)
    assert domain is not None
    return domain


@pytest.mark.parametrize(("code", "example"), VALUES)
@quick
@given(data=st.data())
def test_values_keep_their_form_and_their_difference(
    code: str, example: str, data: st.DataObject
) -> None:
    element, domain = elements()[code], domain_of(code, example)
    assert element.clean_one(example) == example
    drawn = data.draw(st.sets(st.integers(0, domain.size - 1), min_size=1, max_size=6))
    values = {value for number in drawn if element_has(code, domain, value := domain.value(number))}
    cipher = FormCipher(element, block(data.draw(st.sampled_from(Suite)), KEY))
    found = {value: cipher.encrypt(value) for value in values}
    assert len(set(found.values())) == len(values)
    for value, other in found.items():
        assert other is not None
        assert element.clean_one(other) == other
        assert domain_of(code, other).form == domain.form
        assert cipher.decrypt(other) == value
        assert domain.value(domain.number(value)) == value


def element_has(code: str, domain: Domain, text: str) -> bool:
    """Whether a text that a number stands for is a value of the domain."""
    try:
        return (
            elements()[code].clean_one(text) == text and domain_of(code, text).form == domain.form
        )
    except ValueError:
        return False


def test_elements_and_keys_have_permutations_of_their_own() -> None:
    number = EXAMPLES["mobile"]
    ciphers = [
        FormCipher(elements()[code], block(suite, key))
        for code in ("mobile", "identifier")
        for suite in Suite
        for key in (KEY, bytes(32))
    ]
    other = type("Other", (type(elements()["mobile"]),), {"code": "other"})()
    ciphers.append(FormCipher(other, block(Suite.AES, KEY)))
    found = [cipher.encrypt(number) for cipher in ciphers]
    assert len({*found, number}) == len(ciphers) + 1


@pytest.mark.parametrize("value", ["H-001", "12345", "A", "张三的房子"])
def test_a_form_of_few_values_is_not_kept(value: str) -> None:
    cipher = FormCipher(elements()["identifier"], block(Suite.AES, KEY))
    assert cipher.encrypt(value) is None
    assert cipher.decrypt(value) is None


def test_cards_stay_cards_and_others_do_not_become_any() -> None:
    identifier = elements()["identifier"]
    forms = {n: domain_of("identifier", f"411111111111111{n}").form for n in range(10)}
    assert [n for n, form in forms.items() if form == "card:16"] == [1]
    cipher = FormCipher(identifier, block(Suite.AES, KEY))
    for n, form in forms.items():
        other = cipher.encrypt(f"411111111111111{n}")
        assert other is not None
        assert domain_of("identifier", other).form == form
