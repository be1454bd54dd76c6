"""What the application runs on while it is up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from psycopg_pool import AsyncConnectionPool

from core.database import plain_url
from hub.app import Hub
from hub.conditions.zones import Network, networks
from hub.identity import Tokens
from hub.serving.board import Board
from hub.serving.desk import Desk, Ground
from hub.serving.office import Office
from hub.serving.reading import Reader
from hub.watching.watch import Watcher
from reconcile import releases

_log = logging.getLogger("hub.api")
_REFRESH_SECONDS = 0.5
_CHECKPOINT_SECONDS = 60
_WATCH_SECONDS = 300


@dataclass(frozen=True)
class State:
    """An open hub with everything a request needs."""

    hub: Hub
    board: Board
    desk: Desk
    tokens: Tokens
    office: Office
    ground: Ground
    proxies: tuple[Network, ...]


@asynccontextmanager
async def opened_state(hub: Hub) -> AsyncIterator[State]:
    """Opens the pool and the log's writer, and keeps the rules fresh.

    Raises:
        ReleaseForged: the release was not signed with the keys at hand, so it cannot be read.
    """
    with hub.engine.connect() as connection:
        release = releases.current(connection)
    if release is not None:
        releases.check_signature(release, hub.keys)
    board = Board(hub.engine)
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        plain_url(hub.engine.url),
        # One statement a read: a transaction around it would be two more trips.
        kwargs={"autocommit": True},
        min_size=1,
        max_size=8,
        open=False,
    )
    async with pool, hub.audit.appender() as appender:
        reader, office = Reader(pool, hub.keys), Office(hub, board)
        ground = Ground(
            board, reader, hub.audit, appender, hub.keys, hub.clock, office.circumstances
        )
        desk = Desk(ground)
        watchers = [
            # A newly applied workspace; while the database is away, the last one stands.
            asyncio.create_task(_repeat(board.refresh, _REFRESH_SECONDS)),
            asyncio.create_task(_repeat(hub.audit.checkpoint, _CHECKPOINT_SECONDS)),
            asyncio.create_task(_repeat(Watcher(hub, board).step, _WATCH_SECONDS)),
        ]
        tokens = Tokens(hub.keys, hub.clock)
        proxies = networks(hub.settings.trusted_proxies or "")
        try:
            yield State(hub, board, desk, tokens, office, ground, proxies)
        finally:
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)


async def _repeat(work: Callable[[], object], seconds: float) -> None:
    """Does ``work`` now and then, whatever happens."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(work)
        except Exception as error:
            _log.warning("%s failed: %s", getattr(work, "__name__", "work"), type(error).__name__)
