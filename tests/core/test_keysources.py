"""Where the master secret comes from."""

from __future__ import annotations

import base64
import shlex
import sys
import threading
from pathlib import Path

import pytest

from core.keysources import (
    KeysUnusable,
    Master,
    development_file,
    from_command,
    from_file,
    is_development,
    new_secret,
    parse,
    write_file,
)

SECRET = bytes(range(32))
LINE = base64.b64encode(SECRET).decode()
NO_SECRETS = ["", "not base64!", LINE[:-4], LINE + LINE, "密钥", "\x00" * 44, LINE.replace("=", "")]


def printing(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def test_keys_are_made_once(tmp_path: Path) -> None:
    file = tmp_path / "keys/hub.key"
    first = development_file(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert first == development_file(file) == from_file(file)
    assert list(file.parent.iterdir()) == [file]
    assert not write_file(file, SECRET)
    assert from_file(file) == first


def test_those_that_make_keys_at_once_have_the_same(tmp_path: Path) -> None:
    for attempt in range(20):
        start, made = threading.Barrier(4), list[bytes]()
        file = tmp_path / f"{attempt}.key"

        def make(
            file: Path = file, start: threading.Barrier = start, made: list[bytes] = made
        ) -> None:
            start.wait()
            made.append(development_file(file))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 4
        assert len(set(made)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666, 0o610])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "hub.key"
    write_file(file, SECRET)
    file.chmod(mode)
    for read in (from_file, development_file):
        with pytest.raises(KeysUnusable, match="600"):
            read(file)


@pytest.mark.parametrize(
    "content", [*(text.encode() for text in NO_SECRETS), bytes(range(128, 160))]
)
def test_a_file_that_is_no_key_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "hub.key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(KeysUnusable) as caught:
        from_file(file)
    assert str(file) in str(caught.value)
    assert not content or content.decode("latin-1") not in str(caught.value)


def test_a_key_file_that_is_not_there(tmp_path: Path) -> None:
    for file in (tmp_path / "nowhere.key", tmp_path):
        with pytest.raises(KeysUnusable):
            from_file(file)


@pytest.mark.parametrize("text", NO_SECRETS)
def test_what_is_no_secret_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(KeysUnusable) as caught:
        parse(text, "HUB_KEYS")
    assert caught.value.told("en") == {"source": "HUB_KEYS", "rule": "it is not 32 bytes in base64"}
    assert caught.value.__cause__ is None


def test_a_program_gives_the_secret() -> None:
    assert from_command(printing(f"print({LINE!r})")) == SECRET


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    with pytest.raises(KeysUnusable):
        from_command(f"echo {LINE}; touch {tmp_path / 'made'}")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        ("", "it is empty"),
        ("'", "its quotes do not close"),
        ("/nowhere/at/all", "it cannot be run"),
        (printing("import sys; sys.exit('PIN 1234 is wrong')"), "it ended with 1"),
        (printing("print('PIN 1234')"), "it is not 32 bytes in base64"),
        (printing("import time; time.sleep(60)"), "no answer within 0.2 seconds"),
        ("sh -c 'sleep 60 & exit 0'", "no answer within 0.2 seconds"),
        ("yes 1234", "it ended with -13"),
    ],
)
def test_a_program_that_gives_none(
    command: str, rule: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeysUnusable) as caught:
        from_command(command, 0.2 if "sleep" in command else 30)
    assert caught.value.told("en") == {"source": "HUB_KEYS_COMMAND", "rule": rule}
    # What a program says of its failure, or is given to log in with, is repeated nowhere.
    assert caught.value.__cause__ is None or "1234" not in str(caught.value.__cause__)
    assert capfd.readouterr() == ("", "")


def test_development_keys_are_known_wherever_they_stand(tmp_path: Path) -> None:
    made = development_file(tmp_path / "hub.key")
    assert is_development(made)
    copied = tmp_path / "elsewhere.key"
    write_file(copied, made)
    assert is_development(from_file(copied))
    assert not any(is_development(new_secret()) for _ in range(100))
    assert not is_development(bytes(32))
    assert not is_development(bytes([made[0] ^ 1]) + made[1:])


def test_a_secret_is_read_again_when_it_was_exchanged(tmp_path: Path) -> None:
    file = tmp_path / "hub.key"
    write_file(file, SECRET)
    master = Master(lambda: from_file(file))
    assert not master.renew()
    file.unlink()
    write_file(file, bytes(32))
    assert master.secret == SECRET
    assert master.renew()
    assert master.secret == bytes(32)
