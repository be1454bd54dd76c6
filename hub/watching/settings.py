"""What a workspace may say about watching: ``policies/watching.yaml`` and ``policies/accounts.yaml``.

Both may be absent: the defaults are those of a district's hub.
"""

from __future__ import annotations

from datetime import time
from typing import Annotated

from pydantic import Field, model_validator

from core.messages import message
from core.types import Model
from hub.identity import canonical_account
from policies.models import ClientId, Name

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Days = Annotated[int, Field(ge=1, le=365)]
Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(ge=1, le=1000)]
Reference = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Volume(Model):
    """More persons a day than usual. ``times``: so many deviations above the account's own
    median; ``peer_times``: so many times what 99 of 100 of its peers' days reach; ``at_least``:
    fewer persons are never much; ``days``: how far habits go back; ``known``: days of work before
    there is a habit; ``peers``: other accounts of the role before there is a comparison.
    """

    times: Factor = 8
    peer_times: Factor = 3
    at_least: Count = 30
    days: Days = 60
    known: Count = 10
    peers: Count = 5


class Hours(Model):
    """Work outside of ``since`` to ``until`` or on no working day: ``requests`` of a day count,
    unless the role is one of ``roles`` that do so, or on ``usual`` of its other accounts' days
    (of at least ``known``) others do so too.
    """

    since: time = time(7)
    until: time = time(20)
    requests: Count = 5
    roles: tuple[Name, ...] = ()
    usual: Share = 0.1
    known: Count = 20


class Outside(Model):
    """Persons whom the caller may not see: ``persons`` a day, where they are a ``share`` of the
    account's requests, or ``many`` whatever the share.
    """

    persons: Count = 5
    share: Share = 0.25
    many: Count = 20


class Sought(Model):
    """One person asked for by so many ``accounts`` within ``days``."""

    accounts: Count = 8
    days: Days = 7


class Walking(Model):
    """Walking through a register: ``persons`` within ``minutes`` with few repeats, at a pace more
    ``even`` than a human one (median deviation of the pauses, in median pauses), or ``fast`` persons
    within ``minutes`` at any pace; slower walks are seen over a whole day, if ``steady``.
    """

    persons: Count = 40
    minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    repeats: Share = 0.05
    even: Share = 0.3
    steady: Share = 0.15
    fast: Count = 200


class Cases(Model):
    """Case numbers that are none: one for ``persons`` within ``days``, ``times`` more than the
    role's days usually have a case; or of a form that no other account of the role uses, in
    ``requests``, where ``peers`` others share one form.
    """

    persons: Count = 40
    times: Factor = 10
    days: Days = 7
    requests: Count = 5
    peers: Count = 3


class Probing(Model):
    """``questions`` in a day whether the same items of one person have this or that value."""

    questions: Count = 5


class OwnView(Model):
    """The person's own view. ``accounts``: whether it names the account that asked.
    ``most_delay_days``: the longest delay that the law allows a purpose.
    """

    accounts: bool = False
    most_delay_days: Days = 180


class Account(Model):
    """Who stands behind an account: ``reference`` is what ``hub audit digest`` prints for their
    number.
    Without ``person`` it is whoever uses the client.
    """

    client: ClientId
    person: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    reference: Reference


class Accounts(Model):
    """The content of ``policies/accounts.yaml``."""

    accounts: tuple[Account, ...] = ()

    @model_validator(mode="after")
    def _are_told_once(self) -> Accounts:
        names = [
            (account.client, account.person and canonical_account(account.person))
            for account in self.accounts
        ]
        if len(names) != len(set(names)):
            raise ValueError(message("rule_twice"))
        return self


class Watching(Model):
    """The content of ``policies/watching.yaml``. ``without``: rules that are not applied.
    ``quiet_days``: how long a rule says nothing of an account after a finding was closed as
    justified or as a false alarm.
    """

    without: tuple[Name, ...] = ()
    quiet_days: Annotated[int, Field(ge=0, le=365)] = 7
    volume: Volume = Volume()
    hours: Hours = Hours()
    outside: Outside = Outside()
    sought: Sought = Sought()
    walking: Walking = Walking()
    cases: Cases = Cases()
    probing: Probing = Probing()
    own_view: OwnView = OwnView()


class Watch(Model):
    """Both files, as one registered document."""

    rules: Watching = Watching()
    accounts: tuple[Account, ...] = ()
