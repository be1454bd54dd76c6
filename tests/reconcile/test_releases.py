"""Releases: the difference of two golden states, in one transaction, signed, and never lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, Table, create_engine, text, update

from catalog.subjects import Subject
from core.database import Base
from core.keys import KeyRing, SealBroken
from core.lake import Lake, TableVersion
from core.sql import EngineLimits
from reconcile import releases
from reconcile.models import GoldenKey, GoldenRecord, Release
from reconcile.publisher import Candidate, Outcome, Publisher
from reconcile.releases import Kept, ReleaseForged, open_record

NOW = datetime(2026, 7, 1, tzinfo=UTC)
WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
"""
TITLE = {"zh": "词", "en": "word"}
TABLES = [model.__table__ for model in (Release, GoldenRecord, GoldenKey)]
COLUMNS = ("entity", "attribute", "value", "status", "dataset", "as_of", "confidence", "reason")

State = Mapping[str, Mapping[str, str]]
"""Entity → attribute → value."""


def subject(name: str = "resident") -> Subject:
    described = {
        "number": {"title": TITLE, "element": "resident_id", "key": True, "personal": True},
        "household": {"title": TITLE, "element": "identifier", "lookup": True, "level": 2},
        "name": {"title": TITLE, "element": "person_name", "personal": True},
        "sex": {"title": TITLE, "element": "sex", "level": 1},
        "grid": {"title": TITLE, "element": "region_code", "level": 1},
    }
    return Subject.model_validate(
        {"subject": name, "title": TITLE, "region": "grid", "attributes": described, "feeds": {}}
    )


ONE = {"number": "n1", "household": "h1", "name": "王一", "sex": "1", "grid": "440605"}
TWO = {"number": "n2", "household": "h1", "name": '李"二"\\', "sex": "2"}


