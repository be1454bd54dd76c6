"""Where the master secret comes from: a file, the environment, or a program that asks a key store.

The secret is 32 bytes in base64 on one line. Those the hub makes for development end in a mark
that is computed from the rest, by which they are known wherever they are copied to.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from core.ciphers import KEY
from core.errors import HubError
from core.messages import message

Source = Callable[[], bytes]

SECONDS = 30.0
"""How long a program may take to give the secret."""
_MOST = 4096
_MARK = 8


class KeysUnusable(HubError):
    """The master secret cannot be had, or is none."""

    code = "keys_unusable"
    exit_code = 2


class Master:
    """The master secret, and where it can be read again once it was exchanged.

    Raises:
        KeysUnusable: it cannot be had.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.secret = source()

    def renew(self) -> bool:
        """Reads it again; True if it is another one now."""
        former, self.secret = self.secret, self._source()
        return former != self.secret


def from_file(file: Path) -> bytes:
    """The secret in a file that only its owner may read.

    Raises:
        KeysUnusable: no such file, or no secret in it, or others may read it.
    """
    try:
        mode = file.stat().st_mode
        text = file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise KeysUnusable(source=str(file), rule=message("rule_not_read")) from error
    if mode & 0o077:
        raise KeysUnusable(source=str(file), rule=message("rule_owner_only"))
    return parse(text, str(file))


def from_command(command: str, seconds: float = SECONDS) -> bytes:
    """The secret that a program prints: the way to cloud key services and PKCS#11 tokens. No
    shell reads the command, and nothing that the program says is ever repeated.

    Raises:
        KeysUnusable: it cannot be run, fails, takes too long, or prints something else.
    """
    name = "HUB_KEYS_COMMAND"
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise KeysUnusable(source=name, rule=message("rule_quotes")) from error
    if not arguments:
        raise KeysUnusable(source=name, rule=message("rule_empty"))
    try:
        # In a group of its own, so that whatever it started ends with it.
        running = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError):
        # Not chained: the exception quotes the command, in which there may be a PIN.
        raise KeysUnusable(source=name, rule=message("rule_not_run")) from None
    told, code = _told(running, seconds)
    if code is None:
        rule = message("rule_no_answer_within", seconds=f"{seconds:g}")
        raise KeysUnusable(source=name, rule=rule)
    if code != 0:
        raise KeysUnusable(source=name, rule=message("rule_ended_with", status=code))
    return parse(told.decode("latin-1"), name)


def _told(running: subprocess.Popen[bytes], seconds: float) -> tuple[bytes, int | None]:
    """The first bytes that a program prints, and how it ended; None if not in time. What goes on
    and on is read no further.
    """
    late = threading.Event()

    def end() -> None:
        late.set()
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        with running:
            assert running.stdout is not None
            told = running.stdout.read(_MOST)
    finally:
        timer.cancel()
    return told, None if late.is_set() else running.returncode


def parse(text: str, source: str) -> bytes:
    """The secret of a line of base64. ``source`` says in errors where the line is from.

    Raises:
        KeysUnusable: it is not such a line.
    """
    try:
        secret = base64.b64decode(text.strip().encode("ascii"), validate=True)
    except ValueError:
        secret = b""
    if len(secret) != KEY:
        # Not chained: what was no secret may still be one of somebody else's.
        raise KeysUnusable(source=source, rule=message("rule_secret_form"))
    return secret


def new_secret() -> bytes:
    """32 random bytes that are no development key."""
    while is_development(made := secrets.token_bytes(KEY)):
        pass  # one in 2**64
    return made


def is_development(secret: bytes) -> bool:
    """Whether the hub itself made this secret for development."""
    return hmac.compare_digest(secret[-_MARK:], _mark(secret[:-_MARK]))


def development_file(file: Path) -> bytes:
    """The secret in a file, which is made, and marked, where there is none.

    Raises:
        KeysUnusable: there is one that cannot be used.
    """
    if not file.exists():
        random = secrets.token_bytes(KEY - _MARK)
        write_file(file, random + _mark(random))
    return from_file(file)


def write_file(file: Path, secret: bytes) -> bool:
    """Writes a key file that only its owner may read; False where there is one already, which
    stays as it is.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # Written aside and linked: whoever makes one at the same moment never meets half a file.
    handle, draft = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(handle, "wb") as out:
        out.write(base64.b64encode(secret) + b"\n")
    made = False
    with suppress(FileExistsError):
        os.link(draft, file)
        made = True
    Path(draft).unlink()
    return made


def _mark(random: bytes) -> bytes:
    return hmac.digest(b"hub development key", random, "sha256")[:_MARK]
