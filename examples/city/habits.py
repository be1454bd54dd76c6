"""How well each department keeps its table: one row of rates per dataset.

A rate is a share of the rows. ``accuracy`` says how often an attribute is the true value of
today; where it is not, it is mostly the value of before, under an older date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace


@dataclass(frozen=True)
class Habits:
    """Rates of one dataset.

    ``age_days``: mean age of a row whose values are all current.
    ``old_ids``: 15-digit numbers, among people born before 2000. ``small_x``: a lower-case x,
    among the numbers that end in X. ``wide``: full-width digits. ``typo``: a wrong digit.
    ``no_id``: the number is missing. ``sound_alike``, ``look_alike``: a character of the name is
    another one. ``short_address``: parts left out. ``units``: a unit stands in a number cell.
    ``repeated``, ``nearly_repeated``: further rows of the same person.
    ``nameless``: neither name nor number. ``no_such_day``: a date that does not exist.
    ``torn``: a row that cannot be parsed.
    """

    accuracy: Mapping[str, float] = field(default_factory=dict)
    age_days: float = 200
    old_ids: float = 0
    small_x: float = 0
    wide: float = 0
    typo: float = 0
    no_id: float = 0
    sound_alike: float = 0
    look_alike: float = 0
    short_address: float = 0
    units: float = 0
    repeated: float = 0
    nearly_repeated: float = 0
    nameless: float = 0
    no_such_day: float = 0
    torn: float = 0


HABITS: Mapping[str, Habits] = {
    "police.residents": Habits(
        accuracy={"home": 0.85, "mobile": 0.78, "marital": 0.90, "life": 0.93},
        age_days=250, small_x=0.02, typo=0.001, look_alike=0.001, short_address=0.05,
    ),
    "police.households": Habits(accuracy={"home": 0.88}, age_days=300),
    "social_security.contributions": Habits(
        accuracy={"home": 0.78, "mobile": 0.85, "employer": 0.90, "employment": 0.93, "base": 0.93},
        age_days=150, old_ids=0.03, small_x=0.3, wide=0.01, typo=0.006, no_id=0.012,
        sound_alike=0.012, look_alike=0.006, short_address=0.25, units=0.15, repeated=0.004,
        nearly_repeated=0.010, nameless=0.001, no_such_day=0.001, torn=0.0005,
    ),
    "civil_affairs.families": Habits(
        accuracy={"home": 0.82, "mobile": 0.80, "marital": 0.98, "life": 0.75, "benefit": 0.90},
        age_days=220, old_ids=0.04, small_x=0.3, wide=0.01, typo=0.008, no_id=0.015,
        sound_alike=0.015, look_alike=0.005, short_address=0.30, nearly_repeated=0.015,
        nameless=0.002, no_such_day=0.003,
    ),
    "housing.dwellings": Habits(
        accuracy={"owner": 0.97}, age_days=900, old_ids=0.10, small_x=0.4, typo=0.006,
        no_id=0.008, sound_alike=0.008, look_alike=0.006, short_address=0.15, units=0.10,
        nearly_repeated=0.006, nameless=0.001, no_such_day=0.001,
    ),
    "market.enterprises": Habits(
        accuracy={"firm_name": 0.98, "legal_person": 0.97, "office": 0.85, "firm_status": 0.98},
        age_days=180, small_x=0.2, typo=0.004, sound_alike=0.004, short_address=0.20,
        units=0.15, nameless=0.004, no_such_day=0.003,
    ),
    "traffic.vehicles": Habits(
        accuracy={"owner": 0.96, "mobile": 0.72}, age_days=500, old_ids=0.06, small_x=0.4,
        wide=0.005, typo=0.005, no_id=0.006, sound_alike=0.010, look_alike=0.006,
        repeated=0.005, nameless=0.001, no_such_day=0.001, torn=0.0005,
    ),
    "housing_fund.accounts": Habits(
        accuracy={"home": 0.25, "mobile": 0.60, "employer": 0.75, "employment": 0.85, "base": 0.80},
        age_days=120, old_ids=0.02, small_x=0.3, typo=0.005, no_id=0.008, sound_alike=0.008,
        look_alike=0.008, short_address=0.20, repeated=0.003, nameless=0.001, no_such_day=0.001,
        torn=0.0005,
    ),
    "tax.incomes": Habits(
        accuracy={"home": 0.75, "mobile": 0.75, "employer": 0.94},
        age_days=240, old_ids=0.01, small_x=0.2, typo=0.004, no_id=0.008, sound_alike=0.006,
        look_alike=0.004, short_address=0.15, repeated=0.003, nearly_repeated=0.006, nameless=0.001,
    ),
    "tax.enterprises": Habits(
        accuracy={"firm_name": 0.94, "legal_person": 0.88, "office": 0.75, "firm_status": 0.90},
        age_days=300, typo=0.005, sound_alike=0.006, short_address=0.25, nameless=0.003,
    ),
}  # fmt: skip


def at_noise(factor: float) -> Mapping[str, Habits]:
    """The habits with every rate of error so many times as high, up to a half."""
    return {dataset: _noisier(habits, factor) for dataset, habits in HABITS.items()}


def _noisier(habits: Habits, factor: float) -> Habits:
    rates = {
        rate.name: min(0.5, getattr(habits, rate.name) * factor)
        for rate in fields(habits)
        if rate.name not in {"accuracy", "age_days"}
    }
    right = {
        name: 1 - min(0.5, (1 - r) * factor) if r > 0.5 else r
        for name, r in habits.accuracy.items()
    }
    return replace(habits, accuracy=right, **rates)


COPIED = 0.70
"""Share of the housing fund's rows that it took over from social security, mistakes included."""

OLD_WORDS = {"在职": "正常"}
"""What a branch of the housing fund, whose system was never changed over, writes for the words
that all others use. It is about words alone: a repair can put it right.
"""
BRANCH = 6
"""The branch keeps the accounts of one employer in so many."""
