"""A copy of the database shows nothing of anybody, wherever one looks and however it is encoded."""

from __future__ import annotations

import base64
import binascii
import pickle
from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from hub.app import Hub
from hub.keeping import rotation
from hub.serving.office import Office
from hub.stewardship.evidence import File
from hub.stewardship.rulings import Rulings
from hub.stewardship.wishes import Enter
from tests.hub.stewarding import GIRL, call, entity_of
from tests.hub.village import PEOPLE

SAID = ("张肖明", "she lives at 8 Canary Street", "13999999999")
CANARIES = tuple(
    sorted({person[place] for person in PEOPLE for place in (0, 1, 3, 4)} | {"张晓明", *SAID})
)


def everything(hub: Hub) -> Iterator[tuple[str, Any]]:
    """Every value of every table of every schema, with the table's name."""
    with hub.engine.connect() as connection:
        tables = connection.exec_driver_sql(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).all()
        for schema, table in tables:
            for row in connection.exec_driver_sql(f'SELECT * FROM "{schema}"."{table}"'):
                for value in row:
                    yield f"{schema}.{table}", value


def shown(value: object) -> set[str]:
    """The canaries that can be read in a value: in texts, bytes and documents of any depth, also
    in base64, in which workflows keep what they were given and came to.
    """
    if isinstance(value, dict):
        return {found for pair in value.items() for part in pair for found in shown(part)}
    if isinstance(value, (list, tuple)):
        return {found for part in value for found in shown(part)}
    if isinstance(value, (bytes, memoryview)):
        raw = bytes(value)
        return {c for c in CANARIES if c.encode() in raw or c.encode("gb18030") in raw}
    written = str(value)
    found = {canary for canary in CANARIES if canary in written}
    try:
        return found | shown(base64.b64decode(written, validate=True))
    except (binascii.Error, ValueError):
        return found


def test_the_search_finds_what_is_there() -> None:
    hidden = base64.b64encode(pickle.dumps({"name": GIRL[1]})).decode()
    for value in (GIRL[1], GIRL[1].encode(), {"a": [{"b": f"({GIRL[1]})"}]}, hidden):
        assert shown(value) == {GIRL[1]}


def test_a_copy_of_the_database_shows_nobody(town: Hub) -> None:
    """After a run, a ruling with evidence and its tickets, and an exchange of keys."""
    desk = Rulings(Office(town))
    girl = entity_of(town, GIRL[0])
    evidence = File("note.txt", f"{GIRL[0]} {SAID[1]} {SAID[2]}".encode())
    wish = Enter(entity=girl, attribute="name", value=SAID[0], reason=SAID[1])
    desk.make(call(), "resident", wish, evidence)
    rotation.rotate(town, rotation.by_operator(town))
    seen: dict[str, int] = {}
    for table, value in everything(town):
        seen[table] = seen.get(table, 0) + 1
        assert shown(value) == set(), table
    filled = ("ruling", "ruling_event", "evidence", "correction", "golden_record", "golden_key")
    assert {f"public.{name}" for name in filled} <= seen.keys()
    assert {"dbos.workflow_status", "dbos.operation_outputs"} <= seen.keys()


def test_only_what_is_sealed_is_missing_beside_it(town: Hub) -> None:
    """All of the village is personal: in the clear stand ids, regions and numbers of releases."""
    with town.engine.connect() as connection:
        columns = connection.execute(text("SELECT * FROM golden_record")).mappings().all()
    for record in columns:
        assert record["plain"] == {}
        assert bytes(record["sealed"])[:1] == b"\x02"
        assert set(record) == {
            "subject", "entity", "opened", "closed", "region", "plain", "sealed",
        }  # fmt: skip
