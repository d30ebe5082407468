"""`create_app()`: the only place that knows every router."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import parseaddr
from http import HTTPStatus
from importlib.metadata import version

import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from itschool_api import (
    docs,
    errors,
    heads,
    health,
    metrics,
    middleware,
    openapi,
    pagination,
    parameters,
    preconditions,
    problems,
    wording,
)
from itschool_api.audit import endpoints as audit_endpoints
from itschool_api.auth import endpoints as auth_endpoints
from itschool_api.auth import (
    key_set_endpoints,
    second_factor_endpoints,
    session_endpoints,
    signing_keys,
    throttle,
    tokens,
)
from itschool_api.auth import service as auth
from itschool_api.banking import endpoints as banking_endpoints
from itschool_api.dashboard import endpoints as dashboard_endpoints
from itschool_api.database import create_engine, create_sessions
from itschool_api.enrolments import endpoints as enrolments_endpoints
from itschool_api.events import endpoints as events_endpoints
from itschool_api.families import endpoints as families_endpoints
from itschool_api.instruments import Instruments
from itschool_api.invoices import endpoints as invoices_endpoints
from itschool_api.letters import endpoints as letters_endpoints
from itschool_api.members import endpoints as members_endpoints
from itschool_api.outbox import endpoints as outbox_endpoints
from itschool_api.privacy import endpoints as privacy_endpoints
from itschool_api.promotions import endpoints as promotions_endpoints
from itschool_api.roll import endpoints as roll_endpoints
from itschool_api.schools import endpoints as schools_endpoints
from itschool_api.settings import Settings
from itschool_api.storage import Storage
from itschool_api.wallets import endpoints as wallets_endpoints
from itschool_api.webhooks import described
from itschool_api.webhooks import endpoints as webhooks_endpoints

# Looked through in this order: what parents' apps ask most often comes first.
_ROUTERS = (
    dashboard_endpoints.router,
    wallets_endpoints.router,
    invoices_endpoints.router,
    auth_endpoints.router,
    session_endpoints.router,
    key_set_endpoints.router,
    second_factor_endpoints.router,
    schools_endpoints.router,
    banking_endpoints.router,
    events_endpoints.router,
    families_endpoints.router,
    members_endpoints.router,
    enrolments_endpoints.router,
    privacy_endpoints.router,
    promotions_endpoints.router,
    letters_endpoints.router,
    outbox_endpoints.router,
    webhooks_endpoints.router,
    audit_endpoints.router,
    roll_endpoints.router,
    health.router,
)
_SMALL_BODY_BYTES = 1024**2
# PostgreSQL's words for "not now": deadlock, lock not free in time, statement cancelled,
# too many connections, shutting down, starting up, connection lost, database not there (while
# a backup is restored).
_NOT_NOW = frozenset(
    [
        "40P01",
        "40001",
        "55P03",
        "57014",
        "53300",
        "57P01",
        "57P02",
        "57P03",
        "08006",
        "08003",
        "3D000",
    ]
)

_log = structlog.get_logger(__name__)


class _Api(FastAPI):
    """Measure bodies as they come, whatever length was announced.

    A length beyond the limit is answered by Starlette itself, in plain text and from outside of
    our middleware: without the request's id, the safety headers, or a problem.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "http":
            headers = [each for each in scope["headers"] if each[0] != b"content-length"]
            scope = {**scope, "headers": headers}
        await super().__call__(scope, receive, send)


