"""Which source of the master secret the settings name, and whether production may use it."""

from __future__ import annotations

from functools import partial

from core.errors import BadInput, HubError
from core.keysources import (
    Master,
    Source,
    development_file,
    from_command,
    from_file,
    is_development,
    parse,
)
from core.messages import message
from hub.settings import Settings


class KeysDemoInProduction(HubError):
    """Production mode was asked for with keys a hub made itself."""

    code = "keys_demo_in_production"
    exit_code = 2


def master_secret(settings: Settings) -> Master:
    """The master secret of the one source that is set or, in development, of the hub's own file.

    Raises:
        BadInput: several are set.
        KeysUnusable: it cannot be had.
        KeysDemoInProduction: none is set, and production mode does not make one; or it is one
            that a hub made.
    """
    given: dict[str, Source] = {}
    if settings.keys_file is not None:
        given["HUB_KEYS_FILE"] = partial(from_file, settings.keys_file)
    if settings.keys is not None:
        given["HUB_KEYS"] = partial(parse, settings.keys.get_secret_value(), "HUB_KEYS")
    if settings.keys_command is not None:
        given["HUB_KEYS_COMMAND"] = partial(from_command, settings.keys_command.get_secret_value())
    if len(given) > 1:
        raise BadInput(field=", ".join(given), rule=message("rule_one_only"))
    own = settings.home.absolute() / "keys" / "hub.key"
    if not given and settings.mode == "production":
        raise KeysDemoInProduction(source=str(own))
    name, source = given.popitem() if given else (str(own), partial(development_file, own))
    if settings.mode == "production":
        return Master(lambda: refuse_development(source(), name))
    return Master(source)


def refuse_development(secret: bytes, source: str) -> bytes:
    """A secret that production may use.

    Raises:
        KeysDemoInProduction: a hub made it for development, wherever it stands now.
    """
    if is_development(secret):
        raise KeysDemoInProduction(source=source)
    return secret
