"""What surrounds every request: its id, its log line, its safety headers, its last resort.

Pages of other origins may read answers only if they are listed (CORS): the headers that say so go
onto every answer, refusals and crashes too, or a browser would hide those from its own page.
"""

import re
import time
from http import HTTPStatus
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars
from uuid_utils.compat import uuid7

from itschool_api import deprecation, errors, heads, languages, logs
from itschool_api.auth.throttle import Quota
from itschool_api.instruments import Instruments

_log = structlog.get_logger(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

# OWASP ASVS 5.0, 3.4 and 14.3.2: an API's answers are never framed, sniffed, or kept by a cache.
_SAFETY_HEADERS: Final = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
# What an answer to a listed origin shows to scripts, beside the few that browsers always show.
_EXPOSED: Final = (
    "Content-Disposition, Content-Language, Deprecation, ETag, Link, Location, RateLimit, "
    "RateLimit-Policy, Retry-After, Sunset, WWW-Authenticate, X-Request-Id"
)
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Accept, Accept-Language, Authorization, Content-Type, "
    "Idempotency-Key, If-Match, If-None-Match, X-Request-Id, X-Requested-With",
    "Access-Control-Max-Age": "600",
}


def _quota(scope: Scope) -> dict[str, str]:
    """Return the headers that say what the caller has left, where they were counted."""
    quota: Quota | None = scope["state"].get("quota")
    return quota.headers() if quota else {}


class RequestContext:
    """Give each request an id, echo it in `X-Request-Id`, log its outcome, answer a crash.

    A caller's own `X-Request-Id` of 8 to 64 safe characters is kept, so that it can be followed
    through several systems.
    """

    def __init__(
        self,
        app: ASGIApp,
        origins: frozenset[str] = frozenset(),
        instruments: Instruments | None = None,
    ) -> None:
        self._app = app
        self._origins = origins
        self._instruments = instruments
        self._endings = deprecation.Endings()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (or pass on what is not one)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        wished = asked.get("x-request-id", "")
        request_id = wished if _REQUEST_ID.fullmatch(wished) else uuid7().hex
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        languages.listen(asked.get("accept-language", ""))
        scope.setdefault("state", {})
        status = 0
        started = time.perf_counter()

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.update(_quota(scope))
                for name, value in _SAFETY_HEADERS.items():
                    headers.setdefault(name, value)
                if self._origins:
                    headers.add_vary_header("Origin")
                headers.update(self._shared(asked))
                headers.update(self._endings.headers(scope))
            await send(message)

        self._begin()
        app = self._app
        if self._is_preflight(scope, asked):
            app = Response(status_code=HTTPStatus.NO_CONTENT, headers=_PREFLIGHT)
        try:
            await app(scope, receive, send_on)
        except ClientDisconnect:
            # Whoever went away in the middle of an upload hears no answer.
            _log.info("request.abandoned", method=heads.asked_method(scope))
        except Exception as error:
            _log.error(
                "request.crashed",
                method=heads.asked_method(scope),
                route=getattr(scope.get("route"), "path", None),
                error=type(error).__name__,
                traceback=logs.places(error),
            )
            if status:
                raise
            # The answer says nothing but the request's id (OWASP ASVS 5.0, 16.5.1).
            await errors.response(errors.InternalError())(scope, receive, send_on)
        finally:
            self._end(scope, status, time.perf_counter() - started)

    def _begin(self) -> None:
        if self._instruments:
            self._instruments.in_flight.inc()

    def _end(self, scope: Scope, status: int, seconds: float) -> None:
        """Log a request that is over, and count it."""
        # The route's template, not the path: ids of children stay out of the logs.
        route = getattr(scope.get("route"), "path", None)
        if self._instruments:
            self._instruments.in_flight.dec()
            self._instruments.request(heads.asked_method(scope), route, status, seconds)
        _log.info(
            "request.done",
            method=heads.asked_method(scope),
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 1),
        )

    def _shared(self, asked: Headers) -> dict[str, str]:
        """Return the headers that let the asking page read the answer, if its origin is listed."""
        origin = asked.get("origin")
        # Compared as a whole: nothing is reflected that does not stand in the list.
        if origin not in self._origins:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Expose-Headers": _EXPOSED,
        }

    def _is_preflight(self, scope: Scope, asked: Headers) -> bool:
        """Tell whether a listed origin asks what it may send; others are told nothing."""
        return (
            scope["method"] == "OPTIONS"
            and "access-control-request-method" in asked
            and asked.get("origin") in self._origins
        )
