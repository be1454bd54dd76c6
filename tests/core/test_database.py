"""How a database is named and reached."""

from __future__ import annotations

import socket
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from core.database import DatabaseUnreachable, open_database, parse_url, plain_url


@pytest.mark.parametrize(
    "scheme",
    ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2", "postgresql+asyncpg"],
)
def test_every_usual_spelling_of_an_address(scheme: str) -> None:
    url = parse_url(f"{scheme}://user:p%40ss@db.example:5433/city?sslmode=require")
    assert url.drivername == "postgresql+psycopg"
    assert (url.username, url.password, url.host, url.port, url.database) == (
        "user", "p@ss", "db.example", 5433, "city",
    )  # fmt: skip
    assert url.query == {"sslmode": "require"}


def test_a_plain_address_keeps_password_and_options() -> None:
    url = parse_url("postgresql://user:p%40ss@db.example/city")
    options = {"host": "/run/my folder", "options": "-c statement_timeout=5s -c search_path=a+b"}
    plain = plain_url(url.update_query_dict(options))
    assert plain.startswith("postgresql://user:p%40ss@db.example/city?")
    read = psycopg.conninfo.conninfo_to_dict(plain)
    assert read["password"] == "p@ss"
    assert read["options"] == options["options"]
    assert read["host"] == options["host"]


def test_the_server_takes_the_plain_address(database_url: str) -> None:
    url = parse_url(database_url).update_query_dict({"options": "-c application_name=plain"})
    with psycopg.connect(plain_url(url)) as connection:
        row = connection.execute("SELECT current_setting('application_name')").fetchone()
    assert row == ("plain",)


@pytest.mark.parametrize("driver", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_a_given_server_is_opened(database_url: str, tmp_path: Path, driver: str) -> None:
    url = f"{driver}:{database_url.partition(':')[2]}"
    with open_database(url, tmp_path / "unused") as engine, engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    assert not (tmp_path / "unused").exists()


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with (
        pytest.raises(DatabaseUnreachable) as caught,
        open_database(f"postgresql://user:secret@127.0.0.1:{port}/city", tmp_path),
    ):
        pass
    assert caught.value.status == 503
    assert "secret" not in str(caught.value)


def test_a_database_that_is_not_there(database_url: str, tmp_path: Path) -> None:
    url = parse_url(database_url).set(database="ghost")
    with (
        pytest.raises(DatabaseUnreachable, match="ghost"),
        open_database(url.render_as_string(hide_password=False), tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    "url", ["nonsense", "", "postgresql://user:secret@host:port/db", "mysql://user:secret@host/db"]
)
def test_an_address_that_is_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(DatabaseUnreachable) as caught, open_database(url, tmp_path):
        pass
    assert "secret" not in str(caught.value)
