"""The tables of the eight departments, each in its department's own manner."""

from __future__ import annotations

import city as truth
import names
import noise
import numpy as np
from city import City
from holdings import (
    Holding,
    believe,
    blank_out,
    copy_from,
    dress_ids,
    finish,
    in_old_words,
    spoil_days,
    with_near,
    write_address,
    write_person,
)
from identifiers import Column, texts
from numpy.random import Generator
from population import NONE, Table, age, present


def all_holdings(city: City, rng: Generator) -> list[Holding]:
    """Every department's tables."""
    insured, insured_believed = contributions(city, rng)
    return [
        residents(city, rng),
        households(city, rng),
        insured,
        families(city, rng),
        dwellings(city, rng),
        enterprises(city, rng),
        vehicles(city, rng),
        fund_accounts(city, insured_believed, rng),
        incomes(city, rng),
        taxed_enterprises(city, rng),
    ]


def residents(city: City, rng: Generator) -> Holding:
    """公安: everybody once, also those who left or died; ordered by the table's key."""
    habits, people = city.habits["police.residents"], city.people
    who = rng.permutation(len(people["name"]))
    believed = believe(city, who, habits, rng)
    cells = write_person(city, believed, habits, rng)
    grids = texts(np.array(city.regions.grid))
    columns = {
        "person_no": np.arange(1, len(who) + 1) + 7_000_000,
        "id_no": cells["id"],
        "name": cells["name"],
        "sex": truth.sexes(people)[who],
        "birth_date": noise.dates(cells["born"], noise.ISO),
        "ethnicity": people["ethnicity"][who],
        "marital": believed["marital"],
        "mobile": cells["mobile"],
        "address": cells["address"],
        "grid_code": grids[city.dwellings["grid"][believed["home"]]],
        "household_id": city.households["household_id"][people["household"][who]],
        "relation": people["relation"][who],
        "life_status": believed["life"],
        "updated_on": noise.dates(cells["day"], noise.ISO),
    }
    return Holding("police.residents", columns, {"resident": city.ids["resident"][who]})


def households(city: City, rng: Generator) -> Holding:
    """公安: every household once."""
    habits = city.habits["police.households"]
    which = np.argsort(city.households["household_id"])
    head = truth.heads(city)[which]
    believed = believe(city, head, habits, rng)
    columns = {
        "household_id": city.households["household_id"][which],
        "head_name": city.people["name"][head],
        "head_id": city.people["resident_id"][head],
        "address": write_address(city.homes, believed["home"], habits, rng),
        "grid_code": texts(np.array(city.regions.grid))[city.dwellings["grid"][believed["home"]]],
        "members": truth.sizes(city)[which],
        "updated_on": noise.dates(believed["day"], noise.ISO),
    }
    return Holding("police.households", columns, {"household": city.ids["household"][which]})


def contributions(city: City, rng: Generator) -> tuple[Holding, Table]:
    """人社: who pays in, paid in or draws a pension; also some who have died since. Returns what
    it believes too, for the department that copies it.
    """
    habits, people = city.habits["social_security.contributions"], city.people
    known = np.array([status is not None for status in people["employment"]], dtype=bool)
    known |= (age(people) > 60) & (people["life_status"] == "死亡") & (rng.random(len(known)) < 0.6)
    known &= (rng.random(len(known)) < 0.95) | (people["case"] != NONE)
    believed = believe(city, with_near(np.flatnonzero(known), habits, rng), habits, rng)
    # Whoever is not there any more but still in the table draws a pension.
    there = present(people)[believed["who"]]
    believed["employment"] = np.where(there, believed["employment"], "退休")
    sure, cells = believed["sure"], write_person(city, believed, habits, rng)
    day = noise.dates(cells["day"], noise.SLASH)
    spoil_days(day, sure, rng, habits.no_such_day)
    male = people["male"][believed["who"]]
    columns = {
        "身份证号": cells["id"],
        "姓名": cells["name"],
        "性别": np.where(male, "男", "女").astype(object),
        "出生日期": noise.dates(cells["born"], noise.SLASH),
        "单位名称": cells["employer"],
        "单位信用代码": cells["code"],
        "月缴费基数": _salaries(believed["base"], habits.units, rng),
        "参保状态": believed["employment"],
        "手机号码": cells["mobile"],
        "联系地址": cells["address"],
        "更新日期": day,
    }
    blank_out(columns, ("身份证号", "姓名"), sure, rng, habits.nameless)
    about = {"resident": believed["who"]}
    return finish(city, "social_security.contributions", columns, about, rng), believed


