"""Queries per second over HTTP, beside the same server doing less.

``python -m bench.serving [--seconds 5] [--connections 16]``: one worker; the callers are a process
of their own on the same machine, so the two share its cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from bench.machine import describe, show
from bench.pipeline import generate, run
from core.database import plain_url
from hub.api.application import create
from hub.app import Hub, open_hub
from hub.identity import Caller, Tokens
from hub.settings import Settings

RESIDENTS = 2_000
PATH = "/v1/subjects/resident/query"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    print(describe())
    with (
        tempfile.TemporaryDirectory(prefix="hub-bench-") as folder,
        open_hub(Settings(home=Path(folder) / "home", database_url=None)) as hub,
    ):
        data = Path(folder) / "data"
        generate(hub, data, RESIDENTS, 7)
        run(hub, data)
        measure(hub, data, options.seconds, options.connections)


def measure(hub: Hub, data: Path, seconds: float, connections: int) -> None:
    token = Tokens(hub.keys, hub.clock).issue(Caller("grid-worker-01"), timedelta(hours=1))
    where = {"resident_id": (data / "show/resident").read_text("utf-8")}
    body = json.dumps({"purpose": "grid_visit", "case": "B-1", "where": where}).encode()
    query = request("POST", PATH, body, token)
    rows = []
    for name, app, message in (
        ("bare FastAPI, no work", bare(hub), request("GET", "/nothing")),
        ("bare FastAPI, one point SELECT", bare(hub), request("GET", "/select")),
        ("a query: decide, read, mask, log, sign", create(hub), query),
    ):
        with served(app) as port:
            rate, p50, p99 = load(port, message, seconds, connections)
        rows.append([name, f"{rate:,.0f}", f"{p50 * 1000:.1f}", f"{p99 * 1000:.1f}"])
    show([f"one worker, {connections} connections", "requests/s", "p50 ms", "p99 ms"], rows)
    verdict = hub.audit.verify()
    print(f"the log holds: {verdict.ok}, {verdict.size:,} entries")


def bare(hub: Hub) -> FastAPI:
    app = FastAPI()
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        plain_url(hub.engine.url), min_size=1, max_size=8, open=False
    )

    @app.get("/nothing")
    async def nothing() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/select")
    async def select() -> dict[str, str]:
        await pool.open()
        async with pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT entity FROM golden_record WHERE subject = %s LIMIT 1", ("resident",)
            )
            row = await cursor.fetchone()
        return {"entity": row[0] if row else ""}

    return app


def request(method: str, path: str, body: bytes = b"", token: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    return head.encode() + b"\r\n" + body


@contextmanager
def served(app: FastAPI) -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="error", access_log=False, proxy_headers=False)
        )
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def load(port: int, message: bytes, seconds: float, connections: int) -> tuple[float, float, float]:
    """Requests per second, median and 99th percentile of their times in seconds."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    arguments = (port, message, seconds, connections, results)
    caller = context.Process(target=call, args=arguments)
    caller.start()
    times: list[float] = results.get()
    caller.join()
    times.sort()
    return len(times) / seconds, times[len(times) // 2], times[len(times) * 99 // 100]


def call(port: int, message: bytes, seconds: float, connections: int, results: Any) -> None:
    async def one(times: list[float], until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (started := time.perf_counter()) < until:
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - started)
        writer.close()

    async def everyone() -> list[float]:
        times: list[float] = []
        until = time.perf_counter() + seconds
        await asyncio.gather(*(one(times, until) for _ in range(connections)))
        return times

    results.put(asyncio.run(everyone()))


if __name__ == "__main__":
    main()
