"""Where releases to the public are kept: per table and number a folder with a file and its signed
manifest.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from cryptography.exceptions import InvalidSignature

from core.canonical import encode
from core.errors import HubError, NotFound
from core.keys import KeyRing

_MANIFEST = "manifest.json"


class OpenReleaseUnknown(NotFound):
    """There is no release of that number, or none that was approved."""

    code = "open_release_unknown"


class OpenReleaseForged(HubError):
    """A release is not what was signed."""

    code = "open_release_forged"


@dataclass
class Draft:
    """A release being made. Without :meth:`keep` it vanishes."""

    number: int
    file: Path
    manifest: Mapping[str, Any] | None = None

    def keep(self, manifest: Mapping[str, Any]) -> None:
        """Makes it a release."""
        self.manifest = manifest


class Shelf:
    """The releases in a folder."""

    def __init__(self, folder: Path, keys: KeyRing) -> None:
        self._folder = folder
        self._keys = keys

    @contextmanager
    def new(self, table: str, suffix: str) -> Iterator[Draft]:
        """The next release of a table, to be written."""
        number = max(self._numbers(table), default=0) + 1
        while True:
            place = self._folder / table / str(number)
            try:
                place.mkdir(mode=0o700, parents=True)
                break
            except FileExistsError:
                # Another was begun at the same moment.
                number += 1
        draft = Draft(number, place / f"{table}{suffix}")
        try:
            yield draft
            if draft.manifest is not None:
                self.sign(table, number, draft.manifest)
        finally:
            if not (place / _MANIFEST).exists():
                shutil.rmtree(place, ignore_errors=True)

    def signed(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """A manifest with its signature."""
        return {**manifest, "signature": self._keys.sign(_said(manifest)).hex()}

    def sign(self, table: str, number: int, manifest: Mapping[str, Any]) -> None:
        """Keeps a manifest: the whole of it, or the one before."""
        place = self._folder / table / str(number) / _MANIFEST
        part = place.with_suffix(".part")
        part.write_bytes(orjson.dumps(self.signed(manifest), option=orjson.OPT_INDENT_2))
        part.replace(place)

    def read(self, table: str, number: int, state: str = "proposed") -> dict[str, Any]:
        """The manifest of a release in that state, without its signature.

        Raises:
            OpenReleaseUnknown: there is none.
            OpenReleaseForged: it, or its file, is not what was signed.
        """
        try:
            content = (self._folder / table / str(number) / _MANIFEST).read_bytes()
            manifest: dict[str, Any] = orjson.loads(content)
            signature = bytes.fromhex(manifest.pop("signature"))
        except FileNotFoundError as error:
            raise OpenReleaseUnknown(table=table, number=number) from error
        except (ValueError, KeyError, AttributeError) as error:
            raise OpenReleaseForged(table=table, number=number) from error
        try:
            self._keys.public_key.verify(signature, _said(manifest))
        except InvalidSignature as error:
            raise OpenReleaseForged(table=table, number=number) from error
        if (manifest["table"], manifest["number"]) != (table, number):
            raise OpenReleaseForged(table=table, number=number)
        if manifest["state"] != state:
            raise OpenReleaseUnknown(table=table, number=number)
        self.open(manifest).close()
        return manifest

    def open(self, manifest: Mapping[str, Any]) -> BinaryIO:
        """The file of a release.

        Raises:
            OpenReleaseForged: it is gone, or not what was signed.
        """
        table, number = manifest["table"], manifest["number"]
        try:
            place = Path(self._folder, table, str(number), manifest["file"])
            file = place.open("rb")
        except OSError as error:
            raise OpenReleaseForged(table=table, number=number) from error
        if hashlib.file_digest(file, "sha256").hexdigest() != manifest["sha256"]:
            file.close()
            raise OpenReleaseForged(table=table, number=number)
        file.seek(0)
        return file

    def all(self) -> Iterator[dict[str, Any]]:
        """The manifests of all releases that are what was signed, whatever their state."""
        for table in sorted(self._folder.glob("*")):
            for number in sorted(self._numbers(table.name)):
                for state in ("proposed", "released"):
                    with suppress(OpenReleaseUnknown, OpenReleaseForged):
                        yield self.signed(self.read(table.name, number, state))

    def _numbers(self, table: str) -> list[int]:
        return [int(p.name) for p in (self._folder / table).glob("*") if p.name.isdigit()]


def _said(manifest: Mapping[str, Any]) -> bytes:
    """What is signed: nothing else of the hub reads as one."""
    return encode({"kind": "hub-open-release", **manifest})
