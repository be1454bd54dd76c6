"""What holds for any table."""

from __future__ import annotations

import json

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.contracts import Contract
from reconcile.quality import Gated, gate
from tests.reconcile.quality_tables import contract, item, landed, rule

SMALL = rule("expect_column_values_to_be_between", max_value=5)
KEYED = contract(
    item("number", "identifier", key=True),
    item("kind", "code", key=True),
    item("plate", "code", unique=True),
    item("members", "integer", rules=(SMALL,)),
    item("seen", "date"),
    as_of="seen",
)
KEYLESS = contract(*(each.model_copy(update={"key": False}) for each in KEYED.items))

VALUES = st.sampled_from([None, "", "—", "1", "2", " 1 ", "7", "x", "2026-01-01", "2026-02-30"])
ANYTHING = st.one_of(VALUES, st.text(max_size=6))
ROWS = st.lists(st.tuples(*[ANYTHING] * 5), max_size=12)
FEW = st.lists(st.tuples(*[VALUES] * 5), max_size=12)
UNREADABLE = st.lists(st.text(max_size=5), max_size=3)


def contents(gated: Gated) -> list[dict[str, str | None]]:
    rows = gated.fit.drop_columns(["_row"]).to_pylist()
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def split(asked: Contract, table: pa.Table) -> Gated:
    gated = gate(asked, table)
    numbers = [*gated.fit["_row"].to_pylist(), *gated.quarantined["_row"].to_pylist()]
    assert sorted(numbers) == sorted(table["_row"].to_pylist())
    return gated


@settings(max_examples=50, deadline=None, derandomize=True)
@given(rows=ROWS, raw=UNREADABLE, keyed=st.booleans())
def test_no_row_is_lost_and_each_refusal_has_a_reason(
    rows: list[tuple[str | None, ...]], raw: list[str], keyed: bool
) -> None:
    asked = KEYED if keyed else KEYLESS
    unreadable = {len(rows) + place: text for place, text in enumerate(raw, start=1)}
    gated = split(asked, landed(asked, rows, unreadable=unreadable))
    for row in gated.quarantined.to_pylist():
        reasons = json.loads(row["reasons"])
        assert reasons
        assert len({tuple(reason.values()) for reason in reasons}) == len(reasons)
        number = row["_row"]
        texts = dict(zip((i.name for i in asked.items), rows[number - 1], strict=True)) if (
            number <= len(rows)
        ) else {"_raw": unreadable[number]}  # fmt: skip
        assert json.loads(row["original"]) == texts
    references = gated.fit["_record"].to_pylist()
    assert None not in references
    assert len(set(references)) == len(references)
    plates = gated.fit["plate"].drop_null().to_pylist()
    assert len(set(plates)) == len(plates)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(rows=FEW, keyed=st.booleans(), data=st.data())
def test_the_order_of_rows_does_not_decide_what_is_kept(
    rows: list[tuple[str | None, ...]], keyed: bool, data: st.DataObject
) -> None:
    asked = KEYED if keyed else KEYLESS
    other = data.draw(st.permutations(rows))
    one = split(asked, landed(asked, rows))
    assert contents(split(asked, landed(asked, other))) == contents(one)
