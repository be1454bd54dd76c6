"""Days, numbers and bytes that nothing has: refused in plain words, and by the rule."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.hub.conftest import Place
from tests.hub.stewarding import options

HUGE = "99999999999999999999"
ASKING = options("admin-1", "wu")


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--as-of", "0001-01-01"),
        ("run", "--as-of", "9999-12-31"),
        ("run", "--as-of", "2190-01-01"),
        ("query", "resident", "--on", "9999-12-31", *ASKING),
        ("releases", "explain", "resident", "0" * 20, "--on", "1999-12-31"),
        ("rulings", "defer", "resident", "0" * 20, "name", "--until", "9999-12-31",
         "--reason", "r", *ASKING),
        ("audit", "retire", "--before", "9999-12-31", *ASKING),
    ],
)  # fmt: skip
def test_a_day_beyond_all_reckoning_is_refused(place: Place, words: tuple[str, ...]) -> None:
    place.succeed("apply", str(place.workspace))
    done = place.command(*words)
    assert done.returncode == 2, done.stderr
    option = next(word for word in words if word in {"--as-of", "--on", "--until", "--before"})
    assert option in done.stderr
    assert "2000-01-01" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("conflicts", "list", "resident", "--skip", HUGE, *ASKING),
        ("rulings", "show", HUGE, *ASKING),
        ("corrections", "show", HUGE, *ASKING),
        ("releases", "show", HUGE),
        ("releases", "diff", "1", HUGE),
        ("query", "resident", "--release", HUGE, *ASKING),
        ("quality", "reproduce", "police.people", "--release", HUGE),
    ],
)
def test_a_number_that_nothing_has_is_refused(place: Place, words: tuple[str, ...]) -> None:
    done = place.command(*words)
    assert done.returncode == 2, done.stderr
    assert "2147483647" in done.stderr


def test_what_is_no_text_reaches_no_command(place: Place) -> None:
    words = [b"query", b"resident", b"--where", b"name=\xff\xfe", *(w.encode() for w in ASKING)]
    done = subprocess.run(
        [sys.executable, "-m", "hub", *words],
        env=place.environment, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert b"argument 4" in done.stderr
    assert b"UTF-8" in done.stderr
    assert b"\xff" not in done.stderr
