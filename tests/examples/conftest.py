"""A small example city, made once per test session by the generator as users run it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from core.database import parse_url, plain_url
from hub.folder import read
from hub.workspace import Workspace

EXAMPLES = Path(__file__).parents[2] / "examples"
CITY = EXAMPLES / "city"


def make_city(out: Path, *more: str) -> list[str]:
    """Runs the generator; returns the lines it prints."""
    command = [sys.executable, str(CITY / "generate.py"), "--out", str(out), *more]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def truth(city: Path, name: str) -> pa.Table:
    """A table of the truth."""
    return parquet.read_table(city / "truth" / f"{name}.parquet")


@cache
def workspace(name: str) -> Workspace:
    """An example workspace, read once."""
    return read(EXAMPLES / name)


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a city of 300 residents, without the police's database."""
    out = tmp_path_factory.mktemp("city")
    make_city(out, "--residents", "300")
    return out


@pytest.fixture
def city_with_police(tmp_path: Path, database_url: str) -> Path:
    """The data folder of a city whose police tables lie in a database."""
    url = plain_url(parse_url(database_url))
    make_city(tmp_path, "--residents", "300", "--police-url", url)
    return tmp_path


@pytest.fixture(scope="session")
def market(city: Path) -> Iterator[str]:
    """The address of the market bureau's service over the city's firms."""
    command = [
        sys.executable, str(CITY / "market_service.py"),
        "--data", str(city / "market" / "enterprises.json"),
        "--token-file", str(city / "secrets" / "market_token"),
        "--port-file", str(city / "secrets" / "market_url"),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        url = service.stdout.readline().strip()
        yield url
        service.terminate()
