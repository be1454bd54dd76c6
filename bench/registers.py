"""Made-up registers of several attributes, some of which take over rows of another, or columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bench import own

_KNOWS = 0.7
"""How much of the things a register knows."""
_VALUES = 10
"""Wrong ones beside the true one."""
ATTRIBUTES: Mapping[str, tuple[float, float]] = {
    "name": (0.2, 0.0),
    "home": (1.0, 0.8),
    "phone": (1.0, 0.8),
    "post": (0.8, 0.5),
    "base": (0.6, 0.0),
}
"""How often one errs about each, as a share of how often one errs; and how many of the mistakes
are the one that others make too: the value of before.
"""


@dataclass(frozen=True)
class Register:
    """``right``: how often it is about what is hardest; ``has``: the attributes; ``copies``: the
    place of the register that it takes ``columns`` over from, ``rate`` of the rows (all columns of
    a row), or of the cells of each column, if not ``rows``.
    """

    right: float
    has: tuple[str, ...] = tuple(ATTRIBUTES)
    copies: int | None = None
    rate: float = 0.7
    columns: tuple[str, ...] = tuple(ATTRIBUTES)
    rows: bool = True


def _all(*rights: float) -> tuple[Register, ...]:
    return tuple(map(Register, rights))


_AS_A_CITY = (
    Register(0.75, ("name", "home", "phone")),
    Register(0.75),
    Register(0.5, copies=1),
    Register(0.7, ("name", "home", "phone", "post")),
    Register(0.75, ("name", "home", "phone")),
    Register(0.65, ("name", "phone")),
)
_NOISY = tuple(replace(r, right=r.right - 0.15) for r in _AS_A_CITY)

WORLDS: Mapping[str, tuple[Register, ...]] = {
    "five, none copies": _all(0.85, 0.8, 0.75, 0.7, 0.65),
    "five, two much better": _all(0.95, 0.93, 0.6, 0.6, 0.6),
    "three, two much better": _all(0.95, 0.93, 0.6),
    "three, none copies": _all(0.85, 0.8, 0.7),
    "three, one copies rows": (*_all(0.9, 0.75), Register(0.6, copies=1)),
    "three, the good is copied": (*_all(0.75, 0.9), Register(0.6, copies=1)),
    "five, one copies rows": (*_all(0.9, 0.8, 0.7, 0.65), Register(0.6, copies=3)),
    "five, two copy rows": (
        *_all(0.85, 0.8, 0.65), Register(0.6, copies=2), Register(0.6, copies=2),
    ),
    "five, two copy columns": (
        *_all(0.85, 0.8, 0.65),
        *(Register(0.7, copies=2, rate=0.9, columns=("phone",), rows=False),) * 2,
    ),
    "five, names are copied": (
        *_all(0.85, 0.8, 0.7, 0.75), Register(0.8, copies=2, rate=0.9, columns=("name",)),
    ),
    "as a city": _AS_A_CITY,
    "as a city, none copies": tuple(replace(r, copies=None) for r in _AS_A_CITY),
    "as a city, one copies names": tuple(replace(r, columns=("name",)) for r in _AS_A_CITY),
    "as a noisy city": _NOISY,
    "noisy city, none copies": tuple(replace(r, copies=None) for r in _NOISY),
}  # fmt: skip


def make(seed: int, size: int, registers: Sequence[Register]) -> own.Claims:
    """What they claim. Names of values are shuffled, apart for each thing, and those of registers."""
    chance = np.random.default_rng(seed)
    names = {name: _shuffled(chance, size) for name in ATTRIBUTES}
    called = [f"s{place}" for place in chance.permutation(len(registers))]
    told: list[dict[str, npt.NDArray[np.intp]]] = []
    said, known = {}, [chance.random(size) < _KNOWS for _ in registers]
    for place, register in enumerate(registers):
        row = chance.random(size)
        mine = {}
        for name, (errs, former) in ATTRIBUTES.items():
            wrong = np.where(chance.random(size) < former, 1, chance.integers(1, _VALUES + 1, size))
            mine[name] = np.where(chance.random(size) < (1 - register.right) * errs, wrong, 0)
            if register.copies is not None and name in register.columns:
                copied = (row if register.rows else chance.random(size)) < register.rate
                copied &= known[register.copies]
                mine[name] = np.where(copied, told[register.copies][name], mine[name])
        told.append(mine)
        for thing in np.flatnonzero(known[place]):
            for name in register.has:
                value = names[name][thing, mine[name][thing]]
                said[f"t{thing}", name, called[place]] = "", f"v{value}"
    true = {
        (f"t{thing}", name): f"v{of[thing, 0]}"
        for name, of in names.items()
        for thing in range(size)
    }
    return own.put_together(said, true, {})


def _shuffled(chance: np.random.Generator, size: int) -> npt.NDArray[np.intp]:
    return chance.permuted(np.tile(np.arange(_VALUES + 1), (size, 1)), axis=1)
