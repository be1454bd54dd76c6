"""Masking: the only way from a golden record to something an answer may carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NoReturn, final

from catalog.standards import elements
from catalog.standards.base import Element
from catalog.standards.hiding import Value, hide
from catalog.standards.several import SetOf, each
from catalog.subjects import Subject
from core.ciphers import block, mac
from core.errors import HubError
from core.keys import KeyRing
from core.messages import message
from core.types import Status
from policies.decide import Grant
from policies.enforcer import most_open
from policies.fpe import FormCipher
from policies.models import FPE, PSEUDONYM, REVEAL, SUPPRESS, Action
from policies.plans import MaskUnknown

_Show = Callable[[str], Value]
_READING = (Action.VERIFY, Action.QUERY, Action.EXCHANGE, Action.CHECK, Action.STEWARD)
_MINT = object()


class MaskFailed(HubError):
    """A mask cannot be applied to a value. Nothing of the answer is given."""

    code = "policy_mask_failed"


class GrantUnfit(HubError):
    """A grant was given for something else than reading this subject."""

    code = "policy_grant_unfit"


@dataclass(frozen=True, slots=True)
class Cell:
    """A golden value as canonical text, None where there is none, with its origin."""

    value: str | None
    status: Status | None = None
    dataset: str | None = None
    as_of: str | None = None


@dataclass(frozen=True, slots=True)
class MaskedCell:
    """What a caller sees of a value. ``mask`` says how; under ``suppress`` all else is None,
    whether there is a value or not.
    """

    value: Value | None
    mask: str
    status: Status | None = None
    dataset: str | None = None
    as_of: str | None = None


@final
class MaskedRow:
    """A record as its caller may see it: attribute → cell. Only :class:`Masker` makes one."""

    __slots__ = ("cells",)

    cells: Mapping[str, MaskedCell]

    def __init__(self, mint: object, cells: Mapping[str, MaskedCell]) -> None:
        if mint is not _MINT:
            raise TypeError("a masked row is made by masking only")
        object.__setattr__(self, "cells", MappingProxyType(dict(cells)))

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("a masked row has no other kinds")

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise TypeError("a masked row does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise TypeError("a masked row does not change")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a masked row is not copied or stored")


class Masker:
    """Masks the records of one subject for one grant.

    Raises:
        GrantUnfit: the grant is for another subject, or not for reading.
        MaskUnknown: the grant names a mask that an attribute does not have.
    """

    def __init__(
        self,
        grant: Grant,
        subject: Subject,
        keys: KeyRing,
        known: Mapping[str, Element] | None = None,
    ) -> None:
        if grant.subject != subject.subject or grant.action not in _READING:
            raise GrantUnfit(action=grant.action, granted=grant.subject, subject=subject.subject)
        self._elements = elements() if known is None else known
        self._subject = subject
        self._keys = keys
        # Two consumers, or two purposes of one, cannot join what they were given.
        self._use = f"{grant.client.department}/{grant.purpose}"
        self._tiers = grant.tiers
        self._shown = [
            {name: self._show(name, mask) for name, mask in tier.masks.items()}
            for tier in grant.tiers
        ]
        asked = {name for tier in grant.tiers for name in tier.masks}
        self._items = tuple(name for name in subject.attributes if name in asked)
        self._best: dict[tuple[bool, ...], Mapping[str, tuple[str, _Show]]] = {}

    def mask_row(
        self, row: Mapping[str, Cell], region: str | None, entity: str | None = None
    ) -> MaskedRow | None:
        """What the caller sees of the record of ``entity``, which lies in ``region``: every item
        of the grant, or None where no tier reaches the record. Attributes that are not granted
        are left out; one that is granted only in other records is suppressed.

        Raises:
            MaskFailed: a value is not of its element's canonical form.
        """
        inside = tuple(tier.scope.contains(region, entity) for tier in self._tiers)
        if not any(inside):
            return None
        best = self._best.get(inside)
        if best is None:
            best = self._best[inside] = dict(self._choose(inside))
        cells = {name: _masked(name, row.get(name), *best[name]) for name in self._items}
        return MaskedRow(_MINT, cells)

    def _choose(self, inside: tuple[bool, ...]) -> Iterator[tuple[str, tuple[str, _Show]]]:
        """Per item, the mask that shows most among the tiers a record lies in."""
        within = [i for i, holds in enumerate(inside) if holds]
        for name in self._items:
            masks = {self._tiers[i].masks[name]: i for i in within if name in self._shown[i]}
            if masks:
                mask = most_open(masks, self._element(name).default_mask)
                yield name, (mask, self._shown[masks[mask]][name])
            else:
                yield name, (SUPPRESS, _nothing)

    def _element(self, attribute: str) -> Element:
        return self._elements[self._subject.attributes[attribute].element]

    def _show(self, attribute: str, mask: str) -> _Show:
        element = self._element(attribute)
        if mask == REVEAL:
            return element.typed
        if mask == SUPPRESS:
            return _nothing
        if mask == PSEUDONYM:
            return self._pseudonym(element)
        if mask == FPE and element.keeps_form:
            return self._disguise(element)
        own = element.mask(mask)
        if own is None:
            raise MaskUnknown(mask=mask, item=attribute, rule=message("rule_a_grant"))
        return _carefully(element, own)

    def _pseudonym(self, element: Element) -> _Show:
        """Equal values of one element have equal pseudonyms, for one department and purpose."""
        if isinstance(element, SetOf):
            return each(self._pseudonym(element.member))
        key, suite = self._keys.derive(f"pseudonym/{self._use}"), self._keys.suite
        kind = element.code.encode() + b"\x00"

        def show(value: str) -> str:
            return mac(suite, key, kind + value.encode())[:16].hex()

        return show

    def _disguise(self, element: Element) -> _Show:
        """Another value of the same form; of a value that has none, nothing but its length."""
        if isinstance(element, SetOf):
            return each(self._disguise(element.member))
        key = self._keys.derive(f"fpe/{self._use}")
        cipher = FormCipher(element, block(self._keys.suite, key))
        return _carefully(element, lambda value: cipher.encrypt(value) or hide(value))


def in_public(element: Element, mask: str) -> Callable[[str], str | None]:
    """How open data shows canonical values, as text. It is for nobody in particular, so that
    there is no department and purpose to have pseudonyms or numbers of the same form for.

    Raises:
        MaskUnknown: the element has no such mask, or there is none such in public.
    """
    if mask == SUPPRESS:
        return lambda _: None
    if mask == REVEAL:
        return lambda value: value
    own = element.mask(mask)
    if own is None:
        raise MaskUnknown(mask=mask, item=element.code, rule=message("rule_open_data"))
    show = _carefully(element, own)

    def shown(value: str) -> str:
        return str(_shown(element.code, value, mask, show))

    return shown


def _carefully(element: Element, show: _Show) -> _Show:
    """``show``, of canonical values only: of others, it might show what its form does not say."""

    def careful(value: str) -> Value:
        if element.clean_one(value) != value:
            raise ValueError("not canonical")
        return show(value)

    return careful


def _nothing(_: str) -> Value:
    raise AssertionError("a suppressed value is never looked at")


def _masked(name: str, cell: Cell | None, mask: str, show: _Show) -> MaskedCell:
    if mask == SUPPRESS:
        return MaskedCell(None, SUPPRESS)
    if cell is None:
        return MaskedCell(None, mask)
    value = None if cell.value is None else _shown(name, cell.value, mask, show)
    return MaskedCell(value, mask, cell.status, cell.dataset, cell.as_of)


def _shown(name: str, value: str, mask: str, show: _Show) -> Value:
    try:
        return show(value)
    except Exception:
        # The cause is cut off: its words may hold the value.
        raise MaskFailed(item=name, mask=mask) from None
