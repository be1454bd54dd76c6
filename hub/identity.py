"""Who is asking: short-lived signed tokens, each for one registered client.

A token names the client and, if there is one, the account of the person behind it. What the
client may do is looked up when it asks, so a token carries no rights.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta

from joserfc import jwt
from joserfc.jwk import OKPKey

from catalog.standards.spelling import folded
from core.clock import Clock
from core.errors import BadInput, HubError
from core.keys import KeyRing
from core.messages import message

_AUDIENCE = "hub"
LONGEST = timedelta(hours=12)

# What shows nothing although it counts as a letter, a mark or a symbol.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)


def canonical_account(account: str) -> str:
    """The one form of all ways to write an account: full-width letters, capitals, blanks around
    it and what cannot be seen do not make another. Empty where nothing is left: that is nobody.
    """
    seen = _UNSEEN.sub("", unicodedata.normalize("NFKC", account)).casefold()
    # In small letters, marks may meet their letter.
    return folded(seen)


def same_person(one: str, other: str) -> bool:
    """Whether two accounts are one person's, as far as accounts can tell."""
    return canonical_account(one) == canonical_account(other)


class Unauthenticated(HubError):
    """No token, or one that does not hold."""

    code = "unauthenticated"
    status = 401


@dataclass(frozen=True)
class Caller:
    """The client that asks, and the account of the person using it, if it says so. ``address``:
    where the request comes from, over the network.
    """

    client: str
    person: str | None = None
    address: str | None = None


class Tokens:
    """Issues and checks tokens (JWT signed with Ed25519)."""

    def __init__(self, keys: KeyRing, clock: Clock) -> None:
        self._key = OKPKey.import_key(keys.signing_key)
        self._clock = clock
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(clock.now().timestamp()),
            aud={"essential": True, "value": _AUDIENCE},
            sub={"essential": True},
            exp={"essential": True},
        )

    def issue(self, caller: Caller, lifetime: timedelta) -> str:
        """A token for ``caller``.

        Raises:
            BadInput: it would live longer than :data:`LONGEST`.
        """
        if not timedelta(0) < lifetime <= LONGEST:
            raise BadInput(field="lifetime", rule=message("rule_at_most", most=LONGEST))
        now = self._clock.now()
        claims = {
            "aud": _AUDIENCE,
            "sub": caller.client,
            "person": caller.person,
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
        }
        return jwt.encode({"alg": "Ed25519"}, claims, self._key, algorithms=["Ed25519"])

    def check(self, token: str) -> Caller:
        """The caller a token was issued for.

        Raises:
            Unauthenticated: it was not issued by this hub, or its time is over.
        """
        try:
            claims = jwt.decode(token, self._key, algorithms=["Ed25519"]).claims
            self._claims.validate(claims)
        except Exception as error:
            # Whatever a forged token makes the library stumble over, it is no token of ours.
            raise Unauthenticated from error
        return Caller(str(claims["sub"]), claims.get("person"))
