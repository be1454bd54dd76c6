"""The database schema: brought up to date by Alembic, and checked before anything is read."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

import migrations
from core.errors import HubError


class DatabaseOutdated(HubError):
    """The schema is not the one this hub was written for."""

    code = "database_outdated"
    status = 503


def upgrade(engine: Engine) -> None:
    """Brings the schema to the newest revision; nothing happens where it is there."""
    config = _config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(engine: Engine) -> None:
    """Makes sure that the schema is the newest.

    Raises:
        DatabaseOutdated: it is not.
    """
    found, needed = revision(engine), newest()
    if found != needed:
        raise DatabaseOutdated(found=found or "-", needed=needed)


def revision(engine: Engine) -> str | None:
    """The schema's revision; None where there is none yet."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    """The revision this hub needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def _config() -> Config:
    config = Config()
    folder = next(iter(migrations.__path__))
    config.set_main_option("script_location", str(Path(folder)))
    return config
