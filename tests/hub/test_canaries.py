"""Nobody's name, number or telephone stands anywhere but where it is meant to.

The village's people go through every command in a process of its own, with every library logging
all it has to say and PostgreSQL logging every statement with its parameters. Then everything
that was printed, logged or stored is searched for them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hub.app import open_hub
from hub.settings import Settings
from tests.hub import village

REPOSITORY = Path(__file__).parents[2]
CANARIES = sorted(
    {person[part] for person in village.PEOPLE for part in (0, 1, 4)}
    | {"张晓明", "110105491231002"}
)
"""Also the other spelling of a name, and the older form of a number."""
NUMBER, NAME, MOBILE = (village.PEOPLE[0][part] for part in (0, 1, 4))

# Runs the commands that it is given as the command line would, one after the other on one server,
# and keeps what each wrote to its file descriptors.
DRIVER = """
import glob, io, json, logging, os, sys
from pathlib import Path

folder, home = Path(sys.argv[1]), Path(os.environ["HUB_HOME"])
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
logging.root.setLevel = lambda level: None
from sqlalchemy import text
from core.database import open_database
from hub.cli.main import run

with open_database(None, home / "postgres") as engine:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for setting in ("log_statement = 'all'", "log_min_error_statement = 'info'"):
            connection.execute(text(f"ALTER SYSTEM SET {setting}"))
        connection.execute(text("SELECT pg_reload_conf()"))
    kept = [os.dup(1), os.dup(2)]
    for name, arguments, typed, spoil in json.load(sys.stdin):
        for path in glob.glob(spoil[0]) if spoil else ():
            Path(path).write_bytes(bytes.fromhex(spoil[1]))
        sys.stdin = io.StringIO(typed)
        for descriptor, kind in ((1, "out"), (2, "err")):
            with open(folder / f"{name}.{kind}", "wb") as file:
                os.dup2(file.fileno(), descriptor)
        code = run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        (folder / f"{name}.code").write_text(str(code))
    os.dup2(kept[0], 1)
    os.dup2(kept[1], 2)
"""


@dataclass(frozen=True)
class Traces:
    """What the commands left behind."""

    home: Path
    printed: Path
    exports: Path

    def said(self, command: str, kind: str) -> str:
        return (self.printed / f"{command}.{kind}").read_text("utf-8", "replace")

    def code(self, command: str) -> int:
        return int(self.said(command, "code"))


def commands(folder: Path, home: Path, exports: Path) -> list[tuple[str, list[str], str, Any]]:
    """Name, arguments, typed text, and files (a pattern) to spoil before with what they then hold."""
    ask = ["--purpose", "visit", "--case", "GD-1", "--where", "resident_id=-"]
    run = ["run", "--as-of", "2026-06-30"]
    data = folder / "data"
    people = (data / "people.csv").read_text("utf-8")
    filler = "".join(f"{n},王建国,1,1990-01-01,440605001001001,H9,2026-05-01\n" for n in range(50))
    contract = folder / "contracts/police.people.odcs.yaml"
    stop = """
  quality:
  - type: custom
    engine: greatExpectations
    severity: critical
    implementation: {type: expect_column_values_to_be_in_set, kwargs: {column: name, value_set: [a]}}
