"""Days, numbers and bytes that nothing has: refused in plain words, and by the rule."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hub.app import open_hub
from hub.audit.search import Wanted
from tests.hub.conftest import Place
from tests.hub.stewarding import options
from tests.hub.village import PEOPLE

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


NUMBER = PEOPLE[0][0]
AS = options("steward-1", "li")
KEEPER = options("police-1", "li")


@pytest.mark.parametrize(
    "words",
    [
        ("conflicts", "list", NUMBER, *AS),
        ("conflicts", "show", "resident", NUMBER, *AS),
        ("corrections", "list", "--department", NUMBER, *KEEPER),
        ("corrections", "list", "--dataset", NUMBER, *KEEPER),
        ("quality", "scores", "--dataset", NUMBER, *KEEPER),
        ("rulings", "merge", "resident", NUMBER, "0" * 20, "--reason", "r", *AS),
        ("releases", "explain", "resident", NUMBER, *options("auditor-1", "li")),
        ("conflicts", "list", "resident", *options(NUMBER, "li")),
        ("query", "resident", "--where", f"resident_id={NUMBER}", *options(NUMBER, "li")),
    ],
)
def test_a_number_in_the_wrong_place_is_neither_logged_nor_repeated(
    published: Place, words: tuple[str, ...]
) -> None:
    done = published.command(*words)
    assert done.returncode == 2
    assert NUMBER not in done.stdout + done.stderr
    with open_hub(published.settings) as hub:
        assert not any(NUMBER in str(found.entry) for found in hub.audit.find(Wanted(limit=1000)))


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--case", ""), "case"),
        (("--case", "a b"), "case"),
        (("--person", "p" * 65), "person"),
        (("--purpose", "Visit"), "purpose"),
        (("--reason", "r" * 2001), "reason"),
        (("--key", "a b"), "key"),
        (("--key", ""), "key"),
        (("--key", "k" * 129), "key"),
    ],
)
def test_the_command_line_asks_for_the_forms_that_the_api_does(
    published: Place, words: tuple[str, str], field: str
) -> None:
    made = dict(zip(AS[::2], AS[1::2], strict=True)) | {"--reason": "r", words[0]: words[1]}
    given = [word for pair in made.items() for word in pair]
    done = published.command(
        "rulings", "choose", "resident", "0" * 20, "name", "--dataset", "phones.users", *given
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"{field}:")


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
