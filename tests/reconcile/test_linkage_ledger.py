"""The ledger is the state: links are rebuilt from it, as they are and as they were."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.linkage import JUDGEMENTS, rebuild
from tests.reconcile.linkage_people import fit, subject
from tests.reconcile.linkage_runs import Runs, rulings

A, B = "police.residents", "civil.marriages"
KEYS_ONLY = subject((A, B), keys=("resident_id", "mobile"), linkage=False)

records = st.sampled_from([(d, r) for d in (A, B) for r in "abcd"])
content = st.fixed_dictionaries(
    {
        "resident_id": st.sampled_from(["1", "2", "3", None]),
        "mobile": st.sampled_from(["6", "7", None]),
        "name": st.sampled_from(["王伟", "李秀英", "张敏", None]),
        "birth_date": st.sampled_from(["1980-05-01", "1955-11-23", None]),
        "sex": st.sampled_from(["1", "2"]),
    }
)
town = st.dictionaries(records, content, max_size=8)
said = st.lists(st.tuples(st.sampled_from(["same", "never"]), records, records), max_size=3)


def registers(people: dict[tuple[str, str], dict[str, str | None]]) -> dict[str, pa.Table]:
    return {
        dataset: fit(
            row | {"record": record} for (d, record), row in people.items() if d == dataset
        )
        for dataset in (A, B)
    }


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.lists(st.tuples(town, said, st.booleans()), min_size=1, max_size=4))
def test_links_are_rebuilt_from_the_ledger(
    history: list[
        tuple[
            dict[tuple[str, str], dict[str, str | None]],
            list[tuple[str, tuple[str, str], tuple[str, str]]],
            bool,
        ]
    ],
) -> None:
    runs = Runs(KEYS_ONLY)
    steps = []
    for people, decided, whole in history:
        linked = runs.run(registers(people), rulings(decided), whole)
        assert rebuild(runs.ledger).equals(linked.links)
        steps.append((max(runs.ledger["step"].to_pylist(), default=0), linked.links))
    for step, links in steps:
        assert rebuild(runs.ledger, until=step).equals(links)
    people, decided, _ = history[-1]
    again = runs.run(registers(people), rulings(decided))
    assert again.judgements.num_rows == 0
    assert again.links.equals(steps[-1][1])
    # A whole run learns anew what is telling and steady, so it may find other links; but once.
    anew = runs.run(registers(people), rulings(decided), whole=True)
    assert rebuild(runs.ledger).equals(anew.links)
    assert runs.run(registers(people), rulings(decided), whole=True).judgements.num_rows == 0


def test_an_empty_ledger_has_no_links() -> None:
    assert rebuild(JUDGEMENTS.empty_table()).num_rows == 0
