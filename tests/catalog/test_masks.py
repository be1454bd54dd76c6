"""What holds for every mask of every element, with parameters and without."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.standards import elements
from catalog.standards.base import Element
from catalog.standards.hiding import LEVELS
from tests.catalog.test_standards import CODES, quick, slips

PARAMETERS = {
    "keep": st.tuples(st.integers(0, 14), st.integers(0, 14)).map(lambda n: f"{n[0]}:{n[1]}"),
    "band": st.lists(st.integers(1, 10**6), min_size=1, max_size=3).map(
        lambda edges: ":".join(map(str, edges))
    ),
    "division": st.sampled_from(LEVELS),
}


def names(element: Element) -> st.SearchStrategy[str]:
    """Names of masks that the element offers."""
    made = [
        PARAMETERS[word].map(lambda more, word=word: f"{word}:{more}").filter(element.offers)
        for word in element.families
    ]
    return st.one_of(st.sampled_from(sorted(element.masks)), *made)


@pytest.mark.parametrize("code", CODES)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_mask_shows_the_value(code: str, data: st.DataObject) -> None:
    element = elements()[code]
    name = data.draw(names(element))
    show = element.mask(name)
    assert show is not None
    cleaned = element.clean(
        pa.array(data.draw(st.lists(slips(code), min_size=1, max_size=3)), pa.string())
    )
    for value in cleaned.values.drop_null().to_pylist():
        shown = show(value)
        assert show(value) == shown
        assert element.mask(name)(value) == shown  # type: ignore[misc]
        if "*" in value:
            continue
        if name.startswith("division") and code == "region_code":
            # A code that goes no further down is as general as was asked for.
            assert shown == value or (
                "*" in shown and shown.rstrip("*") == value[: shown.find("*")]
            )
        else:
            assert shown != value
        if name.startswith("keep"):
            _is_kept(element, name, value, shown)


def _is_kept(element: Element, name: str, value: str, shown: str) -> None:
    """Only characters of head and tail show, and no more of them than three quarters – but for
    what the usual form of the element shows.
    """
    head, tail = map(int, name.split(":")[1:])
    assert len(shown) == len(value)
    open_at = {at for at, sign in enumerate(shown) if sign != "*"}
    assert all(shown[at] == value[at] for at in open_at)
    assert all(at < head or at >= len(value) - tail for at in open_at)
    usual = element.masks["partial"](value)
    by_itself = {at for at, sign in enumerate(usual) if sign != "*"}
    assert 4 * len(open_at) <= 3 * len(value) or open_at <= by_itself


@pytest.mark.parametrize(
    ("code", "mask", "value", "shown"),
    [
        ("resident_id", "keep:6:4", "11010519491231002X", "110105********002X"),
        ("resident_id", "keep:3:0", "11010519491231002X", "110***************"),
        ("mobile", "keep:3:4", "13812345678", "138****5678"),
        ("person_name", "keep:1:0", "张三丰", "张**"),
        ("person_name", "keep:1:1", "张三", "张*"),
        ("person_name", "keep:5:0", "张三丰", "张*丰"),
        ("identifier", "keep:3:4", "AB123456", "AB****56"),
        ("identifier", "keep:3:4", "A1", "**"),
        ("identifier", "keep:0:3", "DD-2026-0041", "*********041"),
        ("text", "keep:2:2", "低保", "低*"),
        ("money", "band:10000", "35000.50", "30000-40000"),
        ("money", "band:10000", "0.00", "0-10000"),
        ("money", "band:10000", "-0.50", "<0"),
        ("money", "band:1000:5000:20000", "999.99", "<1000"),
        ("money", "band:1000:5000:20000", "5000.00", "5000-20000"),
        ("money", "band:1000:5000:20000", "20000.00", ">=20000"),
        ("integer", "band:10", "37", "30-40"),
        ("decimal", "band:50", "89.5", "50-100"),
        ("date", "month", "2026-01-31", "2026-01"),
        ("region_code", "division:province", "440605011001", "44**********"),
        ("region_code", "division:city", "440605011001", "4406********"),
        ("region_code", "division:town", "440605011001", "440605011***"),
        ("region_code", "division:town", "440605", "440605"),
        ("address", "division:province", "广东省佛山市南海区桂城街道南桂东路10号", "广东省****"),
        ("address", "division:city", "广东省佛山市南海区桂城街道南桂东路10号", "广东省佛山市****"),
        ("address", "division:district", "佛山市南海区桂城街道南桂东路10号", "佛山市南海区****"),
        ("address", "division:city", "南海区桂城街道南桂东路10号", "****"),
        ("address", "division:community", "桂城街道桂园社区1栋5室", "桂城街道桂园社区****"),
        ("address", "division:community", "桂城街道南桂东路10号", "桂城街道****"),
    ],
)
def test_masks_with_parameters_have_the_form_they_say(
    code: str, mask: str, value: str, shown: str
) -> None:
    show = elements()[code].mask(mask)
    assert show is not None
    assert show(value) == shown


@pytest.mark.parametrize(
    ("code", "mask"),
    [
        ("mobile", "keep"),
        ("mobile", "keep:3"),
        ("mobile", "keep:3:4:5"),
        ("mobile", "keep:3:x"),
        ("mobile", "keep:-1:4"),
        ("mobile", "keep:03:4"),
        ("mobile", "keep:３:4"),
        ("mobile", "keep:5:4"),
        ("resident_id", "keep:17:0"),
        ("credit_code", "keep:14:0"),
        ("date", "keep:4:0"),
        ("date", "year:2"),
        ("money", "band:99"),
        ("money", "band:"),
        ("money", "band:5000:1000"),
        ("money", "band:1000:1050"),
        ("money", "keep:1:1"),
        ("integer", "band:1"),
        ("integer", "band"),
        ("region_code", "division:street"),
        ("region_code", "division:town:1"),
        ("address", "division:"),
        ("text", "partial:1"),
        ("text", "fpe"),
        ("money", "fpe"),
        ("mobile", "fpe:1"),
        ("mobile", "sepia"),
        ("mobile", ""),
    ],
)
def test_a_mask_that_makes_no_sense_is_not_offered(code: str, mask: str) -> None:
    assert elements()[code].mask(mask) is None
    assert not elements()[code].offers(mask)


def test_masks_of_the_house_are_offered_everywhere_and_fpe_where_a_form_can_be_kept() -> None:
    for element in elements().values():
        assert all(element.offers(mask) for mask in ("reveal", "suppress", "pseudonym"))
    keeping = {code for code, element in elements().items() if element.offers("fpe")}
    assert keeping == {"resident_id", "mobile", "credit_code", "plate", "identifier"}


@quick
@given(cents=st.integers(-(10**6), 10**10), width=st.integers(100, 10**6))
def test_a_band_holds_its_amount(cents: int, width: int) -> None:
    show = elements()["money"].mask(f"band:{width}")
    assert show is not None
    shown = show(f"{cents / 100:.2f}")
    if cents < 0:
        assert shown == "<0"
    else:
        low, high = map(int, shown.split("-"))
        assert low * 100 <= cents < high * 100
        assert (high - low, low % width) == (width, 0)
