"""What holds for every answer, whatever its route: bounded requests, closed headers, and no
exception that reaches the server's own log with its words.
"""

from __future__ import annotations

import logging
import re
import secrets
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.messages import say

LARGEST = 64 * 1024
"""Bytes of a request's body."""

LARGEST_WITH_EVIDENCE = 3 * 1024 * 1024
"""Bytes of a body that may hold files."""

_WITH_EVIDENCE = frozenset({"/v1/rulings", "/v1/corrections/answer", "/v1/policy/what-if"})

_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")
_log = logging.getLogger("hub.api")


class BodyTooLarge(Exception):
    """A body without a stated length turned out too long."""


class Guard:
    """Stands around the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, length = False, 0
        largest = LARGEST_WITH_EVIDENCE if scope["path"] in _WITH_EVIDENCE else LARGEST

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = [*message["headers"], *_HEADERS, *_request_id(scope)]
                message = {**message, "headers": headers}
            await send(message)

        async def bounded_receive() -> Message:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > largest:
                raise BodyTooLarge
            return message

        language = _language(scope)
        if _stated_length(scope, largest) > largest:
            await _problem(guarded_send, 413, "body_too_large", language, most=largest)
            return
        try:
            await self._app(scope, bounded_receive, guarded_send)
        except Exception as error:
            # The error's own text may quote a record; its kind and the reference are enough.
            reference = secrets.token_hex(4)
            _log.error("unexpected %s, reference %s", type(error).__name__, reference)
            if not started:
                await _problem(guarded_send, 500, "internal_error", language, reference=reference)


def _stated_length(scope: Scope, largest: int) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else largest + 1
    return 0


def _request_id(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The request's own id, for whoever sent one to find the answer by."""
    given = dict(scope["headers"]).get(b"x-request-id", b"")
    return [(b"x-request-id", given)] if _REQUEST_ID.fullmatch(given) else []


def _language(scope: Scope) -> str:
    headers = dict(scope["headers"])
    wanted = headers.get(b"accept-language", b"").strip().lower()
    return "zh" if wanted.startswith(b"zh") else "en"


async def _problem(send: Send, status: int, code: str, language: str, **fields: Any) -> None:
    body = {
        "type": f"urn:hub:error:{code}",
        "title": code,
        "status": status,
        "detail": say(code, language, **fields),
        "fields": fields,
    }
    headers = [(b"content-type", b"application/problem+json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(body)})
