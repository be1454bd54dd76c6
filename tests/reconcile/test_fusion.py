"""Fusion: which value counts, why, and what must hold whatever the claims are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.messages import LANGUAGES, say
from reconcile.fusion import claims
from reconcile.fusion.codes import Coded, as_table
from reconcile.fusion.evidence import Ground
from reconcile.fusion.learning.trust import Trust
from reconcile.fusion.verdicts import decide
from tests.reconcile.fusing import (
    TODAY,
    Claim,
    conflicts,
    engine,
    fused,
    golden,
    subject,
    table,
)

ENGINE = engine()
ENTITIES = tuple(f"E{i}" for i in range(12))  # many small cases in one run
DATASETS = ("a.t", "b.t", "c.t", "d.t", "e.t")
PLAIN = subject({"x": {}, "y": {}})
RULED = subject(
    {
        "x": {"designated": "a.t", "fresh_days": 100},
        "y": {},
        "g": {"group": "home"},
        "h": {"group": "home"},
    }
)

days = st.none() | st.dates(date(2015, 1, 1), TODAY).map(date.isoformat)


def claim_lists(*attributes: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[list[Claim]]:
    return st.lists(
        st.tuples(
            st.sampled_from(ENTITIES),
            st.sampled_from(attributes),
            st.sampled_from(DATASETS),
            values,
            days,
        ),
        max_size=150,
        unique_by=lambda claim: claim[:3],
    )


def ago(days: int) -> str:
    return (TODAY - timedelta(days=days)).isoformat()


def test_what_all_sources_mean_is_agreed_in_its_most_complete_spelling() -> None:
    rows = [
        ("E1", "x", "a.t", "short", ago(1)),
        ("E1", "x", "b.t", "much longer", ago(900)),
        ("E1", "x", "c.t", "long", ago(2)),
    ]
    result = fused(PLAIN, table(rows, dict.fromkeys(("short", "much longer", "long"), "same")))
    row = golden(result)["E1", "x"]
    assert (row["status"], row["value"], row["dataset"]) == ("agreed", "much longer", "b.t")
    assert row["as_of"] == ago(900)
    assert row["reason"] == {"code": "fusion_agreed", "sources": 3}
    assert conflicts(result) == {}


def test_of_equal_spellings_the_latest_source_is_named() -> None:
    rows = [("E1", "x", d, "v", ago(n)) for d, n in (("a.t", 9), ("b.t", 3), ("c.t", 3))]
    row = golden(fused(PLAIN, table(rows)))["E1", "x"]
    assert (row["dataset"], row["as_of"]) == ("b.t", ago(3))


@pytest.mark.parametrize(
    ("days", "status"), [(100, "designated"), (101, "in_dispute"), (None, "in_dispute")]
)
def test_the_designated_source_counts_while_it_is_fresh(days: int | None, status: str) -> None:
    rows = [
        ("E1", "x", "a.t", "designated", None if days is None else ago(days)),
        ("E1", "x", "b.t", "other", ago(50)),
    ]
    result = fused(RULED, table(rows))
    assert golden(result)["E1", "x"]["status"] == status
    assert conflicts(result)["E1", "x"]["status"] == status


def test_a_stale_designated_source_loses_to_better_evidence_and_the_reason_says_so() -> None:
    rows = [("E1", "x", "a.t", "designated", ago(3000))]
    rows += [("E1", "x", dataset, "other", ago(5)) for dataset in ("b.t", "c.t")]
    row = golden(fused(RULED, table(rows)))["E1", "x"]
    assert (row["value"], row["status"]) == ("other", "evidence")
    assert row["reason"] == {
        "code": "fusion_designated_stale",
        "dataset": "b.t",
        "designated": "a.t",
        "days": 100,
        "supporting": 2,
        "opposing": 1,
    }


def test_without_a_limit_a_designated_source_is_always_fresh() -> None:
    about = subject({"x": {"designated": "a.t"}})
    rows: list[Claim] = [("E1", "x", "a.t", "designated", None)]
    rows += [("E1", "x", dataset, "other", ago(1)) for dataset in DATASETS[1:]]
    row = golden(fused(about, table(rows)))["E1", "x"]
    assert (row["value"], row["status"], row["dataset"]) == ("designated", "designated", "a.t")
    assert row["confidence"] < 0.5


def test_what_one_source_knows_is_a_golden_value_too() -> None:
    rows: list[Claim] = [
        ("E1", "x", "b.t", "v", ago(5)),
        ("E2", "x", "a.t", "w", ago(5)),
        ("E3", "x", "a.t", "old", ago(500)),
    ]
    found = golden(fused(RULED, table(rows)))
    assert found["E1", "x"]["status"] == "evidence"
    assert found["E1", "x"]["reason"] == {"code": "fusion_single", "dataset": "b.t"}
    assert found["E2", "x"]["status"] == "designated"
    assert found["E3", "x"]["status"] == "evidence"


def test_an_even_split_is_in_dispute_and_still_served() -> None:
    rows = [("E1", "x", d, v, None) for d, v in zip(DATASETS, ("p", "p", "q", "q"), strict=False)]
    result = fused(PLAIN, table(rows))
    row = golden(result)["E1", "x"]
    assert row["status"] == "in_dispute"
    assert row["value"] in {"p", "q"}
    assert row["reason"] == {"code": "fusion_in_dispute", "supporting": 2, "opposing": 2}
    assert conflicts(result)["E1", "x"]["value"] == row["value"]


def test_newer_claims_weigh_more() -> None:
    rows = [("E1", "x", "a.t", "old", ago(4000)), ("E1", "x", "b.t", "new", ago(1))]
    row = golden(fused(PLAIN, table(rows)))["E1", "x"]
    assert (row["value"], row["status"]) == ("new", "evidence")


def test_a_conflict_lists_its_claims_by_dataset() -> None:
    rows: list[Claim] = [
        ("E1", "x", "c.t", 'say "no"\\', ago(3)),
        ("E1", "x", "a.t", "yes", None),
        ("E1", "x", "b.t", "yes", ago(3)),
    ]
    claims = conflicts(fused(PLAIN, table(rows)))["E1", "x"]["claims"]
    assert [(c["dataset"], c["value"], c["as_of"]) for c in claims] == [
        ("a.t", "yes", None),
        ("b.t", "yes", ago(3)),
        ("c.t", 'say "no"\\', ago(3)),
    ]
    assert all(claim["weight"] > 0 for claim in claims)


@settings(max_examples=3, deadline=None, derandomize=True)
@given(claim_lists("x", "y", "g", "h", values=st.sampled_from("pqr")), st.integers(0, 99))
def test_neither_order_nor_repetition_matters(rows: list[Claim], seed: int) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    first = fused(RULED, table(rows), ENGINE)
    second = fused(RULED, table(shuffled), ENGINE)
    assert golden(first) == golden(second)
    assert conflicts(first) == conflicts(second)
    assert first.sources == second.sources


@settings(max_examples=6, deadline=None, derandomize=True)
@given(claim_lists("x", "y", values=st.text(min_size=1, max_size=6)))
def test_every_item_is_decided_once_and_every_difference_is_a_conflict(rows: list[Claim]) -> None:
    result = fused(PLAIN, table(rows), ENGINE)
    values: dict[tuple[str, str], set[str]] = {}
    for entity, attribute, _, value, _ in rows:
        values.setdefault((entity, attribute), set()).add(value)
    found = golden(result)
    assert found.keys() == values.keys()
    assert all(found[key]["value"] in known for key, known in values.items())
    assert all(0 <= row["confidence"] <= 1 for row in found.values())
    split = conflicts(result)
    assert split.keys() == {key for key, known in values.items() if len(known) > 1}
    for (entity, attribute), row in split.items():
        claimed = Counter(d for e, a, d, _, _ in rows if (e, a) == (entity, attribute))
        assert [claim["dataset"] for claim in row["claims"]] == sorted(claimed)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(claim_lists("x", "g", "h", values=st.sampled_from("pqr")))
def test_the_rules_hold_whatever_is_claimed(rows: list[Claim]) -> None:
    result = fused(RULED, table(rows), ENGINE)
    found = golden(result)
    for entity, attribute, dataset, value, as_of in rows:
        if attribute == "x" and dataset == "a.t" and as_of is not None and as_of >= ago(100):
            assert found[entity, "x"]["value"] == value
            assert found[entity, "x"]["status"] in {"agreed", "designated"}
    for entity in {claim[0] for claim in rows if claim[1] in "gh"}:
        group = [found[entity, name] for name in "gh" if (entity, name) in found]
        assert len({row["dataset"] for row in group}) == 1
    for row in found.values():
        for language in LANGUAGES:
            assert say(language=language, **row["reason"])


def test_a_group_comes_from_the_source_with_the_best_scores_together() -> None:
    rows: list[Claim] = [
        ("E1", "g", "a.t", "street 1", None),
        ("E1", "h", "a.t", "region 1", None),
        ("E1", "g", "b.t", "street 2", None),
        ("E1", "h", "b.t", "region 2", None),
        ("E1", "h", "c.t", "region 2", None),
    ]
    result = fused(RULED, table(rows))
    found = golden(result)
    assert {found["E1", name]["dataset"] for name in "gh"} == {"b.t"}
    assert found["E1", "h"]["reason"]["code"] == "fusion_group"
    assert conflicts(result).keys() == {("E1", "g"), ("E1", "h")}


@settings(max_examples=5, deadline=None, derandomize=True)
@given(
    claim_lists("x", values=st.sampled_from("pqr")),
    st.lists(st.tuples(st.floats(0.05, 6), st.floats(0, 1), st.booleans()), min_size=6, max_size=6),
    st.dates(date(2015, 1, 1), TODAY).map(date.isoformat),
)
def test_one_more_source_for_the_winner_never_lowers_its_confidence(
    rows: list[Claim], votes: list[tuple[float, float, bool]], as_of: str
) -> None:
    dated: list[Claim] = [(e, a, d, v, day or "2020-01-01") for e, a, d, v, day in rows]
    trust = {
        dataset: Trust("x", dataset, 0.9, vote, 5.0, own, "a.t" if related else None)
        for dataset, (vote, own, related) in zip((*DATASETS, "new.t"), votes, strict=True)
    }

    def decided(claims: Sequence[Claim]) -> dict[str, tuple[str, float]]:
        ground = Ground.prepare(
            ENGINE, PLAIN, Coded.of_text(ENGINE, PLAIN, as_table(table(claims)))
        )
        believed = [trust[dataset] for _, dataset in ground.sources]
        table_, _ = decide(ENGINE, ground, believed, TODAY)
        rows = ENGINE.to_pyarrow(table_).to_pylist()
        return {row["entity"]: (row["value"], row["confidence"]) for row in rows}

    before = decided(dated)
    supported: list[Claim] = [
        (entity, "x", "new.t", value, as_of) for entity, (value, _) in before.items()
    ]
    after = decided([*dated, *supported])
    for entity, (value, confidence) in before.items():
        assert after[entity][0] == value
        assert after[entity][1] >= confidence - 1e-9


def test_every_difference_between_two_official_lists_is_one_conflict(shared_data: Path) -> None:
    lists = {}
    for source in ("mca", "stats"):
        path = shared_data / "divisions" / source / "201509.tsv"
        lists[source] = pd.read_csv(path, sep="\t", dtype=str).set_index("Code")["Name"]
    about = subject(
        {"name": {"element": "place_name"}},
        {"mca.divisions": {"name": "name"}, "stats.divisions": {"name": "name"}},
    )
    fit = {
        f"{source}.divisions": pa.table(
            {
                "_record": pa.array(names.index, pa.string()),
                "_as_of": pa.nulls(len(names), pa.string()),
                "name": pa.array(names, pa.string()),
            }
        )
        for source, names in lists.items()
    }
    links = pa.concat_tables(
        [
            pa.table(
                {
                    "dataset": pa.array([dataset] * len(rows), pa.string()),
                    "record": rows["_record"],
                    "entity": rows["_record"],
                }
            )
            for dataset, rows in fit.items()
        ]
    )
    both = pd.concat(lists, axis=1, join="inner")
    differ = both[both["mca"].str.replace(" ", "") != both["stats"].str.replace(" ", "")]
    result = fused(about, claims(ENGINE, about, fit, links), ENGINE)
    found = conflicts(result)
    assert {code for code, _ in found} == set(differ.index)
    assert len(found) == len(differ) > 0
    for code, names in differ.iterrows():
        told = {c["dataset"].split(".")[0]: c["value"] for c in found[str(code), "name"]["claims"]}
        assert told == names.to_dict()
    assert len(golden(result)) == len(set(lists["mca"].index) | set(lists["stats"].index))
