"""The API as an operator starts it: a process of `itschool serve`, and a port."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from itschool_api.settings import Settings

ITSCHOOL = Path(sys.executable).with_name("itschool")
_START_SECONDS = 60


def environment(settings: Settings, database_url: str) -> dict[str, str]:
    """Return the environment of a process on a database, and nothing of the developer's own."""
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "ITSCHOOL_SECRET_KEY": settings.secret_key.get_secret_value(),
        "ITSCHOOL_PUBLIC_URL": settings.public_url,
        "ITSCHOOL_DATA_DIR": str(settings.data_dir),
        "ITSCHOOL_DATABASE_POOL_SIZE": "5",
        # The server's own variable, which must not decide whose word is believed.
        "FORWARDED_ALLOW_IPS": "*",
    }


@asynccontextmanager
async def served(
    settings: Settings, database_url: str, folder: Path, *options: str
) -> AsyncIterator[str]:
    """Serve until the body is done; give the URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with (folder / f"{port}.log").open("w") as log:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own command, which returns at once
            [ITSCHOOL, "serve", "--port", str(port), *options],
            cwd=folder,
            env=environment(settings, database_url),
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            await _ready(url, process, Path(log.name))
            yield url
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 30)


async def _ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    async with asyncio.timeout(_START_SECONDS), httpx2.AsyncClient(base_url=url) as client:
        while True:
            assert process.poll() is None, f"it ended: see {log}"
            try:
                if (await client.get("/health/ready")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)
