"""One real PostgreSQL for the whole run; each worker a database of its own, each test a school.

Set ITSCHOOL_TEST_OWNER_URL (postgresql+asyncpg://…, a superuser) to test against another server.
"""

import asyncio
import io
import logging
import os
import random
import secrets
import shutil
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import asyncpg
import pytest
from cryptography import x509
from fastapi import FastAPI
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from itschool_api import clock, embedded, logs, schema
from itschool_api.app import create_app
from itschool_api.auth import limits, passwords, throttle
from itschool_api.database import APPLICATION_ROLE, Sessions
from itschool_api.settings import Settings
from tests.auth.authenticator import Watch, beginning_of_a_window
from tests.certificates import self_signed
from tests.kit import School, open_school
from tests.outbox.post import Post
from tests.spare import Spare

# An example that takes longer than 200 ms tells of a busy machine.
hypothesis.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.load_profile("tests")

_OWNER_URL = "ITSCHOOL_TEST_OWNER_URL"
_TEMPLATE = "itschool_template"
_LONG_FOR_A_TEST = 8  # seconds; a run waits for so long once or never


@dataclass
class _Run:
    """What the process that began the run must end."""

    server: embedded.EmbeddedServer | None = None
    folder: Path | None = None


_run = _Run()


def pytest_configure(config: pytest.Config) -> None:
    """Start the server and build the template, once: workers inherit the environment."""
    # As in production: a pretty traceback would show local variables, and take seconds.
    logs.configure("info", "json")
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    if _OWNER_URL not in os.environ:
        _run.folder = Path(tempfile.mkdtemp(prefix="itschool-test-"))
        _run.server = embedded.start(_run.folder / "postgres")
        # Nothing of a test run needs to survive a crash of the machine.
        _run.server.run("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf()")
        os.environ[_OWNER_URL] = _run.server.url()
    asyncio.run(_make_database(_TEMPLATE))
    schema.upgrade(_url(_TEMPLATE).render_as_string(hide_password=False))


class _OneInstallation(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Deal tests out one by one, but what shares an installation to one process, in their order.

    `--dist loadgroup` was for this; with pytest 9.2 it silently groups nothing
    (pytest-xdist issue 1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        folder = nodeid.split("/")[1]
        return folder if folder in {"demo", "faults"} else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _OneInstallation(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server."""
    del config
    if _run.server is not None:
        _run.server.stop()
        os.environ.pop(_OWNER_URL, None)
    if _run.folder is not None:
        shutil.rmtree(_run.folder, ignore_errors=True)


def _url(database: str, role: str | None = None) -> URL:
    url = make_url(os.environ[_OWNER_URL]).set(database=database)
    return url.set(username=role, password=None) if role else url


async def _make_database(name: str, template: str | None = None) -> None:
    admin = _url("postgres").set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(admin)
    await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await connection.execute(
        f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else "")
    )
    await connection.close()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def owner_url(worker_id: str) -> str:
    """A database of this worker's own, as the tables' owner."""
    name = f"itschool_{worker_id}"
    asyncio.run(_make_database(name, _TEMPLATE))
    return _url(name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def database_url(owner_url: str) -> str:
    """The same database, as the role that the program logs in as."""
    name = make_url(owner_url).database or ""
    return _url(name, APPLICATION_ROLE).render_as_string(hide_password=False)


@pytest.fixture(scope="session", autouse=True)
def _throttle_tells_when_asked() -> Iterator[None]:
    """Once a second by itself, its statements would be among those that a test counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(throttle, "_TELL_EVERY", 3600.0)
        yield


_IN_PRODUCTION = {name: getattr(passwords, name) for name in ("_context", "_NOBODY")}


@pytest.fixture(scope="session", autouse=True)
def _hashing_is_cheap() -> Iterator[None]:
    """Hash by the same steps for next to nothing; a test of what it costs asks for `dear_hashing`.

    A third of a run's time went into the passwords of people whom nobody attacks.
    """
    cheap = _IN_PRODUCTION["_context"].using(argon2__memory_cost=64, argon2__time_cost=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_context", cheap)
        patch.setattr(passwords, "_NOBODY", cheap.hash(secrets.token_hex()))
        yield


@pytest.fixture
def dear_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash at the price that passwords have in production."""
    for name, value in _IN_PRODUCTION.items():
        monkeypatch.setattr(passwords, name, value)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        secret_key=secrets.token_urlsafe(48),
        environment="development",
        data_dir=tmp_path_factory.mktemp("data"),
        public_url="https://api.example.org",
        webhook_loopback=True,
        requests_per_minute=10**9,
    )


@pytest.fixture(scope="session")
async def app(settings: Settings, database_url: str) -> AsyncIterator[FastAPI]:
    app = create_app(settings, database_url)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
async def owner(owner_url: str) -> AsyncIterator[AsyncEngine]:
    """The database as the tables' owner, to look behind the program's back."""
    engine = create_async_engine(owner_url, poolclass=NullPool)
    yield engine
    await engine.dispose()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged in production, at the most talkative level."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure("debug", "json")
    stream = io.StringIO()
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    # The mail server of the tests themselves.
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    yield stream
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture(autouse=True)
def _within_a_window() -> None:
    """Let no window of the limits end in the midst of a test: what it counts would begin anew."""
    now = clock.now()
    left = (limits.window_at(now) + limits.WINDOW - now).total_seconds()
    if left < _LONG_FOR_A_TEST:
        time.sleep(left)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """The program's clock, stopped where limits begin to count anew."""
    found = Watch(beginning_of_a_window())
    monkeypatch.setattr(clock, "now", lambda: found.at)
    return found


@pytest.fixture
def chance() -> random.Random:
    """Return other chances each time; a test that fails shows the seed, ITSCHOOL_SEED repeats it."""
    seed = int(os.environ.get("ITSCHOOL_SEED") or secrets.randbelow(10**6))
    print(f"ITSCHOOL_SEED={seed}")  # noqa: T201 - pytest shows it where it matters
    return random.Random(seed)


@pytest.fixture
def sessions(app: FastAPI) -> Sessions:
    found: Sessions = app.state.sessions
    return found


@pytest.fixture
async def school(app: FastAPI) -> School:
    """A school of the test's own, with a manager."""
    return await open_school(app)


@pytest.fixture
async def other_school(app: FastAPI) -> School:
    """Another school, to which nothing of the first may show."""
    return await open_school(app)


@pytest.fixture
async def post(settings: Settings, app: FastAPI, database_url: str, owner: AsyncEngine) -> Post:
    """A post office in which no other test's mail lies."""
    async with owner.begin() as connection:
        await connection.execute(text("TRUNCATE pgqueuer"))
    return Post(settings, app, database_url)


@pytest.fixture
async def spare(worker_id: str) -> AsyncIterator[Spare]:
    admin_url = make_url(os.environ["ITSCHOOL_TEST_OWNER_URL"]).set(
        drivername="postgresql", database="postgres"
    )
    admin = await asyncpg.connect(admin_url.render_as_string(hide_password=False))
    made = Spare(f"itschool_spare_{worker_id}", admin)
    await made.make()
    yield made
    await made.drop()
    await admin.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1, with its key, in one file."""
    here = "127.0.0.1"
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    return self_signed(file, here, x509.IPAddress(IPv4Address(here)))


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def client_tls(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))
