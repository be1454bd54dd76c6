"""The command line as a whole: each command is found without loading the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from hub.cli.main import application

HEAVY = ("pandas", "pyarrow", "ibis", "duckdb", "fastapi", "great_expectations", "splink", "dbos")


def names(command: str | None = None) -> list[str]:
    group = typer.main.get_command(application(command))
    return sorted(group.commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", names())
def test_a_command_is_in_the_module_that_is_loaded_for_it(name: str) -> None:
    found = names(name)
    assert name in found
    assert len(found) < len(names())


def test_what_is_no_command_meets_them_all() -> None:
    assert names("verson") == names("--help") == names()


def test_the_version_is_told_without_what_it_does_not_need() -> None:
    code = (
        "import sys\nfrom hub.cli.main import run\nassert run(['version']) == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    version, loaded = done.stdout.splitlines()
    assert version.startswith("hub ")
    assert loaded == "[]"