def families(city: City, rng: Generator) -> Holding:
    """民政: members of families with a benefit or an application, some of whom have died or left
    since, and recent marriages.
    """
    habits, people = city.habits["civil_affairs.families"], city.people
    helped = np.array([kind is not None for kind in people["benefit_before"]], dtype=bool)
    registered = (age(people) > 22) & present(people) & (rng.random(len(helped)) < 0.08)
    who = with_near(np.flatnonzero(helped | registered), habits, rng)
    believed = believe(city, who, habits, rng)
    sure, cells = believed["sure"], write_person(city, believed, habits, rng)
    day = noise.dates(cells["day"], noise.WORDS)
    spoil_days(day, sure, rng, habits.no_such_day)
    columns = {
        "人员信息/姓名": cells["name"],
        "人员信息/身份证号": cells["id"],
        "人员信息/性别": truth.sexes(people)[who],
        "人员信息/出生日期": noise.dates(cells["born"], noise.PLAIN),
        "人员信息/婚姻状况": noise.marriage(believed["marital"], rng, 0.6),
        "人员信息/生存状态": believed["life"],
        "救助信息/救助类别": believed["benefit"],
        "救助信息/授权有效期至": noise.dates(people["authorised"][who], noise.WORDS),
        "联系信息/家庭住址": cells["address"],
        "联系信息/联系电话": cells["mobile"],
        "登记信息/更新日期": day,
    }
    blank_out(columns, ("人员信息/姓名", "人员信息/身份证号"), sure, rng, habits.nameless)
    return finish(city, "civil_affairs.families", columns, {"resident": who}, rng)


def dwellings(city: City, rng: Generator) -> Holding:
    """不动产: every dwelling with its owner, a few registered twice."""
    habits, homes = city.habits["housing.dwellings"], city.dwellings
    which = with_near(np.arange(len(homes["grid"])), habits, rng)
    believed = _owners(city, homes, which, "housing.dwellings", rng)
    sure = believed["sure"]
    day = noise.dates(believed["day"], noise.ISO)
    spoil_days(day, sure, rng, habits.no_such_day)
    area = homes["area"][which]
    with_unit = noise.some(rng, np.ones(len(area), dtype=bool), habits.units)
    area[with_unit] = area[with_unit] + "㎡"
    columns = {
        "unit_no": truth.unit_numbers(city)[which],
        "owner_id": believed["id"],
        "owner_name": believed["name"],
        "address": write_address(city.homes, which, habits, rng),
        "area": area,
        "grid_code": texts(np.array(city.regions.grid))[homes["grid"][which]],
        "registered_on": noise.dates(homes["registered"][which], noise.PLAIN),
        "updated_on": day,
    }
    blank_out(columns, ("owner_id", "owner_name"), sure, rng, habits.nameless)
    about = {"dwelling": which, "resident": believed["who"]}
    return finish(city, "housing.dwellings", columns, about, rng)


def enterprises(city: City, rng: Generator) -> Holding:
    """市监: every firm once."""
    habits, firms = city.habits["market.enterprises"], city.firms
    believed = _firms(city, "market.enterprises", rng)
    legal, free = believed["legal"], believed["free"]
    ids = city.people["resident_id"][legal]
    noise.mistype(ids, noise.some(rng, free, habits.typo), rng)
    dress_ids(ids, np.zeros(len(ids), dtype=bool), habits, rng)
    capital = firms["capital"].astype(float)
    day = noise.dates(believed["day"], noise.ISO)
    spoil_days(day, ~free, rng, habits.no_such_day)
    columns = {
        "creditCode": firms["credit_code"].copy(),
        "name": believed["name"],
        "legalPerson": believed["legal_name"],
        "legalPersonId": ids,
        "address": write_address(city.offices, believed["office"], habits, rng),
        "status": believed["status"],
        "establishedOn": noise.dates(firms["established"], noise.ISO),
        "capital": noise.money(capital, noise.some(rng, free, habits.units)),
        "updatedOn": day,
    }
    blank_out(columns, ("creditCode",), ~free, rng, habits.nameless)
    index = np.arange(len(firms["name"]))
    return finish(city, "market.enterprises", columns, {"enterprise": index}, rng)


def vehicles(city: City, rng: Generator) -> Holding:
    """交管: every vehicle with its owner and the owner's number when it was registered."""
    habits, owned = city.habits["traffic.vehicles"], city.vehicles
    which = np.arange(len(owned["plate"]))
    believed = _owners(city, owned, which, "traffic.vehicles", rng)
    sure = believed["sure"]
    day = noise.dates(believed["day"], noise.ISO)
    spoil_days(day, sure, rng, habits.no_such_day)
    columns = {
        "号牌号码": owned["plate"],
        "所有人证件号": believed["id"],
        "所有人": believed["name"],
        "车辆类型": owned["kind"],
        "车辆状态": owned["status"],
        "注册日期": noise.dates(owned["registered"], noise.PLAIN),
        "手机号码": believed["mobile"],
        "更新日期": day,
    }
    blank_out(columns, ("所有人证件号", "所有人"), sure, rng, habits.nameless)
    about = {"vehicle": which, "resident": believed["who"]}
    return finish(city, "traffic.vehicles", columns, about, rng)


