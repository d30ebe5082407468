"""`itschool demo`: a school to try everything on, in one folder and one process."""

import asyncio
import errno
import json
import os
import shlex
import signal
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import structlog
import typer
import uvicorn
from alembic.util import CommandError
from fastapi import FastAPI
from pydantic import SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from rich.status import Status

from itschool_api import embedded, logs, schema
from itschool_api import worker as workers
from itschool_api.app import create_app
from itschool_api.cli import runtime
from itschool_api.database import APPLICATION_ROLE
from itschool_api.demo import mailbox
from itschool_api.demo.filling import ACCOUNTANT, ADMIN, MANAGER, PARENT, TEACHER, fill
from itschool_api.demo.folder import Folder, FolderRefused, held
from itschool_api.demo.people import Login
from itschool_api.settings import Settings
from itschool_api.storage import Storage

_GRACE_SECONDS = 5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# The caller's own database and settings have no say here.
_NOT_OURS = ("DATABASE_", "ITSCHOOL_", "PG")
_EXAMPLE = Path("examples/spa/package.json")
_log = structlog.get_logger(__name__)


class _DemoSettings(Settings):
    """Settings that only this module decides."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Listen neither to the environment nor to `.env`."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


class _Progress:
    """Tells what is being done, on standard error: in place in a terminal, else line by line."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._status: Status | None = None

    def tell(self, step: str) -> None:
        """Say what is done next."""
        if self._quiet:
            return
        if not runtime.is_terminal():
            typer.echo(f"{step} …", err=True)
        elif self._status is None:
            self._status = runtime.errors_console.status(f"{step} …")
            self._status.start()
        else:
            self._status.update(f"{step} …")

    def end(self) -> None:
        """Leave the terminal clean."""
        if self._status is not None:
            self._status.stop()


class _Server(uvicorn.Server):
    """Calls back once it takes requests."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        await super().startup(sockets)
        if self.started:
            self._ready()


def demo(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    data_dir: Annotated[
        Path, typer.Option(help="Folder that everything is kept in; remove it to begin anew.")
    ] = Path(".demo"),
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line when it is ready, and nothing else.")
    ] = False,
) -> None:
    """Serve two invented schools with families, invoices and a bank's file, to try things on.

    It has a PostgreSQL of its own and needs no configuration. A second start keeps the data.
    """
    for name in [name for name in os.environ if name.startswith(_NOT_OURS)]:
        del os.environ[name]
    for number in _SIGNALS:
        signal.signal(number, _end)
    logs.configure("warning", "auto")
    progress = _Progress(quiet=as_json)
    try:
        with held(data_dir) as folder, closing(_listening(host, port)) as listener:
            _run(folder, listener, progress, as_json=as_json)
    except (FolderRefused, embedded.EmbeddedServerFailed) as error:
        progress.end()
        runtime.refuse(str(error))
    finally:
        progress.end()


def _run(folder: Folder, listener: socket.socket, progress: _Progress, *, as_json: bool) -> None:
    """Bring up the database, fill it if it is new, and serve until a signal comes."""
    url = _url(listener)
    settings = _DemoSettings(
        secret_key=SecretStr(folder.secret()),
        environment="development",
        data_dir=folder.path,
        public_url=url,
        web_app_url=f"{url}/docs",
    )
    progress.tell("Starting PostgreSQL")
    if folder.api_key() is None:
        folder.clear()
    # Who holds the folder owns its server, also one that a killed demonstration left.
    server = replace(embedded.start(folder.path / "postgres"), owned=True)
    try:
        _upgrade(server, folder)
        app = create_app(settings, server.url(APPLICATION_ROLE))
        app.include_router(mailbox.router(folder.mails))
        config = _config(app)
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as loop:
            api_key = folder.api_key() or loop.run(_fill(folder, server, progress.tell))
            progress.tell("Starting the API")

            def announce() -> None:
                progress.end()
                (_print_json if as_json else _print)(url, api_key, folder)
                logs.configure("info", "auto")

            loop.run(_serve(config, app, listener, server, announce))
    finally:
        server.stop()


def _upgrade(server: embedded.EmbeddedServer, folder: Folder) -> None:
    try:
        schema.upgrade(server.url())
    except CommandError as error:
        raise FolderRefused(
            f"{folder.path} is of another version of this program ({error}): remove it to begin "
            "anew."
        ) from error


async def _fill(
    folder: Folder, server: embedded.EmbeddedServer, tell: Callable[[str], None]
) -> str:
    """Write the demonstration, and return the API key."""
    async with runtime.sessions_of(server.url(APPLICATION_ROLE)) as sessions:
        filled = await fill(sessions, Storage(folder.path / "files"), tell)
    folder.keep(filled)
    return filled.api_key


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


async def _serve(
    config: uvicorn.Config,
    app: FastAPI,
    listener: socket.socket,
    database: embedded.EmbeddedServer,
    announce: Callable[[], None],
) -> None:
    """Serve and send mails until a signal comes; `announce` is called once requests are taken."""
    working: list[asyncio.Task[None]] = []

    def ready() -> None:
        working.append(asyncio.create_task(_work(app, database.url(APPLICATION_ROLE))))
        announce()

    server = _Server(config, ready)

    def end(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    # While it serves, uvicorn listens to the signals itself, and raises them again at its end.
    for number in _SIGNALS:
        signal.signal(number, end)
    await server.serve(sockets=[listener])
    if not server.started:
        runtime.refuse("the API did not start; the log above says why.")
    for task in working:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _work(app: FastAPI, url: str) -> None:
    """Send the mails that requests ask for, into the data folder."""
    settings: Settings = app.state.settings
    async with runtime.sessions_of(url) as sessions:
        worker = workers.Worker(
            settings, sessions, app.state.authority, workers.delivery_of(settings)
        )
        try:
            await workers.run(worker, url)
        except Exception:  # noqa: BLE001 - whatever it was, the API goes on without mails
            _log.exception("worker.crashed")


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """End by a signal, undoing what is under way."""
    raise SystemExit(128 + number)


def _listening(host: str, port: int) -> socket.socket:
    """Take the port from the beginning, so that nobody waits for a refusal."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            runtime.refuse(f"port {port} is taken by another program: name another with --port.")
        runtime.refuse(f"cannot listen on {host}, port {port}: {error.strerror}.")
    return listener


