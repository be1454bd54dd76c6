"""The hub's own PostgreSQL: shared by processes, and gone with the last of them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, text

from core.database import open_database

REPOSITORY = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from core.database import open_database
with open_database(None, Path(sys.argv[1])):
    print("holding", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder of its own; pytest's are closed to the account that root's servers run under."""
    with tempfile.TemporaryDirectory(prefix="hub-own-") as folder:
        yield Path(folder)


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the server until a line is sent to it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        yield process


def answers(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.execute(text("SELECT 1")).scalar_one() == 1)


def server(folder: Path) -> psutil.Process | None:
    """The server's process, as the server itself has noted it."""
    noted = folder / "postmaster.pid"
    if not noted.exists():
        return None
    return psutil.Process(int(noted.read_text("utf-8").splitlines()[0]))


def test_two_hold_it_and_the_last_one_stops_it(base: Path) -> None:
    folder = base / "postgres"
    with open_database(None, folder) as engine:
        running = server(folder)
        with holder(folder) as other:
            assert server(folder) == running
            other.communicate("\n")
        assert answers(engine)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE kept (value int)"))
    assert server(folder) is None
    # What was written is there when it is started again, and it listens on no network address.
    with open_database(None, folder) as engine, engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM kept")).scalar_one() == 0
        assert connection.execute(text("SHOW listen_addresses")).scalar_one() == ""


def test_one_that_was_killed_is_forgotten(base: Path) -> None:
    folder = base / "postgres"
    with holder(folder) as other:
        other.kill()
        other.wait()
    assert server(folder) is not None
    with open_database(None, folder) as engine:
        assert answers(engine)
    assert server(folder) is None


def test_one_that_lets_go_and_comes_back_is_counted_again(base: Path) -> None:
    folder = base / "postgres"
    with holder(folder) as other:
        with open_database(None, folder) as engine:
            assert answers(engine)
        with open_database(None, folder) as engine:
            other.communicate("\n")
            assert answers(engine)
    assert server(folder) is None


@pytest.mark.parametrize(
    "name",
    ["城市/it's with blanks", f"{'long' * 20}/{'path' * 20}"],
    ids=["blanks and quotes", "long"],
)
def test_any_path_will_do(base: Path, name: str) -> None:
    folder = base / name / "postgres"
    with open_database(None, folder) as engine:
        sockets = Path(str(engine.url.query["host"]))
        assert answers(engine)
        # Whoever may connect may read all of it: the socket is for the server's account alone.
        assert sockets.stat().st_mode & 0o077 == 0
        with open_database(None, folder) as again:
            assert answers(again)
    assert sockets == folder or not sockets.exists()
