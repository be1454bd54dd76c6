"""Made-up addresses, some of which are told without their room, or building and room."""

from __future__ import annotations

import random

from bench import own

SHARES = (0.0, 0.2, 0.5)
"""Of claims that tell less."""
SOURCES = (0.9, 0.85, 0.7, 0.75, 0.6)
"""How often each is right."""
_COVERAGE, _FORMER, _DIVISION = 0.8, 0.6, 0.4

Place = tuple[str, int, int, int]


def make(seed: int, size: int, sources: int, share: float) -> own.Claims:
    """Claims about the attribute ``value``. Who is wrong mostly says the former address, as others
    do.
    """
    chance = random.Random(seed)
    said, true = {}, {}
    for number in range(size):
        place, former = _place(chance), _place(chance)
        true[f"t{number}", "value"] = _written(place, 3)
        for source, right in enumerate(SOURCES[:sources]):
            if chance.random() < _COVERAGE:
                wrong = former if chance.random() < _FORMER else _place(chance)
                parts = chance.choice((1, 2)) if chance.random() < share else 3
                text = _written(place if chance.random() < right else wrong, parts)
                division = "佛山市南海区桂城街道" if chance.random() < _DIVISION else ""
                said[f"t{number}", "value", f"s{source}"] = "", division + text
    return own.put_together(said, true, {"value": "address"})


def _place(chance: random.Random) -> Place:
    name = chance.choice(("人民", "解放", "长安", "建设", "中山"))
    road = name + chance.choice(("路", "大道", "街"))
    return road, chance.randrange(1, 200), chance.randrange(1, 20), chance.randrange(101, 630)


def _written(place: Place, parts: int) -> str:
    road, *numbers = place
    return road + "".join(f"{n}{u}" for n, u in zip(numbers[:parts], "号栋室", strict=False))