def _url(listener: socket.socket) -> str:
    """Return where this machine reaches the listener."""
    host, port, *_ = listener.getsockname()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _print_json(url: str, api_key: str, folder: Folder) -> None:
    ready = {
        "url": url,
        "mails": f"{url}/demo/mails",
        "api_key": api_key,
        "coda_file": str(folder.next_file),
        "parent": _login(PARENT),
        "teacher": _login(TEACHER),
        "manager": _login(MANAGER),
        "accountant": _login(ACCOUNTANT),
        "admin": _login(ADMIN),
    }
    typer.echo(json.dumps(ready))


def _login(login: Login) -> dict[str, str]:
    return {"username": login.user_name, "password": login.password}


def _print(url: str, api_key: str, folder: Folder) -> None:
    file = shlex.quote(str(folder.next_file))
    # Only a checkout has it.
    app = "\n  Web app         make app   (in another terminal; needs Node.js)" * _EXAMPLE.exists()
    typer.echo(f"""
The demonstration runs; Ctrl-C ends it. Its data stay in {folder.path}.

  API             {url}
  Documentation   {url}/docs   (to read: {url}/reference)
  Mailbox         {url}/demo/mails   (all e-mails stay here){app}

  Parent          {PARENT.user_name} / {PARENT.password}   (two children, 2 invoices to pay)
  Teacher         {TEACHER.user_name} / {TEACHER.password}
  Manager         {MANAGER.user_name} / {MANAGER.password}
  Accountant      {ACCOUNTANT.user_name} / {ACCOUNTANT.password}
  Admin           {ADMIN.user_name} / {ADMIN.password}   (members, API keys, audit trail, privacy)

Post the bank's next file, and the parent's wallet and an invoice are paid (once: posted again it
changes nothing; remove {folder.path} to begin anew):

  curl {url}/v1/bank-statements \\
    -H 'Authorization: Bearer {api_key}' \\
    -H 'Content-Type: text/plain' --data-binary @{file}
""")
