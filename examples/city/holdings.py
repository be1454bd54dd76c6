"""What one department holds of people and firms: what it believes, and how it writes it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import names
import noise
import numpy as np
from city import City
from habits import BRANCH, COPIED, OLD_WORDS, Habits
from identifiers import Column, blank_where
from numpy.random import Generator
from population import NONE, Table

# What can be believed of a person: column of today's value, column of the value before.
_PERSON = {
    "home": ("home", "home_before"),
    "mobile": ("mobile", "mobile_before"),
    "marital": ("marital_status", "marital_before"),
    "life": ("life_status", "life_before"),
    "benefit": ("benefit", "benefit_before"),
    "employment": ("employment", "employment_before"),
    "employer": ("employer", "employer_before"),
    "base": ("base", "base_before"),
}
_COPIED = ("id", "name", "home", "mobile", "employment", "employer", "base")
_BORN_BEFORE_2000 = int(np.datetime64("2000-01-01", "D").astype(int))


@dataclass(frozen=True)
class Holding:
    """A department's table as it stands in its own system.

    ``columns``: header → cells. ``about``: subject → truth id of each row. ``torn``: rows to
    write in a form that cannot be parsed.
    """

    dataset: str
    columns: Table
    about: Mapping[str, Column]
    torn: Column = field(default_factory=lambda: np.array([], dtype=np.int64))

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(next(iter(self.columns.values())))


def believe(city: City, who: Column, habits: Habits, rng: Generator) -> Table:
    """What a department believes of the people ``who``, mistakes of substance included.

    Columns: ``who``, ``sure`` (rows that are kept clear of mistakes), ``id``, ``name``, ``day``
    (of the row), and those of ``_PERSON``.
    """
    people = city.people
    sure = people["case"][who] != NONE
    believed: Table = {"who": who, "sure": sure}
    stale = np.zeros(len(who))
    for name, (now, before) in _PERSON.items():
        old = (rng.random(len(who)) >= habits.accuracy.get(name, 1.0)) & ~sure
        believed[name] = np.where(old, people[before][who], people[now][who])
        stale += old & (people[before][who] != people[now][who])
    _identify(believed, people, who, habits, rng)
    believed["day"] = noise.recorded(rng, stale, habits.age_days)
    return believed


def copy_from(own: Table, other: Table, rng: Generator) -> None:
    """Takes over what another department believes of most of the people it knows too (``known``);
    the dates stay its own.
    """
    row_of = dict(zip(other["who"].tolist()[::-1], range(len(other["who"]))[::-1], strict=True))
    source = np.array([row_of.get(person, NONE) for person in own["who"].tolist()])
    copied = (source != NONE) & (rng.random(len(source)) < COPIED)
    for name in _COPIED:
        own[name] = np.where(copied, other[name][source], own[name])
    own["known"] = source != NONE


def in_old_words(believed: Table) -> Column:
    """The column ``employment`` as the fund writes it: one branch in words of its own."""
    branch = believed["known"] & ~believed["sure"] & (believed["employer"] % BRANCH == BRANCH - 1)
    pairs = zip(believed["employment"].tolist(), branch.tolist(), strict=True)
    return np.array([OLD_WORDS.get(word, word) if old else word for word, old in pairs], object)


def write_person(city: City, believed: Table, habits: Habits, rng: Generator) -> Table:
    """The cells that tables about people share: ``id``, ``name``, ``mobile``, ``address``,
    ``employer``, ``code``, ``born`` (day) and ``day``.
    """
    sure = believed["sure"]
    cells: Table = {"id": believed["id"].copy(), "name": believed["name"].copy()}
    born = city.people["birth"][believed["who"]]
    dress_ids(cells["id"], (born < _BORN_BEFORE_2000) & ~sure, habits, rng)
    cells["mobile"] = believed["mobile"].copy()
    noise.widen(cells["mobile"], noise.some(rng, ~sure, habits.wide / 2))
    cells["address"] = write_address(city.homes, believed["home"], habits, rng)
    employer = believed["employer"]
    cells["employer"] = blank_where(employer == NONE, city.firms["name"][employer])
    cells["code"] = blank_where(employer == NONE, city.firms["credit_code"][employer])
    cells["born"], cells["day"] = born, believed["day"]
    return cells


def write_address(forms: list[Column], place: Column, habits: Habits, rng: Generator) -> Column:
    """Addresses in full, a share of them shortened."""
    shortened = rng.random(len(place)) < habits.short_address
    form = np.where(shortened, rng.integers(1, len(forms), size=len(place)), 0)
    written: Column = np.choose(form, [column[place] for column in forms])
    return written


def dress_ids(ids: Column, old: Column, habits: Habits, rng: Generator) -> None:
    """Other forms of the same numbers; ``old`` tells who may have one of 15 digits."""
    whole = np.array([text is not None and len(text) == 18 for text in ids], dtype=bool)
    noise.to_fifteen(ids, noise.some(rng, old & whole, habits.old_ids))
    ends_in_x = np.array([text is not None and text.endswith("X") for text in ids], dtype=bool)
    share = habits.small_x * ends_in_x.mean()
    noise.to_small_x(ids, noise.some(rng, ends_in_x, share))
    noise.widen(ids, noise.some(rng, whole, habits.wide))


def blank_out(
    cells: Table, columns: tuple[str, ...], sure: Column, rng: Generator, rate: float
) -> None:
    """Empties the columns of a few rows, which then are about nobody."""
    where = noise.some(rng, ~sure, rate)
    for name in columns:
        cells[name][where] = None


def spoil_days(written: Column, sure: Column, rng: Generator, rate: float) -> None:
    """Turns a few dates into days that do not exist."""
    noise.impossible_dates(written, noise.some(rng, ~sure, rate))


def with_near(who: Column, habits: Habits, rng: Generator) -> Column:
    """Some of the same people once more: further rows that differ a little."""
    again = noise.some(rng, np.ones(len(who), dtype=bool), habits.nearly_repeated)
    repeated: Column = np.r_[who, who[again]]
    return repeated


def finish(city: City, dataset: str, columns: Table, about: Table, rng: Generator) -> Holding:
    """Repeats a few rows exactly, shuffles, and marks the rows to be torn. ``about``: subject →
    index of each row.
    """
    habits, count = city.habits[dataset], len(next(iter(columns.values())))
    again = noise.some(rng, np.ones(count, dtype=bool), habits.repeated)
    order = rng.permutation(np.r_[np.arange(count), again])
    people = about.get("resident")
    free = np.ones(len(order), dtype=bool)
    if people is not None:
        free = city.people["case"][people[order]] == NONE
    return Holding(
        dataset,
        {name: cells[order] for name, cells in columns.items()},
        {subject: city.ids[subject][index[order]] for subject, index in about.items()},
        noise.some(rng, free, habits.torn),
    )


def _identify(believed: Table, people: Table, who: Column, habits: Habits, rng: Generator) -> None:
    free = ~believed["sure"]
    believed["id"], believed["name"] = people["resident_id"][who], people["name"][who]
    noise.mistype(believed["id"], noise.some(rng, free, habits.typo), rng)
    believed["id"][noise.some(rng, free, habits.no_id)] = None
    for table, rate in (
        (names.SOUND_ALIKE, habits.sound_alike),
        (names.LOOK_ALIKE, habits.look_alike),
    ):
        known = noise.known_to(believed["name"], table)
        noise.mishear(believed["name"], noise.some(rng, free & known, rate), table)
