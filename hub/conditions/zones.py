"""Network zones: named sets of addresses that requests come from (``policies/zones.yaml``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Annotated, Self

from pydantic import Field, model_validator

from core.messages import message
from core.types import Model, Text
from policies.models import Name

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Zone(Model):
    """A network zone. ``networks``: its addresses, such as ``10.20.0.0/16``."""

    id: Name
    title: Text
    networks: Annotated[tuple[Network, ...], Field(min_length=1)]


class Zones(Model):
    """The content of ``policies/zones.yaml``."""

    zones: tuple[Zone, ...] = ()

    @model_validator(mode="after")
    def _are_told_once(self) -> Self:
        names = [zone.id for zone in self.zones]
        if len(names) != len(set(names)):
            raise ValueError(message("rule_twice"))
        return self

    def of(self, address: str | None) -> frozenset[str]:
        """The zones that an address lies in; none where there is no address."""
        found = None if address is None else _read(address)
        return frozenset(
            zone.id for zone in self.zones if found is not None and _inside(found, zone.networks)
        )


def networks(text: str) -> tuple[Network, ...]:
    """Networks and addresses with commas between them.

    Raises:
        ValueError: one is neither.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def origin(peer: str | None, forwarded: Iterable[str], trusted: Sequence[Network]) -> str | None:
    """Where a request comes from: the peer of the connection or, if that is a trusted proxy, the
    last address of its ``X-Forwarded-For`` that is no trusted proxy itself. All before that
    address anybody may have written.

    Args:
        forwarded: the values of the header, in the order of the request.
    """
    found = peer
    for address in _before(peer, forwarded):
        known = None if found is None else _read(found)
        if known is None or not _inside(known, trusted):
            break
        found = address
    return found


def _before(peer: str | None, forwarded: Iterable[str]) -> Iterator[str]:
    if peer is not None:
        hops = [hop.strip() for value in forwarded for hop in value.split(",")]
        yield from reversed([hop for hop in hops if hop])


def _read(address: str) -> Address | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return found if mapped is None else mapped


def _inside(address: Address, among: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in among)
