"""Forced failures: a worker is killed, the database falls over, its disk is full. What reached a
client is in the log; what cannot be logged does not leave.
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from sqlalchemy import create_engine

from core import embedded_postgres
from core.database import plain_url
from hub.app import Hub, open_hub
from hub.audit.receipts import Receipt
from hub.identity import Caller, Tokens
from tests.hub import village
from tests.hub.conftest import Place

ASKERS, PATIENCE = 6, 60
DISK = 120
"""Megabytes."""
PATH = "/v1/catalog/datasets?purpose=visit"


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """``folder`` on a disk of its own."""
    mounted = os.geteuid() == 0 and sys.platform == "linux"
    if mounted:
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", str(folder)]
        mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    if not mounted:
        pytest.skip("a small disk needs leave to mount one")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    """A small disk, of which the server has a folder."""
    with tempfile.TemporaryDirectory(prefix="hub-forced-") as name, small_disk(Path(name)):
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def place(disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A village that is applied, on a server of its own."""
    folder = tmp_path_factory.mktemp("forced")
    with embedded_postgres.serve(disk / "postgres") as url:
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for setting in ("fsync = off", "max_wal_size = '32MB'", "min_wal_size = '32MB'"):
                connection.exec_driver_sql(f"ALTER SYSTEM SET {setting}")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        engine.dispose()
        made = Place(
            village.make(folder / "village"),
            folder / "home",
            url.render_as_string(hide_password=False),
        )
        made.succeed("apply", str(made.workspace))
        yield made


@pytest.fixture(scope="module")
def hub(place: Place) -> Iterator[Hub]:
    with open_hub(place.settings) as opened:
        yield opened


@dataclass
class Worker:
    """A process that serves, and those who ask it."""

    place: Place
    token: str
    answers: list[httpx.Response] = field(default_factory=list)
    lost: int = 0

    def start(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "hub", "serve", "--port", str(port)]
        self.process = subprocess.Popen(
            command, env=self.place.environment, stderr=subprocess.DEVNULL
        )
        self.address = f"http://127.0.0.1:{port}"
        until(self.answers_now)

    def answers_now(self) -> bool:
        try:
            return self.ask().status_code == 200
        except httpx.TransportError:
            return False

    def ask(self) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.get(self.address + PATH, headers=headers, timeout=PATIENCE)

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Clients ask all the while."""
        ended = threading.Event()

        def work() -> None:
            while not ended.is_set():
                try:
                    self.answers.append(self.ask())
                except httpx.TransportError:
                    self.lost += 1
                    ended.wait(0.01)

        threads = [threading.Thread(target=work) for _ in range(ASKERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def told(self, status: int) -> list[dict[str, Any]]:
        return [one.json() for one in self.answers if one.status_code == status]


def until(happens: Callable[[], bool]) -> None:
    """Waits for what another process does."""
    end = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def started(place: Place, hub: Hub) -> Iterator[Worker]:
    token = Tokens(hub.keys, hub.clock).issue(Caller("worker-1"), timedelta(hours=1))
    made = Worker(place, token)
    made.start()
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture
def worker(started: Worker) -> Worker:
    started.answers.clear()
    started.lost = 0
    if started.process.poll() is not None:
        started.start()
    return started


def all_logged(hub: Hub, worker: Worker) -> bool:
    """Whether the log holds the entry of every answer that reached somebody."""
    hub.engine.dispose()
    for body in worker.told(200):
        hub.audit.check_receipt(Receipt.model_validate(body["receipt"]))
    return hub.audit.verify().ok


def fill(file: Path) -> None:
    """Takes all that is left on a disk, and returns when it is full.

    Unbuffered, for closing a file writes once more what a buffer still holds, and fails again.
    """
    with file.open("wb", buffering=0) as out:
        try:
            while out.write(bytes(1 << 16)):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def test_a_disk_that_is_full(worker: Worker, hub: Hub, disk: Path) -> None:
    rest = disk / "rest"
    with worker.asked():
        until(lambda: bool(worker.told(200)))
        try:
            fill(rest)
            until(lambda: bool(worker.told(503)))
            refused = len(worker.answers)
            until(lambda: len(worker.answers) > refused + ASKERS)
        finally:
            rest.unlink()
        until(lambda: worker.answers[-1].status_code == 200)
    assert all("datasets" not in body for body in worker.told(503))
    assert {one.status_code for one in worker.answers} == {200, 503}
    assert all_logged(hub, worker)


def test_a_database_that_falls_over(worker: Worker, hub: Hub) -> None:
    with worker.asked():
        until(lambda: len(worker.told(200)) > ASKERS)
        with psycopg.connect(plain_url(hub.engine.url)) as own:
            # When one of its processes dies so, the server ends all others and starts anew.
            psutil.Process(own.info.backend_pid).kill()
        until(lambda: bool(worker.told(503)))
        until(lambda: worker.answers[-1].status_code == 200)
    assert all("datasets" not in body for body in worker.told(503))
    assert worker.lost == 0
    assert all_logged(hub, worker)


def test_a_worker_that_is_killed(worker: Worker, hub: Hub) -> None:
    with worker.asked():
        until(lambda: len(worker.told(200)) > ASKERS)
        worker.process.kill()
        until(lambda: worker.lost >= ASKERS)
    assert worker.told(200)
    assert all_logged(hub, worker)
