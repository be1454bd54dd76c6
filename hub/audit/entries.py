"""What is written down of each request: who, why, what, and how it was decided. Never a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.canonical import encode
from core.ciphers import mac
from core.keys import KeyRing

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Who:
    """The client that asked, its department, and the account of the person behind it if any."""

    client: str
    department: str
    person: str | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """The stated purpose and case number, and the agreements the request was granted under.

    Both are ``None`` for what the hub does on its own, such as publishing a release.
    """

    purpose: str | None = None
    case: str | None = None
    agreements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class What:
    """What was asked for.

    ``subject``: the subject, dataset or other object acted on, as policies name it.
    ``items``: item → mask. ``scope``: the rows that were within reach.
    ``digests``: keyed digests (:class:`KeyedDigests`) of the persons or keys asked for.
    ``rows``: counts by name, such as ``asked`` and ``answered``; ``persons``: so many of the last
    ``digests`` are those of the persons that were shown.

    Raises:
        ValueError: a digest is not 64 hexadecimal digits, so it may be the value itself.
    """

    action: str
    subject: str
    items: Mapping[str, str] = field(default_factory=dict)
    scope: str | None = None
    digests: tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not all(map(_DIGEST.fullmatch, self.digests)):
            raise ValueError("only keyed digests may be logged, never values")


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it was granted, and the codes of the reasons."""

    granted: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry, before the log gives it index, time and salt.

    ``policy``: revision of the policy decided by. ``release``: the release that was read or made.
    ``request``: digest of the request. ``outcome``: how it ended, such as ``answered``.
    """

    who: Who
    why: Why
    what: What
    decision: Decision
    policy: str
    outcome: str
    release: str | None = None
    request: str | None = None

    def public(self) -> bytes:
        """What stays readable for ever, as canonical JSON.

        Raises:
            TypeError: a field holds something JSON has no form for.
        """
        who, why, what, decision = self.who, self.why, self.what, self.decision
        return encode(
            {
                "who": {"client": who.client, "department": who.department},
                "why": {"purpose": why.purpose, "agreements": why.agreements},
                "what": {
                    "action": what.action,
                    "subject": what.subject,
                    "items": dict(what.items),
                    "scope": what.scope,
                    "rows": dict(what.rows),
                },
                "decision": {"granted": decision.granted, "reasons": decision.reasons},
                "policy": self.policy,
                "outcome": self.outcome,
                "release": self.release,
            }
        )

    def personal(self, salt: str) -> bytes:
        """What leads to persons, as canonical JSON: to the one who asked, and, for whoever holds
        the hub's keys, to those who were asked about. The leaf holds its digest alone, which
        ``salt`` keeps from telling anything.

        Raises:
            TypeError: a field holds something JSON has no form for.
        """
        return encode(
            {
                "person": self.who.person,
                "case": self.why.case,
                "digests": self.what.digests,
                "request": self.request,
                "salt": salt,
            }
        )


class KeyedDigests:
    """Stand-ins for persons and keys: equal values give equal digests, which cannot be enumerated
    without the hub's key and match no digest made for another use.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._key = keys.derive("audit-digest")
        self._suite = keys.suite

    def account(self, person: str) -> str:
        """The digest by which the entries of the person who asked are found: of the account as it
        was written, like the entry itself, since both are verified together.
        """
        return self.of("account", person)

    def of(self, kind: str, value: str) -> str:
        """64 hexadecimal digits for the value of an attribute ``kind``."""
        message = kind.encode() + b"\x00" + value.encode()
        return mac(self._suite, self._key, message).hex()
