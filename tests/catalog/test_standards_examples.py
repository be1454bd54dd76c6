"""What each element makes of values as departments write them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from catalog.standards import elements

# Element, the spellings that are cleaned, and the canonical value of all of them.
SAME = [
    (
        "resident_id",
        "11010519491231002X",
        [
            "110105491231002",
            "11010519491231002x",
            "１１０１０５１９４９１２３１００２Ｘ",
            "110105 19491231 002X",
            "110105-19491231-002X",
            "'11010519491231002X",
            "\ufeff11010519491231002X\t",
        ],
    ),
    (
        "credit_code",
        "91110000600037341L",
        ["91110000600037341l", "９１１１００００６０００３７３４１Ｌ", "91110000-600037341-L"],
    ),
    (
        "date",
        "2026-01-31",
        [
            "2026/1/31", "20260131", "2026年1月31日", "2026 年 01 月 31 日", "2026.1.31",
            "2026-01-31 00:00:00", "2026/1/31 8:05", "2026-01-31T00:00:00Z",
            "2026-01-30T16:00:00.000Z", "2026-01-31T00:00:00+08:00", "20260131083000",
            "２０２６－０１－３１", "46053", "46053.0", "46053.75", "2026年1月31日 8时30分",
        ],
    ),
    ("date", "1988-06-01", ["1988-05-31T15:00:00Z"]),  # summer time was kept then
    ("person_name", "张三", ["张 三", "张三(已故)", "张三（已故）", "张三【户主】", "张　三"]),
    (
        "person_name",
        "买买提·艾力",
        ["买买提.艾力", "买买提•艾力", "买买提・艾力", "买买提 · 艾力", "买买提．艾力"],
    ),
    ("person_name", "John Smith", ["John  Smith", " John Smith (deceased)"]),
    ("sex", "1", ["男", "男性", "M", "male", "１", "01"]),
    ("sex", "2", ["女", "女性", "F"]),
    ("ethnicity", "01", ["汉", "汉族", "1", "01"]),
    ("ethnicity", "56", ["基诺", "基诺族"]),
    ("marital_status", "10", ["1", "未婚"]),
    ("marital_status", "20", ["2", "已婚"]),
    ("marital_status", "30", ["3", "丧偶"]),
    ("marital_status", "40", ["4", "离婚", "离异"]),
    ("marital_status", "90", ["9", "未说明"]),
    ("household_relation", "01", ["02", "本人", "户主"]),
    ("household_relation", "10", ["配偶"]),
    ("household_relation", "20", ["子", "儿子"]),
    ("household_relation", "51", ["父亲", "父"]),
    (
        "mobile",
        "13812345678",
        [
            "+86 138-1234-5678", "8613812345678", "0086 13812345678", "013812345678",
            "(+86)13812345678", "１３８１２３４５６７８", "13812345678.0",
        ],
    ),
    (
        "address",
        "桂城街道南桂东路10号3栋501室",
        [
            "桂城街道 南桂东路１０号3幢501房",
            "桂城街道南桂东路10號3座501号房",
            "桂城街道南桂东路10号，3号楼501室",
        ],
    ),
    ("organisation_name", "南海（集团）有限公司", ["南海(集团)有限公司", "南海 [集团] 有限公司"]),
    ("plate", "粤E12345", ["粤e12345", "粤E·12345", "粤 E-12345", "粤Ｅ１２３４５"]),
    ("plate", "粤ED12345", ["粤ED·12345"]),
    ("plate", "粤E1234学", ["粤E·1234学"]),
    ("region_code", "440605011001023", ["４４０６０５０１１００１０２３", "440605 011001 023"]),
    ("region_code", "440605", ["440605.0"]),
    ("place_name", "桂城街道", ["桂 城 街 道"]),
    ("money", "3500.00", ["3500", "3,500元", "0.35万元", "３５００", "￥3,500.00", "3.5E+03", "3.5千元"]),
    ("money", "-20.50", ["-20.5", "−20.50元"]),
    ("money", "0.00", ["0", "-0.001"]),
    ("integer", "1200", ["1,200", "1200.0", "1200人", "01200"]),
    ("decimal", "85.6", ["85.60", "85.6㎡", "85.6平方米", "85.6 m²", "８５．６"]),
    ("decimal", "0", ["0.0", "-0", "1e-30"]),
    ("flag", "1", ["是", "有", "true", "Y", "√"]),
    ("flag", "0", ["否", "无", "FALSE", "×"]),
    ("identifier", "AB-12 3", [" ab-12  ３"]),
    ("code", "a1", ["ａ1 "]),
    ("text", "第一行 第二行", ["第一行\n  第二行\x00", "第一行\u200b 第二行"]),
]  # fmt: skip

WRONG = [
    ("resident_id", "flaw_check_digit", ["110105194912310021", "110105194912310020"]),
    ("resident_id", "flaw_birth_date", ["11010519491331002X", "110105999902300025"]),
    ("resident_id", "flaw_length", ["1101051949123100", "4.40605E+17"]),
    ("resident_id", "flaw_characters", ["110105********002X", "01010519491231002X"]),
    ("credit_code", "flaw_check_digit", ["91110000600037341A"]),
    ("credit_code", "flaw_characters", ["9111000060003734IL"]),
    ("credit_code", "flaw_length", ["600037341"]),
    ("credit_code", "flaw_resident_id", ["362322198709086409"]),
    (
        "date",
        "flaw_date",
        [
            "2026-02-30", "2025-02-29", "31/01/2026", "01/31/2026", "1-2-2026", "2026", "202601",
            "9999-12-31", "1000-01-01", "2026-01-31 25:00", "2026-01/31", "26-01-31", "昨天",
        ],
    ),
    ("person_name", "flaw_characters", ["张3", "张*三", "张?三", "张三(未完"]),
    ("person_name", "flaw_length", ["张", "(已故)"]),
    ("sex", "flaw_code", ["3", "男女"]),
    ("ethnicity", "flaw_code", ["57", "00", "某族"]),
    ("marital_status", "flaw_code", ["8", "单身"]),
    ("household_relation", "flaw_code", ["00", "朋友"]),
    ("mobile", "flaw_pattern", ["12812345678"]),
    ("mobile", "flaw_length", ["1381234567", "0757862399990"]),
    ("mobile", "flaw_characters", ["138****5678", "13812345678,13912345678"]),
    ("address", "flaw_characters", ["广东省佛山市****", "12345"]),
    ("address", "flaw_length", ["桂城"]),
    ("organisation_name", "flaw_characters", ["佛山****有限公司", "123"]),
    ("plate", "flaw_pattern", ["粤E1234O", "粤I12345", "E12345", "粤E123456"]),
    ("region_code", "flaw_length", ["44060", "4406050110010231"]),
    ("region_code", "flaw_pattern", ["0440605", "4406051"]),
    ("region_code", "flaw_characters", ["44060A"]),
    ("money", "flaw_number", ["9999999999999.999", "100美元", "12,34", "35%", "约三千", "1e99", "99999999999999"]),
    ("integer", "flaw_whole_number", ["3.5"]),
    ("decimal", "flaw_number", ["5亩", "1.2.3"]),
    ("flag", "flaw_code", ["也许"]),
    ("identifier", "flaw_length", ["X" * 129]),
    ("code", "flaw_length", ["X" * 65]),
    ("text", "flaw_characters", ["\u200b"]),
]  # fmt: skip

MASKED = [
    ("resident_id", "partial", "11010519491231002X", "110105********002X"),
    ("resident_id", "ends", "11010519491231002X", "1***************2X"),
    ("person_name", "partial", "张三丰", "张*丰"),
    ("person_name", "partial", "张三", "张*"),
    ("person_name", "partial", "欧阳明月", "欧**月"),
    ("person_name", "initial", "张三丰", "张**"),
    ("mobile", "partial", "13812345678", "138****5678"),
    ("address", "partial", "桂城街道南桂东路10号3栋501室", "桂城街道南桂东路1********"),
    ("address", "partial", "下安村3号", "*****"),
    ("address", "division", "佛山市南海区桂城街道南桂东路10号", "佛山市南海区桂城街道****"),
    ("address", "division", "南桂东路10号", "****"),
    ("date", "partial", "2026-01-31", "2026-**-**"),
    ("date", "year", "2026-01-31", "2026"),
    ("money", "band", "3500.00", "2000-5000"),
    ("money", "band", "2000.00", "2000-5000"),
    ("money", "band", "0.00", "0-1000"),
    ("money", "band", "9999999999999.99", "5000000000000-10000000000000"),
    ("money", "band", "-1.00", "<0"),
    ("region_code", "division", "440605011001", "440605******"),
    ("region_code", "partial", "440605", "4406**"),
    ("plate", "partial", "粤E12345", "粤E1***5"),
    ("credit_code", "partial", "91110000600037341L", "911100********341L"),
    ("sex", "partial", "1", "*"),
    ("integer", "partial", "12", "***"),
]


@pytest.mark.parametrize(("code", "canonical", "spellings"), SAME)
def test_spellings_come_to_one_value(code: str, canonical: str, spellings: list[str]) -> None:
    cleaned = elements()[code].clean(pa.array([canonical, *spellings]))
    assert cleaned.values.to_pylist() == [canonical] * (len(spellings) + 1)
    assert cleaned.flaws.null_count == len(spellings) + 1


@pytest.mark.parametrize(("code", "rule", "texts"), WRONG)
def test_wrong_values_are_named_by_the_rule_they_break(
    code: str, rule: str, texts: list[str]
) -> None:
    cleaned = elements()[code].clean(pa.array(texts))
    assert cleaned.flaws.to_pylist() == [rule] * len(texts)
    assert cleaned.values.null_count == len(texts)


@pytest.mark.parametrize(("code", "mask", "value", "shown"), MASKED)
def test_masks_have_their_usual_form(code: str, mask: str, value: str, shown: str) -> None:
    assert elements()[code].masks[mask](value) == shown


@pytest.mark.parametrize("code", sorted(elements()))
def test_what_stands_for_nothing_is_missing_and_no_flaw(code: str) -> None:
    cleaned = elements()[code].clean(pa.array(["", " ", "-", "未知", " NULL ", "n/a", "　", None]))
    assert cleaned.values.null_count == cleaned.flaws.null_count == 8


def test_what_turns_out_to_stand_for_nothing_is_missing_too() -> None:
    cleaned = elements()["identifier"].clean(pa.array(["ｎｕｌｌ", "ＮＡ"]))
    assert cleaned.values.null_count == cleaned.flaws.null_count == 2
    assert elements()["person_name"].clean(pa.array(["不详（流动人口）"])).flaws.null_count == 1


@pytest.mark.parametrize(
    ("code", "column", "expected"),
    [
        ("date", pa.array([date(2026, 1, 31), None]), ["2026-01-31", None]),
        ("date", pa.array([datetime(2026, 1, 30, 16, tzinfo=UTC)]), ["2026-01-31"]),
        ("date", pa.array([datetime(2026, 1, 30, 16)]), ["2026-01-30"]),  # noqa: DTZ001
        ("date", pa.array([46053.0, float("nan")]), ["2026-01-31", None]),
        ("date", pa.array([20260131]), ["2026-01-31"]),
        ("mobile", pa.array([13812345678.0]), ["13812345678"]),
        ("mobile", pa.array([13812345678]), ["13812345678"]),
        ("money", pa.array([Decimal("3500.5"), None]), ["3500.50", None]),
        ("money", pa.array([0.1 + 0.2]), ["0.30"]),
        ("money", pa.array([9999999999999.99]), ["9999999999999.99"]),
        ("decimal", pa.array([0.1 + 0.2, 1e-05]), ["0.3", "0.00001"]),
        ("flag", pa.array([True, False, None]), ["1", "0", None]),
        ("sex", pa.array(["男", "女", "男"]).dictionary_encode(), ["1", "2", "1"]),
        ("sex", pa.chunked_array([["男"], ["女"]]), ["1", "2"]),
        ("text", pa.array([None, None]), [None, None]),
        ("text", pa.array([], pa.string()), []),
        ("place_name", pa.array(["桂城"], pa.large_string()), ["桂城"]),
    ],
)
def test_columns_of_any_type_are_read(
    code: str, column: pa.Array, expected: list[str | None]
) -> None:
    cleaned = elements()[code].clean(column)
    assert cleaned.values.to_pylist() == expected
    assert cleaned.values.type == cleaned.flaws.type == pa.string()


@pytest.mark.parametrize(
    ("code", "value", "typed"),
    [
        ("integer", "12", 12),
        ("money", "3500.50", 3500.5),
        ("decimal", "85.6", 85.6),
        ("flag", "1", True),
        ("flag", "0", False),
        ("sex", "1", "1"),
        ("date", "2026-01-31", "2026-01-31"),
    ],
)
def test_values_go_out_as_the_type_they_stand_for(code: str, value: str, typed: object) -> None:
    result = elements()[code].typed(value)
    assert result == typed
    assert type(result) is type(typed)
