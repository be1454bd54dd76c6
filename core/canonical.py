"""Canonical JSON and digests: equal content gives equal bytes, whatever the key order."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


def encode(value: Any) -> bytes:
    """``value`` as JSON in UTF-8 with sorted keys and no blanks.

    Raises:
        TypeError: ``value`` holds something JSON has no form for.
    """
    return orjson.dumps(value, option=_OPTIONS)


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, in hexadecimal."""
    return hashlib.sha256(encode(value)).hexdigest()
