"""The rules: each a pure function over the frames of one pass (:class:`rules.base.Frames`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from hub.watching.rules import cases, hours, persons, probing, volume, walking
from hub.watching.rules.base import Frames, Hit
from hub.watching.settings import Watching

__all__ = ["RULES", "Frames", "Hit", "notice"]

Rule = Callable[[Frames, Watching], Iterable[Hit]]

RULES: Mapping[str, Rule] = {
    "volume_habit": volume.habit,
    "volume_peers": volume.peers,
    "off_hours": hours.off_hours,
    "own_record": persons.own_record,
    "family": persons.family,
    "colleague": persons.colleague,
    "outside_scope": persons.outside_scope,
    "sought_by_many": persons.sought_by_many,
    "walking": walking.walking,
    "case_spread": cases.spread,
    "case_form": cases.form,
    "case_unknown": cases.unknown,
    "probing": probing.probing,
}
"""Name → rule. ``watch_<name>`` in the messages is its title, ``watch_<name>_why`` what it says."""


def notice(frames: Frames, settings: Watching) -> Iterator[Hit]:
    """What the rules that are applied notice in the fresh part of ``frames``."""
    for name, rule in RULES.items():
        if name not in settings.without:
            yield from rule(frames, settings)
