"""Every error as a problem document (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from core.errors import HubError
from core.forms import rule_of
from core.messages import in_language, say

_PAGES = {404: "page_missing", 405: "method_refused"}


def install(app: FastAPI) -> None:
    """Adds the handlers."""

    @app.exception_handler(HubError)
    async def _known(request: Request, error: HubError) -> JSONResponse:
        language = language_of(request)
        fields = error.told(language)
        extra = {"fields": fields} if fields else {}
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
        return _problem(error.status, error.code, error.words(language), extra, headers)

    @app.exception_handler(RequestValidationError)
    async def _malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        # What was given is not repeated: it may be somebody's number.
        language = language_of(request)
        mistakes = [
            {
                "field": ".".join(str(step) for step in e["loc"]),
                "rule": in_language(rule_of(e), language),
            }
            for e in error.errors()
        ]
        detail = say("bad_input", language, **mistakes[0])
        return _problem(400, "bad_input", detail, {"mistakes": mistakes})

    @app.exception_handler(HTTPException)
    async def _page(request: Request, error: HTTPException) -> JSONResponse:
        code = _PAGES.get(error.status_code, "bad_request")
        return _problem(error.status_code, code, say(code, language_of(request)), {})


def language_of(request: Request) -> str:
    """``zh`` where the caller prefers Chinese, else ``en``."""
    wanted = request.headers.get("accept-language", "")
    return "zh" if wanted.lower().lstrip().startswith("zh") else "en"


def _problem(
    status: int,
    code: str,
    detail: str,
    extra: Mapping[str, object],
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    body = {"type": f"urn:hub:error:{code}", "title": code, "status": status, "detail": detail}
    return JSONResponse(
        {**body, **extra}, status, headers=headers, media_type="application/problem+json"
    )
