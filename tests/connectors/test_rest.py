from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors import rest
from connectors.base import (
    SourceError,
    SourceMissing,
    SourceRefused,
    SourceSchemaChanged,
    SourceUnreachable,
    SourceUnreadable,
)
from connectors.rest import DELAYS, RestConnector
from connectors.settings import RestSource
from tests.connectors.helpers import assert_numbered, tuples

Answer = tuple[int, bytes] | tuple[int, bytes, dict[str, str]]
Query = dict[str, str]


class Service:
    """A real server whose answers a function decides; it remembers what it was asked."""

    def __init__(self, answer: Callable[[Query, int], Answer]) -> None:
        self.asked: list[tuple[Query, str | None]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
                service.asked.append((query, self.headers.get("Authorization")))
                status, body, *more = answer(query, len(service.asked))
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/rows"


@contextmanager
def serving(answer: Callable[[Query, int], Answer]) -> Iterator[Service]:
    service = Service(answer)
    thread = threading.Thread(target=service.server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.server.shutdown()
        service.server.server_close()
        thread.join()


class Source:
    """A connector on a service, and the waits that it asked for."""

    def __init__(self, folder: Path, url: str, **settings: Any) -> None:
        (folder / "url").write_text(url)
        (folder / "token").write_text("hunter2\n")
        given = {"dataset": "market.shops", "kind": "rest", "url": {"secret": "file:url"}}
        self.waits: list[float] = []
        model = RestSource.model_validate({**given, "timeout": 5, **settings})
        self.connector = RestConnector(model, folder, sleep=self.waits.append)

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        batches = list(self.connector.pull(columns))
        self.count = assert_numbered(batches)
        self.unreadable = [one for batch in batches for one in batch.unreadable]
        return tuples(batches)

    def fails(self, kind: type[SourceError]) -> SourceError:
        with pytest.raises(kind) as caught:
            self.rows("id")
        assert type(caught.value) is kind
        assert "hunter2" not in str(caught.value)
        return caught.value


def page(rows: list[Any], **more: Any) -> Answer:
    return 200, json.dumps({"rows": rows, **more}).encode()


def test_pages_by_cursor_with_a_token(tmp_path: Path) -> None:
    def answer(query: Query, _: int) -> Answer:
        start = int(query.get("cursor", 0))
        following = start + 2 if start < 4 else None
        return page([{"id": start}, {"id": start + 1, "name": "店"}], next=following)

    with serving(answer) as service:
        source = Source(
            tmp_path, service.url, token={"secret": "file:token"}, page_size=2, next="next"
        )
        rows = source.rows("id", "name")
    assert rows == [(str(n), "店" if n % 2 else None) for n in range(6)]
    assert [query.get("cursor") for query, _ in service.asked] == [None, "2", "4"]
    assert {query["page_size"] for query, _ in service.asked} == {"2"}
    assert {token for _, token in service.asked} == {"Bearer hunter2"}


def test_pages_by_address(tmp_path: Path) -> None:
    def answer(query: Query, _: int) -> Answer:
        if "page" in query:
            return page([{"id": 2}], next="")
        return page([{"id": 1}], next=f"{service.url}?page=2")

    with serving(answer) as service:
        assert Source(tmp_path, service.url, next="next").rows("id") == [("1",), ("2",)]


def test_the_token_does_not_follow_to_another_host(tmp_path: Path) -> None:
    with serving(lambda *_: page([{"id": 1}], next="http://127.0.0.2:1/x")) as service:
        error = Source(tmp_path, service.url, next="next").fails(SourceUnreadable)
    assert error.fields["reason"] == "because_other_host"


def test_pages_without_end(tmp_path: Path) -> None:
    with serving(lambda *_: page([{"id": 1}], next="same")) as service:
        error = Source(tmp_path, service.url, next="next").fails(SourceUnreadable)
    assert error.fields["reason"] == "because_pages"
    assert len(service.asked) == 2


def test_rows_that_are_no_objects_are_set_aside(tmp_path: Path) -> None:
    body = b'{"data": [{"id": 1.50}, 7, {"id": "\\ud800"}, {"id": null}]}'
    with serving(lambda *_: (200, body)) as service:
        source = Source(tmp_path, service.url, rows="data")
        assert source.rows("id") == [("1.50",), (None,)]
    assert [(one.row, one.reason) for one in source.unreadable] == [
        (2, "row_json"),
        (3, "row_json"),
    ]


def test_a_service_without_rows(tmp_path: Path) -> None:
    with serving(lambda *_: page([])) as service:
        assert Source(tmp_path, service.url).rows("id") == []


def test_a_passing_failure_is_tried_again(tmp_path: Path) -> None:
    def answer(_: Query, count: int) -> Answer:
        return page([{"id": 1}]) if count == 3 else (503 if count == 1 else 429, b"busy")

    with serving(answer) as service:
        source = Source(tmp_path, service.url)
        assert source.rows("id") == [("1",)]
    assert source.waits == list(DELAYS[:2])


@pytest.mark.parametrize(
    ("status", "kind", "tries"),
    [
        (500, SourceUnreachable, 1 + len(DELAYS)),
        (401, SourceRefused, 1),
        (403, SourceRefused, 1),
        (404, SourceMissing, 1),
        (400, SourceUnreadable, 1),
        (302, SourceUnreadable, 1),
        (204, SourceUnreadable, 1),
    ],
)
def test_statuses(tmp_path: Path, status: int, kind: type[SourceError], tries: int) -> None:
    with serving(lambda *_: (status, b"", {"Location": "/elsewhere"})) as service:
        source = Source(tmp_path, service.url, token={"secret": "file:token"})
        assert source.fails(kind).fields["http_status"] == status
    assert len(service.asked) == tries
    assert source.waits == list(DELAYS[: tries - 1])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "because_not_json"),
        (b"", "because_not_json"),
        (b"[]", "because_not_json"),
        (b"\xff", "because_not_json"),
        (b'{"rows": [', "because_not_json"),
        (b"{}", "because_key"),
        (b'{"rows": {}}', "because_key"),
        (b'{"rows": [], "next": {}}', "because_key"),
        (b'{"rows": [], "next": "http://host:port/x"}', "because_key"),
    ],
)
def test_answers_of_another_form(tmp_path: Path, body: bytes, reason: str) -> None:
    with serving(lambda *_: (200, body)) as service:
        error = Source(tmp_path, service.url, next="next").fails(SourceUnreadable)
    assert error.fields["reason"] == reason


