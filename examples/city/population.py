"""The people of the city: households, who is in them, and what the police register would say.

All of it is true by construction as of ``TODAY``. A table is a dictionary of columns of equal
length; days count from 1970-01-01; a missing index is ``NONE``, a missing day ``NO_DAY``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import names
import numpy as np
import yaml
from identifiers import Column, blank_where, mobiles, resident_ids, texts
from numpy.random import Generator

Table = dict[str, Column]

TODAY = int(np.datetime64("2026-06-30", "D").astype(int))
NONE = -1
NO_DAY = -1_000_000
YEAR = 365.2425

HEAD, SPOUSE, CHILD, FATHER, MOTHER = range(5)
_FAMILIES = (
    (HEAD,),
    (HEAD, SPOUSE),
    (HEAD, CHILD),
    (HEAD, SPOUSE, CHILD),
    (HEAD, SPOUSE, CHILD, CHILD),
    (HEAD, SPOUSE, CHILD, MOTHER),
    (HEAD, SPOUSE, CHILD, FATHER, MOTHER),
    (HEAD, SPOUSE, CHILD, CHILD, FATHER, MOTHER),
)
_FAMILY_SHARES = (0.20, 0.23, 0.07, 0.24, 0.11, 0.06, 0.06, 0.03)
_THREE = 3  # the family of every case household
_WITH_PARENTS = 5  # families from here on include a parent of the head

# Households made to be clear in one way or the other for the low-income check; the first ones.
CASES = (
    "eligible", "eligible", "rich", "rich", "margin", "owns_vehicle", "not_authorised",
)  # fmt: skip


@dataclass(frozen=True)
class Regions:
    """Grids in use, each with its code and the names above it."""

    grid: tuple[str, ...]
    town: tuple[str, ...]
    community: tuple[str, ...]
    district: str


def read_regions(file: Path, residents: int) -> Regions:
    """The district's grids, only as many as give each about forty people or more."""
    regions = {r["code"]: r for r in yaml.safe_load(file.read_text("utf-8"))["regions"]}
    grids = [code for code, region in regions.items() if region["kind"] == "grid"]
    used = grids[: max(6, min(len(grids), residents // 40))]
    communities = [regions[code]["parent"] for code in used]
    towns = [regions[code]["parent"] for code in communities]
    district = next(r for r in regions.values() if r["kind"] == "district")
    return Regions(
        grid=tuple(used),
        town=tuple(regions[code]["title"]["zh"] for code in towns),
        community=tuple(regions[code]["title"]["zh"] for code in communities),
        district=district["title"]["zh"],
    )


def make_households(residents: int, grids: int, rng: Generator) -> Table:
    """Households whose sizes add up to ``residents``.

    Columns: ``family`` (index of its kind), ``grid``, ``wealth`` (0 poor, 1 margin, 2 usual,
    3 rich), ``case`` (index in :data:`CASES` or NONE).
    """
    sizes = np.array([len(family) for family in _FAMILIES])
    family = rng.choice(len(_FAMILIES), size=residents, p=_FAMILY_SHARES)
    family[: len(CASES)] = _THREE
    fitting = int(np.searchsorted(np.cumsum(sizes[family]), residents, side="right"))
    alone = residents - int(sizes[family[:fitting]].sum())
    family = np.r_[family[:fitting], np.zeros(alone, dtype=family.dtype)]
    count = len(family)
    crowding = rng.dirichlet(np.full(grids, 20.0))
    grid = rng.choice(grids, size=count, p=crowding)
    wealth = rng.choice(4, size=count, p=(0.06, 0.04, 0.82, 0.08))
    case = np.full(count, NONE)
    case[: len(CASES)] = np.arange(len(CASES))
    grid[: len(CASES)] = 0
    wealth[: len(CASES)] = [0, 0, 3, 3, 1, 0, 0]
    return {"family": family, "grid": grid, "wealth": wealth, "case": case}


def make_people(households: Table, rng: Generator) -> Table:
    """Everybody, household by household, head first.

    Columns: ``household`` (index), ``role``, ``male``, ``birth`` (day), ``resident_id``, ``name``,
    ``ethnicity``, ``relation``, ``life_status``, ``life_changed`` (day), ``marital_status`` and
    ``marital_before``, ``mobile`` and ``mobile_before``.
    """
    widest = max(map(len, _FAMILIES))
    roles = np.array([family + (NONE,) * (widest - len(family)) for family in _FAMILIES])
    roles = roles[households["family"]]
    household, place = np.nonzero(roles != NONE)
    people: Table = {"household": household, "role": roles[household, place]}
    people["case"] = households["case"][household]
    people["male"] = _sexes(people, len(roles), rng)
    people["birth"] = _births(people, households, rng)
    area = rng.choice(names.BIRTHPLACES, size=len(household), p=names.BIRTHPLACE_WEIGHTS)
    people["resident_id"] = resident_ids(area, people["birth"], people["male"])
    people["name"] = _names(people, len(roles), rng)
    people["ethnicity"] = rng.choice(
        texts(np.array(["01", "08", "03", "15", "06"])),
        size=len(household),
        p=(0.95, 0.025, 0.01, 0.01, 0.005),
    )
    relations = texts(np.array(["01", "10", "20", "51", "52"]))[people["role"]]
    daughter = (people["role"] == CHILD) & ~people["male"]
    people["relation"] = np.where(daughter, "30", relations)
    _lives(people, rng)
    _marriages(people, households, rng)
    _phones(people, rng)
    return people


def age(people: Table) -> Column:
    """Years of age at ``TODAY``."""
    years: Column = (TODAY - people["birth"]) / YEAR
    return years


def present(people: Table) -> Column:
    """Who is alive and lives in the city."""
    here: Column = people["life_status"] == "正常"
    return here


def _sexes(people: Table, households: int, rng: Generator) -> Column:
    role, household = people["role"], people["household"]
    coupled = np.zeros(households, dtype=bool)
    coupled[household[role == SPOUSE]] = True
    head_male = rng.random(households) < np.where(coupled, 0.75, 0.5)
    child_male = rng.random(len(role)) < 0.52
    always = np.ones(len(role), dtype=bool)
    of_head = head_male[household]
    choices = [of_head, ~of_head, child_male, always, ~always]
    male: Column = np.select([role == kind for kind in range(5)], choices)
    return male.astype(bool)


def _births(people: Table, households: Table, rng: Generator) -> Column:
    role, household = people["role"], people["household"]
    kind = households["family"]
    count = len(kind)
    years = np.where(
        kind == 0,
        rng.uniform(22, 88, count),
        np.where(
            kind >= _WITH_PARENTS,
            np.clip(rng.normal(40, 7, count), 24, 60),
            np.clip(rng.normal(45, 12, count), 24, 82),
        ),
    )
    years = np.where(households["case"] != NONE, 40 + np.arange(count) % 7, years)
    head = years[household]
    offset = rng.random(len(role))
    child = head - 22 - 14 * offset
    newborn = offset * 2.0
    choices = [
        head,
        np.maximum(head + 8 * offset - 5, 20),
        np.where(child > 0.02, child, newborn),
        np.minimum(head + 23 + 11 * offset, 99),
        np.minimum(head + 21 + 11 * offset, 99),
    ]
    # The random year spreads birthdays where ages were clipped to one bound.
    age_now = np.select([role == kind for kind in range(5)], choices) + rng.random(len(role))
    return TODAY - 3 - np.floor(age_now * YEAR).astype(np.int64)


def _names(people: Table, households: int, rng: Generator) -> Column:
    role, household, male = people["role"], people["household"], people["male"]
    surnames = texts(np.array(names.SURNAMES + names.DOUBLE_SURNAMES))
    weights = 1 / (np.arange(len(surnames)) + 6.0)
    own, other = rng.choice(len(surnames), size=(2, households), p=weights / weights.sum())
    mother = rng.choice(len(surnames), size=len(role), p=weights / weights.sum())
    head_male = np.zeros(households, dtype=bool)
    head_male[household[role == HEAD]] = male[role == HEAD]
    coupled = np.zeros(households, dtype=bool)
    coupled[household[role == SPOUSE]] = True
    of_children = np.where(head_male | ~coupled, own, other)
    by_role = [own[household], other[household], of_children[household], own[household], mother]
    surname = surnames[np.select([role == kind for kind in range(5)], by_role)]
    pools = [texts(np.array(pool)) for pool in (names.FEMALE, names.MALE)]
    first, second = (
        np.where(male, *(pool[rng.integers(len(pool), size=len(role))] for pool in pools[::-1]))
        for _ in range(2)
    )
    second = np.where(rng.random(len(role)) < 0.25, "", second)
    name: Column = surname + first + second
    return name


def _lives(people: Table, rng: Generator) -> None:
    years, count = age(people), len(people["role"])
    chance = rng.random(count)
    died = chance < np.where(years > 65, 0.06, 0.003)
    died[np.argsort(people["birth"])[:3]] = True  # however small the city, somebody did
    moved = ~died & (chance > 0.985) & (years > 18) & (years < 60)
    ordinary = people["case"] == NONE
    status = np.where(died & ordinary, "死亡", np.where(moved & ordinary, "迁出", "正常"))
    people["life_status"] = status.astype(object)
    people["life_changed"] = TODAY - rng.integers(10, 900, size=count)


def _marriages(people: Table, households: Table, rng: Generator) -> None:
    role, household, years = people["role"], people["household"], age(people)
    count = len(role)
    one_died, coupled, both_parents = (np.zeros(len(households["family"]), bool) for _ in range(3))
    partner = (role == HEAD) | (role == SPOUSE)
    one_died[household[partner & (people["life_status"] == "死亡")]] = True
    coupled[household[role == SPOUSE]] = True
    both_parents[household[role == FATHER]] = True
    chance = rng.random(count)
    single = np.where(
        years < 30,
        np.where(chance < 0.9, "10", "40"),
        np.where(years < 60, _thirds(chance, 0.3, 0.9), _thirds(chance, 0.15, 0.35)),
    )
    couple = np.where(one_died[household], "30", "20")
    child = np.where((years < 25) | (chance < 0.85), "10", "40")
    parent = np.where(both_parents[household], "20", "30")
    conditions = [partner & coupled[household], partner, role == CHILD]
    now = np.select(conditions, [couple, single, child], parent)
    before = np.select([now == "20", now == "10"], ["10", "10"], "20")
    people["marital_status"], people["marital_before"] = texts(now), texts(before)


def _thirds(chance: Column, never: float, divorced: float) -> Column:
    return np.where(chance < never, "10", np.where(chance < divorced, "40", "30"))


def _phones(people: Table, rng: Generator) -> None:
    grown = age(people) >= 12
    for column in ("mobile", "mobile_before"):
        number = mobiles(len(grown), names.MOBILE_PREFIXES, rng)
        people[column] = blank_where(~grown, number)
