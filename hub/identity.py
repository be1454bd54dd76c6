"""Who is asking: short-lived signed tokens, each for one registered client.

A token names the client and, if there is one, the account of the person behind it. What the
client may do is looked up when it asks, so a token carries no rights.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import timedelta

from joserfc import jwt
from joserfc.jwk import OKPKey

from core.clock import Clock
from core.errors import BadInput, HubError
from core.keys import KeyRing
from core.messages import message

_AUDIENCE = "hub"
LONGEST = timedelta(hours=12)


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


def bare(account: str) -> str:
    """An account as it is compared: blanks, capitals, widths and what cannot be seen do not make
    it another person's.
    """
    seen = "".join(c for c in account if unicodedata.category(c) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", seen).split()).casefold()


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
