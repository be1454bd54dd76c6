"""The whole log as a file of lines, to be verified anywhere by anybody with the public key.

One JSON document a line: first what the log is called and whose signatures count, then each entry
(``index``, ``leaf_hash``, and ``body`` as it was hashed), each checkpoint behind the last entry it
speaks of, and at last how many entries there were. What entries hold sealed is not in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

from hub.audit.evidence import Evidence

_ENTRIES = "SELECT index, leaf_hash, coalesce(body, '') FROM audit_entry ORDER BY index"
_CHUNK = 1_000


def export(evidence: Evidence, out: TextIO) -> int:
    """Writes the log as it stands at one moment; gives the number of entries.

    Raises:
        AuditUnavailable: the database fails.
    """
    _line(out, {"audit_export": 1, **evidence.key()})
    place = 0
    with evidence.snapshot() as connection:
        notes = evidence.notes(connection)
        due = next(notes, None)
        options = {"stream_results": True, "yield_per": _CHUNK}
        for index, leaf, body in connection.exec_driver_sql(_ENTRIES, execution_options=options):
            while due is not None and due[0] <= place:
                _line(out, {"checkpoint": due[1]})
                due = next(notes, None)
            # What was tampered with may be no text any more.
            text = bytes(body).decode("utf-8", "surrogateescape")
            _line(out, {"index": index, "leaf_hash": bytes(leaf).hex(), "body": text})
            place += 1
        for _, note in _rest(due, notes):
            _line(out, {"checkpoint": note})
    _line(out, {"end": place})
    return place


def _rest(
    due: tuple[int, str] | None, notes: Iterator[tuple[int, str]]
) -> Iterator[tuple[int, str]]:
    if due is not None:
        yield due
    yield from notes


def _line(out: TextIO, document: dict[str, Any]) -> None:
    out.write(json.dumps(document, sort_keys=True) + "\n")
