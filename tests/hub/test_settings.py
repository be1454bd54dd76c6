"""Settings: read from the environment, and refused by name where they cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.errors import BadInput
from hub.settings import read_settings
from tests.hub.conftest import Place


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment in which nothing is set."""
    for name in [name for name in os.environ if name.upper().startswith("HUB_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_nothing_needs_to_be_set(tmp_path: Path) -> None:
    settings = read_settings()
    assert settings.home == Path(".hub")
    assert settings.database_url is None
    assert settings.lake_root == str(tmp_path / ".hub/lake")
    assert settings.limits.spill == tmp_path / ".hub/spill"
    assert (settings.mode, settings.language, settings.host) == ("development", "en", "127.0.0.1")


def test_everything_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "HUB_HOME": "/srv/hub",
        "HUB_DATABASE_URL": "postgres://hub:secret@db/hub",
        "HUB_LAKE_URL": "s3://bucket/lake",
        "HUB_KEYS_FILE": "/etc/hub.key",
        "HUB_MODE": "production",
        "HUB_LANGUAGE": "zh",
        "HUB_THREADS": "8",
        "HUB_MEMORY": "1.5 GiB",
        "HUB_HOST": "0.0.0.0",  # noqa: S104 - a value an operator may give
        "HUB_PORT": "0",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert settings.lake_root == "s3://bucket/lake"
    assert (settings.limits.threads, settings.limits.memory) == (8, "1.5 GiB")
    assert settings.port == 0
    assert "secret" not in f"{settings!r} {settings}"
    assert settings.model_fields_set == {name[4:].lower() for name in values}


BAD = [
    ("HUB_THREADS", "0"),
    ("HUB_THREADS", "many"),
    ("HUB_THREADS", ""),
    ("HUB_PORT", "65536"),
    ("HUB_PORT", "-1"),
    ("HUB_MODE", "Production"),
    ("HUB_LANGUAGE", "fr"),
    ("HUB_MEMORY", "lots"),
    ("HUB_MEMORY", "-2GB"),
    ("HUB_MEMORY", "2"),
    ("HUB_DATABASE_URL", "nonsense"),
    ("HUB_DATABASE_URL", "mysql://user:secret@host/db"),
    ("HUB_DATABASE_URL", "postgresql://user:secret@host:port/db"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_value_that_cannot_be_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput) as caught:
        read_settings()
    assert caught.value.fields["field"] == name
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("HUB_PORT", "x"), ("HUB_DATABASE_URL", "nonsense")])
def test_the_command_line_says_so_in_words(tmp_path: Path, name: str, value: str) -> None:
    place = Place(tmp_path, tmp_path / "home", "postgresql://nowhere.example/city")
    for command in (["token", "worker-1"], ["apply", str(tmp_path)], ["doctor"]):
        done = place.command(*command, settings={name: value})
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        assert name in done.stderr + done.stdout or command[0] == "apply"
    assert not (tmp_path / "home").exists()
