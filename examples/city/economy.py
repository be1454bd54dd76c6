"""What the people of the city live in, work for, drive, own and are granted."""

from __future__ import annotations

import names
import numpy as np
from identifiers import Column, blank_where, credit_codes, plates, rank_in_group, texts
from numpy.random import Generator
from population import CASES, CHILD, HEAD, NO_DAY, NONE, SPOUSE, TODAY, Regions, Table, age, present

_ROOMS_PER_NUMBER = 576  # 8 buildings of 3 units of 6 floors of 4 rooms
_NUMBERS_PER_GRID = 8
_OFFICE_ROOMS = 40
_RESIDENTS_PER_FIRM = 30
_POOR, _MARGIN, _USUAL, _RICH = range(4)
_LOWEST_BASE = 1900


def make_dwellings(households: Table, people: Table, regions: Regions, rng: Generator) -> Table:
    """Dwelling i is where household i lives; the rest stand empty or are second homes.

    Columns: ``grid``, ``room`` (rank inside its grid), ``owner`` and ``owner_before`` (indices in
    people), ``area`` (square metres, text), ``registered`` (day).
    """
    lived_in = len(households["grid"])
    count = lived_in + max(len(CASES), lived_in // 6)
    grid = np.r_[households["grid"], rng.integers(len(regions.grid), size=count - lived_in)]
    # Households that are poor, or made to be clear, own at most what they live in.
    letting = np.flatnonzero((households["wealth"] >= _USUAL) & (households["case"] == NONE))
    landlord, before = rng.choice(letting, size=(2, count))
    at_home = rng.random(lived_in) < np.where(households["wealth"] == _POOR, 0.5, 0.7)
    at_home |= households["case"] != NONE
    landlord[:lived_in] = np.where(at_home, np.arange(lived_in), landlord[:lived_in])
    rich = np.flatnonzero(households["case"] == CASES.index("rich"))[0]
    landlord[lived_in : lived_in + 2] = rich, rich + 1
    head = _first(people, HEAD, lived_in)
    area = np.clip(rng.normal(85, 28, size=count), 28, 260)
    return {
        "grid": grid,
        "room": rank_in_group(grid),
        "owner": head[landlord],
        "owner_before": head[before],
        "area": np.array([f"{a:.2f}".rstrip("0").rstrip(".") for a in area.tolist()], dtype=object),
        "registered": TODAY - rng.integers(200, 9000, size=count),
    }


def make_firms(people: Table, households: Table, regions: Regions, rng: Generator) -> Table:
    """Firms with a legal person among the better-off adults.

    Columns: ``credit_code``, ``name`` and ``name_before``, ``legal_person`` and
    ``legal_person_before`` (indices in people), ``grid``, ``room``, ``status``,
    ``established`` (day), ``capital`` (yuan).
    """
    count = max(12, len(people["name"]) // _RESIDENTS_PER_FIRM)
    adult = (age(people) > 25) & (age(people) < 70) & present(people)
    wealth = households["wealth"][people["household"]]
    able = np.flatnonzero(adult & (wealth >= _USUAL) & (people["case"] == NONE))
    legal, before = rng.choice(able, size=(2, count))
    legal[0] = _first(people, HEAD, len(households["grid"]))[2]
    status = rng.choice(texts(np.array(["存续", "注销", "吊销"])), size=count, p=(0.9, 0.07, 0.03))
    status[0] = "存续"
    return {
        "credit_code": credit_codes(count, rng),
        "name": _firm_names(count, rng),
        "name_before": _firm_names(count, rng),
        "legal_person": legal,
        "legal_person_before": before,
        "grid": rng.integers(len(regions.grid), size=count),
        "room": rng.integers(_OFFICE_ROOMS, size=count),
        "status": status,
        "established": TODAY - rng.integers(60, 9000, size=count),
        "capital": rng.choice([10, 30, 50, 100, 200, 500, 1000, 3000], size=count) * 10_000,
    }


def add_jobs(people: Table, households: Table, firms: Table, rng: Generator) -> None:
    """Adds to ``people``: ``employment`` and ``employment_before``; ``employer`` and
    ``employer_before`` (index in firms or NONE); ``base`` (yuan a month) and ``base_before``;
    ``income`` (yuan last year). Numbers of people without work are 0.
    """
    years, here = age(people), present(people)
    wealth = households["wealth"][people["household"]]
    chance = rng.random(len(years))
    of_age = (years >= 18) & (years < 60) & ((people["role"] != CHILD) | (years > 23))
    needy = wealth <= _MARGIN
    breadwinner = (people["role"] == HEAD) | ((people["role"] == SPOUSE) & ~needy)
    in_case = people["case"] != NONE
    works = of_age & np.where(needy, breadwinner & ((chance < 0.6) | in_case), chance < 0.82)
    works |= in_case & breadwinner & of_age
    retired = (years >= 60) & (chance < 0.65) & ~needy
    stopped = of_age & ~works & (chance > 0.55)
    status = np.select([works, retired, stopped], ["在职", "退休", "停保"], "").astype(object)
    people["employment"] = blank_where((status == "") | ~here, status)
    people["employment_before"] = blank_where(years <= 18, np.where(works & here, "停保", "在职"))
    operating = np.flatnonzero(firms["status"] == "存续")
    popularity = 1 / (np.arange(len(operating)) + 20.0)
    jobs = rng.choice(operating, size=(2, len(years)), p=popularity / popularity.sum())
    employed = works & here
    people["employer"] = np.where(employed, jobs[0], NONE)
    people["employer_before"] = np.where(years > 18, jobs[1], NONE)
    income = _incomes(people, wealth, rng)
    base = np.clip(
        np.round(income / 12 * rng.uniform(0.75, 1.0, len(years)), -1), _LOWEST_BASE, 30_000
    )
    people["income"] = np.where(employed, np.round(income, 2), 0.0)
    people["base"] = np.where(employed, base, 0.0)
    people["base_before"] = np.where(
        years > 18, np.maximum(np.round(base * 0.85, -1), _LOWEST_BASE), 0.0
    )


def make_vehicles(people: Table, households: Table, rng: Generator) -> Table:
    """Vehicles. Columns: ``plate``, ``owner`` (index in people), ``owner_before``, ``kind``,
    ``status``, ``registered`` (day).
    """
    wealth = households["wealth"][people["household"]]
    rate = np.choose(wealth, [0.03, 0.15, 0.30, 0.55])
    driving = (age(people) > 20) & (age(people) < 75) & (people["life_status"] != "迁出")
    ordinary = driving & (people["case"] == NONE) & (rng.random(len(rate)) < rate)
    cases = [CASES.index("rich"), CASES.index("rich") + 1, CASES.index("owns_vehicle")]
    heads = _first(people, HEAD, len(households["grid"]))
    owner = np.r_[heads[cases], np.flatnonzero(ordinary)]
    count = len(owner)
    kind = rng.choice(texts(np.array(names.VEHICLE_KINDS)), size=count, p=(0.84, 0.09, 0.05, 0.02))
    status = np.where(rng.random(count) < 0.95, "正常", "注销").astype(object)
    kind[: len(cases)], status[: len(cases)] = "小型汽车", "正常"
    return {
        "plate": plates(count, rng),
        "owner": owner,
        "owner_before": rng.choice(np.flatnonzero(driving & (people["case"] == NONE)), size=count),
        "kind": kind,
        "status": status,
        "registered": TODAY - rng.integers(30, 4000, size=count),
    }


def add_benefits(people: Table, households: Table, rng: Generator) -> None:
    """Adds to ``people``: ``benefit`` (kind or None), ``benefit_before`` (what those who died or
    left had), ``authorised`` (day on which the family's authorisation to check ends, or NO_DAY).
    """
    count = len(households["wealth"])
    wealth, case = households["wealth"], households["case"]
    chance = rng.random(count)
    elderly = _first_of(people, age(people), count) > 65
    kind = np.select(
        [wealth == _MARGIN, (wealth == _POOR) & elderly, (wealth == _POOR) & (chance < 0.85)],
        [np.where(chance < 0.5, "低收入边缘", ""), "特困", "低保"],
        np.where(wealth == _POOR, "申请中", ""),
    )
    kind[case != NONE] = np.array(["低保", "申请中", "申请中", "申请中", "申请中", "低保", "低保"])
    until = TODAY + rng.integers(200, 900, size=count)
    until = np.where(
        (case == NONE) & (chance > 0.92), TODAY - rng.integers(5, 200, size=count), until
    )
    benefit = texts(kind)[people["household"]]
    people["benefit_before"] = blank_where(benefit == "", benefit)
    benefit[~present(people)] = ""
    people["benefit"] = blank_where(benefit == "", benefit)
    people["authorised"] = np.where(benefit == "", NO_DAY, until[people["household"]])
    lapsed = (people["case"] == CASES.index("not_authorised")) & (people["role"] == SPOUSE)
    people["authorised"][lapsed] = TODAY - 91


def addresses(places: Table, regions: Regions, *, home: bool) -> list[Column]:
    """The ways an address is written, the full one first and the shortest last."""
    streets = _streets(regions)
    # 97 shares no factor with 576, so neighbours by rank are scattered over the buildings.
    slot = places["room"] * 97 % _ROOMS_PER_NUMBER
    grid = places["grid"].tolist()
    parts = zip(
        [regions.town[g] for g in grid],
        [regions.community[g] for g in grid],
        [streets[g][0] for g in grid],
        (
            places["room"] // _ROOMS_PER_NUMBER * 2 + np.array([streets[g][1] for g in grid])
        ).tolist(),
        (slot // 72 + 1).tolist(),
        (slot // 24 % 3 + 1).tolist(),
        (slot // 4 % 6 * 100 + slot % 4 + 101).tolist(),
        strict=True,
    )
    if home:
        written = [
            (
                f"{regions.district}{t}{c}{s}{n}号{b}栋{u}单元{r}室",
                f"{t}{c}{s}{n}号{b}幢{u}单元{r}房",
                f"{regions.district}{s}{n}号{b}栋{u}单元{r}",
                f"{s}{n}号{b}-{u}-{r}",
            )
            for t, c, s, n, b, u, r in parts
        ]
    else:
        written = [
            (
                f"{regions.district}{t}{c}{s}{n}号{b}栋{r}室",
                f"{t}{c}{s}{n}号{b}座{r}房",
                f"{regions.district}{s}{n}号{b}栋{r}",
                f"{s}{n}号{b}-{r}",
            )
            for t, c, s, n, b, _, r in parts
        ]
    return [np.array(form, dtype=object) for form in zip(*written, strict=True)]


def _streets(regions: Regions) -> list[tuple[str, int]]:
    """The street of each grid and the first house number there; no two grids share a house."""
    count = len(names.STREETS)
    return [
        (names.STREETS[grid % count], grid // count * _NUMBERS_PER_GRID + 1)
        for grid in range(len(regions.grid))
    ]


def _incomes(people: Table, wealth: Column, rng: Generator) -> Column:
    """Yearly income of each person if at work: a poor household lives below 1,000 yuan per head
    and month from one wage, one at the margin between 1,300 and 1,750.
    """
    size = np.bincount(people["household"])[people["household"]]
    count = len(wealth)
    usual = np.clip(rng.lognormal(11.2, 0.45, count), 36_000, 400_000)
    choices = [
        rng.uniform(520, 950, count) * 12 * size,
        rng.uniform(1300, 1750, count) * 12 * size,
        usual,
        usual * 2.2 + 60_000,
    ]
    income: Column = np.choose(wealth, choices)
    return income


def _firm_names(count: int, rng: Generator) -> Column:
    parts = [
        texts(np.array(pool))[rng.integers(len(pool), size=count)]
        for pool in (names.BRAND_FIRST, names.BRAND_SECOND, names.TRADES)
    ]
    name: Column = "清澜" + parts[0] + parts[1] + parts[2] + "有限公司"
    return name


def _first(people: Table, role: int, households: int) -> Column:
    """For each household, the index of its first person in ``role``."""
    found = np.full(households, NONE)
    index = np.flatnonzero(people["role"] == role)[::-1]
    found[people["household"][index]] = index
    return found


def _first_of(people: Table, values: Column, households: int) -> Column:
    """For each household, the value of its head."""
    of_head: Column = values[_first(people, HEAD, households)]
    return of_head
