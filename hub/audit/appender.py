"""Group commit: many concurrent callers, one writer, one commit for all that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import psycopg

from core.clock import Clock
from core.messages import message
from hub.audit.entries import Entry
from hub.audit.partitions import GROW, due
from hub.audit.personal import MonthKeys
from hub.audit.writing import Appended, AuditUnavailable, Draft, appending, draft

_BATCH = 512


class _Waiting(NamedTuple):
    draft: Draft
    answer: asyncio.Future[Appended]


class AsyncAppender:
    """Appends for any number of tasks of one event loop, over a connection of its own.

    Use as an asynchronous context manager; leaving it first writes what still waits.

    Args:
        link: where the log is, as keyword arguments for ``psycopg.connect``.
        clock: gives entries their time.
        months: seals their personal parts.
        patience: seconds that one batch may take, connecting included, before its callers are
            told no.
    """

    def __init__(
        self, link: Mapping[str, Any], clock: Clock, months: MonthKeys, patience: float = 10.0
    ) -> None:
        self._link = link
        self._clock = clock
        self._months = months
        self._patience = patience
        self._queue: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._open = False
        self._connection: psycopg.AsyncConnection | None = None

    async def __aenter__(self) -> Self:
        self._open = True
        self._writer = asyncio.create_task(self._run(), name="audit-appender")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        self._wake.set()
        await self._writer

    async def append(self, entry: Entry) -> Appended:
        """Adds ``entry``; durable when this returns.

        Raises:
            AuditUnavailable: the database failed, or took too long, or the appender is closed.
                The entry may or may not stand in the log; what it is about must not be answered.
            BadInput: ``entry`` holds a name that cannot be kept; nobody else is affected.
        """
        if not self._open:
            raise AuditUnavailable(reason=message("cause_closed"))
        waiting = _Waiting(draft(entry, self._months), asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._wake.set()
        return await waiting.answer

    async def _run(self) -> None:
        try:
            while self._open or self._queue:
                await self._wake.wait()
                batch, self._queue = self._queue[:_BATCH], self._queue[_BATCH:]
                if not self._queue and self._open:
                    self._wake.clear()
                # Callers that went away meanwhile will not be answered: nothing to log.
                await self._serve([waiting for waiting in batch if not waiting.answer.done()])
        finally:
            self._open = False
            _refuse(self._queue, "closed")
            await self._disconnect()

    async def _serve(self, batch: Sequence[_Waiting]) -> None:
        if not batch:
            return
        try:
            async with asyncio.timeout(self._patience):
                appended = await self._write([waiting.draft for waiting in batch])
        except BaseException as error:
            # Whatever happened, every caller must hear that nothing was acknowledged.
            _refuse(batch, type(error).__name__)
            await self._disconnect()
            if not isinstance(error, Exception):
                raise
        else:
            for waiting, done in zip(batch, appended, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(done)
            if due(appended):
                await self._grow(appended[-1].index)

    async def _write(self, drafts: Sequence[Draft]) -> list[Appended]:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(**self._link, autocommit=True)
        async with self._connection.transaction(), self._connection.cursor() as cursor:
            steps = appending(drafts, self._months, self._clock.now())
            row: Sequence[Any] | None = None
            while True:
                try:
                    statement, parameters = steps.send(row)
                except StopIteration as done:
                    appended: list[Appended] = done.value.appended
                    break
                await cursor.execute(statement, parameters)
                row = await cursor.fetchone() if cursor.description else None
        return appended

    async def _grow(self, size: int) -> None:
        """Makes the next partitions. Where that fails, entries fall into the rest."""
        try:
            async with asyncio.timeout(self._patience):
                if self._connection is not None:
                    await self._connection.execute(GROW, {"size": size})
        except (psycopg.Error, TimeoutError):
            await self._disconnect()

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


def _refuse(batch: Sequence[_Waiting], reason: str) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(AuditUnavailable(reason=reason))
