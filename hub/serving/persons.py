"""Whom an answer is about: the keyed digests by which the log names every person that was shown,
however the record was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from catalog.standards.several import SEPARATOR, SUFFIX
from catalog.subjects import Subject
from hub.audit.entries import KeyedDigests
from hub.serving.reading import Record

NUMBER = "resident_id"
"""The element of the numbers by which persons are known."""


@dataclass(frozen=True)
class Named:
    """What the log is told: ``digests`` of what was asked by, of the records shown and, as the
    last ``persons`` of them, of the persons shown.
    """

    digests: tuple[str, ...]
    persons: int


def person_kind(subjects: Mapping[str, Subject]) -> str | None:
    """The attribute that says who somebody is, as ``<subject>/<attribute>``: the key of element
    ``resident_id``; None where no subject is about persons.
    """
    for name, subject in subjects.items():
        for attribute in subject.keys:
            if subject.attributes[attribute].element == NUMBER:
                return f"{name}/{attribute}"
    return None


def numbered(subject: Subject) -> tuple[str, ...]:
    """The attributes of a subject that hold persons' numbers: its own key, owners and the like."""
    return tuple(
        n for n, a in subject.attributes.items() if a.element.removesuffix(SUFFIX) == NUMBER
    )


class Namer:
    """Names the persons of answers, for one set of subjects."""

    def __init__(self, digests: KeyedDigests, subjects: Mapping[str, Subject]) -> None:
        self._digests = digests
        self._kind = person_kind(subjects)

    def name(self, asked: Sequence[str], subject: Subject, records: Iterable[Record]) -> Named:
        """``asked``: the digests of what was asked by; ``records``: all that were shown. A record
        that holds no person's number stands for itself.
        """
        entities, persons = dict[str, None](), dict[str, None]()
        for record in records:
            own = self._digests.of(f"{subject.subject}/entity", record.entity)
            entities[own] = None
            persons.update(dict.fromkeys(self._persons(subject, record) or [own]))
        before = [d for d in dict.fromkeys([*asked, *entities]) if d not in persons]
        return Named((*before, *persons), len(persons))

    def _persons(self, subject: Subject, record: Record) -> list[str]:
        cells = (record.cells.get(name) for name in numbered(subject))
        told = (cell["value"] for cell in cells if cell is not None)
        values = {value for text in told if text for value in text.split(SEPARATOR)}
        if self._kind is None:
            return []
        return [self._digests.of(self._kind, value) for value in sorted(values)]
