"""The entry point: every failure ends in plain words and an exit code, never in a traceback.

Exit codes: 0 done; 1 it failed; 2 what was given is wrong.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import typer

from core.errors import BadInput, HubError
from core.messages import message, say, spoken

_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "setup": ("apply", "doctor"),
    "version": ("version",),
    "publish": ("run",),
    "data": ("export",),
    "conflicts": ("conflicts",),
    "quality": ("quality",),
    "rulings": ("rulings",),
    "corrections": ("corrections",),
    "query": ("query", "check"),
    "sharing": ("verify", "exchange", "statistics"),
    "opening": ("open",),
    "releases": ("releases",),
    "policy": ("policy",),
    "conditions": ("cases", "approvals"),
    "audit": ("audit",),
    "keys": ("keys",),
    "watching": ("findings",),
    "serve": ("serve", "token"),
    "demo": ("demo",),
}
"""Module → the commands it adds."""


def application(command: str | None = None) -> typer.Typer:
    """The command line: with the module of one command, or, where that is none, with all of them.
    The libraries behind all commands take seconds to load.
    """
    app = typer.Typer(
        name="hub",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        help="A city's data-sharing hub: register tables, reconcile them, share them masked and audited.",
    )
    app.callback()(_first)
    wanted = [module for module, names in _COMMANDS.items() if command in names]
    for module in wanted or _COMMANDS:
        import_module(f"hub.cli.{module}").add_to(app)
    return app


def _first() -> None:
    """Commands stay named where there is but one."""


def main() -> None:
    """Runs the command line and ends the process."""
    # What the hub writes is for its own account; a request to end closes everything it opened.
    os.umask(0o077)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs the command line and gives its exit code."""
    warnings.simplefilter("ignore")
    logging.getLogger().setLevel(logging.ERROR)
    language = spoken()
    try:
        _check_text(arguments)
        application(next(iter(arguments), None))(list(arguments))
        code = 0
    except SystemExit as ended:
        # Wrong usage has been told by now, with 2; an interrupt ends with 1 or 130.
        code = ended.code if isinstance(ended.code, int) else 0
    except HubError as error:
        print(error.words(language), file=sys.stderr)
        code = error.exit_code
    except Exception:
        print(say("internal_error", language, reference=_log_crash()), file=sys.stderr)
        code = 1
    return code


def _check_text(arguments: Sequence[str]) -> None:
    """What is no text reaches no command: it could be neither looked up nor logged."""
    for place, argument in enumerate(arguments, start=1):
        try:
            argument.encode()
        except UnicodeEncodeError:
            rule = message("rule_text_utf8")
            raise BadInput(field=f"argument {place}", rule=rule) from None


def _log_crash() -> str:
    """Keeps where it happened, not the error's own text: that may quote a person's record."""
    reference = secrets.token_hex(4)
    folder = Path(os.environ.get("HUB_HOME", ".hub"))
    kind, _, trace = sys.exc_info()
    frames = "".join(traceback.format_tb(trace))
    # Where nothing can be written, the reference alone is told.
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "crash.log").open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC).isoformat()} {reference} {kind}\n{frames}\n")
    return reference
