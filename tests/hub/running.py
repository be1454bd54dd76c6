"""Commands in processes of their own that can be watched and killed.

They are forked from a process that has loaded all they need: to load it takes longer than what
they do.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO

from hub.cli.main import run

for loaded_when_asked_for in (
    "hub.cli.publish",
    "great_expectations.validator.validator",
    "great_expectations.execution_engine.pandas_execution_engine",
):
    import_module(loaded_when_asked_for)

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


@contextmanager
def running(
    environment: Mapping[str, str], *arguments: str
) -> Iterator[tuple[BaseProcess, IO[str]]]:
    """``hub`` in a process of its own, and what it says on its error stream."""
    with tempfile.TemporaryDirectory(prefix="hub-test-") as folder:
        said = Path(folder) / "said"
        os.mkfifo(said)
        process = _CONTEXT.Process(target=_hub, args=(arguments, dict(environment), said))
        process.start()
        try:
            with said.open(encoding="utf-8") as lines:
                yield process, lines
        finally:
            process.join()


def _hub(arguments: tuple[str, ...], environment: dict[str, str], said: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with said.open("wb") as out, Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os._exit(run(arguments))