def fund_accounts(city: City, insured: Table, rng: Generator) -> Holding:
    """公积金: accounts of people at work; most rows are social security's, mistakes included. One
    branch writes what it calls them in old words.
    """
    habits, people = city.habits["housing_fund.accounts"], city.people
    working = (people["employer"] != NONE) & (rng.random(len(people["name"])) < 0.75)
    believed = believe(city, np.flatnonzero(working), habits, rng)
    copy_from(believed, insured, rng)
    sure, cells = believed["sure"], write_person(city, believed, habits, rng)
    day = noise.dates(cells["day"], noise.DOT)
    spoil_days(day, sure, rng, habits.no_such_day)
    columns = {
        "idCard": cells["id"],
        "name": cells["name"],
        "employer": cells["employer"],
        "creditCode": cells["code"],
        "base": believed["base"],
        "status": in_old_words(believed),
        "mobile": cells["mobile"],
        "address": cells["address"],
        "updated": day,
    }
    blank_out(columns, ("idCard", "name"), sure, rng, habits.nameless)
    return finish(city, "housing_fund.accounts", columns, {"resident": believed["who"]}, rng)


def incomes(city: City, rng: Generator) -> Holding:
    """税务: last year's income of people at work."""
    habits, people = city.habits["tax.incomes"], city.people
    earning = (people["income"] > 0) & (rng.random(len(people["name"])) < 0.93)
    earning |= (people["income"] > 0) & (people["case"] != NONE)
    believed = believe(city, with_near(np.flatnonzero(earning), habits, rng), habits, rng)
    cells = write_person(city, believed, habits, rng)
    columns = {
        "id_number": cells["id"],
        "taxpayer": cells["name"],
        "annual_income": people["income"][believed["who"]],
        "employer": cells["employer"],
        "employer_code": cells["code"],
        "address": cells["address"],
        "mobile": cells["mobile"],
        "declared_on": cells["day"].astype("datetime64[D]"),
    }
    blank_out(columns, ("id_number", "taxpayer"), believed["sure"], rng, habits.nameless)
    return finish(city, "tax.incomes", columns, {"resident": believed["who"]}, rng)


def taxed_enterprises(city: City, rng: Generator) -> Holding:
    """税务: the firms registered for tax."""
    habits, firms = city.habits["tax.enterprises"], city.firms
    believed = _firms(city, "tax.enterprises", rng)
    codes = firms["credit_code"].copy()
    for row in noise.some(rng, believed["free"], habits.typo).tolist():
        codes[row] = codes[row][:17] + ("0" if codes[row][17] != "0" else "1")
    columns = {
        "credit_code": codes,
        "name": believed["name"],
        "legal_person": believed["legal_name"],
        "address": write_address(city.offices, believed["office"], habits, rng),
        "status": believed["status"],
        "registered_on": believed["day"].astype("datetime64[D]"),
    }
    blank_out(columns, ("credit_code", "name"), ~believed["free"], rng, habits.nameless)
    index = np.arange(len(firms["name"]))
    return finish(city, "tax.enterprises", columns, {"enterprise": index}, rng)


def _salaries(base: Column, units: float, rng: Generator) -> Column:
    written = noise.money(base, noise.some(rng, base > 0, units))
    written[base == 0] = None
    return written


def _owners(city: City, things: Table, which: Column, dataset: str, rng: Generator) -> Table:
    """What a register believes of the owners of its things: cells ``id``, ``name``, ``mobile``,
    and ``who``, ``sure``, ``day``.
    """
    habits = city.habits[dataset]
    sure = city.people["case"][things["owner"][which]] != NONE
    old = (rng.random(len(which)) >= habits.accuracy["owner"]) & ~sure
    who = np.where(old, things["owner_before"][which], things["owner"][which])
    believed = believe(city, who, habits, rng)
    believed["sure"] = sure
    cells = write_person(city, believed, habits, rng)
    stale = (old | (believed["mobile"] != city.people["mobile"][who])).astype(float)
    day = noise.recorded(rng, stale, habits.age_days)
    # A row is not older than the thing it is about.
    return cells | {"who": who, "sure": sure, "day": np.maximum(day, things["registered"][which])}


def _firms(city: City, dataset: str, rng: Generator) -> Table:
    """What a register believes of every firm: ``name``, ``legal`` (index in people),
    ``legal_name``, ``office`` (index in firms), ``status``, ``day``, and ``free``: the rows that
    mistakes may be made in.
    """
    habits, firms = city.habits[dataset], city.firms
    count = len(firms["name"])
    free = np.arange(count) > 0
    wrong = {
        name: (rng.random(count) >= rate) & free for name, rate in sorted(habits.accuracy.items())
    }
    legal = np.where(wrong["legal_person"], firms["legal_person_before"], firms["legal_person"])
    legal_name = city.people["name"][legal]
    known = noise.known_to(legal_name, names.SOUND_ALIKE) & free
    noise.mishear(legal_name, noise.some(rng, known, habits.sound_alike), names.SOUND_ALIKE)
    elsewhere = rng.integers(count, size=count)
    stale = sum(flags.astype(float) for flags in wrong.values())
    return {
        "name": np.where(wrong["firm_name"], firms["name_before"], firms["name"]),
        "legal": legal,
        "legal_name": legal_name,
        "office": np.where(wrong["office"], elsewhere, np.arange(count)),
        "status": np.where(wrong["firm_status"], "存续", firms["status"]),
        "day": noise.recorded(rng, np.asarray(stale), habits.age_days),
        "free": free,
    }