def create_app(
    settings: Settings, database_url: str | None = None, ring: tokens.KeyRing | None = None
) -> FastAPI:
    """Return the application; `database_url` stands in for the settings' own.

    `ring` are the signing keys, where somebody has loaded them already.
    """
    url = database_url or settings.database_url

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if url is None:
            raise RuntimeError("no database: set DATABASE_URL, or serve with `itschool serve`")
        engine = create_engine(url, pool_size=settings.database_pool_size)
        wording.load()
        state = app.state
        state.sessions = create_sessions(engine)
        secret = settings.secret_key.get_secret_value()
        keys = ring or await signing_keys.load(state.sessions, secret, settings.public_url)
        state.keys = signing_keys.LiveKeyRing(state.sessions, keys)
        state.authority = authority(settings, keys)
        state.storage = Storage(settings.data_dir / "files")
        state.importing = asyncio.Semaphore(1)
        state.throttle = throttle.Throttle(state.sessions, settings.requests_per_minute)
        keeping_up = [asyncio.create_task(each.keep_up()) for each in (state.keys, state.throttle)]
        _log.info("api.ready")
        yield
        for task in keeping_up:
            task.cancel()
        await engine.dispose()
        _log.info("api.stopped")

    app = _Api(
        title="itschool-api",
        version=version("itschool-api"),
        summary="Wallets, invoices, and the bank's file that pays them.",
        description=openapi.DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        # A redirect would lead to whatever host the request names, with its body and token.
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
        max_body_size=_SMALL_BODY_BYTES,
        webhooks=described.router,
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.cursor_seal = pagination.CursorSeal(
        tokens.derived_key(settings.secret_key.get_secret_value(), "cursors")
    )
    app.add_middleware(preconditions.ConditionalAnswers)
    app.state.instruments = Instruments()
    app.add_middleware(
        middleware.RequestContext,
        origins=frozenset(settings.cors_origins),
        # Nobody reads what is counted without a token, so it is not.
        instruments=app.state.instruments if settings.metrics_token else None,
    )
    app.add_middleware(heads.HeadAnswers)
    errors.install(app)
    _tell_which_methods(app)
    _answer_database_troubles(app)
    known_alone = Depends(parameters.KnownAlone())
    for router in _ROUTERS:
        app.include_router(router, dependencies=[known_alone])
    app.include_router(docs.router)
    app.include_router(problems.router)
    app.include_router(metrics.router)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]
    return app


def authority(settings: Settings, keys: tokens.KeyRing) -> auth.Authority:
    """Return what issues tokens under these settings."""
    secret = settings.secret_key.get_secret_value()
    return auth.Authority(
        ring=keys,
        login_token_key=tokens.derived_key(secret, "login-tokens"),
        refresh_token_key=tokens.derived_key(secret, "refresh-tokens"),
        origin_key=tokens.derived_key(secret, "known-origins"),
        second_factor_key=tokens.derived_key(secret, "second-factors"),
        name=parseaddr(settings.mail_from)[0] or "iT-School",
        access_life=timedelta(minutes=settings.access_token_minutes),
        session_life=timedelta(days=settings.refresh_token_days),
    )


def _tell_which_methods(app: FastAPI) -> None:
    """Name every method of an address in `Allow`: by itself, the first route names its own."""

    @app.exception_handler(HTTPStatus.METHOD_NOT_ALLOWED)
    async def _wrong_method(request: Request, _: Exception) -> Response:
        methods = {
            method
            for route in iter_route_contexts(app.routes)
            if isinstance(route.original_route, Route)
            and route.path_regex.match(request.scope["path"])
            for method in route.methods or ()
        }
        if "GET" in methods:
            methods.add("HEAD")
        return errors.response(
            errors.MethodNotAllowed(), headers={"Allow": ", ".join(sorted(methods))}
        )


def _answer_database_troubles(app: FastAPI) -> None:
    @app.exception_handler(PoolExhausted)
    @app.exception_handler(ConnectionError)
    async def _busy(_: Request, error: Exception) -> Response:
        _log.warning("database.busy", error=type(error).__name__)
        return errors.response(errors.Unavailable(), headers={"Retry-After": "2"})

    @app.exception_handler(DBAPIError)
    async def _database(_: Request, error: DBAPIError) -> Response:
        state = getattr(error.orig, "sqlstate", None)
        if state not in _NOT_NOW and not error.connection_invalidated:
            raise error
        _log.warning("database.not_now", sqlstate=state)
        return errors.response(errors.Unavailable(), headers={"Retry-After": "2"})
