"""`itschool keys`: the keys that sign access tokens."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock
from itschool_api.auth import signing_keys, tokens
from itschool_api.auth.models import SigningKey
from itschool_api.cli import runtime
from itschool_api.settings import DatabaseSettings

app = typer.Typer(no_args_is_help=True, help="The keys that sign access tokens.")

Result = TypeVar("Result")


@app.command("list")
def list_keys() -> None:
    """Show the keys, oldest first: their ids, and what each does until when."""
    keys = _run(runtime.database_settings(), signing_keys.all_keys)
    now = clock.now()
    for key in keys:
        typer.echo(f"{key.kid}  {_state(key, now, signs=key is tokens.signer(keys, now))}")


@app.command()
def rotate(
    lead_minutes: Annotated[
        int,
        typer.Option(
            min=0,
            max=1440,
            help="When it begins to sign; until then, all processes and caches learn of it.",
        ),
    ] = int(signing_keys.LEAD.total_seconds() // 60),
) -> None:
    """Make a new key, which signs soon; the present one goes when its last token has expired.

    No request fails meanwhile, and nothing is to be restarted.
    """
    settings = runtime.settings()

    async def _rotate(session: AsyncSession) -> signing_keys.Rotation:
        return await signing_keys.rotate(
            session,
            settings.secret_key.get_secret_value(),
            lead=timedelta(minutes=lead_minutes),
            access_life=timedelta(minutes=settings.access_token_minutes),
        )

    done = _run(settings, _rotate)
    before = " and ".join(done.replaced) or "none"
    typer.echo(
        f"New key {done.kid}: it is published now and signs from {_moment(done.signs_from)} on.\n"
        f"Before it: {before}; what they signed is taken until {_moment(done.verify_until)}."
    )


@app.command()
def retire(
    kid: Annotated[str, typer.Argument(help="The key's id: see `itschool keys list`.")],
) -> None:
    """Refuse a key's tokens at once: it leaked. Apps refresh, and nobody has to log in anew.

    Running processes know of it within half a minute.
    """
    settings = runtime.settings()

    async def _retire(session: AsyncSession) -> str:
        return await signing_keys.retire(session, settings.secret_key.get_secret_value(), kid)

    successor = _run(settings, _retire)
    seconds = int(signing_keys.RELOAD_EVERY.total_seconds())
    typer.echo(
        f"Key {kid} is retired, and {successor} signs; within {seconds} seconds no process takes "
        "its tokens any more."
    )


def _run(
    settings: DatabaseSettings, work: Callable[[AsyncSession], Coroutine[Any, Any, Result]]
) -> Result:
    async def _work(url: str) -> Result:
        async with runtime.sessions_of(url) as sessions, sessions.begin() as session:
            return await work(session)

    with runtime.database(settings) as (url, _):
        return runtime.run(_work(url))


def _state(key: SigningKey, now: datetime, *, signs: bool) -> str:
    if key.retired_at is not None and key.retired_at <= now:
        return f"retired since {_moment(key.retired_at)}"
    until = f", verifies until {_moment(key.retired_at)}" if key.retired_at else ""
    if key.signs_from > now:
        return f"signs from {_moment(key.signs_from)} on{until}"
    return ("signs" if signs else "signs no more") + until


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
