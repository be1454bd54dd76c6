"""The gate: what is kept, what is quarantined and why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from core.canonical import encode
from core.messages import catalogue
from reconcile.cleaning import Identities, clean
from reconcile.quality import gate
from reconcile.rules import QualityRuleBroken
from reconcile.verdict import QualityStop
from tests.reconcile.quality_tables import (
    PEOPLE,
    contract,
    item,
    kept,
    landed,
    reasons,
    rule,
    through,
)


def test_shape_of_both_tables() -> None:
    gated = through(PEOPLE, [" a1 ", "Li", "1980/2/3", "2026-01-01"], ["A2", None, None, None])
    assert gated.fit.schema == pa.schema(
        [
            ("_row", pa.int64()), ("_record", pa.string()), ("_as_of", pa.string()),
            ("number", pa.string()), ("name", pa.string()), ("born", pa.string()),
            ("seen", pa.string()), ("_flaws", pa.string()),
        ]
    )  # fmt: skip
    assert gated.fit.to_pylist() == [
        {
            "_row": 1, "_record": "A1", "_as_of": "2026-01-01", "number": "A1", "name": "Li",
            "born": "1980-02-03", "seen": "2026-01-01", "_flaws": None,
        }
    ]  # fmt: skip
    assert gated.quarantined.schema == pa.schema(
        [
            ("_row", pa.int64()), ("_record", pa.string()),
            ("reasons", pa.string()), ("original", pa.string()),
        ]
    )  # fmt: skip
    [row] = gated.quarantined.to_pylist()
    assert row["_record"] == "A2"
    assert json.loads(row["original"]) == {"number": "A2", "name": None, "born": None, "seen": None}


def test_columns_of_other_types_are_read() -> None:
    asked = contract(item("number", "identifier", key=True), item("members", "integer"))
    table = pa.table(
        {
            "_row": [1, 2],
            "number": pa.array([10, 11], pa.int32()),
            "members": pa.array([3.0, None], pa.float64()),
            "_unreadable": pa.nulls(2, pa.string()),
            "_raw": pa.nulls(2, pa.string()),
        }
    )
    assert gate(asked, table).fit.column("members").to_pylist() == ["3", None]


def test_unreadable_rows_are_quarantined_with_their_text() -> None:
    rows = landed(PEOPLE, [["1", "Li", None, None]], numbers=[2], unreadable={1: "a;b", 3: "c"})
    gated = gate(PEOPLE, rows)
    assert kept(gated) == [2]
    assert gated.quarantined.to_pylist() == [
        {
            "_row": number, "_record": None, "reasons": '[{"item":null,"rule":"row_width"}]',
            "original": json.dumps({"_raw": raw}, separators=(",", ":")),
        }
        for number, raw in ((1, "a;b"), (3, "c"))
    ]  # fmt: skip


def test_a_table_of_unreadable_rows_alone() -> None:
    gated = gate(PEOPLE, landed(PEOPLE, [], unreadable={1: "a"}))
    assert (gated.fit.num_rows, gated.quarantined.num_rows) == (0, 1)


def test_an_empty_table_gives_empty_tables() -> None:
    asked = contract(*PEOPLE.items, rules=(rule("expect_table_row_count_to_equal", value=1),))
    gated = gate(asked, landed(asked, []))
    assert gated.fit.num_rows == gated.quarantined.num_rows == 0
    assert gated.fit.schema.names[:3] == ["_row", "_record", "_as_of"]
    assert gated.scores["name"] == {"completeness": 1.0, "validity": 1.0}


def test_all_reasons_are_listed_in_order_of_items() -> None:
    asked = contract(
        item("number", "identifier", key=True),
        item("name", "text", required=True),
        item("born", "date", required=True),
        item(
            "members", "integer", rules=(rule("expect_column_values_to_be_between", min_value=1),)
        ),
        rules=(
            rule("expect_column_values_to_not_be_in_set", column="name", value_set=["x"]),
            rule("expect_column_pair_values_to_be_equal", column_A="name", column_B="number"),
        ),
    )
    gated = through(asked, ["—", None, "1980-13-01", "0"], ["A", "x", "2000-01-01", "-1"])
    assert reasons(gated) == {
        1: [
            "number.missing",
            "name.missing",
            "born.flaw_date",
            "members.expect_column_values_to_be_between",
        ],
        2: [
            "name.expect_column_values_to_not_be_in_set",
            "members.expect_column_values_to_be_between",
            "expect_column_pair_values_to_be_equal",
        ],
    }


def test_of_several_values_a_broken_one_is_flagged_and_the_others_stand() -> None:
    asked = contract(
        item("row_key", "identifier", key=True),
        item("phones", "mobile[]", separator=";"),
        item("names", "person_name[]", required=True),
    )
    gated = through(
        asked,
        ["1", "13900000002; +86 138 0000 0001", '["王建国"]'],
        ["2", "13900000002；139", '["李秀英", "王建国"]'],
        ["3", "139", "[]"],
    )
    assert gated.fit.column("phones").to_pylist() == ["13800000001；13900000002", "13900000002"]
    assert gated.fit.column("names").to_pylist() == ["王建国", "李秀英；王建国"]
    flaws = [flaw and json.loads(flaw) for flaw in gated.fit.column("_flaws").to_pylist()]
    assert flaws == [None, {"phones": "flaw_length"}]
    assert reasons(gated) == {3: ["names.missing"]}
    assert gated.scores["phones"]["validity"] == 1 / 3


def test_a_flaw_sets_an_optional_value_aside_and_keeps_the_row() -> None:
    gated = through(
        PEOPLE,
        ["A1", "Li", "1980-13-01", "2026-02-30"],
        ["A2", "Wu", "nonsense", None],
        ["A3", "Xu", None, None],
    )
    assert kept(gated) == [1, 2, 3]
    flaws = gated.fit.column("_flaws").to_pylist()
    assert [flaw and json.loads(flaw) for flaw in flaws] == [
        {"born": "flaw_date", "seen": "flaw_date"},
        {"born": "flaw_date"},
        None,
    ]
    assert gated.fit.column("born").null_count == 3
    assert gated.fit.column("_as_of").null_count == 3
    assert gated.warnings == {"born.flaw_date": 2, "seen.flaw_date": 1}


def test_scores_are_shares_of_the_readable_rows() -> None:
    gated = through(
        PEOPLE, ["A1", "Li", "1980-13-01", None], ["A2", None, "1980-12-01", None],
        ["A3", "Xu", None, None], ["A4", "Wu", "1980-11-01", None],
    )  # fmt: skip
    assert gated.scores["name"] == {"completeness": 0.75, "validity": 1.0}
    assert gated.scores["born"] == {"completeness": 0.75, "validity": pytest.approx(2 / 3)}
    assert gated.scores["seen"] == {"completeness": 0.0, "validity": 1.0}


def test_references_of_compound_keys_stay_apart() -> None:
    asked = contract(item("a", "text", key=True), item("b", "text", key=True))
    rows = [["x|y", "z"], ["x", "y|z"], ["x\\", "|z"], ["x", None]]
    gated = through(asked, *rows)
    assert gated.fit.column("_record").to_pylist() == ["x\\|y|z", "x|y\\|z", "x\\\\|\\|z"]
    assert reasons(gated) == {4: ["b.missing"]}
    assert gated.quarantined.column("_record").to_pylist() == [None]


def test_references_without_a_key_follow_the_content() -> None:
    asked = contract(item("a", "text"), item("b", "text"))
    one = through(asked, ["1", None], ["", "1"], ["2", "x"], ["2", "x"])
    other = through(asked, ["2", "x"], ["", "1"], ["1", None])
    assert reasons(one) == {4: ["row_duplicate"]}
    references = one.fit.column("_record").to_pylist()
    assert other.fit.column("_record").to_pylist() == references[::-1]
    [copy] = one.quarantined.column("_record").to_pylist()
    assert copy == references[2].removesuffix("-1") + "-2"


def test_rows_that_read_alike_side_by_side_are_no_copies() -> None:
    asked = contract(item("a", "text"), item("b", "text"))
    rows = [["1:", "2"], ["1", ":2"], [None, "x"], ["", "x"], ["-", "x"], ["0::x", None]]
    gated = through(asked, *rows)
    assert kept(gated) == [1, 2, 3, 4, 5, 6]
    assert len(set(gated.fit.column("_record").to_pylist())) == 6


class TestSeverity:
    def test_warn_only_counts(self) -> None:
        even = rule("expect_column_values_to_match_regex", "warn", regex="[02468]$")
        asked = contract(item("number", "identifier", key=True, rules=(even,)))
        gated = through(asked, ["1"], ["2"], ["3"])
        assert kept(gated) == [1, 2, 3]
        assert gated.fit.column("_flaws").null_count == 3
        assert gated.warnings == {"number.expect_column_values_to_match_regex": 2}

    def test_warnings_of_like_rules_add_up(self) -> None:
        rules = [rule("expect_column_values_to_match_regex", "warn", regex=r) for r in "ab"]
        asked = contract(item("number", "identifier", key=True, rules=tuple(rules)))
        assert through(asked, ["C"]).warnings == {"number.expect_column_values_to_match_regex": 2}

    def test_stop_names_rule_and_count(self) -> None:
        stop = rule("expect_column_values_to_not_be_in_set", "stop", value_set=["X"])
        asked = contract(item("number", "identifier", key=True, rules=(stop,)))
        with pytest.raises(QualityStop) as caught:
            through(asked, ["X"], ["x"], ["Y"])
        assert caught.value.fields == {
            "dataset": "police.residents",
            "rule": "number.expect_column_values_to_not_be_in_set",
            "count": 2,
        }

    @pytest.mark.parametrize("severity", ["reject", "stop"])
    def test_a_rule_about_the_table_stops(self, severity: str) -> None:
        asked = contract(
            item("number", "identifier", key=True),
            rules=(rule("expect_table_row_count_to_be_between", severity, min_value=3),),
        )
        assert kept(through(asked, ["1"], ["2"], ["3"])) == [1, 2, 3]
        with pytest.raises(QualityStop, match=r"row_count_to_be_between .*2 rows"):
            # The third row would not be published.
            through(asked, ["1"], ["2"], ["2"])

    def test_a_rule_about_the_table_may_warn(self) -> None:
        asked = contract(
            item("number", "identifier", key=True),
            rules=(rule("expect_table_row_count_to_equal", "warn", value=3),),
        )
        assert through(asked, ["1"]).warnings == {"expect_table_row_count_to_equal": 1}

    def test_mostly_tolerates_some_rows(self) -> None:
        mostly = rule("expect_column_values_to_be_in_set", value_set=["1"], mostly=0.5)
        asked = contract(item("number", "identifier", rules=(mostly,)), item("other", "text"))
        assert kept(through(asked, ["1", "a"], ["2", "b"])) == [1, 2]
        assert kept(through(asked, ["1", "a"], ["2", "b"], ["3", "c"])) == [1]


def test_an_exception_names_the_rule_and_no_value() -> None:
    numbers = rule("expect_column_values_to_be_between", min_value=1)
    asked = contract(item("name", "text", rules=(numbers,)))
    with pytest.raises(QualityRuleBroken) as caught:
        through(asked, ["secret"])
    error = caught.value
    assert {**error.fields, "rule": ""} == {
        "dataset": "police.residents",
        "item": "name",
        "expectation": "expect_column_values_to_be_between",
        "rule": "",
    }
    assert "secret" not in error.words("zh") + error.words("en")
    assert error.__cause__ is None


def test_the_suite_states_every_rule() -> None:
    own = rule("expect_column_values_to_be_between", min_value="1900-01-01")
    asked = contract(
        item("number", "identifier", key=True),
        item("plate", "code", unique=True),
        item("born", "date", rules=(own,)),
        rules=(rule("expect_table_row_count_to_be_between", "warn", min_value=1),),
    )
    suite = through(asked, ["1", "2", None]).suite
    assert json.loads(encode(suite)) == suite
    assert suite["name"] == "police.residents"
    stated = [(e["meta"]["item"], e["meta"]["rule"]) for e in suite["expectations"]]
    assert stated == [
        ("number", "missing"),
        ("number", "flaw"),
        ("plate", "flaw"),
        ("plate", "value_duplicate"),
        ("born", "flaw"),
        ("born", "expect_column_values_to_be_between"),
        (None, "expect_table_row_count_to_be_between"),
        (None, "row_duplicate"),
        (None, "key_duplicate"),
    ]


def test_every_reason_of_ours_has_words() -> None:
    for code in ("missing", "row_duplicate", "key_duplicate", "value_duplicate"):
        assert set(catalogue()[code]) == {"zh", "en"}


def test_rows_come_out_by_number_however_they_came_in() -> None:
    rows = [["A1", "Li", None, None], ["A2", "Wu", None, None], ["A3", None, None, None]]
    table = landed(PEOPLE, rows, numbers=[7, 3, 5], unreadable={1: "x"})
    gated = gate(PEOPLE, table)
    assert kept(gated) == [3, 7]
    assert gated.quarantined.column("_row").to_pylist() == [1, 5]
    assert gate(PEOPLE, table.take([3, 1, 2, 0])).fit == gated.fit


def test_a_digest_is_made_only_where_a_row_may_repeat_another() -> None:
    table = landed(PEOPLE, [[n, "Li", None, None] for n in ("1", "2", "2", None)])
    rows, gathered = clean(PEOPLE, table), Identities(keyed=True)
    gathered.add(rows)
    found = gathered.settle(lambda _, at: [c.original.take(at) for c in rows.items.values()])
    assert found.content.is_valid().to_pylist() == [False, True, True, True]


QUIET = """
import socket, sys
import reconcile.quality
assert not {"great_expectations", "pandas"} & sys.modules.keys()

def refuse(*_):
    raise AssertionError("network")

socket.socket.connect = socket.getaddrinfo = refuse
from tests.reconcile.test_quality import PEOPLE, through
through(PEOPLE, ["A1", "Li", None, None], ["A1", None, None, None])
"""


def test_the_suite_runs_without_network_files_or_noise(tmp_path: Path) -> None:
    """And the room is cheap to import: the suite's library is loaded when rules run."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", QUIET],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.rglob("*")) == []
