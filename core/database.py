"""PostgreSQL through SQLAlchemy: the base of all models, and how a connection is had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Engine, MetaData, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import DeclarativeBase

from core import embedded_postgres
from core.errors import HubError
from core.messages import message


class DatabaseUnreachable(HubError):
    """No connection could be had."""

    code = "database_unreachable"
    status = 503


class Base(DeclarativeBase):
    """Base of every table of the hub; names of constraints follow one pattern, so that
    migrations can refer to them.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def parse_url(url: str) -> URL:
    """A PostgreSQL URL in any of its usual spellings, for the driver the hub uses.

    Raises:
        ValueError: it is not one; the message does not repeat it.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or not parsed.drivername.startswith("postgres"):
        raise ValueError(message("rule_database"))
    return parsed.set(drivername="postgresql+psycopg")


def plain_url(url: URL) -> str:
    """The same address for libraries that speak to PostgreSQL without SQLAlchemy."""
    address, mark, options = (
        url.set(drivername="postgresql").render_as_string(hide_password=False).partition("?")
    )
    # A blank is written as "+", which libpq does not read as one.
    return address + mark + options.replace("+", "%20")


@contextmanager
def open_database(url: str | None, folder: Path) -> Iterator[Engine]:
    """An engine on the server at ``url``, or on the hub's own server in ``folder``.

    Raises:
        DatabaseUnreachable: the server at ``url`` does not answer, or that is no address.
        DatabaseStartFailed: the hub's own server does not start.
    """
    if url is not None:
        try:
            address = parse_url(url)
        except ValueError as error:
            raise DatabaseUnreachable(reason=str(error)) from error
        with _engine(address) as engine:
            yield engine
    else:
        with embedded_postgres.serve(folder) as own, _engine(own) as engine:
            yield engine


@contextmanager
def _engine(url: URL) -> Iterator[Engine]:
    engine = create_engine(url, pool_pre_ping=True)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except OperationalError as error:
        engine.dispose()
        reason = str(error.orig).splitlines()[0] if error.orig else "no answer"
        raise DatabaseUnreachable(reason=reason) from error
    try:
        yield engine
    finally:
        engine.dispose()
