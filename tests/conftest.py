"""What all tests share: a real PostgreSQL, and the real data where it is present."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from core.database import open_database, parse_url
from core.engine import open_engine
from core.sql import EngineLimits
from tests.spark import CLUSTER

REPOSITORY = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database-only", action="store_true", help="only tests that use a PostgreSQL server"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On a second kind of server, tests that meet no server would only say the same again. Those
    that take longest and mostly wait, on a cluster, come first: others fill the time.
    """
    items.sort(key=lambda item: "cluster" not in getattr(item, "fixturenames", ()))
    if config.getoption("--database-only"):
        chosen = [item for item in items if "server_url" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A server: the one at ``HUB_DATABASE_URL``, else the hub's own.

    Its folder is not one of pytest's: every session that starts closes those to other accounts,
    and as root the server runs under an account of its own.
    """
    given = os.environ.get("HUB_DATABASE_URL")
    with (
        tempfile.TemporaryDirectory(prefix="hub-test-") as folder,
        open_database(given, Path(folder) / "postgres") as engine,
    ):
        if given is None:
            # Nothing here outlives the power: waiting for the disk would only take time.
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("ALTER SYSTEM SET fsync = off"))
                connection.execute(text("SELECT pg_reload_conf()"))
        yield engine.url.render_as_string(hide_password=False)


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """A fresh, empty database, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = parse_url(server_url).set(database=name)
    yield url.render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineLimits]:
    """The limits of the one Spark session all tests of this process share: who begins it settles
    how it runs.
    """
    with pytest.MonkeyPatch.context() as patch:
        # So small a job is over before code is worth compiling, or a plan worth a second thought.
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
        folder = tmp_path_factory.mktemp("conf")
        settings = ("spark.sql.codegen.wholeStage false", "spark.sql.adaptive.enabled false")
        (folder / "spark-defaults.conf").write_text("\n".join(settings), encoding="utf-8")
        patch.setenv("SPARK_CONF_DIR", str(folder))
        limits = EngineLimits(
            threads=1, memory="1GB", spill=tmp_path_factory.mktemp("spill"), engine=CLUSTER
        )
        open_engine(limits).disconnect()
        yield limits


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data for tests; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("HUB_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data is absent: set HUB_SHARED_DATA (looked in {folder})")
    return folder
