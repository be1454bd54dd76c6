"""``hub serve`` and ``hub token``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from core.errors import BadInput
from core.messages import absent
from hub.cli.output import err, opened, out, tell
from hub.identity import Caller, Tokens
from hub.operator import operator_entry


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(epilog="Example: `hub serve --port 8080`")(serve)
    app.command(epilog="Example: `hub token grid-worker-01 --minutes 60 --person w1024`")(token)


def serve(
    port: Annotated[int | None, typer.Option(help="Port; default HUB_PORT.")] = None,
) -> None:
    """Serve the API."""
    import uvicorn

    from hub.api.application import create

    with opened() as hub:
        hub.revision()
        used = hub.settings.port if port is None else port
        config = uvicorn.Config(
            create(hub),
            host=hub.settings.host,
            port=used,
            access_log=False,
            # Where a request comes from is for HUB_TRUSTED_PROXIES to say.
            proxy_headers=False,
            server_header=False,
            log_level="warning",
        )
        err.print(tell("serving", host=hub.settings.host, port=used))
        uvicorn.Server(config).run()


def token(
    client: Annotated[str, typer.Argument(help="A registered client.")],
    minutes: Annotated[int, typer.Option(min=1, max=720, help="How long it holds.")] = 60,
    person: Annotated[str | None, typer.Option(help="Account of the person behind it.")] = None,
) -> None:
    """Issue a token for a registered client. The issue is audited."""
    with opened() as hub:
        known = {c.id for c in hub.workspace().policies.clients}
        if client not in known:
            raise BadInput(field="CLIENT", rule=absent("client", client))
        hub.audit.append([operator_entry("issue_token", f"client/{client}")])
        text = Tokens(hub.keys, hub.clock).issue(Caller(client, person), timedelta(minutes=minutes))
    out.print(text)