"""
    return [
        ("apply", ["apply", str(folder)], "", None),
        ("run", run, "", None),
        ("query", ["query", "resident", "--as", "worker-1", *ask], f"{NUMBER}\n", None),
        ("older", ["query", "resident", "--as", "worker-1", *ask], "110105491231002\n", None),
        ("refused", ["query", "resident", "--as", "nobody-1", *ask], f"{NUMBER}\n", None),
        ("invalid", ["query", "resident", "--as", "worker-1", *ask], f"{NAME}{MOBILE}\n", None),
        ("check", ["check", "grown_up", "--as", "worker-1", *ask], f"{NUMBER}\n", None),
        ("nobody", ["check", "grown_up", "--as", "worker-2", *ask], f"{NUMBER}\n", None),
        ("export", ["export", "golden", "resident", "--to", str(exports / "x.csv")], "", None),
        ("quarantine", ["export", "quarantine", "resident", "--to", str(exports / "q.jsonl")], "", None),
        ("conflicts", ["conflicts", "list", "resident"], "", None),
        ("audit", ["audit", "search", "--json"], "", None),
        ("doctor", ["doctor"], "", None),
        # A crash: the lake's file is not what it was.
        ("crash", ["export", "golden", "resident", "--to", str(exports / "y.csv")], "",
         (str(home / "lake/golden/resident/*.parquet"), NAME.encode().hex())),
        ("encoding", run, "", (str(data / "people.csv"), (people + filler).encode("gbk").hex())),
        ("columns", run, "", (str(data / "people.csv"), people.replace("born", NAME, 1).encode().hex())),
        ("stop", ["apply", str(folder)], "",
         (str(contract), (contract.read_text("utf-8") + stop).encode().hex())),
        ("stopped", run, "", (str(data / "people.csv"), people.encode().hex())),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def traces() -> Iterator[Traces]:
    # Not a folder of pytest's: root's servers run under an account those are closed to.
    with tempfile.TemporaryDirectory(prefix="hub-canary-") as base:
        folder = village.make(Path(base) / "village")
        made = Traces(Path(base) / "home", Path(base) / "printed", Path(base) / "exports")
        for path in (made.home, made.printed, made.exports):
            path.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", DRIVER, str(made.printed)],
            input=json.dumps(commands(folder, made.home, made.exports)), capture_output=True, text=True,
            env={"HUB_HOME": str(made.home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
            cwd=base, check=False, timeout=200,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        yield made


def canaries(content: str | bytes) -> list[int]:
    """Which of the people's values stand in some content (not the values: this is a test's
    output, too).
    """
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
    forms = [
        {value.encode(form) for form in ("utf-8", "gbk", "utf-16-le")}
        | {json.dumps(value)[1:-1].encode(), value.encode().hex().encode()}
        for value in CANARIES
    ]
    return [index for index, found in enumerate(forms) if any(form in raw for form in found)]


EXPECTED = {
    "apply": 0, "run": 0, "query": 0, "older": 0, "refused": 2, "invalid": 2, "check": 0,
    "nobody": 2, "export": 0, "quarantine": 0, "conflicts": 0, "audit": 0, "doctor": 0,
    "crash": 1, "encoding": 1, "columns": 1, "stop": 0, "stopped": 1,
}  # fmt: skip
SPEAKING = {"query", "older", "conflicts"}
"""What these print is people's values: that is what they are for."""


def test_people_stand_only_where_they_are_meant_to(traces: Traces) -> None:
    """One test, because the commands take their time."""
    for command in EXPECTED:
        no_command_prints_them(traces, command)
    the_search_finds_them_where_they_are_meant_to_be(traces)
    every_library_was_heard(traces)
    a_crash_is_logged_without_them(traces)
    the_server_logs_its_statements_and_not_them(traces)
    the_database_holds_them_sealed_only(traces)


def no_command_prints_them(traces: Traces, command: str) -> None:
    assert traces.code(command) == EXPECTED[command], command
    assert canaries(traces.said(command, "err")) == [], command
    if command not in SPEAKING:
        assert canaries(traces.said(command, "out")) == [], command
    assert "Traceback" not in traces.said(command, "out")


def the_search_finds_them_where_they_are_meant_to_be(traces: Traces) -> None:
    assert canaries(traces.said("query", "out")) != []
    assert canaries(traces.said("conflicts", "out")) != []
    assert len(canaries((traces.exports / "x.csv").read_bytes())) >= 8
    assert canaries(NAME.encode("gbk")) != []
    assert canaries(f"\\x{NUMBER.encode().hex()}") != []


def every_library_was_heard(traces: Traces) -> None:
    said = "".join(file.read_text("utf-8", "replace") for file in traces.printed.glob("*.err"))
    assert "DEBUG:" in said


def a_crash_is_logged_without_them(traces: Traces) -> None:
    log = (traces.home / "crash.log").read_text("utf-8")
    assert "hub/exports.py" in log
    assert canaries(log) == []


def the_server_logs_its_statements_and_not_them(traces: Traces) -> None:
    log = (traces.home / "postgres/log").read_bytes()
    assert b"COPY golden_record" in log
    assert b"golden_key" in log
    assert b"parameters" in log.lower()
    assert canaries(log) == []


def the_database_holds_them_sealed_only(traces: Traces) -> None:
    """Every row of every table, DBOS's too; attributes of the village are all personal."""
    with (
        open_hub(Settings(home=traces.home, database_url=None, lake_url=None)) as hub,
        hub.engine.connect() as connection,
    ):
        names = connection.execute(
            text(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
                " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
        ).scalars()
        tables = list(names)
        assert len(tables) > 12
        for table in tables:
            rows = connection.execute(text(f"SELECT t::text FROM {table} t")).scalars().all()
            assert canaries("\n".join(rows)) == [], table
        bodies = connection.execute(text("SELECT body FROM audit_entry")).scalars().all()
        count = connection.execute(text("SELECT count(*) FROM golden_record")).scalar_one()
    assert count == len(village.PEOPLE)
    assert len(bodies) > 8
    assert all(canaries(body) == [] for body in bodies)
