"""The whole city as it truly is, and the golden records it should come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import economy
import noise
import numpy as np
import population
from habits import Habits, at_noise
from identifiers import Column, blank_where, texts
from numpy.random import Generator
from population import CASES, HEAD, NONE, Regions, Table


@dataclass(frozen=True)
class City:
    """Tables of the truth. ``homes`` and ``offices``: the ways each dwelling's and each firm's
    address is written, the full one first. ``ids``: subject → the truth id of each row.
    ``habits``: how well each department keeps its table.
    """

    regions: Regions
    households: Table
    people: Table
    dwellings: Table
    firms: Table
    vehicles: Table
    homes: list[Column]
    offices: list[Column]
    ids: Mapping[str, Column]
    habits: Mapping[str, Habits]


def build(regions_file: Path, residents: int, rng: Generator, factor: float = 1.0) -> City:
    """Makes a city of so many residents, whose departments err ``factor`` times as often as usual."""
    regions = population.read_regions(regions_file, residents)
    households = population.make_households(residents, len(regions.grid), rng)
    count = len(households["grid"])
    number = rng.permutation(10_000_000)[:count] if count < 100_000 else rng.permutation(count * 9)
    households["household_id"] = texts(np.char.mod("H440605%08d", number[:count]))
    people = population.make_people(households, rng)
    dwellings = economy.make_dwellings(households, people, regions, rng)
    people["home"] = people["household"]
    people["home_before"] = _earlier_homes(people, len(dwellings["grid"]), rng)
    people["life_before"] = texts(np.full(len(people["name"]), "正常"))
    firms = economy.make_firms(people, households, regions, rng)
    economy.add_jobs(people, households, firms, rng)
    vehicles = economy.make_vehicles(people, households, rng)
    economy.add_benefits(people, households, rng)
    tables = (people, households, dwellings, firms, vehicles)
    sizes = [len(next(iter(table.values()))) for table in tables]
    subjects = ("resident", "household", "dwelling", "enterprise", "vehicle")
    ids = {
        subject: texts(np.char.mod(f"{subject[0].upper()}%07d", np.arange(1, size + 1)))
        for subject, size in zip(subjects, sizes, strict=True)
    }
    homes = economy.addresses(dwellings, regions, home=True)
    offices = economy.addresses(firms, regions, home=False)
    habits = at_noise(factor)
    return City(
        regions, households, people, dwellings, firms, vehicles, homes, offices, ids, habits
    )


def truth(city: City) -> dict[str, Table]:
    """Subject → what its golden records should say, as canonical text."""
    return {
        "resident": _residents(city),
        "household": _households(city),
        "dwelling": _dwellings(city),
        "enterprise": _enterprises(city),
        "vehicle": _vehicles(city),
    }


def cases(city: City) -> Table:
    """The households made to be clear in one way or the other for the low-income check."""
    number = len(CASES)
    return {
        "household_id": city.households["household_id"][:number],
        "case": np.array(CASES, dtype=object),
    }


def unit_numbers(city: City) -> Column:
    """The register's number of each dwelling: grid code and rank."""
    grids = texts(np.array(city.regions.grid))[city.dwellings["grid"]]
    return grids + texts(np.char.mod("F%05d", city.dwellings["room"] + 1))


def heads(city: City) -> Column:
    """For each household, the index of its head."""
    first: Column = np.flatnonzero(city.people["role"] == HEAD)
    return first


def sizes(city: City) -> Column:
    """For each household, how many of its people are alive and in the city."""
    here = population.present(city.people)
    count = len(city.households["grid"])
    members: Column = np.bincount(city.people["household"], weights=here, minlength=count)
    return members.astype(np.int64)


def sexes(people: Table) -> Column:
    """Sex as a code."""
    code: Column = np.where(people["male"], "1", "2").astype(object)
    return code


def amounts(values: Column) -> Column:
    """Yuan as canonical text; None for 0."""
    return np.array([f"{v:.2f}" if v else None for v in values.tolist()], dtype=object)


def _earlier_homes(people: Table, dwellings: int, rng: Generator) -> Column:
    """Most families moved together."""
    together = rng.integers(dwellings, size=int(people["household"].max()) + 1)
    count = len(people["household"])
    alone = rng.integers(dwellings, size=count)
    home = np.where(rng.random(count) < 0.8, together[people["household"]], alone)
    return np.where(home == people["household"], (home + 1) % dwellings, home)


def _residents(city: City) -> Table:
    people, home = city.people, city.people["home"]
    jobless = people["employer"] == NONE
    grids = texts(np.array(city.regions.grid))
    return {
        "truth_id": city.ids["resident"],
        "resident_id": people["resident_id"],
        "name": people["name"],
        "sex": sexes(people),
        "birth_date": noise.dates(people["birth"], noise.ISO),
        "ethnicity": people["ethnicity"],
        "marital_status": people["marital_status"],
        "mobile": people["mobile"],
        "address": city.homes[0][home],
        "grid": grids[city.dwellings["grid"][home]],
        "household_id": city.households["household_id"][people["household"]],
        "relation": people["relation"],
        "life_status": people["life_status"],
        "employment": people["employment"],
        "employer": blank_where(jobless, city.firms["name"][people["employer"]]),
        "employer_code": blank_where(jobless, city.firms["credit_code"][people["employer"]]),
        "monthly_base": amounts(people["base"]),
        "annual_income": amounts(people["income"]),
        "benefit": people["benefit"],
        "authorised_until": noise.dates(people["authorised"], noise.ISO),
    }


def _households(city: City) -> Table:
    head, home = heads(city), np.arange(len(city.households["grid"]))
    grids = texts(np.array(city.regions.grid))
    return {
        "truth_id": city.ids["household"],
        "household_id": city.households["household_id"],
        "head_name": city.people["name"][head],
        "head_id": city.people["resident_id"][head],
        "address": city.homes[0][home],
        "grid": grids[city.dwellings["grid"][home]],
        "members": texts(sizes(city).astype(str)),
    }


def _dwellings(city: City) -> Table:
    owner = city.dwellings["owner"]
    grids = texts(np.array(city.regions.grid))
    return {
        "truth_id": city.ids["dwelling"],
        "unit_no": unit_numbers(city),
        "owner_id": city.people["resident_id"][owner],
        "owner_name": city.people["name"][owner],
        "address": city.homes[0],
        "area": city.dwellings["area"],
        "grid": grids[city.dwellings["grid"]],
    }


def _enterprises(city: City) -> Table:
    firms, legal = city.firms, city.firms["legal_person"]
    return {
        "truth_id": city.ids["enterprise"],
        "credit_code": firms["credit_code"],
        "name": firms["name"],
        "legal_person": city.people["name"][legal],
        "legal_person_id": city.people["resident_id"][legal],
        "address": city.offices[0],
        "status": firms["status"],
        "established": noise.dates(firms["established"], noise.ISO),
        "capital": amounts(firms["capital"].astype(float)),
    }


def _vehicles(city: City) -> Table:
    owner = city.vehicles["owner"]
    return {
        "truth_id": city.ids["vehicle"],
        "plate": city.vehicles["plate"],
        "owner_id": city.people["resident_id"][owner],
        "owner_name": city.people["name"][owner],
        "kind": city.vehicles["kind"],
        "status": city.vehicles["status"],
        "registered": noise.dates(city.vehicles["registered"], noise.ISO),
    }
