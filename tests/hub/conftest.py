"""A village's hub: a home, a database and a command line of its own."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from core.database import parse_url
from hub.api.application import create
from hub.app import Hub, open_hub
from hub.cli.main import run
from hub.identity import Caller, Tokens
from hub.settings import Settings
from tests.hub import village


@dataclass(frozen=True)
class Place:
    """Where a hub lives: its workspace, its home and its database."""

    workspace: Path
    home: Path
    database: str

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, database_url=SecretStr(self.database))

    @property
    def own_environment(self) -> dict[str, str]:
        return {"HUB_HOME": str(self.home), "HUB_DATABASE_URL": self.database}

    @property
    def environment(self) -> dict[str, str]:
        """For a process of its own."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")}
        return {**kept, **self.own_environment}

    def command(
        self, *arguments: str, typed: str = "", settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs ``hub`` in this process, as ``python -m hub`` would; importing everything anew for
        each of a hundred commands would take most of the tests' time.
        """
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("HUB_")]:
                patch.delenv(name)
            for name, value in {**self.own_environment, **(settings or {})}.items():
                patch.setenv(name, value)
            patch.setattr("sys.stdin", io.StringIO(typed))
            with redirect_stdout(out), redirect_stderr(err):
                code = run(arguments)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def succeed(self, *arguments: str, typed: str = "") -> str:
        """Runs ``hub`` and gives what it printed; it must end with 0."""
        done = self.command(*arguments, typed=typed)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def new_place(server_url: str, folder: Path, name: str) -> Iterator[Place]:
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = parse_url(server_url).set(database=name).render_as_string(hide_password=False)
    try:
        yield Place(village.make(folder / "village"), folder / "home", url)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Place:
    """A village of one's own, with nothing applied."""
    return Place(village.make(tmp_path / "village"), tmp_path / "home", database_url)


@pytest.fixture(scope="session")
def published(
    server_url: str, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[Place]:
    """A village that is applied and run once, for tests that only read."""
    folder = tmp_path_factory.mktemp("published")
    with new_place(server_url, folder, f"published_{worker_id}_{os.getpid()}") as made:
        made.succeed("apply", str(made.workspace))
        made.succeed("run", "--as-of", "2026-06-30")
        yield made


@pytest.fixture(scope="session")
def _finished(
    server_url: str, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[Place]:
    """A village that nobody opens any more, to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    with new_place(server_url, folder, f"finished_{worker_id}_{os.getpid()}") as made:
        made.succeed("apply", str(made.workspace))
        made.succeed("run", "--as-of", "2026-06-30")
        yield made


@pytest.fixture
def town(_finished: Place, server_url: str) -> Iterator[Hub]:
    """A published village's hub, open, with a database of one's own to change. Lake and keys are
    those of all such villages: nothing is run here.
    """
    with copied(_finished, server_url) as opened:
        yield opened


@contextmanager
def copied(finished: Place, server_url: str) -> Iterator[Hub]:
    """A hub over a copy of a village's database."""
    name = f"town_{uuid.uuid4().hex}"
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    original = parse_url(finished.database).database
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {original}"))
    url = parse_url(server_url).set(database=name).render_as_string(hide_password=False)
    with open_hub(Place(finished.workspace, finished.home, url).settings) as opened:
        yield opened
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="session")
def hub(published: Place) -> Iterator[Hub]:
    """The published village's hub, open, for tests that only read."""
    with open_hub(published.settings) as opened:
        yield opened


Api = Callable[..., httpx.Response]


@contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """The hub's API on a free port of loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(create(hub), log_level="error", access_log=False, proxy_headers=False)
        )
        started = threading.Event()
        startup = server.startup

        async def announce(sockets: list[socket.socket] | None = None) -> None:
            await startup(sockets)
            started.set()

        server.startup = announce  # type: ignore[method-assign]
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        assert started.wait(30)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def api(hub: Hub) -> Iterator[Api]:
    """Asks the API of the published village over HTTP as a client:
    ``api("POST", path, "worker-1", json=...)``.
    """
    tokens = Tokens(hub.keys, hub.clock)
    with serving(hub) as address, httpx.Client(base_url=address, timeout=30) as client:

        def ask(method: str, path: str, caller: str | None = None, **more: Any) -> httpx.Response:
            headers, person = dict(more.pop("headers", {})), more.pop("person", None)
            if caller is not None:
                token = tokens.issue(Caller(caller, person), timedelta(minutes=5))
                headers["Authorization"] = f"Bearer {token}"
            return client.request(method, path, headers=headers, **more)

        yield ask
