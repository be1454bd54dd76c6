"""Sources and stores that fail: each ends in plain words, and what was published stands."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openpyxl
import pytest
import yaml

from hub.app import open_hub
from reconcile import releases
from tests.hub import village
from tests.hub.conftest import Place


@pytest.fixture
def running(place: Place) -> Place:
    """A village that has published once."""
    place.succeed("apply", str(place.workspace))
    place.succeed("run", "--as-of", "2026-06-30")
    return place


def _phones(place: Place) -> Path:
    return place.workspace / "data/phones.jsonl"


def _people(place: Place) -> Path:
    return place.workspace / "data/people.csv"


def _missing(place: Place) -> None:
    _phones(place).unlink()


def _wrong_encoding(place: Place) -> None:
    text = _people(place).read_text("utf-8")
    more = "".join(f"{i},王小明,1,1990-01-01,440605001001001,H9,2026-05-01\n" for i in range(50))
    _people(place).write_bytes((text + more).encode("gbk"))


def _columns_changed(place: Place) -> None:
    text = _people(place).read_text("utf-8")
    _people(place).write_text(text.replace("born", "birthday", 1), "utf-8")


def _empty(place: Place) -> None:
    _people(place).write_text(_people(place).read_text("utf-8").splitlines()[0] + "\n", "utf-8")


def _empty_file(place: Place) -> None:
    _people(place).write_bytes(b"")


DAMAGES: dict[str, tuple[Callable[[Place], None], tuple[str, ...]]] = {
    "missing file": (_missing, ("phones.users", "phones.jsonl")),
    "wrong encoding": (_wrong_encoding, ("police.people", "utf-8")),
    "columns changed": (_columns_changed, ("police.people", "born")),
    "empty table": (_empty, ("police.people", "no rows")),
    "empty file": (_empty_file, ("police.people",)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_source(running: Place, damage: str) -> None:
    spoil, words = DAMAGES[damage]
    spoil(running)
    _fails_in_words(running, *words)


def test_a_truncated_workbook(running: Place) -> None:
    book = running.workspace / "data/phones.xlsx"
    _workbook(book)
    _point(running, {"kind": "excel", "path": "phones.xlsx"})
    running.succeed("run", "--as-of", "2026-06-30")
    book.write_bytes(book.read_bytes()[: book.stat().st_size // 2])
    _fails_in_words(running, "phones.users", releases=2)


def test_a_source_that_answers_500(running: Place) -> None:
    with _service(500) as address:
        _point(running, {"kind": "rest", "url": address, "rows": "rows", "next": "next"})
        _fails_in_words(running, "phones.users", "500")


def test_a_source_that_hangs(running: Place) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/rows"
        _point(
            running,
            {"kind": "rest", "url": url, "rows": "rows", "next": "next", "timeout": 0.2},
        )
        _fails_in_words(running, "phones.users")


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare to fill a small disk")
def test_a_full_disk_while_landing(running: Place) -> None:
    # What a source said before is not landed again.
    phones = running.workspace / "data/phones.jsonl"
    phones.write_text(phones.read_text("utf-8").replace("13800000001", "13900000001"), "utf-8")
    landing = running.home / "lake/landing"
    script = f"mount -t tmpfs -o size=4k none {landing} && exec {sys.executable} -m hub run"
    # Root may mount as it is; others become root of a space of their own.
    flags = "-m" if os.geteuid() == 0 else "-rm"
    done = subprocess.run(
        ["unshare", flags, "sh", "-c", script],
        env=running.environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    _ended_in_words(done, "landing/phones.users", "No space left on device")
    _stands(running, 1)


def _point(place: Place, source: dict[str, object]) -> None:
    """Reads the phones from elsewhere."""
    document = {"dataset": "phones.users", **source}
    file = place.workspace / "sources/phones.users.yaml"
    file.write_text(yaml.safe_dump(document), "utf-8")
    place.succeed("apply", str(place.workspace))


def _workbook(file: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["id", "who", "mobile", "on"])
    for number, name, _, _, mobile, _, _ in village.PEOPLE:
        sheet.append([number, name, mobile, "2026-06-01"])
    book.save(file)


@contextmanager
def _service(status: int) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps({"error": "no"}).encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/rows"
        server.shutdown()


def _fails_in_words(place: Place, *words: str, releases: int = 1) -> None:
    _ended_in_words(place.command("run", "--as-of", "2026-06-30"), *words)
    _stands(place, releases)


def _ended_in_words(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    message = done.stderr.strip().splitlines()[-1]
    for word in words:
        assert word in message
    for person in village.PEOPLE:
        assert not {person[0], person[1], person[4]} & set(message.split())


def _stands(place: Place, number: int) -> None:
    """The last release is still what is served, and the log holds."""
    with open_hub(place.settings) as hub:
        with hub.engine.connect() as connection:
            release = releases.current(connection)
            count = connection.exec_driver_sql(
                "SELECT count(*) FROM golden_record WHERE closed IS NULL"
            ).scalar_one()
        assert release is not None
        assert release.number == number
        assert count == len(village.PEOPLE)
        assert hub.audit.verify().ok
