"""`itschool serve` and `itschool worker`: the two processes of the service."""

import asyncio
import signal
from contextlib import suppress
from typing import Annotated

import typer
import uvicorn
from sqlalchemy import text

from itschool_api import schema
from itschool_api import worker as workers
from itschool_api.app import authority, create_app
from itschool_api.auth import signing_keys
from itschool_api.auth.tokens import KeyRing
from itschool_api.cli import runtime
from itschool_api.settings import Settings

_GRACE_SECONDS = 20
# Whom the second wall does not hold: superusers, BYPASSRLS, and the owner of the tables.
_UNBOUND = text(
    """
    SELECT rolsuper OR rolbypassrls OR EXISTS (
        SELECT FROM pg_class WHERE relname = 'transfers' AND relowner = pg_roles.oid
    ) FROM pg_roles WHERE rolname = current_user
    """
)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    trusted_proxies: Annotated[
        str,
        typer.Option(
            envvar="ITSCHOOL_TRUSTED_PROXIES",
            help="Addresses whose X-Forwarded-For is believed, separated by commas.",
        ),
    ] = "",
) -> None:
    """Serve the API. Start one process for each core; they share nothing but the database."""
    settings = runtime.settings()
    with runtime.database(settings) as (url, _):
        # Said in one line here; inside the server it would be a traceback.
        ring = runtime.run(_refuse_to_start(settings, url))
        uvicorn.run(
            create_app(settings, url, ring),
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=trusted_proxies or None,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )


async def _refuse_to_start(settings: Settings, url: str) -> KeyRing:
    """Return the signing keys.

    End where the tables are not the newest, the role is too strong, or the secret another.
    """
    async with runtime.sessions_of(url) as sessions:
        async with sessions() as session:
            query = text("SELECT version_num FROM alembic_version")
            found = (await session.execute(query)).scalar()
            unbound = (await session.execute(_UNBOUND)).scalar_one()
        if found != schema.head():
            runtime.refuse("the tables are not the newest: itschool db upgrade")
        if unbound:
            runtime.refuse(
                "DATABASE_URL logs in as a role that row-level security does not bind: "
                "a superuser, or the tables' owner. Use the role itschool_app."
            )
        secret = settings.secret_key.get_secret_value()
        return await signing_keys.load(sessions, secret, settings.public_url)


def worker() -> None:
    """Do the jobs that wait in the database, such as sending e-mails, until interrupted."""
    settings = runtime.settings()
    with runtime.database(settings) as (url, _):
        ring = runtime.run(_refuse_to_start(settings, url))
        runtime.run(work(settings, url, ring))


async def work(settings: Settings, url: str, ring: KeyRing) -> None:
    """Do jobs until SIGINT or SIGTERM; what is under way is finished first."""
    async with runtime.sessions_of(url) as sessions:
        prepared = workers.Worker(
            settings, sessions, authority(settings, ring), workers.delivery_of(settings)
        )
        task = asyncio.ensure_future(workers.run(prepared, url))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            # Windows has no such handlers; there a KeyboardInterrupt ends the loop.
            with suppress(NotImplementedError):
                loop.add_signal_handler(number, task.cancel)
        with suppress(asyncio.CancelledError):
            await task
