"""What a verification finds wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeAlias

from core.errors import Field
from core.messages import Message

_SHOWN = 20
"""So many problems of one kind are listed; of more, only the number is told."""


Problem: TypeAlias = Message
"""One thing that is wrong, and with which entry or checkpoint."""


@dataclass
class Findings:
    """Problems as they are found."""

    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, code: str, **fields: Field) -> None:
        """Notes a problem."""
        self.counts[code] += 1
        if self.counts[code] <= _SHOWN:
            self.problems.append(Problem(code, fields))

    def take(self, others: Findings) -> None:
        """Adds what was found elsewhere."""
        self.problems.extend(others.problems)
        self.counts.update(others.counts)

    def all(self) -> tuple[Problem, ...]:
        """The problems to be told, and how many there are beyond."""
        more = [
            Problem("audit_more_problems", {"kind": code, "count": count - _SHOWN})
            for code, count in self.counts.items()
            if count > _SHOWN
        ]
        return (*self.problems, *more)
