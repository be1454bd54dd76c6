"""``hub doctor`` says what is wrong and how to mend it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from core.spark.session import missing
from tests.hub.conftest import Place


def test_a_healthy_hub(published: Place) -> None:
    shown = published.succeed("doctor")
    assert "FAIL" not in shown


@pytest.mark.parametrize("table", ["golden/resident", "landing/police.people"])
def test_a_lake_that_lacks_what_a_release_is_made_of(published: Place, table: str) -> None:
    place = published.home / "lake" / table
    away = place.rename(published.home / "away")
    try:
        done = published.command("doctor")
    finally:
        away.rename(place)
    assert done.returncode == 1
    assert f"of {table} is not in the lake" in done.stdout.replace("\n", " ")
    assert done.stdout.count("FAIL") == 1


def test_nothing_applied(place: Place) -> None:
    done = place.command("doctor")
    assert done.returncode == 1
    assert "hub apply" in done.stdout
    assert "lake" not in done.stdout


def test_a_missing_secret(place: Place) -> None:
    source = place.workspace / "sources/phones.users.yaml"
    settings = {
        "dataset": "phones.users", "kind": "rest", "url": "http://127.0.0.1:9/",
        "token": {"secret": "env:PHONES_TOKEN"}, "rows": "rows", "next": "next",
    }  # fmt: skip
    source.write_text(yaml.safe_dump(settings), "utf-8")
    place.succeed("apply", str(place.workspace))
    done = place.command("doctor")
    assert done.returncode == 1
    assert "env:PHONES_TOKEN" in done.stdout


def test_a_wrong_setting(place: Place) -> None:
    done = place.command("doctor", settings={"HUB_PORT": "many"})
    assert done.returncode == 1
    assert "HUB_PORT" in done.stdout


def test_an_unreachable_database(place: Place) -> None:
    address = "postgresql://nobody@127.0.0.1:9/none"
    done = place.command("doctor", settings={"HUB_DATABASE_URL": address})
    assert done.returncode == 1
    assert "does not answer" in done.stdout


def test_the_command_line_as_a_process_of_its_own(place: Place) -> None:
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-m", "hub", "run"], env=place.environment,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode != 0
    assert "hub apply" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(missing() is not None, reason=f"Spark needs {missing()}, which is not here")
def test_a_cluster_that_cannot_be_reached_is_told_in_plain_words(place: Place) -> None:
    place.succeed("apply", str(place.workspace))
    # Without the configuration of a Hadoop there is no YARN to ask. In a process of its own: one
    # that has a session goes on with it.
    kept = {k: v for k, v in place.environment.items() if "HADOOP" not in k and "YARN" not in k}
    done = subprocess.run(
        [sys.executable, "-m", "hub", "run", "--as-of", "2026-06-30"],
        env={**kept, "HUB_ENGINE": "yarn"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "No session could be begun on the Spark cluster yarn." in done.stderr
    assert "Traceback" not in done.stderr
