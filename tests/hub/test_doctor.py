"""``hub doctor`` says what is wrong and how to mend it."""

from __future__ import annotations

import yaml

from tests.hub.conftest import Place


def test_a_healthy_hub(published: Place) -> None:
    shown = published.succeed("doctor")
    assert "FAIL" not in shown


def test_nothing_applied(place: Place) -> None:
    done = place.command("doctor")
    assert done.returncode == 1
    assert "hub apply" in done.stdout


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
