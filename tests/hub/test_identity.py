"""Tokens: issued by this hub, for it, for a short time; anything else is nobody."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from core.clock import FixedClock
from core.errors import BadInput
from core.keys import KeyRing
from hub.identity import (
    LONGEST,
    Caller,
    Tokens,
    Unauthenticated,
    canonical_account,
    same_person,
)

KEYS, OTHER = KeyRing(bytes(32)), KeyRing(bytes(range(32)))
NOW = datetime(2026, 7, 1, 4, tzinfo=UTC)
WORKER = Caller("worker-1", "w1024")
CLAIMS = {
    "aud": "hub", "sub": "worker-1", "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 600,
}  # fmt: skip


def tokens(keys: KeyRing = KEYS, moment: datetime = NOW) -> Tokens:
    return Tokens(keys, FixedClock(moment))


def signed(keys: KeyRing = KEYS, **claims: Any) -> str:
    """A token with a sound signature and the given claims; None leaves one out."""
    said = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    key = OKPKey.import_key(keys.signing_key)
    return jwt.encode({"alg": "Ed25519"}, said, key, algorithms=["Ed25519"])


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize("caller", [WORKER, Caller("auditor-1")])
def test_a_token_names_its_caller(caller: Caller) -> None:
    assert tokens().check(tokens().issue(caller, timedelta(minutes=5))) == caller


def test_a_token_of_our_own_making_holds_so_that_the_others_fail_for_what_they_try() -> None:
    assert tokens().check(signed()) == Caller("worker-1")


def test_a_token_holds_until_its_time_is_over() -> None:
    token = tokens().issue(WORKER, timedelta(minutes=5))
    assert tokens(moment=NOW + timedelta(minutes=4, seconds=59)).check(token) == WORKER
    for later in (timedelta(minutes=5, seconds=1), timedelta(days=400)):
        with pytest.raises(Unauthenticated):
            tokens(moment=NOW + later).check(token)


def test_a_token_may_live_as_long_as_the_longest() -> None:
    assert tokens().check(tokens().issue(WORKER, LONGEST)) == WORKER


@pytest.mark.parametrize(
    "lifetime", [LONGEST + timedelta(seconds=1), timedelta(0), timedelta(minutes=-5)]
)
def test_a_token_with_another_lifetime_is_not_issued(lifetime: timedelta) -> None:
    with pytest.raises(BadInput):
        tokens().issue(WORKER, lifetime)


def unsigned(algorithm: str) -> str:
    return f"{part({'alg': algorithm})}.{part(CLAIMS)}."


def public_key_as_secret() -> str:
    """Signed with the hub's public key as if it were a shared secret."""
    key = OctKey.import_key(KEYS.public_bytes)
    return jwt.encode({"alg": "HS256"}, CLAIMS, key, algorithms=["HS256"])


def key_of_its_own() -> str:
    """Brings the key it was signed with along."""
    key = OKPKey.import_key(OTHER.signing_key)
    header = {"alg": "Ed25519", "jwk": key.as_dict(private=False)}
    return jwt.encode(header, CLAIMS, key, algorithms=["Ed25519"])


def another_body() -> str:
    head, _, signature = signed().split(".")
    return f"{head}.{part({**CLAIMS, 'sub': 'auditor-1'})}.{signature}"


FORGED = {
    "another key": signed(OTHER),
    "no algorithm": unsigned("none"),
    "no algorithm, spelt otherwise": unsigned("NONE"),
    "no signature": unsigned("Ed25519"),
    "the public key as a secret": public_key_as_secret(),
    "a key of its own": key_of_its_own(),
    "another body": another_body(),
    "for another audience": signed(aud="elsewhere"),
    "for no audience": signed(aud=None),
    "for nobody": signed(sub=None),
    "without end": signed(exp=None),
    "an end that is no number": signed(exp="tomorrow"),
    "issued in the future": signed(iat=int(NOW.timestamp()) + 3600),
    "over": signed(exp=int(NOW.timestamp()) - 1),
    "nothing": "",
    "dots": "..",
    "not of this alphabet": "令.牌.！",
    "a body that is no object": f"{signed().partition('.')[0]}.{part([])}.{signed().rpartition('.')[2]}",
}


@pytest.mark.parametrize("attempt", FORGED)
def test_a_forged_token_is_nobody(attempt: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        tokens().check(FORGED[attempt])
    assert caught.value.status == 401
    assert caught.value.fields == {}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(text=st.text(max_size=40) | st.from_regex(r"[\w-]{0,9}\.[\w-]{0,9}\.[\w-]{0,9}"))
def test_no_text_is_a_crash(text: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens().check(text)


@pytest.mark.parametrize(
    "written",
    ["lin", "Lin", " LIN\t", "ｌｉｎ", "l\u200bin", "lin\ufeff", "l\u00adin", "lin\ufe0f", "\u3164lin", "lin\u2800"],
)  # fmt: skip
def test_one_person_however_the_account_is_written(written: str) -> None:
    assert same_person("lin", written)
    assert canonical_account(written) == "lin"


@pytest.mark.parametrize("other", ["li", "l in", "lin2", "林", "lın", ""])
def test_another_account_is_another_person(other: str) -> None:
    assert not same_person("lin", other)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=12))
def test_an_account_has_one_form(account: str) -> None:
    form = canonical_account(account)
    assert canonical_account(form) == form
    assert same_person(f" {account.upper()}\u200b", account.upper())
