"""REST services: pages of JSON rows over HTTP, with a bearer token and limited patience."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from connectors.base import (
    Batch,
    SourceError,
    SourceMissing,
    SourceRefused,
    SourceUnreachable,
    SourceUnreadable,
)
from connectors.places import reveal
from connectors.settings import RestSource, Secret
from connectors.tables import Fault, batches, json_object, json_rows, parse_json

# Seconds before each further try of a page.
DELAYS = (0.5, 1.0, 2.0)
MAX_ANSWER = 64 * 1024 * 1024
MAX_PAGES = 100_000
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})

Page = dict[str, Any]


class RestConnector:
    """Reads all pages of a service; every column comes as string.

    Args:
        sleep: how to wait between tries.
    """

    def __init__(
        self, settings: RestSource, folder: Path, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._sleep = sleep
        self._source = settings.dataset

    def pull(self, columns: Sequence[str], since: str | None = None) -> Iterator[Batch]:  # noqa: ARG002 (pages are always read whole)
        """All rows of all pages, see :class:`connectors.base.Connector`."""
        with httpx.Client(timeout=self._settings.timeout, headers=self._headers()) as client:
            groups = (self._rows(page) for page in self._pages(client))
            yield from batches(json_rows(groups, columns, self._source), columns)

    def _headers(self) -> dict[str, str]:
        reference = self._settings.token
        if reference is None:
            return {}
        token = reveal(reference, self._folder, self._source)
        if not (token.isascii() and token.isprintable()):
            raise SourceRefused(
                source=self._source, reason="because_bad_secret", secret=reference.secret
            )
        return {"Authorization": f"Bearer {token}"}

    def _first(self) -> httpx.URL:
        given = self._settings.url
        text = reveal(given, self._folder, self._source) if isinstance(given, Secret) else given
        try:
            url = httpx.URL(text)
        except httpx.InvalidURL:
            url = httpx.URL("")
        if url.scheme not in ("http", "https") or not url.host:
            raise SourceUnreadable(source=self._source, reason="because_address")
        return url.copy_merge_params({"page_size": self._settings.page_size})

    def _pages(self, client: httpx.Client) -> Iterator[Page]:
        url: httpx.URL | None = self._first()
        seen: set[httpx.URL] = set()
        while url is not None:
            if url in seen or len(seen) == MAX_PAGES:
                raise SourceUnreadable(source=self._source, reason="because_pages")
            seen.add(url)
            page = self._patiently(client, url)
            yield page
            url = self._following(page, url)

    def _following(self, page: Page, url: httpx.URL) -> httpx.URL | None:
        key = self._settings.next
        value = page.get(key) if key is not None else None
        if value is None or value is False or value == "":
            return None
        if not isinstance(value, str | int):
            raise SourceUnreadable(source=self._source, reason="because_key", key=str(key))
        text = str(value)
        if not text.startswith(("http://", "https://", "/", "?")):
            return url.copy_set_param("cursor", text)
        try:
            following = url.join(text)
        except httpx.InvalidURL:
            raise SourceUnreadable(
                source=self._source, reason="because_key", key=str(key)
            ) from None
        # The token must not travel to wherever an answer says.
        if _origin(following) != _origin(url):
            raise SourceUnreadable(source=self._source, reason="because_other_host")
        return following

    def _rows(self, page: Page) -> list[dict[str, Any] | Fault]:
        rows = page.get(self._settings.rows)
        if not isinstance(rows, list):
            key = self._settings.rows
            raise SourceUnreadable(source=self._source, reason="because_key", key=key)
        return [json_object(row, json.dumps(row)) for row in rows]

    def _patiently(self, client: httpx.Client, url: httpx.URL) -> Page:
        for delay in DELAYS:
            try:
                return self._page(client, url)
            except SourceUnreachable:
                self._sleep(delay)
        return self._page(client, url)

    def _page(self, client: httpx.Client, url: httpx.URL) -> Page:
        with self._connected(), client.stream("GET", url) as response:
            self._accept(response.status_code)
            body = self._body(response)
        try:
            page = parse_json(body.decode("utf-8-sig"))
        except ValueError:
            page = None
        if not isinstance(page, dict):
            raise SourceUnreadable(source=self._source, reason="because_not_json")
        return page

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException:
            raise self._late() from None
        except httpx.DecodingError:
            raise SourceUnreadable(source=self._source, reason="because_not_json") from None
        except httpx.TransportError:
            raise SourceUnreachable(source=self._source, reason="because_connection") from None

    def _late(self) -> SourceUnreachable:
        seconds = self._settings.timeout
        return SourceUnreachable(source=self._source, reason="because_timeout", seconds=seconds)

    def _accept(self, status: int) -> None:
        if status == 200:
            return
        kind: type[SourceError] = SourceUnreadable
        if status in _AGAIN or status >= 500:
            kind = SourceUnreachable
        elif status in (401, 403):
            kind = SourceRefused
        elif status in (404, 410):
            kind = SourceMissing
        raise kind(source=self._source, reason="because_http", http_status=status)

    def _body(self, response: httpx.Response) -> bytes:
        """The whole answer. The client's own time-out is per piece; a trickle is late as well."""
        deadline = time.monotonic() + self._settings.timeout
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > MAX_ANSWER:
                megabytes = MAX_ANSWER // 1024**2
                raise SourceUnreadable(
                    source=self._source, reason="because_size", megabytes=megabytes
                )
            if time.monotonic() > deadline:
                raise self._late()
        return bytes(body)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
