"""Sets of values: one text in canonical form, cleaned, compared and hidden member by member."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.standards import elements
from catalog.standards.base import Invalid
from catalog.standards.several import SEPARATOR, SetOf
from tests.catalog.test_standards import CODES, quick, texts

MOBILES = elements()["mobile[]"]


def several(code: str) -> SetOf:
    element = elements()[f"{code}[]"]
    assert isinstance(element, SetOf)
    return element


@quick
@given(st.data(), st.sampled_from(CODES))
def test_no_value_holds_what_stands_between_members(data: st.DataObject, code: str) -> None:
    column = [
        f"{text}{data.draw(st.sampled_from(['', SEPARATOR, ';']))}"
        for text in data.draw(texts(code))
    ]
    values = elements()[code].clean(pa.array(column, pa.string())).values
    assert not any(SEPARATOR in value for value in values.drop_null().to_pylist())


@quick
@given(st.data(), st.sampled_from(CODES))
def test_a_canonical_set_is_cleaned_to_itself(data: st.DataObject, code: str) -> None:
    column = pa.array([";".join(data.draw(texts(code)))], pa.string())
    (value,) = several(code).clean_parts(column, ";").values.to_pylist()
    if value is not None:
        assert several(code).clean_one(value) == value
        assert value.split(SEPARATOR) == sorted(set(value.split(SEPARATOR)))
        assert all(elements()[code].clean_one(one) == one for one in value.split(SEPARATOR))


def test_sets_are_found_but_not_listed() -> None:
    assert MOBILES.code == "mobile[]"
    assert (MOBILES.level, MOBILES.personal) == (several("mobile").member.level, True)
    assert "mobile[]" not in list(elements())
    with pytest.raises(KeyError):
        elements()["ghost[]"]


@pytest.mark.parametrize(
    ("text", "separator", "value", "flaw"),
    [
        ("13900000002, +86 138 0000 0001", ",", "13800000001；13900000002", None),
        ("13900000002，13900000002，", ",", "13900000002", None),
        ("13900000002；无", ";", "13900000002", None),
        ("13900000002\n13800000001", "\n", "13800000001；13900000002", None),
        ("13900000002/139", "/", "13900000002", "flaw_mobile"),
        ("139/12", "/", None, "flaw_mobile"),
        ("无", "/", None, None),
        ('["13900000002", null, "13800000001"]', None, "13800000001；13900000002", None),
        ("[13900000002]", None, "13900000002", None),
        ("13900000002", None, "13900000002", None),
        ("[", None, None, "flaw_mobile"),
        (None, ",", None, None),
    ],
)
def test_each_part_is_cleaned_and_a_broken_one_is_flagged(
    text: str | None, separator: str | None, value: str | None, flaw: str | None
) -> None:
    cleaned = several("mobile").clean_parts(pa.array([text], pa.string()), separator)
    (found,) = cleaned.flaws.to_pylist()
    assert cleaned.values.to_pylist() == [value]
    assert (found is None) == (flaw is None)


def test_what_people_type_must_be_right_as_a_whole() -> None:
    assert MOBILES.clean_one("139 0000 0002；13800000001") == "13800000001；13900000002"
    with pytest.raises(Invalid):
        MOBILES.clean_one("13900000002；139")


def test_masks_hide_every_member() -> None:
    partial = MOBILES.mask("partial")
    assert partial is not None
    assert partial("13800000001；13900000002") == "138****0001；139****0002"
    assert MOBILES.mask("keep:3:0") is not None
    assert MOBILES.offered == several("mobile").member.offered
    assert MOBILES.mask("ghost") is None


def test_sets_mean_the_same_if_their_members_do() -> None:
    one, other = "人民路1号；城北区解放路2号", "城北区人民路1号；解放路2号"
    assert several("address").gist(one) == several("address").gist(other)
    assert several("text").gist("甲；乙") == "甲；乙"
