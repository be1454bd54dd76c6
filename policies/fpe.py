"""Encryption that keeps the form of values: FF1 of NIST SP 800-38G, over AES or SM4.

Own code, because the libraries there are have AES built in; checked against the samples of NIST.
Like the standard's revision of 2019, it refuses domains of fewer than a million values, in which
a value could be found by trying.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from catalog.standards.base import Element
from catalog.standards.domains import Domain
from core.ciphers import BLOCK

Block = Callable[[bytes], bytes]
"""Encrypts one block of 16 bytes."""

ROUNDS = 10
FEWEST = 1_000_000
"""How many values a domain has at least."""
LARGEST_RADIX = 2**16
LONGEST = 4096
"""How many numerals a text has at most, and how many bytes a tweak."""


class Refused(ValueError):
    """The standard allows no such radix, text or tweak. What was given is not kept."""


class FF1:
    """FF1 over texts of numerals from 0 to before ``radix``, under one key.

    Args:
        block: the block cipher under the key.
        radix: 2 to 65,536.

    Raises:
        Refused: not such a radix.
    """

    def __init__(self, block: Block, radix: int) -> None:
        if not 2 <= radix <= LARGEST_RADIX:
            raise Refused("the radix is 2 to 65536")
        self._block = block
        self._radix = radix

    def encrypt(self, numerals: Sequence[int], tweak: bytes = b"") -> tuple[int, ...]:
        """As many numerals.

        Raises:
            Refused: numerals outside the radix; too few or too many of them; a tweak too long.
        """
        return self._change(numerals, tweak, self.encrypt_number)

    def decrypt(self, numerals: Sequence[int], tweak: bytes = b"") -> tuple[int, ...]:
        """What was encrypted under the same tweak.

        Raises:
            Refused: as for :meth:`encrypt`.
        """
        return self._change(numerals, tweak, self.decrypt_number)

    def encrypt_number(self, number: int, length: int, tweak: bytes) -> int:
        """:meth:`encrypt` of the number that ``length`` numerals write.

        Raises:
            Refused: as for :meth:`encrypt`.
        """
        left, right, sizes, function = self._prepared(number, length, tweak)
        for turn in range(ROUNDS):
            left, right = right, (left + function(turn, right)) % sizes[turn % 2]
        return left * sizes[1] + right

    def decrypt_number(self, number: int, length: int, tweak: bytes) -> int:
        """What was encrypted by :meth:`encrypt_number`.

        Raises:
            Refused: as for :meth:`encrypt`.
        """
        left, right, sizes, function = self._prepared(number, length, tweak)
        for turn in reversed(range(ROUNDS)):
            left, right = (right - function(turn, left)) % sizes[turn % 2], left
        return left * sizes[1] + right

    def _change(
        self, numerals: Sequence[int], tweak: bytes, change: Callable[[int, int, bytes], int]
    ) -> tuple[int, ...]:
        number = 0
        for numeral in numerals:
            if not 0 <= numeral < self._radix:
                raise Refused("a numeral is below the radix")
            number = number * self._radix + numeral
        changed, found = change(number, len(numerals), tweak), []
        for _ in numerals:
            changed, numeral = divmod(changed, self._radix)
            found.append(numeral)
        return tuple(reversed(found))

    def _prepared(
        self, number: int, length: int, tweak: bytes
    ) -> tuple[int, int, tuple[int, int], Callable[[int, int], int]]:
        """Both halves, how many values each has, and the function of the rounds."""
        if not 2 <= length <= LONGEST:
            raise Refused(f"a text has 2 to {LONGEST} numerals")
        if length < 20 and self._radix**length < FEWEST:
            raise Refused(f"so short texts have fewer than {FEWEST} values")
        if len(tweak) > LONGEST:
            raise Refused(f"a tweak has at most {LONGEST} bytes")
        sizes = (self._radix ** (length // 2), self._radix ** (length - length // 2))
        if not 0 <= number < sizes[0] * sizes[1]:
            raise Refused("so many numerals do not write that number")
        left, right = divmod(number, sizes[1])
        return left, right, sizes, self._function(length, sizes[1], tweak)

    def _function(self, length: int, larger: int, tweak: bytes) -> Callable[[int, int], int]:
        """The function F of the standard (steps 3 to 6 of its algorithm 7), with ``larger`` as
        the number of values of the longer half.
        """
        block = self._block
        width = ((larger - 1).bit_length() + 7) // 8
        wanted = 4 * -(-width // 4) + 4
        head = b"\x01\x02\x01" + self._radix.to_bytes(3) + bytes([ROUNDS, length // 2 % 256])
        # All rounds begin with this block, so that it is encrypted once.
        begun = block(head + length.to_bytes(4) + len(tweak).to_bytes(4))
        tail = tweak + bytes(-(len(tweak) + width + 1) % BLOCK)

        def function(turn: int, half: int) -> int:
            text = tail + bytes([turn]) + half.to_bytes(width)
            state = begun
            for at in range(0, len(text), BLOCK):
                state = block(_xor(state, text[at : at + BLOCK]))
            found, more = state, 1
            while len(found) < wanted:
                found += block(_xor(state, more.to_bytes(BLOCK)))
                more += 1
            return int.from_bytes(found[:wanted])

        return function


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(BLOCK)


class FormCipher:
    """Exchanges the values of an element for others of the same form, under one key; the code of
    the element is the tweak. Like what it is made of, for one thread at a time.
    """

    def __init__(self, element: Element, block: Block) -> None:
        self._element = element
        self._tweak = element.code.encode()
        self._ff1 = FF1(block, 2)

    def encrypt(self, value: str) -> str | None:
        """Another value, or by chance the same one; None where the value has no domain.

        Raises:
            ValueError: the value is not canonical.
        """
        return self._walk(value, self._ff1.encrypt_number)

    def decrypt(self, value: str) -> str | None:
        """What was encrypted; None where the value has no domain.

        Raises:
            ValueError: the value is not canonical.
        """
        return self._walk(value, self._ff1.decrypt_number)

    def _walk(self, value: str, change: Callable[[int, int, bytes], int]) -> str | None:
        """Goes on until a number stands for a value of the domain ("cycle walking"): a
        permutation of all numbers of so many bits comes to be one of the domain's.
        """
        domain = self._element.domain(value)
        if domain is None:
            return None
        if domain.size < FEWEST:
            raise Refused(f"the form {domain.form} has fewer than {FEWEST} values")
        bits = (domain.size - 1).bit_length()
        number = domain.number(value)
        while True:
            number = change(number, bits, self._tweak)
            if number < domain.size and self._belongs(domain, text := domain.value(number)):
                return text

    def _belongs(self, domain: Domain, text: str) -> bool:
        """Whether ``text`` is a canonical value of the domain."""
        try:
            if self._element.clean_one(text) != text:
                return False
        except ValueError:
            return False
        found = self._element.domain(text)
        return found is not None and found.form == domain.form
