"""What the commands share: settings with a friendly refusal, the database, the event loop."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import embedded, errors, logs, trail
from itschool_api.auth.tokens import WrongSecretKey
from itschool_api.database import (
    APPLICATION_ROLE,
    Sessions,
    create_engine,
    create_sessions,
)
from itschool_api.settings import DatabaseSettings, Settings

Result = TypeVar("Result")
Configuration = TypeVar("Configuration", bound=DatabaseSettings)

errors_console = Console(stderr=True, highlight=False)
_UNDEFINED_TABLE = "42P01"
FAILED = 1
MISUSED = 2


def refuse(message: str, code: int = FAILED) -> NoReturn:
    """Say what is wrong and what to do next, and end."""
    # Brackets in a message are no markup; a log gets each line whole.
    errors_console.print(f"[red]itschool:[/red] {escape(message)}", soft_wrap=True)
    raise typer.Exit(code)


def settings() -> Settings:
    """Return the settings of the environment, or refuse with one line for each mistake."""
    return _configured(Settings)


def database_settings(data_dir: Path | None = None) -> DatabaseSettings:
    """Return what commands need that only look at the data; they know no secret.

    With `data_dir`, the embedded database of that folder, whatever the environment says.
    """
    found = _configured(DatabaseSettings)
    if data_dir is None:
        return found
    return found.model_copy(update={"data_dir": data_dir, "database_url": None})


def _configured(kind: type[Configuration]) -> Configuration:
    try:
        found = kind()
    except ValidationError as error:
        lines = []
        for each in error.errors():
            name = str(each["loc"][0]).upper() if each["loc"] else ""
            message = each["msg"].removeprefix("Value error, ")
            if each["type"] == "missing":
                message = (
                    "is missing. Make one: "
                    'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
                )
            variable = name if not name or name.startswith("DATABASE") else f"ITSCHOOL_{name}"
            lines.append(f"{variable} {message}".strip())
        refuse("the configuration does not work:\n  " + "\n  ".join(lines), MISUSED)
    logs.configure(found.log_level, found.log_format)
    return found


def _said(error: ErrorDetails) -> str:
    """Say what is wrong with a value, and which."""
    name = ".".join(str(part) for part in error["loc"]) or repr(error["input"])
    return f"{name}: {error['msg']}"


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run one piece of work to its end; a refusal becomes one line that says what to do."""
    try:
        return asyncio.run(work)
    except errors.Refusal as refusal:
        refuse(str(refusal))
    except WrongSecretKey as error:
        refuse(f"ITSCHOOL_SECRET_KEY is not the one from before: {error}", MISUSED)
    except ValidationError as error:
        refuse("; ".join(_said(each) for each in error.errors()), MISUSED)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _UNDEFINED_TABLE:
            refuse("the database has no tables yet: itschool db upgrade")
        if getattr(error.orig, "sqlstate", None) is None or error.connection_invalidated:
            refuse(f"the database cannot be reached: {error.orig}")
        raise
    except OSError as error:
        refuse(f"the database cannot be reached: {error}")


@contextmanager
def embedded_server(folder: Path) -> Iterator[embedded.EmbeddedServer]:
    """Run the embedded PostgreSQL of a data folder, or join it where it runs."""
    try:
        server = embedded.start(folder / "postgres")
    except embedded.EmbeddedServerFailed as error:
        refuse(str(error))
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def database(found: DatabaseSettings, *, new: bool = False) -> Iterator[tuple[str, str]]:
    """Give the URLs of the program's role and of the tables' owner.

    What the database refuses becomes one line.
    """
    if found.database_url is not None:
        try:
            yield found.database_url, found.database_owner_url or found.database_url
        except DBAPIError as error:
            refuse(f"the database refuses: {str(error.orig).split(': ', 1)[-1]}")
        except OSError as error:
            refuse(f"the database of DATABASE_URL does not answer: {error}")
        return
    if not (found.data_dir / "postgres").exists() and not new:
        refuse(
            f"there is no database in {found.data_dir}: set DATABASE_URL, or make one there "
            "with: itschool db upgrade",
            MISUSED,
        )
    with embedded_server(found.data_dir) as server:
        yield server.url(APPLICATION_ROLE), server.url()


@asynccontextmanager
async def sessions_of(url: str) -> AsyncIterator[Sessions]:
    """Give sessions on a database, and close their connections in the end."""
    engine = create_engine(url)
    try:
        yield create_sessions(engine)
    finally:
        await engine.dispose()


def in_school(
    school_id: UUID, action: str, work: Callable[[AsyncSession], Coroutine[Any, Any, Result]]
) -> Result:
    """Run one transaction within a school, on the configured database; the trail names `action`."""

    async def _work(url: str) -> Result:
        async with (
            sessions_of(url) as sessions,
            trail.acting(sessions, school_id, actor=trail.OPERATOR, action=action) as session,
        ):
            return await work(session)

    with database(database_settings()) as (url, _):
        return run(_work(url))


def is_terminal() -> bool:
    """Tell whether a person watches."""
    return os.isatty(2)
