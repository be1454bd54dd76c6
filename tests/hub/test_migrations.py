"""Migrations: up from nothing, down again, with data in place, and equal to the models."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

import catalog.models
import hub.audit.cosignatures
import hub.audit.models
import hub.conditions.models
import hub.keeping.models
import hub.watching.models
import reconcile.models
import reconcile.quality_models
from core.ciphers import Suite
from core.clock import SystemClock
from core.database import Base
from core.keys import RECORDS, KeyRing
from core.keysources import Master, development_file
from hub import schema
from hub.app import Hub, open_hub
from hub.audit.partitions import NAME
from hub.keeping import rotation, vault
from reconcile import resealing
from tests.hub.conftest import Place

MODELS = (
    catalog.models,
    hub.audit.cosignatures,
    hub.audit.models,
    hub.conditions.models,
    hub.keeping.models,
    hub.watching.models,
    reconcile.models,
    reconcile.quality_models,
)
FOLDER = Path(__file__).parents[2] / "migrations"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = create_engine(database_url)
    yield made
    made.dispose()


def config() -> Config:
    made = Config()
    made.set_main_option("script_location", str(FOLDER))
    return made


def move(engine: Engine, to: str, down: bool = False) -> None:
    made = config()
    with engine.begin() as connection:
        made.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(made, to)


def inventory(engine: Engine) -> set[tuple[str, str, str]]:
    """Everything of ours in the database: kind, name and definition."""
    queries = {
        "column": "SELECT table_name || '.' || column_name, data_type || is_nullable"
        " FROM information_schema.columns WHERE table_schema = 'public'",
        "index": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "constraint": "SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
        "trigger": "SELECT tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid)"
        " FROM pg_trigger WHERE NOT tgisinternal",
        "function": "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    }
    with engine.connect() as connection:
        return {
            (kind, str(name), str(definition))
            for kind, query in queries.items()
            for name, definition in connection.execute(text(query))
        }


def test_up_from_nothing(engine: Engine) -> None:
    assert schema.revision(engine) is None
    with pytest.raises(schema.DatabaseOutdated):
        schema.check(engine)
    schema.upgrade(engine)
    schema.check(engine)
    assert schema.revision(engine) == schema.newest()


def test_upgrading_again_changes_nothing(engine: Engine) -> None:
    schema.upgrade(engine)
    before = inventory(engine)
    schema.upgrade(engine)
    assert inventory(engine) == before


def test_down_to_nothing_and_up_again(engine: Engine) -> None:
    schema.upgrade(engine)
    before = inventory(engine)
    move(engine, "base", down=True)
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    left = {(kind, name) for kind, name, _ in inventory(engine)}
    assert {kind for kind, name in left if "alembic" not in name} == set()
    schema.upgrade(engine)
    assert inventory(engine) == before


def test_every_single_step_can_be_taken_back(engine: Engine) -> None:
    steps = list(ScriptDirectory.from_config(config()).walk_revisions())[::-1]
    for step in steps:
        before = inventory(engine)
        move(engine, step.revision)
        after = inventory(engine)
        move(engine, str(step.down_revision or "base"), down=True)
        ours = {entry for entry in inventory(engine) if "alembic_version" not in entry[1]}
        assert ours == {entry for entry in before if "alembic_version" not in entry[1]}
        move(engine, step.revision)
        assert inventory(engine) == after
    schema.check(engine)


def test_migrations_have_one_line_of_descent() -> None:
    script = ScriptDirectory.from_config(config())
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1


def test_the_models_are_what_migrations_make(engine: Engine) -> None:
    """A changed model without a migration fails here."""
    assert len(Base.metadata.tables) >= 9
    schema.upgrade(engine)
    with engine.connect() as connection:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            # Partitions come and go with the log's size.
            "include_name": lambda name, kind, _: kind != "table" or not NAME.fullmatch(name),
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_a_migration_that_fails_leaves_the_schema_as_it_was(engine: Engine) -> None:
    with engine.begin() as connection:
        # The last table that is made is in the way.
        connection.execute(text("CREATE TABLE registered (kind text)"))
    before = inventory(engine)
    with pytest.raises(Exception, match="registered"):
        schema.upgrade(engine)
    assert inventory(engine) == before
    assert schema.revision(engine) is None


def test_a_schema_of_another_hub_is_not_touched(engine: Engine) -> None:
    schema.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(schema.DatabaseOutdated) as caught:
        schema.check(engine)
    assert caught.value.fields == {"found": "9999", "needed": schema.newest()}


def test_a_database_in_use_keeps_what_it_holds(place: Place) -> None:
    """Whatever migrations come, applying again upgrades in place."""
    place.succeed("apply", str(place.workspace))

    def held() -> dict[str, list[str]]:
        with open_hub(place.settings) as opened, opened.engine.connect() as connection:
            assert opened.audit.verify().ok
            return {
                table: sorted(connection.execute(text(f"SELECT t::text FROM {table} t")).scalars())
                for table in sorted(Base.metadata.tables)
            }

    with open_hub(place.settings) as opened, opened.engine.begin() as connection:
        for statement in (
            (
                "INSERT INTO quality_score VALUES (1, 'police.people', '*', 'validity', 'police', 1, 3,"
                " now())"
            ),
            "INSERT INTO audit_cosignature VALUES (1, '', 'w', '', '', now())",
            "INSERT INTO release VALUES (1, 'run-1', now(), '{}', '')",
            "INSERT INTO golden_record VALUES ('resident', 'e1', 1, NULL, '440605', '{}', '')",
            "INSERT INTO golden_key VALUES ('resident', 'name', '', 'e1', 1, NULL)",
            (
                "INSERT INTO ruling VALUES (1, 'resident', 'defer', 'e1', 'name', NULL, '2026-01-01',"
                " false, 'c', 'p', NULL, now(), '')"
            ),
            (
                "INSERT INTO ruling_event (ruling, state, client, made_at)"
                " VALUES (1, 'in_force', 'c', now())"
            ),
            "INSERT INTO ruling_key VALUES ('c', 'k', 1, '')",
            "INSERT INTO evidence VALUES (1, '.txt', 0, '')",
            (
                "INSERT INTO correction VALUES (1, 1, 'resident', 'police.people', 'police', 'e1',"
                " 'name', 'slip', now(), '2026-01-01', '')"
            ),
            (
                "INSERT INTO correction_event (correction, state, client, made_at)"
                " VALUES (1, 'open', 'hub', now())"
            ),
            "INSERT INTO finding VALUES (1, 'off_hours', 'c', '', now())",
            (
                "INSERT INTO finding_event (finding, kind, first, last, client, made_at, body)"
                " VALUES (1, 'found', 0, 0, 'hub', now(), '')"
            ),
            "INSERT INTO watch_mark VALUES (1, 0)",
            (
                "INSERT INTO case_register (number, department, purpose, opened_by, opened_at)"
                " VALUES ('C-1', 'police', 'visit', 'c', now())"
            ),
            "INSERT INTO case_subject SELECT id, 'resident', 'e1' FROM case_register",
            "INSERT INTO policy_usage VALUES (repeat('0a', 32) || '/c', now(), 1)",
            (
                "INSERT INTO approval (digest, client, department, person, action, deed, subject,"
                ' purpose, "case", items, scope, state, asked_at, expires_at) VALUES'
                " ('', 'c', 'police', 'p', 'query', 'query', 'resident', 'visit', 'C-1', '{}', 'all',"
                " 'asked', now(), now())"
            ),
            "INSERT INTO watch_day VALUES ('2026-01-01', '', 'c', 1, 0, 1, 1, '{}')",
            "INSERT INTO watch_sight VALUES ('', '2026-01-01', '', '', 'c', 1, 0, 0)",
        ):
            connection.execute(text(statement))
    before = held()
    empty = {table for table, rows in before.items() if not rows}
    assert empty <= {"audit_node"}
    with open_hub(place.settings, upgrade=True) as opened:
        schema.upgrade(opened.engine)
    assert held() == before


def test_what_was_counted_by_the_places_of_lines_is_forgotten(engine: Engine) -> None:
    move(engine, "0007")
    kept = f"{'0a' * 32}/grid.app"
    places = ("rules.csv:2/day/c", "agreement:A-1/hour/c", f"agreement:{'0a' * 32}/day/c")
    with engine.begin() as connection:
        for key in (kept, *places):
            connection.execute(
                text("INSERT INTO policy_usage VALUES (:key, now(), 1)"), {"key": key}
            )
    schema.upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT key FROM policy_usage")).scalars().all() == [kept]


def own_master(place: Place) -> Master:
    return Master(partial(development_file, place.home / "keys/hub.key"))


def begin_without_root(place: Place, engine: Engine) -> None:
    """A hub of before there were data keys: all is derived from the master secret itself."""
    schema.upgrade(engine)
    with (
        vault.open_vault(engine, own_master(place), Suite.AES, SystemClock()) as opened,
        engine.begin() as connection,
    ):
        opened.add(connection, vault.ROOT, own_master(place).secret)


def forget_data_keys(place: Place, hub: Hub) -> None:
    """Seals records as they were sealed before there were data keys, and deletes those."""
    sealer = KeyRing(own_master(place).secret).sealer()
    with hub.engine.begin() as connection:
        assert resealing.reseal(connection, hub.keys, sealer, resealing.START).count
        connection.execute(text("DELETE FROM data_key"))


def test_what_was_published_before_rulings_is_served_and_ruled_on_after(
    place: Place, engine: Engine
) -> None:
    """A release under the schema of then; the next migration finds it in place."""
    begin_without_root(place, engine)
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    with open_hub(place.settings) as opened:
        forget_data_keys(place, opened)
        move(opened.engine, "0001", down=True)
        older = {"release", "golden_record", "golden_key", "registered", "audit_entry"}
        assert older <= set(inspect(opened.engine).get_table_names())
        assert "ruling" not in inspect(opened.engine).get_table_names()
    assert "hub apply" in place.command("doctor").stdout + place.command("run").stderr
    place.succeed("apply", str(place.workspace))
    asked = ("--as", "steward-1", "--person", "li", "--purpose", "data_governance", "--case", "1")
    assert "0" in place.succeed("rulings", "list", "resident", *asked)
    place.succeed(
        "query", "resident", "--as", "worker-1", "--purpose", "visit", "--case", "1",
        "--where", "resident_id=-", typed="110105198001010016\n",
    )  # fmt: skip
    place.succeed("run", "--as-of", "2026-07-01")
    with open_hub(place.settings) as opened:
        assert opened.audit.verify().ok
        old, new = (row for row in rotation.status(opened) if row["purpose"] == RECORDS)
        assert (old["key"], old["values"]) == (0, 3)
        assert rotation.rotate(opened, rotation.by_operator(opened)).resealed == 3 + new["values"]


def test_keys_are_not_dropped_with_their_table(place: Place) -> None:
    """Without them, what they sealed is lost."""
    place.succeed("apply", str(place.workspace))
    with open_hub(place.settings) as opened:
        with pytest.raises(RuntimeError, match="never be opened"):
            move(opened.engine, "0003", down=True)
        schema.check(opened.engine)


def test_a_given_database_is_upgraded_only_when_asked(place: Place) -> None:
    done = place.command("run")
    assert done.returncode == 1
    assert "hub apply" in done.stderr
    place.succeed("apply", str(place.workspace))
