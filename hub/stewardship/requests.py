"""Requests for rulings that are sent twice: told by their idempotency keys. Called under the lock of
rulings.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from core.errors import HubError
from core.keys import KeyRing
from reconcile import rulings
from reconcile.models import Ruling, RulingKey
from reconcile.rulings import Actor, Draft


class KeyReused(HubError):
    """An idempotency key came with another request before."""

    code = "key_reused"
    status = 409
    exit_code = 2


def repeated(connection: Connection, keys: KeyRing, actor: Actor, draft: Draft) -> int | None:
    """The ruling that the same request was answered with before.

    Raises:
        KeyReused: it was another request.
    """
    if draft.key is None:
        return None
    about = (Ruling.client == actor.client, Ruling.key == draft.key)
    for made in rulings.standing(connection, None, *about):
        if rulings.open_body(keys, made)["request"] != draft.body["request"]:
            raise KeyReused
        return int(made.number)
    query = select(RulingKey.__table__)
    query = query.where(RulingKey.client == actor.client, RulingKey.key == draft.key)
    for found in connection.execute(query):
        if found.digest != _digest(keys, draft):
            raise KeyReused
        return int(found.ruling)
    return None


def remember(
    connection: Connection, keys: KeyRing, actor: Actor, draft: Draft, number: int
) -> None:
    """Keeps the key of a request that a ruling of before answers."""
    if draft.key is not None:
        kept = {"client": actor.client, "key": draft.key, "ruling": number}
        connection.execute(insert(RulingKey).values(**kept, digest=_digest(keys, draft)))


def _digest(keys: KeyRing, draft: Draft) -> bytes:
    # A request may hold a value, which could be guessed by a digest without a key.
    return keys.blind_index("ruling-request", draft.body["request"])
