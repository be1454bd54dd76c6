"""What holds for every element: it is complete, cleaning is stable, masks hide."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.cn import ric, uscc

import catalog.standards
from catalog.standards import elements
from catalog.standards.base import Element
from core.messages import catalogue
from core.types import Level
from tests.catalog.test_standards_examples import SAME, WRONG

CODES = sorted(elements())
EXPECTED = {
    "resident_id", "person_name", "sex", "ethnicity", "marital_status", "mobile", "address", "date",
    "credit_code", "organisation_name", "plate", "region_code", "household_relation", "money",
    "integer", "decimal", "flag", "identifier", "code", "text", "place_name",
}  # fmt: skip
quick = settings(max_examples=50, deadline=None, derandomize=True)

# How many characters of a value a mask may show at most, by its form.
KEEPS: dict[tuple[str, str], Callable[[str], int]] = {
    ("address", "partial"): lambda value: max(0, len(value) - 8),
    ("address", "division"): lambda value: len(re.match(r"[^0-9]*", value)[0]),  # type: ignore[index]
    ("code", "partial"): lambda _: 0,
    ("credit_code", "partial"): lambda _: 10,
    ("date", "month"): lambda _: 7,
    ("date", "partial"): lambda _: 6,
    ("date", "year"): lambda _: 4,
    ("decimal", "partial"): lambda _: 0,
    ("ethnicity", "partial"): lambda _: 0,
    ("flag", "partial"): lambda _: 0,
    ("household_relation", "partial"): lambda _: 0,
    ("identifier", "partial"): lambda value: min(4, len(value) // 2),
    ("integer", "partial"): lambda _: 0,
    ("marital_status", "partial"): lambda _: 0,
    ("mobile", "partial"): lambda _: 7,
    ("organisation_name", "partial"): lambda value: min(2, len(value) // 2),
    ("person_name", "initial"): lambda _: 1,
    ("person_name", "partial"): lambda value: 1 if len(value) == 2 else 2,
    ("place_name", "partial"): lambda _: 1,
    ("plate", "partial"): lambda _: 4,
    ("region_code", "division"): lambda _: 6,
    ("region_code", "partial"): lambda _: 4,
    ("resident_id", "ends"): lambda _: 3,
    ("resident_id", "partial"): lambda _: 10,
    ("sex", "partial"): lambda _: 0,
    ("text", "partial"): lambda _: 1,
}
MASKS = [(code, mask) for code in CODES for mask in elements()[code].masks]


def samples(code: str) -> list[str]:
    """Values of an element, right and wrong, from the tables of examples."""
    right = [t for c, canonical, texts in SAME if c == code for t in (canonical, *texts)]
    return right + [t for c, _, texts in WRONG if c == code for t in texts]


PIECES = (
    *"09xXAEIO-/.,:·*' \t　（）()【】０１Ｘ＊%+#¥＋张三丰省市区县镇路号栋座幢房室楼单元无年月日万元㎡〇",
    "\u200b", "\ufeff", "\x00", "\u0301", "ﬁ", "號", "號房", "号楼", "2026", "000", ",,", "é", "ß", "İ", "ſ",
)  # fmt: skip

# Of which addresses are made, usual ones for the most part.
STARTS = (
    "广东省",
    "佛山市",
    "南海区",
    "桂城街道",
    "平东社区",
    "平东村",
    "长安路",
    "三组",
    "栋",
    "A",
)
NUMBERED = (
    "8", "10", "08", "0", "a", "号", "栋", "单元", "单", "室", "户", "#", "-", "之", ",", "楼", "三",
    "(旧)",
)  # fmt: skip


@st.composite
def slips(draw: st.DrawFn, code: str) -> str:
    """A sample in which a few characters are replaced, dropped or put in."""
    text = draw(st.sampled_from(samples(code)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        text = (
            text[:at] + draw(st.sampled_from(("", *PIECES))) + text[at + draw(st.integers(0, 1)) :]
        )
    return text


def texts(code: str) -> st.SearchStrategy[list[str]]:
    """Columns of an element: slips and arbitrary text."""
    pieces = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
    return st.lists(st.one_of(slips(code), pieces, st.text(max_size=20)), min_size=1, max_size=8)


def slow(element: Element) -> Element:
    """The same element, without its vectorised look."""
    plain = type("Slow", (type(element),), {"ready": Element.ready})
    made = plain()
    assert isinstance(made, Element)
    return made


def test_every_kind_of_value_has_its_element() -> None:
    assert set(CODES) == EXPECTED


@pytest.mark.parametrize("code", CODES)
def test_an_element_is_complete(code: str) -> None:
    element = elements()[code]
    assert element.code == code
    assert element.title.zh.strip()
    assert element.title.en.strip()
    assert isinstance(element.level, Level)
    assert "partial" in element.masks
    assert element.default_mask in element.masks
    assert type(element).clean_one.__doc__
    comparison = element.comparison
    if comparison is not None:
        named = {level.feature for level in comparison.levels} | set(comparison.blocking)
        assert named - {""} <= set(comparison.features)
        assert comparison.levels[0].test == "equal"


def test_masks_beside_the_common_one() -> None:
    assert "year" in elements()["date"].masks
    assert "band" in elements()["money"].masks
    assert "division" in elements()["address"].masks
    assert "division" in elements()["region_code"].masks
    assert "initial" in elements()["person_name"].masks


def test_persons_and_levels() -> None:
    personal = {code for code, element in elements().items() if element.personal}
    assert personal == {"resident_id", "person_name", "mobile", "address", "plate"}
    assert elements()["resident_id"].level is Level.L4
    for code in ("mobile", "person_name", "address", "money", "plate"):
        assert elements()[code].level is Level.L3


def test_every_rule_has_words_in_both_languages() -> None:
    rules: set[str] = set()
    for file in Path(catalog.standards.__path__[0]).glob("*.py"):
        rules.update(re.findall(r'"(flaw_\w+)"', file.read_text("utf-8")))
    assert len(rules) >= 8
    for rule in rules:
        assert set(catalogue()[rule]) == {"zh", "en"}


@pytest.mark.parametrize("code", CODES)
@quick
@given(data=st.data())
def test_cleaning_is_stable_and_a_glance_equals_a_look(code: str, data: st.DataObject) -> None:
    element = elements()[code]
    column = pa.array(data.draw(texts(code)), pa.string())
    cleaned = element.clean(column)
    assert cleaned == slow(element).clean(column)
    assert set(cleaned.flaws.to_pylist()) - {None} <= set(catalogue())
    for value, flaw in zip(cleaned.values.to_pylist(), cleaned.flaws.to_pylist(), strict=True):
        assert value is None or flaw is None
    again = element.clean(cleaned.values)
    assert again.values.equals(cleaned.values)
    assert again.flaws.null_count == len(column)
    for value in cleaned.values.drop_null().to_pylist():
        _derives(element, value)
    _gists_are_those_of_each(element, cleaned.values.drop_null())


def _gists_are_those_of_each(element: Element, values: pa.StringArray) -> None:
    assert element.gists(values).to_pylist() == [element.gist(v) for v in values.to_pylist()]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data())
def test_gists_of_addresses_together_are_those_of_each(data: st.DataObject) -> None:
    start = st.lists(st.sampled_from(STARTS), min_size=1, max_size=4).map("".join)
    parts = st.lists(st.sampled_from(NUMBERED), max_size=6).map("".join)
    addresses = st.builds(str.__add__, start, parts)
    column = data.draw(st.lists(addresses, min_size=1, max_size=8))
    _gists_are_those_of_each(elements()["address"], pa.array(column, pa.string()))


def _derives(element: Element, value: str) -> None:
    assert element.gist(value)
    assert type(element.typed(value)) in {str, int, float, bool}
    features = element.comparison.features if element.comparison else {}
    assert all(feature(value) != "" for feature in features.values())


def test_every_mask_has_a_bound() -> None:
    assert set(KEEPS) == set(MASKS) - {("money", "partial"), ("money", "band")}


@pytest.mark.parametrize("code", sorted({code for code, _ in KEEPS}))
@quick
@given(data=st.data())
def test_masks_show_no_more_than_their_form(code: str, data: st.DataObject) -> None:
    element = elements()[code]
    cleaned = element.clean(pa.array(data.draw(texts(code)), pa.string()))
    for value in cleaned.values.drop_null().to_pylist():
        for mask, show in element.masks.items():
            shown = show(value)
            if "*" in value:
                continue
            assert len(shown.replace("*", "")) <= KEEPS[code, mask](value)
            if (code, mask) != ("region_code", "division") or len(value) > 6:
                assert shown != value


@quick
@given(cents=st.integers(-(10**6), 10**12))
def test_bands_hold_their_amount_and_do_not_name_it(cents: int) -> None:
    amount = f"{cents / 100:.2f}"
    shown = elements()["money"].masks["band"](amount)
    if cents < 0:
        assert shown == "<0"
        return
    low, high = map(int, shown.split("-"))
    assert low * 100 <= cents < high * 100
    assert high - low >= 1000
    assert high <= max(1000, low * 2.5)


birthdays = st.dates(date(1850, 1, 1), date(2049, 12, 31))


@quick
@given(area=st.integers(100000, 999999), born=birthdays, order=st.integers(0, 999))
def test_resident_numbers_with_a_right_check_are_valid(area: int, born: date, order: int) -> None:
    front = f"{area}{born:%Y%m%d}{order:03d}"
    number = front + ric.calc_check_digit(front + "0")
    others = [front + check for check in "0123456789X" if check != number[17]]
    cleaned = elements()["resident_id"].clean(pa.array([number, number.lower(), *others]))
    assert cleaned.values.to_pylist() == [number, number, *[None] * 10]
    assert cleaned.flaws.to_pylist() == [None, None, *["flaw_check_digit"] * 10]


ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@quick
@given(
    kind=st.text(ALPHABET, min_size=2, max_size=2),
    region=st.text("0123456789", min_size=6, max_size=6),
    organisation=st.text(ALPHABET, min_size=7, max_size=7),
)
def test_credit_codes_with_a_right_check_are_valid(
    kind: str, region: str, organisation: str
) -> None:
    front = f"{kind}{region}MA{organisation}"
    code = front + uscc.calc_check_digit(front)
    others = [front + check for check in ALPHABET if check != code[17]]
    cleaned = elements()["credit_code"].clean(pa.array([code, code.lower(), *others]))
    assert cleaned.values.to_pylist() == [code, code, *[None] * 30]
    assert set(cleaned.flaws.to_pylist()[2:]) == {"flaw_check_digit"}


@quick
@given(day=st.dates(date(1800, 1, 1), date(2149, 12, 31)))
def test_every_form_of_a_day_gives_the_day(day: date) -> None:
    forms = [
        f"{day:%Y-%m-%d}",
        f"{day:%Y/%m/%d}",
        f"{day:%Y%m%d}",
        f"{day:%Y年%m月%d日}",
        f"{day:%Y.%m.%d} 23:59:59",
    ]
    cleaned = elements()["date"].clean(pa.array(forms))
    assert set(cleaned.values.to_pylist()) == {f"{day:%Y-%m-%d}"}