def test_a_column_that_no_row_has(tmp_path: Path) -> None:
    with serving(lambda *_: page([{"name": "x"}])) as service:
        error = Source(tmp_path, service.url).fails(SourceSchemaChanged)
    assert error.fields["missing"] == "id"


def test_compressed_answers_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "MAX_ANSWER", 1000)
    packed = {"Content-Encoding": "gzip"}
    small, large = (gzip.compress(page([{"id": "x" * n}])[1]) for n in (10, 10_000))
    with serving(lambda *_: (200, small, packed)) as service:
        assert Source(tmp_path, service.url).rows("id") == [("x" * 10,)]
    with serving(lambda *_: (200, large, packed)) as service:
        error = Source(tmp_path, service.url).fails(SourceUnreadable)
        assert error.fields["reason"] == "because_size"
    with serving(lambda *_: (200, b"no gzip", packed)) as service:
        Source(tmp_path, service.url).fails(SourceUnreadable)


def test_an_answer_that_is_cut_off(tmp_path: Path) -> None:
    with serving(lambda *_: (200, b'{"rows": []}', {"Content-Length": "99"})) as service:
        Source(tmp_path, service.url, timeout=0.2).fails(SourceUnreachable)


def test_a_service_that_never_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/rows"
        source = Source(tmp_path, url, timeout=0.1)
        error = source.fails(SourceUnreachable)
    assert error.fields["reason"] == "because_timeout"
    assert source.waits == list(DELAYS)


def test_a_service_that_trickles_is_late(tmp_path: Path) -> None:
    stop = threading.Event()

    def trickle(listener: socket.socket) -> None:
        for _ in range(1 + len(DELAYS)):
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                try:
                    while not stop.wait(0.02):
                        connection.sendall(b" ")
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/rows"
        thread = threading.Thread(target=trickle, args=[listener], daemon=True)
        thread.start()
        error = Source(tmp_path, url, timeout=0.1).fails(SourceUnreachable)
        stop.set()
        thread.join()
    assert error.fields["reason"] == "because_timeout"


def test_nobody_listens(tmp_path: Path) -> None:
    error = Source(tmp_path, "http://127.0.0.1:1/rows").fails(SourceUnreachable)
    assert error.fields["reason"] == "because_connection"


@pytest.mark.parametrize("url", ["hunter2", "ftp://hunter2/x", "http://host:hunter2"])
def test_an_address_of_another_kind(tmp_path: Path, url: str) -> None:
    error = Source(tmp_path, url).fails(SourceUnreadable)
    assert error.fields["reason"] == "because_address"


def test_a_token_that_cannot_be_sent(tmp_path: Path) -> None:
    source = Source(tmp_path, "http://127.0.0.1:1/rows", token={"secret": "file:token"})
    (tmp_path / "token").write_text("hunter2\r\nX: 1")
    source.fails(SourceRefused)
    (tmp_path / "token").unlink()
    assert source.fails(SourceRefused).fields["secret"] == "file:token"
