"""Rulings as a machine: whatever stewards try, in whatever order, states move as allowed, one
person never decides alone on what is sensitive, and what is in force is what should be.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine

from core.keys import KeyRing
from hub import schema
from reconcile import rulings
from reconcile.models import Ruling, RulingEvent
from reconcile.rulings import MOVES, Actor, Draft, Kind, Ledger, RulingMoved, State

NOW = datetime(2026, 6, 30, tzinfo=UTC)
KEYS = KeyRing(bytes(32))

Step = tuple[str, int, State]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 3), st.sampled_from(list(State))),
        st.tuples(st.just("move"), st.integers(1, 6), st.sampled_from(list(State))),
    ),
    max_size=14,
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = create_engine(database_url)
    schema.upgrade(made)
    yield made
    made.dispose()


def draft(number: int) -> Draft:
    row = {"kind": "value", "entity": f"e{number}", "attribute": "name", "value": f"v{number}",
           "dataset": "d", "record": "r"}  # fmt: skip
    body = {"rows": [row], "reason": "r"}
    sensitive = number % 2 == 0
    return Draft("resident", Kind.CHOOSE, body, f"e{number}", "name", "d", sensitive=sensitive)


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_states_move_as_allowed_and_the_table_follows(engine: Engine, steps: list[Step]) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        ledger = Ledger(connection, KEYS, NOW)
        model: dict[int, tuple[int, State]] = {}
        for what, number, to in steps:
            if what == "add":
                made = ledger.add(draft(number), Actor("c", "p"))
                assert made == len(model) + 1
                model[made] = (number, State.IN_FORCE if number % 2 else State.PROPOSED)
            elif number in model and to in MOVES.get(model[number][1], frozenset()):
                ledger.move(number, to, Actor("c", "q"), "because")
                model[number] = (model[number][0], to)
            else:
                with pytest.raises(RulingMoved):
                    ledger.move(number, to, Actor("c", "q"))
        table = rulings.in_force(connection, KEYS, "resident").to_pylist()
        expected = [(n, f"v{v}") for n, (v, state) in model.items() if state is State.IN_FORCE]
        assert [(row["number"], row["value"]) for row in table] == expected
        found = rulings.standing(connection, None)
        assert {row.number: row.state for row in found} == {n: s for n, (_, s) in model.items()}
        transaction.rollback()


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_revoking_restores_the_table_of_before(engine: Engine, steps: list[Step]) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        ledger = Ledger(connection, KEYS, NOW)
        for what, number, _ in steps:
            if what == "add":
                ledger.add(draft(number), Actor("c", "p"))
        before = rulings.in_force(connection, KEYS, "resident")
        added = ledger.add(draft(1), Actor("c", "p"))
        assert len(rulings.in_force(connection, KEYS, "resident")) == len(before) + 1
        ledger.move(added, State.REVOKED, Actor("c", "q"), "a mistake")
        assert rulings.in_force(connection, KEYS, "resident").equals(before)
        transaction.rollback()


def test_reasons_open_under_their_own_event_only(engine: Engine) -> None:
    with engine.begin() as connection:
        ledger = Ledger(connection, KEYS, NOW)
        number = ledger.add(draft(0), Actor("c", "p"))
        ledger.move(number, State.REFUSED, Actor("c", "q"), "twins")
        events = connection.execute(RulingEvent.__table__.select()).all()
        assert [rulings.open_reason(KEYS, event) for event in events] == [None, "twins"]
        (kept,) = connection.execute(Ruling.__table__.select()).all()
        assert b"v0" not in kept.body
