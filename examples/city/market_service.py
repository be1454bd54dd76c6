"""The market supervision bureau's interface: firms, page by page, to who holds the token.

``GET /enterprises?cursor=...&page_size=...`` answers ``{"rows": [...], "next": cursor or null}``.
Listens on a free port of 127.0.0.1 and writes its address to a file.
"""

from __future__ import annotations

import argparse
import hmac
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_LARGEST_PAGE = 1000


class MarketService(ThreadingHTTPServer):
    """Serves the firms of one file."""

    def __init__(self, rows: list[Any], token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rows, self.token = rows, token

    @property
    def url(self) -> str:
        """Where the firms are."""
        return f"http://127.0.0.1:{self.server_address[1]}/enterprises"


class _Handler(BaseHTTPRequestHandler):
    server: MarketService
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """One page."""
        asked = urlsplit(self.path)
        given = self.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            self._answer(401, {"error": "unauthorized"})
        elif asked.path != "/enterprises":
            self._answer(404, {"error": "not found"})
        else:
            page = _page(parse_qs(asked.query), len(self.server.rows))
            if page is None:
                self._answer(400, {"error": "cursor and page_size are positive numbers"})
            else:
                start, end = page
                following = str(end) if end < len(self.server.rows) else None
                self._answer(200, {"rows": self.server.rows[start:end], "next": following})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- named so by its base
        """Says nothing."""


def _page(query: dict[str, list[str]], total: int) -> tuple[int, int] | None:
    start, size = query.get("cursor", ["0"])[0], query.get("page_size", ["200"])[0]
    if not (start.isdecimal() and size.isdecimal() and int(size) > 0):
        return None
    return int(start), min(int(start) + min(int(size), _LARGEST_PAGE), total)


def main() -> None:
    """Reads the command line and serves until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="JSON list of firms")
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--port-file", type=Path, required=True, help="gets the service's address")
    options = parser.parse_args()
    try:
        rows = json.loads(options.data.read_text("utf-8"))
        token = options.token_file.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        parser.error(f"--data, --token-file: {type(error).__name__}")
    with MarketService(rows, token) as service:
        # Written whole or not at all: who waits for the file never reads half an address.
        draft = options.port_file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(service.url, "utf-8")
        draft.replace(options.port_file)
        print(service.url, flush=True)
        service.serve_forever()


if __name__ == "__main__":
    main()
