"""When two values of an element mean the same, and by which features they are compared."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.standards import elements
from catalog.standards.address import division, gist, house, road
from catalog.standards.likeness import in_order, plain, shape

FULL = "广东省佛山市南海区桂城街道桂园社区南桂东路10号3栋501室"


def cleaned(code: str, text: str) -> str:
    value = elements()[code].clean(pa.array([text])).values[0].as_py()
    assert isinstance(value, str)
    return value


@pytest.mark.parametrize(
    "short",
    [
        "佛山市南海区桂城街道南桂东路10号3栋501室",
        "南海区桂城街道南桂东路10号3座501房",
        "桂城街道南桂东路10号3幢501",
        "桂城街道桂园社区居委会南桂东路十号三座501室",
        "南桂东路10号3-501",
        "南桂东路 10 号之3 0501室 (租)",
    ],
)
def test_shortened_addresses_share_the_gist_of_the_full_one(short: str) -> None:
    assert gist(cleaned("address", short)) == gist(FULL)


@pytest.mark.parametrize(
    "other",
    [
        "桂城街道南桂东路10号3栋502室",
        "桂城街道南桂西路10号3栋501室",
        "桂城街道南桂东路1号03栋501室",
        "桂城街道南桂东路10号3楼501室",
        "桂城街道南桂东路10号",
    ],
)
def test_other_addresses_have_another_gist(other: str) -> None:
    assert gist(cleaned("address", other)) != gist(FULL)


def test_an_address_that_tells_little_keeps_its_town() -> None:
    assert gist("佛山市南海区丹灶镇下安村3号") == "丹灶镇下安村3"
    assert gist("佛山市南海区") == "南海区"
    assert gist("佛山市南海区狮山镇小塘工业区5号") == gist("狮山镇小塘工业区5号")
    assert gist("万科城市花园3栋501室") == gist("佛山市南海区桂城街道万科城市花园3栋501室")


def test_road_names_keep_their_numerals() -> None:
    assert cleaned("address", "佛平四路 12号") == "佛平四路12号"
    assert gist("桂城街道佛平四路12号") != gist("桂城街道佛平五路12号")


@pytest.mark.parametrize("revision", ["200712", "201509"])
def test_divisions_of_the_whole_country_are_told_by_their_closing_words(
    shared_data: Path, revision: str
) -> None:
    """Real divisions, of which a few have names that look like a road; frozen at 99.9%."""
    with (shared_data / "divisions" / "mca" / f"{revision}.tsv").open(encoding="utf-8") as file:
        names = {row["Code"]: row["Name"] for row in csv.DictReader(file, delimiter="\t")}
    fulls = [
        names.get(f"{code[:2]}0000", "") + names.get(f"{code[:4]}00", "") + name
        for code, name in names.items()
        if not code.endswith("00")
    ]
    right = [
        gist(f"{full}人民路1号101室") == "人民路1-101"
        and division(f"{full}人民路1号101室") == f"{full}****"
        for full in fulls
    ]
    assert len(fulls) > 2000
    assert sum(right) / len(right) > 0.999
    codes = elements()["region_code"].clean(pa.array(list(names)))
    assert codes.flaws.null_count == len(names)


def test_company_names_differ_neither_by_brackets_nor_by_kind_of_limited_company() -> None:
    element = elements()["organisation_name"]
    texts = ["佛山市南海（集团）有限责任公司", "佛山市南海(集团)有限公司", "佛山市南海集团有限公司"]
    assert len({element.gist(cleaned("organisation_name", text)) for text in texts}) == 1
    assert element.gist("南海股份有限公司") != element.gist("南海有限公司")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("佛山市南海区恒鑫贸易有限公司", "恒鑫贸易"),
        ("广东恒鑫贸易股份有限公司", "恒鑫贸易"),
        ("恒鑫貿易有限責任公司", "恒鑫贸易"),
        ("恒鑫贸易（集团）有限公司", "恒鑫贸易"),
        ("广西壮族自治区南宁市青秀区桂春街道永兴商行", "永兴商行"),
        # A branch is not the firm, and a name that is nothing else keeps it.
        ("恒鑫贸易有限公司南海分公司", "恒鑫贸易有限公司南海分公司"),
        ("有限公司", "有限公司"),
        ("南海区", "南海区"),
        ("Acme Trading Co., Ltd.", "acme trading"),
        ("The Acme Trading Company", "acme trading"),
        ("ACME Trading GmbH & Co. KG", "acme trading"),
        ("Fiat S.p.A.", "fiat"),
        ("Philips N.V.", "philips"),
        ("I.B.M. Corporation", "ibm"),
        ("The Company", "company"),
    ],
)
def test_a_firm_is_told_by_neither_place_nor_legal_form(name: str, expected: str) -> None:
    comparison = elements()["organisation_name"].comparison
    assert comparison is not None
    assert comparison.features["core"](cleaned("organisation_name", name)) == expected


@given(st.text(alphabet="佛山市南海区广东省恒鑫有限责任公司集团股份abCo.Ltd &the", min_size=2))
def test_there_is_always_something_left_of_a_name(name: str) -> None:
    comparison = elements()["organisation_name"].comparison
    assert comparison is not None
    value = elements()["organisation_name"].examine(name)[0]
    assert value is None or comparison.features["core"](value)


@pytest.mark.parametrize(
    ("code", "one", "other"),
    [
        ("marital_status", "20", "22"),
        ("household_relation", "20", "22"),
        ("household_relation", "10", "12"),
        ("region_code", "440605011", "440605011000"),
        ("place_name", "New Town", "NewTown"),
    ],
)
def test_values_that_mean_the_same_support_each_other(code: str, one: str, other: str) -> None:
    assert elements()[code].gist(one) == elements()[code].gist(other)


@pytest.mark.parametrize(
    ("code", "one", "other"),
    [("household_relation", "20", "28"), ("marital_status", "30", "40"), ("sex", "1", "2")],
)
def test_values_that_differ_do_not(code: str, one: str, other: str) -> None:
    assert elements()[code].gist(one) != elements()[code].gist(other)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("张三丰", "章三峰", True),
        ("曾伟", "增伟", True),
        ("曾伟", "层伟", False),
        ("单强", "山强", True),
        ("买买提·艾力", "买买提艾力", True),
        ("John Smith", "john smith", True),
        ("张三", "李四", False),
    ],
)
def test_names_are_compared_by_sound(one: str, other: str, *, same: bool) -> None:
    comparison = elements()["person_name"].comparison
    assert comparison is not None
    sound = comparison.features["sound"]
    assert (sound(one) == sound(other)) is same


@pytest.mark.parametrize(
    ("name", "surname"),
    [
        ("张三", "张"),
        ("欧阳修", "欧阳"),
        ("欧阳", "欧"),
        ("买买提·艾力", None),
        ("John Smith", None),
    ],
)
def test_surnames_are_of_chinese_names(name: str, surname: str | None) -> None:
    comparison = elements()["person_name"].comparison
    assert comparison is not None
    assert comparison.features["surname"](name) == surname


@pytest.mark.parametrize(
    ("feature", "one", "other", "same"),
    [
        ("plain", "張國華", "张国华", True),
        ("plain", "José O'Neill", "jose o neill", True),
        ("plain", "张国华", "张国桦", False),
        ("in_order", "Smith, John", "John Smith", True),
        ("in_order", "三丰张", "张三丰", True),
        ("in_order", "张三", "李四", False),
        ("sound", "Philip", "Filipp", True),
        ("sound", "Robert", "Albert", False),
    ],
)
def test_names_are_compared_by_more_than_their_signs(
    feature: str, one: str, other: str, *, same: bool
) -> None:
    comparison = elements()["person_name"].comparison
    assert comparison is not None
    found = comparison.features[feature]
    assert (found(one) == found(other)) is same


@pytest.mark.parametrize(
    ("one", "other", "parts"), [("陈晴", "陈睛", 1), ("林海", "林梅", 1), ("王芳", "王磊", 2)]
)
def test_characters_that_look_alike_differ_in_one_part(one: str, other: str, parts: int) -> None:
    left, right = shape(one), shape(other)
    differing = sum(a != b for a, b in zip(left, right, strict=False)) + abs(len(left) - len(right))
    assert differing == 1 if parts == 1 else differing >= parts


def test_addresses_are_compared_down_to_road_and_house() -> None:
    assert road(FULL) == "南桂东路"
    assert house(FULL) == house("桂城街道南桂东路10号") == "南桂东路10"
    assert house("南桂东路1号") != house(FULL)
    assert road("南海区丹灶镇下安村3号") == "下安村"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("1980-05-01", "1980-01-05", True), ("1980-05-01", "1981-01-05", False)],
)
def test_swapped_day_and_month_share_a_feature(one: str, other: str, *, same: bool) -> None:
    comparison = elements()["date"].comparison
    assert comparison is not None
    swapped = comparison.features["swapped"]
    assert (swapped(one) == swapped(other)) is same


texts = st.text("王張国Aé 'b-", min_size=1, max_size=8)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(texts)
def test_plain_text_is_plain_already(text: str) -> None:
    assert plain(plain(text)) == plain(text)
    assert in_order(text) == in_order(plain(text))
