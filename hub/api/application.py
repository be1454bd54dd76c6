"""The application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI

from hub import VERSION
from hub.api import (
    audit_routes,
    authzen_routes,
    condition_routes,
    conflict_routes,
    opening_routes,
    policy_routes,
    problems,
    quality_routes,
    retention_routes,
    ruling_routes,
    sharing_routes,
    watching_routes,
)
from hub.api.guard import Guard
from hub.api.key_routes import key_routes
from hub.api.release_routes import release_routes, whole_routes
from hub.api.routes import guarded, open_routes, single_keys
from hub.api.state import opened_state
from hub.app import Hub

ROUTERS = (
    open_routes,
    guarded,
    release_routes,
    whole_routes,
    conflict_routes.router,
    quality_routes.router,
    ruling_routes.router,
    audit_routes.open_router,
    audit_routes.router,
    policy_routes.router,
    authzen_routes.open_routes,
    authzen_routes.router,
    key_routes,
    watching_routes.router,
    retention_routes.router,
    sharing_routes.router,
    opening_routes.router,
    condition_routes.router,
)
"""Every route there is."""


def create(hub: Hub) -> FastAPI:
    """The application over an open hub. Its interactive pages are off: they would load scripts
    from elsewhere.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened_state(hub) as state:
            app.state.hub = state
            yield

    app = FastAPI(
        title="Data coordination hub",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        dependencies=[Depends(single_keys)],
    )
    app.add_middleware(Guard)
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    return app