@dataclass(frozen=True)
class Press:
    """Publishes states one after the other, as runs would."""

    engine: Engine
    lake: Lake
    keys: KeyRing

    def golden(self, state: State, confidence: float = 0.9, **more: Any) -> TableVersion:
        """A golden table of ``state``; ``more`` fills the other columns."""
        base = {"status": "agreed", "dataset": "police.people", "as_of": "2026-05-01", **more}
        rows = [
            {**base, "entity": entity, "attribute": attribute, "value": value,
             "confidence": confidence, "reason": "{}"}
            for entity, values in state.items()
            for attribute, value in values.items()
        ]  # fmt: skip
        kinds = [(n, pa.float64() if n == "confidence" else pa.string()) for n in COLUMNS]
        return self.lake.write("golden/resident", pa.Table.from_pylist(rows, pa.schema(kinds)))

    def publish(
        self, golden: TableVersion, published: TableVersion | None, about: Subject | None = None
    ) -> Outcome:
        """Publishes in a transaction of its own."""
        with self.engine.begin() as connection:
            return self.publish_in(connection, golden, published, about)

    def publish_in(
        self,
        connection: Connection,
        golden: TableVersion,
        published: TableVersion | None,
        about: Subject | None = None,
    ) -> Outcome:
        publisher = Publisher(self.lake, self.keys, EngineLimits(threads=1, memory="256MB"))
        number = publisher.begin(connection)
        outcome = publisher.publish(
            connection, number, Candidate(about or subject(), golden, published)
        )
        publisher.conclude(connection, number, f"run-{number}", NOW, {"golden": golden.version})
        return outcome

    def read(self, release: int, name: str = "resident") -> dict[str, dict[str, str]]:
        """All records of a release, opened."""
        query = text(
            "SELECT entity, region, plain, sealed FROM golden_record WHERE subject = :s"
            " AND opened <= :n AND (closed IS NULL OR closed > :n)"
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query, {"n": release, "s": name}).all()
        return {
            row.entity: {
                attribute: cell["value"]
                for attribute, cell in open_record(self.keys, name, Kept(*row)).items()
            }
            for row in rows
        }

    def found(self, attribute: str, value: str, release: int) -> set[str]:
        """The entities that a key leads to in a release."""
        query = text(
            "SELECT entity FROM golden_key WHERE subject = 'resident' AND attribute = :a"
            " AND digest = :d AND opened <= :n AND (closed IS NULL OR closed > :n)"
        )
        digest = self.keys.blind_index(f"resident/{attribute}", value)
        with self.engine.connect() as connection:
            rows = connection.execute(query, {"a": attribute, "d": digest, "n": release})
            return set(rows.scalars())

    def rows(self, table: str = "golden_record") -> list[Any]:
        """All rows of a table, as text."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2, 3")))

    def current(self) -> Release:
        with self.engine.connect() as connection:
            release = releases.current(connection)
        assert release is not None
        return release


@pytest.fixture
def press(database_url: str, tmp_path: Path) -> Iterator[Press]:
    engine = create_engine(database_url)
    tables = [table for table in TABLES if isinstance(table, Table)]
    Base.metadata.create_all(engine, tables=tables)
    yield Press(engine, Lake(str(tmp_path / "lake")), KeyRing(bytes(32)))
    engine.dispose()


def test_nothing_is_published_at_first(press: Press) -> None:
    with press.engine.connect() as connection:
        assert releases.current(connection) is None
        assert releases.of_run(connection, "run-1") is None


def test_the_first_release_opens_every_record(press: Press) -> None:
    state = {"e1": ONE, "e2": TWO}
    assert press.publish(press.golden(state), None) == Outcome(opened=2, changed=0, closed=0)
    assert press.read(1) == state
    with press.engine.connect() as connection:
        rows = connection.execute(text("SELECT entity, region FROM golden_record"))
        regions = {entity: region for entity, region in rows}  # noqa: C416 - rows are no tuples
        assert releases.of_run(connection, "run-1") is not None
    assert regions == {"e1": "440605", "e2": None}


def test_only_what_differs_is_written(press: Press) -> None:
    first = press.golden({"e1": ONE, "e2": TWO, "e3": {"name": "三"}})
    press.publish(first, None)
    second = press.golden({"e1": ONE, "e2": {**TWO, "name": "李二"}, "e4": {"name": "四"}})
    assert press.publish(second, first) == Outcome(opened=1, changed=1, closed=1)
    with press.engine.connect() as connection:
        rows = connection.execute(text("SELECT entity, opened, closed FROM golden_record"))
        assert sorted(tuple(row) for row in rows) == sorted(
            [("e1", 1, None), ("e2", 1, 2), ("e2", 2, None), ("e3", 1, 2), ("e4", 2, None)],
            key=str,
        )


def test_the_same_again_writes_nothing(press: Press) -> None:
    first = press.golden({"e1": ONE, "e2": TWO})
    press.publish(first, None)
    records, keys = press.rows(), press.rows("golden_key")
    # Confidence drifts with every run and says nothing new.
    again = press.golden({"e2": TWO, "e1": ONE}, confidence=0.8)
    assert press.publish(again, first) == Outcome(0, 0, 0)
    assert press.rows() == records
    assert press.rows("golden_key") == keys
    assert press.current().number == 2


@pytest.mark.parametrize("column", ["status", "dataset", "as_of"])
def test_what_is_said_about_a_value_counts_too(press: Press, column: str) -> None:
    first = press.golden({"e1": ONE})
    press.publish(first, None)
    assert press.publish(press.golden({"e1": ONE}, 0.9, **{column: "x"}), first) == Outcome(0, 1, 0)


@pytest.mark.parametrize(
    "after",
    [
        {key: value for key, value in ONE.items() if key != "sex"},
        {**ONE, "sex": "2"},
        # Two attributes swap their values.
        {**ONE, "household": ONE["number"], "number": ONE["household"]},
    ],
)
def test_an_attribute_lost_changed_or_swapped(press: Press, after: dict[str, str]) -> None:
    first = press.golden({"e1": ONE, "e2": TWO})
    press.publish(first, None)
    assert press.publish(press.golden({"e1": after, "e2": TWO}), first) == Outcome(0, 1, 0)
    assert press.read(2) == {"e1": after, "e2": TWO}
    second = press.golden({"e1": ONE, "e2": TWO})
    assert press.publish(second, press.golden({"e1": after, "e2": TWO})) == Outcome(0, 1, 0)
    assert press.read(3) == press.read(1)


def test_two_records_that_swap_all_their_values(press: Press) -> None:
    first = press.golden({"e1": ONE, "e2": TWO})
    press.publish(first, None)
    assert press.publish(press.golden({"e1": TWO, "e2": ONE}), first) == Outcome(0, 2, 0)
    assert press.read(2) == {"e1": TWO, "e2": ONE}


def test_a_subject_without_records_any_more(press: Press) -> None:
    first = press.golden({"e1": ONE})
    press.publish(first, None)
    assert press.publish(press.golden({}), first) == Outcome(0, 0, 1)
    assert press.read(2) == {}
    assert press.read(1) == {"e1": ONE}


def test_subjects_do_not_touch_each_other(press: Press) -> None:
    first = press.golden({"e1": ONE})
    press.publish(first, None)
    press.publish(press.golden({"e1": TWO}), None, subject("household"))
    assert press.publish(press.golden({}), first) == Outcome(0, 0, 1)
    assert press.read(3) == {}
    assert press.read(3, "household") == {"e1": TWO}


def test_keys_follow_their_records(press: Press) -> None:
    first = press.golden({"e1": ONE, "e2": TWO})
    press.publish(first, None)
    moved = press.golden({"e1": {**ONE, "household": "h2"}, "e2": TWO})
    press.publish(moved, first)
    assert press.found("household", "h1", 1) == {"e1", "e2"}
    assert press.found("household", "h1", 2) == {"e2"}
    assert press.found("household", "h2", 2) == {"e1"}
    assert press.found("number", "n1", 2) == {"e1"}
    # Only what records are found by has keys, and only under its own attribute.
    assert press.found("name", "王一", 2) == set()
    assert press.found("household", "n1", 2) == set()


def test_what_is_personal_is_sealed(press: Press) -> None:
    press.publish(press.golden({"e1": ONE}), None)
    stored = repr([list(row) for row in (*press.rows(), *press.rows("golden_key"))])
    for value in (ONE["name"], "n1", "h1"):
        assert (value in stored) == (value == "h1")
    (row,) = press.rows()
    assert set(row.plain) == {"sex", "grid", "household"}
    assert row.plain["sex"] == ["1", "agreed", "police.people", "2026-05-01", 0.9]


def test_a_sealed_record_moved_to_another_entity_does_not_open(press: Press) -> None:
    press.publish(press.golden({"e1": ONE, "e2": TWO}), None)
    one, two = press.rows()
    open_record(press.keys, "resident", Kept("e1", one.region, one.plain, one.sealed))
    for name, kept in (
        ("resident", Kept("e1", one.region, one.plain, two.sealed)),
        ("resident", Kept("e2", one.region, one.plain, one.sealed)),
        ("household", Kept("e1", one.region, one.plain, one.sealed)),
    ):
        with pytest.raises(SealBroken):
            open_record(press.keys, name, kept)


def test_a_record_given_another_region_or_plain_value_does_not_open(press: Press) -> None:
    press.publish(press.golden({"e1": ONE}), None)
    (one,) = press.rows()
    changed = {**one.plain, "sex": ["2", *one.plain["sex"][1:]]}
    for kept in (
        Kept("e1", "elsewhere", one.plain, one.sealed),
        Kept("e1", one.region, changed, one.sealed),
        Kept("e1", one.region, {}, one.sealed),
    ):
        with pytest.raises(SealBroken):
            open_record(press.keys, "resident", kept)


def test_a_release_says_what_it_was_made_from_and_is_signed(press: Press) -> None:
    press.publish(press.golden({"e1": ONE}), None)
    release = press.current()
    releases.check_signature(release, press.keys)
    assert release.manifest == {
        "golden": 0, "release": 1, "run": "run-1", "published_at": NOW.isoformat(),
    }  # fmt: skip
    with pytest.raises(ReleaseForged):
        releases.check_signature(release, KeyRing(bytes(31) + b"\x01"))


@pytest.mark.parametrize(
    "forged",
    [{"golden": 1}, {"release": 2}, {"run": "run-2"}, {"more": None}],
)
def test_a_manifest_that_was_tampered_with(press: Press, forged: dict[str, Any]) -> None:
    press.publish(press.golden({"e1": ONE}), None)
    manifest = {**press.current().manifest, **forged}
    with press.engine.begin() as connection:
        connection.execute(update(Release).values(manifest=manifest))
    with pytest.raises(ReleaseForged, match="1"):
        releases.check_signature(press.current(), press.keys)


def test_a_signature_that_was_tampered_with(press: Press) -> None:
    press.publish(press.golden({"e1": ONE}), None)
    for signature in (bytes(64), press.current().signature[:-1], b""):
        with press.engine.begin() as connection:
            connection.execute(update(Release).values(signature=signature))
        with pytest.raises(ReleaseForged):
            releases.check_signature(press.current(), press.keys)


def test_the_number_of_a_release_is_in_what_was_signed(press: Press) -> None:
    """An old manifest put in the place of the newest one."""
    first = press.golden({"e1": ONE})
    press.publish(first, None)
    press.publish(press.golden({}), first)
    with press.engine.begin() as connection:
        connection.execute(text("DELETE FROM release WHERE number = 2"))
        connection.execute(text("UPDATE release SET number = 2"))
    with pytest.raises(ReleaseForged):
        releases.check_signature(press.current(), press.keys)


def test_a_publication_that_fails_leaves_the_old_release(press: Press) -> None:
    first = press.golden({"e1": ONE, "e2": TWO})
    press.publish(first, None)
    records, keys = press.rows(), press.rows("golden_key")
    second = press.golden({"e1": TWO, "e3": ONE})

    def broken() -> None:
        with press.engine.begin() as connection:
            press.publish_in(connection, second, first)
            raise OSError("the log cannot be written")

    with pytest.raises(OSError, match="log"):
        broken()
    assert press.rows() == records
    assert press.rows("golden_key") == keys
    assert press.current().number == 1
    assert press.publish(second, first) == Outcome(1, 1, 1)


def test_readers_see_the_release_before_until_the_commit(press: Press) -> None:
    first = press.golden({"e1": ONE})
    press.publish(first, None)
    with press.engine.begin() as connection:
        press.publish_in(connection, press.golden({"e1": TWO}), first)
        assert press.current().number == 1
        assert press.read(1) == {"e1": ONE}
    assert press.current().number == 2
    assert press.read(2) == {"e1": TWO}


def test_a_second_publisher_waits_for_the_first(press: Press) -> None:
    first = press.golden({"e1": ONE})
    done: list[Outcome] = []
    second = threading.Thread(target=lambda: done.append(press.publish(first, first)))
    with press.engine.begin() as connection:
        press.publish_in(connection, first, None)
        second.start()
        query = text(WAITING)
        with press.engine.connect() as watching:
            waits = (watching.execute(query).scalar_one() for _ in range(5000))
            assert any(waits)
        assert done == []
    second.join(30)
    assert done == [Outcome(0, 0, 0)]
    assert press.current().number == 2


@pytest.mark.parametrize("attribute", ["name", "sex"])
@pytest.mark.parametrize(
    "value", ["", " ", "a\tb\nc", "\\N", '"', "𠀀", "'; DROP TABLE release; --"]
)
def test_any_value_comes_back_as_it_was(press: Press, attribute: str, value: str) -> None:
    press.publish(press.golden({"e1": {attribute: value}}), None)
    assert press.read(1) == {"e1": {attribute: value}}


states = st.lists(
    st.dictionaries(
        st.sampled_from(["e1", "e2", "e3", "e4"]),
        st.dictionaries(
            st.sampled_from(["number", "household", "name", "sex", "grid"]),
            st.sampled_from(["x", "y", "王"]),
            min_size=1,
        ),
    ),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=15, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(history=states)
def test_every_past_release_can_be_read(press: Press, history: list[State]) -> None:
    with press.engine.begin() as connection:
        connection.execute(text("TRUNCATE release, golden_record, golden_key"))
    published: TableVersion | None = None
    before: State = {}
    for state in history:
        golden = press.golden(state)
        outcome = press.publish(golden, published)
        same = {e for e in state.keys() & before.keys() if state[e] == before[e]}
        assert outcome == Outcome(
            opened=len(state.keys() - before.keys()),
            changed=len(state.keys() & before.keys()) - len(same),
            closed=len(before.keys() - state.keys()),
        )
        published, before = golden, state
    for number, state in enumerate(history, start=1):
        assert press.read(number) == state
        for attribute in ("number", "household"):
            holders = {e for e, values in state.items() if values.get(attribute) == "x"}
            assert press.found(attribute, "x", number) == holders
    with press.engine.connect() as connection:
        live = connection.execute(text("SELECT entity FROM golden_record WHERE closed IS NULL"))
        assert set(live.scalars()) == set(history[-1])
