"""Where it is measured: a PostgreSQL of its own, and processes of the API beside a bare one."""

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx2
import psutil

from itschool_api import embedded, schema
from itschool_api.database import APPLICATION_ROLE, Sessions, create_engine, create_sessions

_START_SECONDS = 60
_ITSCHOOL = str(Path(sys.executable).with_name("itschool"))


@dataclass(frozen=True, slots=True)
class Place:
    """A migrated database on a server as it is started for anybody: fsync on, nothing tuned."""

    server: embedded.EmbeddedServer
    folder: Path
    secret: str

    @property
    def url(self) -> str:
        """Return the URL for the role that the program logs in as."""
        return self.server.url(APPLICATION_ROLE)

    async def connect(self, role: str | None = None) -> asyncpg.Connection:
        """Connect as the owner or as a role."""
        url = self.server.url(role) if role else self.server.url()
        return await asyncpg.connect(url.replace("+asyncpg", ""))

    @asynccontextmanager
    async def sessions(self) -> AsyncIterator[Sessions]:
        """Open the database as the program does."""
        engine = create_engine(self.url)
        yield create_sessions(engine)
        await engine.dispose()

    def cpu_seconds(self) -> dict[int, float]:
        """Return the processor time of each process of PostgreSQL, by its number."""
        marker = self.folder / "postgres" / "postmaster.pid"
        postmaster = psutil.Process(int(marker.read_text().splitlines()[0]))
        spent = {}
        for each in postmaster.children():
            try:
                spent[each.pid] = seconds(each)
            except psutil.NoSuchProcess:
                continue
        return spent

    @asynccontextmanager
    async def api(self) -> AsyncIterator["Served"]:
        """Serve the API in a process of its own, as an operator does."""
        environment = {
            "DATABASE_URL": self.url,
            "ITSCHOOL_SECRET_KEY": self.secret,
            "ITSCHOOL_DATA_DIR": str(self.folder / "data"),
            "ITSCHOOL_BANK_FILE_MAX_BYTES": str(64 * 1024**2),
            "ITSCHOOL_LOG_LEVEL": "warning",
            # One caller stands for a school full of them here.
            "ITSCHOOL_REQUESTS_PER_MINUTE": "1000000",
        }
        async with _process([_ITSCHOOL, "serve"], environment, "/health/ready") as served:
            yield served

    @asynccontextmanager
    async def bare(self, school_id: object) -> AsyncIterator["Served"]:
        """Serve the bare application that the API is compared with."""
        command = [sys.executable, "-m", "uvicorn", "benchmarks.bare:app", "--no-access-log"]
        environment = {"BENCH_URL": self.server.url(), "BENCH_SCHOOL": str(school_id)}
        async with _process(command, environment, "/wallets") as served:
            yield served


@dataclass(frozen=True, slots=True)
class Served:
    """A process that answers."""

    url: str
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used."""
        return seconds(self.process)

    def most_mib(self) -> float:
        """Return the most memory that it ever had, as far as the system tells."""
        status = Path(f"/proc/{self.process.pid}/status")
        if status.exists():
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        return float(self.process.memory_info().rss) / 1024**2


@contextmanager
def place() -> Iterator[Place]:
    """Start PostgreSQL in a new folder, and remove both."""
    folder = Path(tempfile.mkdtemp(prefix="itschool-bench-"))
    server = None
    try:
        server = embedded.start(folder / "postgres")
        schema.upgrade(server.url())
        yield Place(server, folder, secrets.token_urlsafe(48))
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def seconds(process: psutil.Process) -> float:
    """Return the processor time of a process, its own and the system's for it."""
    times = process.cpu_times()
    return float(times.user + times.system)


def told(text: str) -> None:
    """Say how far it is, beside the result."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@asynccontextmanager
async def _process(
    command: list[str], environment: dict[str, str], ready: str
) -> AsyncIterator[Served]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own commands, which return at once
        [*command, "--port", str(port)],
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_START_SECONDS), httpx2.AsyncClient(base_url=url) as client:
            while not await _answers(client, ready):
                if process.poll() is not None:
                    raise RuntimeError(f"{command} ended")
                await asyncio.sleep(0.1)
        yield Served(url, psutil.Process(process.pid))
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)


async def _answers(client: httpx2.AsyncClient, path: str) -> bool:
    try:
        return (await client.get(path)).status_code == httpx2.codes.OK
    except httpx2.TransportError:
        return False
