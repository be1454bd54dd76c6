"""A village's hub whose policy is changed and asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from hub import folder
from hub.app import Hub, apply_documents
from hub.identity import Caller, Tokens
from tests.hub.conftest import Api, serving

VISIT = {"purpose": "visit", "case": "GD-1"}
NAMES = "worker, query, resident/name, visit, own_region, reveal, allow"


@contextmanager
def served(hub: Hub) -> Iterator[Api]:
    """A hub's own API, asked as :func:`tests.hub.conftest.api` is."""
    tokens = Tokens(hub.keys, hub.clock)
    with serving(hub) as address, httpx.Client(base_url=address, timeout=30) as client:

        def ask(method: str, path: str, caller: str | None = None, **more: Any) -> httpx.Response:
            token = tokens.issue(Caller(caller or "-", None), timedelta(minutes=5))
            return client.request(
                method, path, headers={"Authorization": f"Bearer {token}"}, **more
            )

        yield ask


def apply(hub: Hub, workspace: Path) -> None:
    apply_documents(hub, folder.read(workspace).documents(), str(workspace / "data"))
