"""Casbin: what the lines in force say about each object, scope and mask."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

import casbin

from catalog.standards.hiding import detail
from policies.conditions import NONE
from policies.models import ANY, FPE, PSEUDONYM, REVEAL, SUPPRESS, Effect, Line

# No group has this name, so that no line can be about it directly.
_CALLER = "@caller"
# Casbin parses its matcher anew for every request, and before Python 3.13 `ast.parse` fails now
# and then where two threads are in it at once.
_PARSING = threading.Lock()
_RANKS = {REVEAL: 3, PSEUDONYM: 1, FPE: 1, SUPPRESS: 0, ANY: 0}


def rank(mask: str) -> int:
    """How much a mask shows, from 0 (nothing) to 3 (the value). Masks of elements rank alike,
    whatever their parameters.
    """
    return _RANKS.get(mask, 2)


def most_open(masks: Iterable[str], usual: str) -> str:
    """The mask that shows most; among an element's own masks, its usual one comes first, and
    among those that differ by parameters the one that shows more.
    """
    return in_order(masks, usual)[0]


def in_order(masks: Iterable[str], usual: str) -> list[str]:
    """The masks as :func:`most_open` would take them, one after the other."""

    def place(mask: str) -> tuple[int, bool, str, tuple[int, ...], str]:
        less = tuple(-part for part in detail(mask))
        return -rank(mask), mask != usual, mask.partition(":")[0], less, mask

    return sorted(masks, key=place)


@dataclass(frozen=True, slots=True)
class Option:
    """One scope and mask in which an object could be had, under some conditions (their text), and
    whether it is where these hold.

    ``rules``: ids of the lines that made it: all that allow it, or the one that denies it.
    """

    scope: str
    mask: str
    granted: bool
    rules: tuple[str, ...]
    conditions: str = NONE


@cache
def _model_text() -> str:
    return resources.files(__package__).joinpath("model.conf").read_text("utf-8")


def enforcer(
    lines: Iterable[Line], members: Mapping[str, Iterable[str]], by: Sequence[int] | None = None
) -> casbin.Enforcer:
    """A Casbin enforcer of these lines. ``members``: caller → its groups. ``by``: makes Casbin's
    FastEnforcer, which finds lines by these columns of a request.
    """
    model = casbin.Model() if by is None else casbin.FastModel(by)
    model.load_model_from_text(_model_text())
    made = casbin.Enforcer(model) if by is None else casbin.FastEnforcer(model, cache_key_order=by)
    made.add_function("showsAsMuch", lambda asked, named: rank(asked) >= rank(named))
    # As Casbin's adapters do: to add them it would compare each with all before it.
    held = made.get_model()["p"]["p"].policy
    for line in dict.fromkeys(map(_casbin_line, lines)):
        held.append(list(line))
    made.add_grouping_policies([[c, group] for c, groups in members.items() for group in groups])
    return made


def _casbin_line(line: Line) -> tuple[str, ...]:
    return tuple(
        str(part)
        for part in (
            *(line.group, line.action, line.object, line.purpose),
            *(line.scope, line.mask, line.effect, line.conditions, line.id),
        )
    )


_Sign = tuple[str, str, str, str, str]
_Found = tuple[str, str, str, bool, tuple[int, ...]]
"""Scope, mask, conditions, whether they are granted, and which of the lines made it so."""


class Judge:
    """Asks Casbin, and remembers what it said of lines that look alike.

    All lines that are given to it are about the object and the caller, so that nothing but their
    purpose, scope, mask, effect and conditions can tell two questions apart.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[_Sign, ...], tuple[_Found, ...]] = {}

    def judge(
        self,
        lines: Mapping[str, Sequence[Line]],
        groups: Iterable[str],
        action: str,
        purpose: str,
    ) -> Mapping[str, tuple[Option, ...]]:
        """What can be had of every object: in each scope and mask and under the conditions that
        some line could allow it in.

        ``lines``: object → the lines in force that are about it, the action and one of the
        groups. Objects that no line could allow are left out.
        """
        judged: dict[str, tuple[Option, ...]] = {}
        for name, concerned in lines.items():
            signs = tuple(_sign(line, purpose) for line in concerned)
            found = self._found.get(signs)
            if found is None:
                request = (action, name, purpose)
                if len(self._found) >= _MOST_REMEMBERED:
                    self._found.clear()
                found = self._found[signs] = _ask(concerned, groups, request)
            options = tuple(
                Option(scope, mask, granted, _ids(concerned, made), conditions)
                for scope, mask, conditions, granted, made in found
            )
            if options:
                judged[name] = options
        return judged


_MOST_REMEMBERED = 10_000


def _ids(lines: Sequence[Line], made: Sequence[int]) -> tuple[str, ...]:
    return tuple(sorted({lines[index].id for index in made}))


def _sign(line: Line, purpose: str) -> _Sign:
    """All that Casbin can find in a line of which action, object and group are the request's."""
    about = "=" if line.purpose == purpose else ANY if line.purpose == ANY else "-"
    return about, line.scope, line.mask, line.effect, line.conditions


def _ask(
    lines: Sequence[Line], groups: Iterable[str], request: tuple[str, str, str]
) -> tuple[_Found, ...]:
    forms = [(x.scope, x.mask, x.conditions) for x in lines if x.effect == Effect.ALLOW]
    if not forms:
        return ()
    numbered = [replace(line, id=str(index)) for index, line in enumerate(lines)]
    within = {line.group for line in lines}.intersection(groups)
    with _PARSING:
        asked = enforcer(numbered, {_CALLER: within})
        found = (_weigh(asked, (_CALLER, *request, *form)) for form in dict.fromkeys(forms))
        return tuple(option for option in found if option is not None)


def _weigh(asked: casbin.Enforcer, request: tuple[str, ...]) -> _Found | None:
    """Casbin's answer, with the lines behind it; None where no line applies at all."""
    *_, scope, mask, conditions = request
    granted, line = asked.enforce_ex(*request)
    if not granted:
        return (scope, mask, conditions, False, (int(line[-1]),)) if line else None
    # Casbin explains an answer by one line. Taking that line away and asking again gives the
    # next one, until none is left.
    taken = []
    while line:
        taken.append(line)
        asked.remove_policy(*line)
        _, line = asked.enforce_ex(*request)
    asked.add_policies_ex(taken)
    return scope, mask, conditions, True, tuple(int(line[-1]) for line in taken)
